//! Results as JSON, one object a line.

use std::io::Write;

use anyhow::Result;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Format;

/// A JSON object on a line of its own.
pub(crate) struct Json;

impl<R: Serialize> Format<R> for Json {
    fn write(&self, result: &R, out: &mut dyn Write) -> Result<()> {
        // As a value first: it holds every number in double precision, so that readers
        // find the value of a single-precision score and not its shortest decimal.
        writeln!(out, "{}", serde_json::to_value(result)?)?;
        Ok(())
    }
}

/// An object whose keys are data, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries<V>(pub(crate) Vec<(String, V)>);

impl<V: Serialize> Serialize for Entries<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<V> FromIterator<(String, V)> for Entries<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(entries: I) -> Self {
        Entries(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_a_line_and_keeps_its_order() {
        let entries: Entries<f32> = [("b".to_owned(), 0.1), ("a".to_owned(), 2.0)]
            .into_iter()
            .collect();
        let mut text = Vec::new();
        Json.write(&entries, &mut text).unwrap();
        let expected = "{\"b\":0.10000000149011612,\"a\":2.0}\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
