//! Parses one line of JSON as a document or a query, in the layout of BEIR and its variants.

use std::fmt;
use std::path::Path;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value};
use treffer_types::{Document, Query};

use crate::columns::Columns;
use crate::error::Error;
use crate::names::{self, Names};
use crate::problem::{Reason, excerpt};

/// Parses an id (a string or an integer), a title and a text from the fields that `fields`
/// name, or those with the usual names, and a vector from the field `vector`, if there is one.
/// Other fields become metadata, in their order, except an empty `metadata` object. If a record has
/// several names of a field, the one listed first is read and the others become metadata.
/// `unseen` learns which of the chosen fields the record has.
pub(crate) fn document(
    line: &str,
    fields: &Columns,
    vector: Option<&str>,
    unseen: &mut Unseen,
) -> Result<(Document, Option<Vec<f32>>), Reason> {
    let (mut record, vector) = match vector {
        None => (object(line)?, None),
        Some(field) => object_and_vector(line, field)?,
    };
    unseen.look_at(&record);
    let id = take_id(&mut record, fields.id.as_deref(), names::DOCUMENT_ID)?;
    let title = take_text(&mut record, fields.title.as_deref(), names::TITLE)?;
    let text = take_text(&mut record, fields.text.as_deref(), names::TEXT)?;
    if title.trim().is_empty() && text.trim().is_empty() {
        return Err(Reason::EmptyText);
    }
    if record
        .get("metadata")
        .is_some_and(|value| value.is_null() || value.as_object().is_some_and(Map::is_empty))
    {
        record.shift_remove("metadata");
    }
    let document = Document {
        id,
        title,
        text,
        headings: Vec::new(),
        metadata: record,
    };
    Ok((document, vector.transpose()?))
}

/// Chosen fields of title and text that no record had so far. A record may do without them, but if
/// all do, the name is wrong, and every title or text would be lost without a word. (Without its
/// id, each record is a problem.)
#[derive(Debug)]
pub(crate) struct Unseen {
    fields: Vec<String>,
    /// The fields that the first record has.
    found: Option<String>,
}

impl Unseen {
    /// What is chosen, before the first record.
    pub(crate) fn of(fields: &Columns) -> Self {
        let chosen = [&fields.title, &fields.text].into_iter().flatten();
        Unseen {
            fields: chosen.cloned().collect(),
            found: None,
        }
    }

    fn look_at(&mut self, record: &Map<String, Value>) {
        if self.fields.is_empty() {
            return;
        }
        self.fields
            .retain(|field| names::key(record, &[field.as_str()]).is_none());
        self.found.get_or_insert_with(|| {
            let names: Vec<&str> = record.keys().map(String::as_str).collect();
            excerpt(&names.join(", "))
        });
    }

    /// Fails if there were records, and a chosen field was in none of them.
    pub(crate) fn check(&self, path: &Path) -> Result<(), Error> {
        match (self.fields.first(), &self.found) {
            (Some(field), Some(found)) => Err(Error::MissingField {
                path: path.to_owned(),
                wanted: field.clone(),
                found: found.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// Parses an id, a text, and tags: an array of strings or one string, in `tags` or
/// `metadata.tags`. Other fields are dropped.
pub(crate) fn query(line: &str) -> Result<Query, Reason> {
    let mut record = object(line)?;
    let id = take_id(&mut record, None, names::QUERY_ID)?;
    let text = take_text(&mut record, None, names::QUERY_TEXT)?;
    let vector = record.get(names::VECTOR).map(vector).transpose()?;
    if text.trim().is_empty() && vector.is_none() {
        return Err(Reason::EmptyText);
    }
    let in_record = names::key(&record, names::TAGS).and_then(|key| record.get(&key));
    let in_metadata = || {
        let metadata = record.get("metadata")?.as_object()?;
        metadata.get(&names::key(metadata, names::TAGS)?)
    };
    let tags = match in_record.or_else(in_metadata) {
        Some(tags) => tags_of(tags)?,
        None => Vec::new(),
    };
    Ok(Query {
        id,
        text,
        tags,
        vector,
        ..Query::default()
    })
}

/// A vector of finite numbers, at least one of them not 0.
///
/// # Errors
/// If it is something else.
pub fn vector(value: &Value) -> Result<Vec<f32>, Reason> {
    let bad = |why: &str| Reason::BadVector { why: why.into() };
    let Value::Array(values) = value else {
        return Err(bad("it is no array of numbers"));
    };
    let number = |value: &Value| value.as_f64().map(|value| value as f32);
    let vector: Option<Vec<f32>> = values.iter().map(number).collect();
    usable(vector.ok_or_else(|| bad("a value is no number"))?)
}

/// The vector, if something can be compared with it.
fn usable(vector: Vec<f32>) -> Result<Vec<f32>, Reason> {
    let bad = |why: &str| Reason::BadVector { why: why.into() };
    if vector.iter().any(|value| !value.is_finite()) {
        return Err(bad("a value is too large for 32 bits"));
    }
    if vector.iter().all(|value| *value == 0.0) {
        return Err(bad("it has no direction: no value but 0"));
    }
    Ok(vector)
}

/// An object without one of its fields, and what that field holds as a vector.
type WithoutVector = (Map<String, Value>, Option<Result<Vec<f32>, Reason>>);

fn object_and_vector(line: &str, field: &str) -> Result<WithoutVector, Reason> {
    let mut input = serde_json::Deserializer::from_str(line);
    let read = input.deserialize_map(WithVector { field });
    if let Ok((record, values)) = read
        && input.end().is_ok()
    {
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        return Ok((record, values.map(single).map(usable)));
    }
    // To say what is wrong with it.
    let mut record = object(line)?;
    let value = record.shift_remove(field);
    Ok((record, value.as_ref().map(vector)))
}

/// Reads an object, one of whose fields holds numbers: a [`Value`] for each would take longer than
/// all else that is done with the record's text.
struct WithVector<'a> {
    field: &'a str,
}

impl<'de> Visitor<'de> for WithVector<'_> {
    type Value = (Map<String, Value>, Option<Vec<f64>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut record, mut values) = (Map::new(), None);
        while let Some(name) = fields.next_key::<String>()? {
            if name == self.field {
                values = Some(fields.next_value()?);
            } else {
                record.insert(name, fields.next_value()?);
            }
        }
        Ok((record, values))
    }
}

pub(crate) fn object(line: &str) -> Result<Map<String, Value>, Reason> {
    match serde_json::from_str(line) {
        Ok(Value::Object(record)) => Ok(record),
        Ok(other) => Err(Reason::NotAnObject {
            found: kind(&other),
        }),
        Err(error) => Err(Reason::BrokenJson {
            message: message(&error),
            column: error.column(),
        }),
    }
}

/// The parser's message without its position: the parser sees one line and would always
/// say line 1.
fn message(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    whole.strip_suffix(&position).unwrap_or(&whole).to_owned()
}

/// The key of the chosen field, or of the first one with a usual name.
pub(crate) fn key(
    record: &Map<String, Value>,
    chosen: Option<&str>,
    usual: Names,
) -> Option<String> {
    match chosen {
        Some(name) => names::key(record, &[name]),
        None => names::key(record, usual),
    }
}

pub(crate) fn take_id(
    record: &mut Map<String, Value>,
    chosen: Option<&str>,
    usual: Names,
) -> Result<String, Reason> {
    let Some(field) = key(record, chosen, usual) else {
        return Err(Reason::MissingId);
    };
    let id = match record.get(&field) {
        Some(Value::String(id)) => names::id(id)?.to_owned(),
        Some(Value::Number(id)) if !id.is_f64() => id.to_string(),
        Some(Value::Null) | None => return Err(Reason::MissingId),
        Some(other) => {
            return Err(Reason::WrongType {
                found: kind(other),
                field,
                expected: "a string or an integer",
            });
        }
    };
    record.shift_remove(&field);
    Ok(id)
}

/// Removes and returns a text; empty if there is none, or if it is null.
pub(crate) fn take_text(
    record: &mut Map<String, Value>,
    chosen: Option<&str>,
    usual: Names,
) -> Result<String, Reason> {
    let Some(field) = key(record, chosen, usual) else {
        return Ok(String::new());
    };
    match record.get(&field) {
        Some(Value::String(_) | Value::Null) | None => {}
        Some(other) => {
            return Err(Reason::WrongType {
                found: kind(other),
                field,
                expected: "a string",
            });
        }
    }
    Ok(match record.shift_remove(&field) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    })
}

fn tags_of(value: &Value) -> Result<Vec<String>, Reason> {
    let wrong = |found| Reason::WrongType {
        field: "tags".to_owned(),
        found: kind(found),
        expected: "a string or an array of strings",
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(tag) => Ok(vec![tag.clone()]),
        Value::Array(tags) => tags
            .iter()
            .map(|tag| tag.as_str().map(str::to_owned).ok_or_else(|| wrong(tag)))
            .collect(),
        other => Err(wrong(other)),
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_vector_is_read_as_if_it_were_metadata_first(
            values in prop::collection::vec(
                prop_oneof![
                    8 => any::<f32>().prop_map(|value| format!("{value:?}")),
                    4 => any::<i64>().prop_map(|value| value.to_string()),
                    1 => prop::sample::select(vec!["1e39", "1e999", "-0", "0.1e-400", "null", "[1]", "x", "18446744073709551616"])
                        .prop_map(str::to_owned),
                ],
                0..6,
            ),
            other in prop::sample::select(vec!["", r#", "year": 1.5"#, r#", "v": [2]"#, r#", "a": {"v": [1]}"#, ","]),
        ) {
            let line = format!(r#"{{"_id": "1", "text": "t", "v": [{}]{other}}}"#, values.join(", "));
            let read = |vector| {
                let fields = Columns::default();
                document(&line, &fields, vector, &mut Unseen::of(&fields))
            };
            let direct = read(Some("v"));
            let whole = read(None).and_then(|(mut document, _)| {
                let value = document.metadata.shift_remove("v");
                Ok((document, value.as_ref().map(vector).transpose()?))
            });
            let bits = |(document, vector): (Document, Option<Vec<f32>>)| {
                let bits = |vector: Vec<f32>| vector.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                (document, vector.map(bits))
            };
            prop_assert_eq!(
                direct.map(bits).map_err(|reason| reason.to_string()),
                whole.map(bits).map_err(|reason| reason.to_string())
            );
        }
    }

    #[test]
    fn what_is_no_vector_is_said() {
        for (value, expected) in [
            ("null", "no array"),
            (r#"["a"]"#, "no number"),
            ("[0, 0]", "0"),
        ] {
            let line = format!(r#"{{"_id": "1", "text": "t", "v": {value}}}"#);
            let fields = Columns::default();
            let read = document(&line, &fields, Some("v"), &mut Unseen::of(&fields));
            let reason = read.unwrap_err();
            assert!(matches!(reason, Reason::BadVector { .. }), "{reason}");
            assert!(reason.to_string().contains(expected), "{reason}");
        }
    }
}
