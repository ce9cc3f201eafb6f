//! Parses one line of JSON as a document or a query, in the layout of BEIR and its variants.

use std::io::{self, BufRead};

use serde_json::{Map, Value};
use treffer_types::{Document, Query};

use crate::lines::{Line, Lines, Numbered, utf8};
use crate::problem::Reason;

/// Parses the next line that is not blank.
pub(crate) fn next<R: BufRead, T>(
    lines: &mut Lines<R>,
    parse: impl Fn(&str) -> Result<T, Reason>,
) -> io::Result<Option<Numbered<T>>> {
    let limit = lines.limit();
    while let Some((number, line)) = lines.next()? {
        let result = match line {
            Line::TooLarge => Err(Reason::TooLarge { limit }),
            Line::Bytes(bytes) if bytes.trim_ascii().is_empty() => continue,
            Line::Bytes(bytes) => utf8(bytes).and_then(&parse),
        };
        return Ok(Some((number, result)));
    }
    Ok(None)
}

/// Parses `_id` or `id` (a string or an integer), `title`, and `text` or `contents`. Other
/// fields become metadata, in their order, except an empty `metadata` object. If a record
/// has both names of a field, the one listed first is read and the other becomes metadata.
pub(crate) fn document(line: &str) -> Result<Document, Reason> {
    let mut record = object(line)?;
    let id = take_id(&mut record)?;
    let title = take_text(&mut record, &["title"])?;
    let text = take_text(&mut record, &["text", "contents"])?;
    if title.trim().is_empty() && text.trim().is_empty() {
        return Err(Reason::EmptyText);
    }
    if record
        .get("metadata")
        .is_some_and(|value| value.is_null() || value.as_object().is_some_and(Map::is_empty))
    {
        record.shift_remove("metadata");
    }
    Ok(Document {
        id,
        title,
        text,
        metadata: record,
    })
}

/// Parses `_id` or `id`, `text` or `query`, and tags: an array of strings or one string,
/// in `tags` or `metadata.tags`. Other fields are dropped.
pub(crate) fn query(line: &str) -> Result<Query, Reason> {
    let mut record = object(line)?;
    let id = take_id(&mut record)?;
    let text = take_text(&mut record, &["text", "query"])?;
    if text.trim().is_empty() {
        return Err(Reason::EmptyText);
    }
    let in_metadata = || record.get("metadata").and_then(|value| value.get("tags"));
    let tags = match record.get("tags").or_else(in_metadata) {
        Some(tags) => tags_of(tags)?,
        None => Vec::new(),
    };
    Ok(Query { id, text, tags })
}

fn object(line: &str) -> Result<Map<String, Value>, Reason> {
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

fn take_id(record: &mut Map<String, Value>) -> Result<String, Reason> {
    for field in ["_id", "id"] {
        let id = match record.get(field) {
            None => continue,
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) if !id.is_f64() => id.to_string(),
            Some(Value::Null) => String::new(),
            Some(other) => {
                return Err(Reason::WrongType {
                    field,
                    found: kind(other),
                    expected: "a string or an integer",
                });
            }
        };
        if id.trim().is_empty() {
            return Err(Reason::MissingId);
        }
        record.shift_remove(field);
        return Ok(id);
    }
    Err(Reason::MissingId)
}

/// Removes and returns the first of `fields` that is present; empty if none is, or if it
/// is null.
fn take_text(record: &mut Map<String, Value>, fields: &[&'static str]) -> Result<String, Reason> {
    for &field in fields {
        match record.get(field) {
            None => continue,
            Some(Value::String(_) | Value::Null) => {}
            Some(other) => {
                return Err(Reason::WrongType {
                    field,
                    found: kind(other),
                    expected: "a string",
                });
            }
        }
        return Ok(match record.shift_remove(field) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        });
    }
    Ok(String::new())
}

fn tags_of(value: &Value) -> Result<Vec<String>, Reason> {
    let wrong = |found| Reason::WrongType {
        field: "tags",
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

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
