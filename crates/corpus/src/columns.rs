//! Maps the columns of a table to the fields of a document.

use std::io::BufRead;
use std::path::Path;

use serde_json::Value;
use treffer_types::{Document, Metadata};

use crate::error::Error;
use crate::problem::{Reason, excerpt};
use crate::table::Table;

/// The column names of a document's fields. All other columns become metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Column of the id; `None` means `_id` or `id`.
    pub id: Option<String>,
    /// Column of the title; `None` means `title` if there is such a column.
    pub title: Option<String>,
    /// Column of the text; `None` means `text` or `contents`.
    pub text: Option<String>,
}

/// The header of a table: its column names and which of them hold the fields.
pub(crate) struct Header {
    names: Vec<String>,
    id: usize,
    title: Option<usize>,
    text: usize,
}

impl Header {
    /// Reads the header, which is the table's first record.
    pub(crate) fn read<R: BufRead>(
        table: &mut Table<R>,
        path: &Path,
        columns: &Columns,
    ) -> Result<Header, Error> {
        let row = match table.next() {
            Ok(row) => row,
            Err(source) => return Err(Error::read(path, 0, source)),
        };
        let names: Vec<String> = match row {
            Some((_, Ok(names))) => names.iter().map(|name| name.trim().to_owned()).collect(),
            Some((_, Err(_))) | None => Vec::new(),
        };
        let column = |chosen: &Option<String>, defaults: &[&str]| {
            let named = |wanted: &str| names.iter().position(|name| name == wanted);
            match chosen {
                Some(name) => named(name).ok_or_else(|| format!("`{name}`")),
                None => defaults
                    .iter()
                    .find_map(|name| named(name))
                    .ok_or_else(|| alternatives(defaults)),
            }
        };
        let missing = |wanted| missing_column(path, wanted, &names);
        let title = column(&columns.title, &["title"]);
        Ok(Header {
            id: column(&columns.id, &["_id", "id"]).map_err(missing)?,
            title: match columns.title {
                Some(_) => Some(title.map_err(missing)?),
                None => title.ok(),
            },
            text: column(&columns.text, &["text", "contents"]).map_err(missing)?,
            names,
        })
    }

    /// Makes a document of one record.
    pub(crate) fn document(&self, row: Vec<String>) -> Result<Document, Reason> {
        if row.len() != self.names.len() {
            return Err(Reason::NotAsHeader {
                found: row.len(),
                header: self.names.len(),
            });
        }
        let mut document = Document::default();
        let mut metadata = Metadata::new();
        for (column, value) in row.into_iter().enumerate() {
            if column == self.id {
                document.id = value;
            } else if column == self.text {
                document.text = value;
            } else if self.title == Some(column) {
                document.title = value;
            } else if !value.is_empty() {
                metadata.insert(self.names[column].clone(), Value::String(value));
            }
        }
        if document.id.trim().is_empty() {
            return Err(Reason::MissingId);
        }
        if document.title.trim().is_empty() && document.text.trim().is_empty() {
            return Err(Reason::EmptyText);
        }
        document.metadata = metadata;
        Ok(document)
    }
}

/// Joins alternative names for a message, as in "`_id` or `id`".
pub(crate) fn alternatives(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}

/// The error for a header with the columns `names` that lacks the column `wanted`.
pub(crate) fn missing_column(path: &Path, wanted: String, names: &[String]) -> Error {
    Error::MissingColumn {
        path: path.to_owned(),
        wanted,
        found: match names {
            [] => "no columns".to_owned(),
            names => excerpt(&names.join(", ")),
        },
    }
}
