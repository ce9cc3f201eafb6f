//! Which column of a table is what.

use std::io::BufRead;
use std::path::Path;

use serde_json::Value;
use treffer_types::{Document, Metadata};

use crate::error::Error;
use crate::problem::{Reason, excerpt};
use crate::table::Table;

/// Names of a table's columns. Columns that are not named here become metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// `None`: `_id` or `id`.
    pub id: Option<String>,
    /// `None`: `title`, which then need not be there.
    pub title: Option<String>,
    /// `None`: `text` or `contents`.
    pub text: Option<String>,
}

/// Which column of a table is what.
pub(crate) struct Header {
    names: Vec<String>,
    id: usize,
    title: Option<usize>,
    text: usize,
}

impl Header {
    /// Reads the header, the table's first record.
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
        let column = |given: &Option<String>, usual: &[&str]| {
            let named = |wanted: &str| names.iter().position(|name| name == wanted);
            match given {
                Some(name) => named(name).ok_or_else(|| format!("`{name}`")),
                None => usual
                    .iter()
                    .find_map(|name| named(name))
                    .ok_or_else(|| alternatives(usual)),
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

    /// The document that a record is.
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

/// Names of which any would do, as messages have them.
pub(crate) fn alternatives(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}

/// The error of a header `names` that lacks `wanted`.
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
