//! Which fields there are, and their types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::value::FieldType;

/// The fields of an index by name, in the order of their names.
///
/// In a configuration it is a table: `brand = "keyword"`. A dotted name, `"size.width"`, is that
/// of a nested object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldSchema(BTreeMap<String, FieldType>);

impl FieldSchema {
    /// No fields.
    pub fn new() -> Self {
        FieldSchema::default()
    }

    /// Adds a field, or gives it another type.
    pub fn insert(&mut self, name: impl Into<String>, field_type: FieldType) {
        self.0.insert(name.into(), field_type);
    }

    /// The type of a field, if there is one of this name.
    pub fn get(&self, name: &str) -> Option<FieldType> {
        self.0.get(name).copied()
    }

    /// Names and types, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, FieldType)> {
        self.0.iter().map(|(name, &ty)| (name.as_str(), ty))
    }

    /// The names, ascending.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The place of a field in the order of names, and its type.
    pub(crate) fn place(&self, name: &str) -> Option<(usize, FieldType)> {
        self.0
            .iter()
            .enumerate()
            .find(|(_, (other, _))| *other == name)
            .map(|(place, (_, &field_type))| (place, field_type))
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name nearest to `word` by edit distance, if one is near enough to be what was meant.
    pub fn nearest(&self, word: &str) -> Option<&str> {
        let distance =
            |name: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase());
        self.names()
            .map(|name| (distance(name), name))
            .filter(|(distance, name)| 2 * distance <= name.chars().count().max(2))
            .min()
            .map(|(_, name)| name)
    }
}

impl<S: Into<String>> FromIterator<(S, FieldType)> for FieldSchema {
    fn from_iter<I: IntoIterator<Item = (S, FieldType)>>(fields: I) -> Self {
        FieldSchema(
            fields
                .into_iter()
                .map(|(name, ty)| (name.into(), ty))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_table_of_names_and_types() {
        let text = "brand = \"keyword\"\n\"size.width\" = \"float\"\n";
        let schema: FieldSchema = toml::from_str(text).unwrap();
        assert_eq!(schema.get("size.width"), Some(FieldType::Float));
        assert_eq!(toml::to_string(&schema).unwrap(), text);
        assert!(toml::from_str::<FieldSchema>("brand = \"text\"").is_err());
        assert!(toml::from_str::<FieldSchema>("brand = \"date\"\nbrand = \"date\"").is_err());
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["brand", "volume_l", "id"];
        let schema: FieldSchema = names
            .map(|name| (name, FieldType::Keyword))
            .into_iter()
            .collect();
        for (word, nearest) in [
            ("brnad", Some("brand")),
            ("Brand", Some("brand")),
            ("volume", Some("volume_l")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(schema.nearest(word), nearest, "{word}");
        }
    }
}
