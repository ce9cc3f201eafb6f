//! Maps the columns of a table to the fields of a record.

use std::fmt;
use std::io::BufRead;
use std::path::Path;
use std::str::FromStr;

use serde_json::Value;
use treffer_types::{Document, Metadata};

use crate::error::Error;
use crate::names::{self, Names, alternatives};
use crate::problem::{Reason, excerpt};
use crate::table::{Dialect, Row, Table, is_delimiter};

/// Where the fields of a document are, in a table or in JSON. All else becomes metadata.
///
/// Each is the name of a column or JSON field; letter case does not matter if no name is
/// written exactly so. In a table it may also be the number of a column, from 1, if no
/// column has it for a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The id; `None` means `_id`, `id` or another usual name.
    pub id: Option<String>,
    /// The title; `None` means `title` if there is one.
    pub title: Option<String>,
    /// The text; `None` means `text` or `contents`.
    pub text: Option<String>,
}

impl Columns {
    /// Whether none was chosen.
    pub(crate) fn are_usual(&self) -> bool {
        *self == Columns::default()
    }
}

/// The character that separates the fields of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(pub(crate) u8);

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => f.write_str("tab"),
            other => write!(f, "{}", char::from(other)),
        }
    }
}

impl FromStr for Delimiter {
    type Err = String;

    /// One character of ASCII, or `tab`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            b"tab" | b"\\t" => Ok(Delimiter(b'\t')),
            [byte] if is_delimiter(*byte) => Ok(Delimiter(*byte)),
            _ => Err(format!(
                "`{text}` cannot separate fields; it must be `tab` or one character of ASCII that is no letter, digit or quote, such as `;`"
            )),
        }
    }
}

/// Delimiters that are tried if none is named.
const USUAL: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Finds out how the fields of a table are separated: by the delimiter that is `named`; by
/// that of a line `sep=;`; or by the first usual one under which `fits` accepts the first
/// record, or failing that, under which it has the most fields.
pub(crate) fn choose_delimiter<R: BufRead>(
    table: &mut Table<R>,
    path: &Path,
    named: Option<Delimiter>,
    fits: impl Fn(&[String]) -> bool,
) -> Result<(), Error> {
    if table.dialect() == Dialect::TSV {
        return Ok(());
    }
    let failed = |source| Error::read(path, 0, source);
    let in_file = table.take_separator_line().map_err(failed)?;
    if let Some(delimiter) = named.map(|named| named.0).or(in_file) {
        table.set_delimiter(delimiter);
        return Ok(());
    }
    let mut most = (0, USUAL[0]);
    for delimiter in USUAL {
        table.set_delimiter(delimiter);
        let fields = match table.peek().map_err(failed)? {
            Some((_, Ok(fields))) => fields,
            // Rather the reason why this is no header than one column that is another's.
            Some((_, Err(Reason::UnclosedQuote))) if most.0 <= 1 => {
                most = (1, delimiter);
                continue;
            }
            Some((_, Err(_))) | None => continue,
        };
        if fits(&fields) {
            return Ok(());
        }
        if fields.len() > most.0 {
            most = (fields.len(), delimiter);
        }
    }
    table.set_delimiter(most.1);
    Ok(())
}

/// The names in a table's first record, with the reason if they cannot be read.
pub(crate) fn header_names(row: Option<Row>, path: &Path) -> Result<Vec<String>, Error> {
    let unreadable = |why: String| Error::Header {
        path: path.to_owned(),
        why,
    };
    match row {
        Some((_, Ok(names))) => Ok(names.iter().map(|name| name.trim().to_owned()).collect()),
        None => Err(unreadable("the input is empty".to_owned())),
        Some((line, Err(Reason::InvalidUtf8 { byte }))) => Err(unreadable(format!(
            "line {line} is not valid UTF-8 (from byte {byte}); name the encoding, such as windows-1252 (latin-1), or convert the file to UTF-8"
        ))),
        Some((line, Err(Reason::UnclosedQuote))) => Err(unreadable(format!(
            "in line {line} a quoted field is opened and never closed"
        ))),
        Some((line, Err(reason))) => Err(unreadable(format!("line {line}: {reason}"))),
    }
}

/// The header of a table: its column names and which of them hold the fields.
#[derive(Debug)]
pub(crate) struct Header {
    names: Vec<String>,
    id: usize,
    title: Option<usize>,
    text: usize,
}

impl Header {
    /// Finds the delimiter and reads the header, which is the table's first record; without
    /// one, columns go by their numbers.
    pub(crate) fn read<R: BufRead>(
        table: &mut Table<R>,
        path: &Path,
        columns: &Columns,
        delimiter: Option<Delimiter>,
        has_header: bool,
    ) -> Result<Header, Error> {
        let header = |fields: &[String]| {
            if has_header {
                Header::named(fields.iter().map(|name| name.trim().to_owned()), columns)
            } else {
                Header::numbered(fields.len(), columns)
            }
        };
        choose_delimiter(table, path, delimiter, |fields| header(fields).is_ok())?;
        let row = if has_header {
            table.next()
        } else {
            table.peek()
        };
        let row = row.map_err(|source| Error::read(path, 0, source))?;
        let fields = header_names(row, path)?;
        header(&fields).map_err(|wanted| {
            if has_header {
                return missing_column(path, &wanted, &fields);
            }
            Error::Header {
                path: path.to_owned(),
                why: format!(
                    "it has none, and its first line has {} columns; say by number which column holds {wanted}",
                    fields.len()
                ),
            }
        })
    }

    /// By the names of the columns; the missing one otherwise.
    fn named(names: impl Iterator<Item = String>, columns: &Columns) -> Result<Header, String> {
        let names: Vec<String> = names.collect();
        let column = |chosen: &Option<String>, usual: Names| match chosen {
            None => names::position(&names, usual).ok_or_else(|| alternatives(usual)),
            Some(name) => names::position(&names, &[name])
                .or_else(|| number(name, names.len()))
                .ok_or_else(|| format!("`{name}`")),
        };
        let title = column(&columns.title, names::TITLE);
        Ok(Header {
            id: column(&columns.id, names::DOCUMENT_ID)?,
            title: match columns.title {
                Some(_) => Some(title?),
                None => title.ok(),
            },
            text: column(&columns.text, names::TEXT)?,
            names,
        })
    }

    /// By the numbers of the columns. Of two columns, the first is the id and the other the
    /// text.
    fn numbered(n_columns: usize, columns: &Columns) -> Result<Header, String> {
        let column = |chosen: &Option<String>, usual: usize, what: &str| match chosen {
            Some(name) => number(name, n_columns).ok_or_else(|| format!("{what} (not `{name}`)")),
            None if n_columns == 2 => Ok(usual),
            None => Err(what.to_owned()),
        };
        Ok(Header {
            id: column(&columns.id, 0, "the id")?,
            title: match columns.title {
                Some(_) => Some(column(&columns.title, 0, "the title")?),
                None => None,
            },
            text: column(&columns.text, 1, "the text")?,
            names: (1..=n_columns).map(|n| format!("column{n}")).collect(),
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
                document.id = names::id(&value)?.to_owned();
            } else if column == self.text {
                document.text = value;
            } else if self.title == Some(column) {
                document.title = value;
            } else if !value.is_empty() {
                metadata.insert(self.names[column].clone(), Value::String(value));
            }
        }
        if document.title.trim().is_empty() && document.text.trim().is_empty() {
            return Err(Reason::EmptyText);
        }
        document.metadata = metadata;
        Ok(document)
    }
}

/// The place of the column with this number, from 1.
fn number(name: &str, n_columns: usize) -> Option<usize> {
    let number: usize = name.parse().ok()?;
    (1..=n_columns).contains(&number).then(|| number - 1)
}

/// The error for a header with the columns `names` that lacks the column `wanted`.
pub(crate) fn missing_column(path: &Path, wanted: &str, names: &[String]) -> Error {
    Error::MissingColumn {
        path: path.to_owned(),
        wanted: wanted.to_owned(),
        found: excerpt(&names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_one_character_without_another_meaning() {
        for (text, shown) in [
            (";", ";"),
            ("tab", "tab"),
            ("\t", "tab"),
            ("\\t", "tab"),
            (" ", " "),
        ] {
            assert_eq!(text.parse::<Delimiter>().unwrap().to_string(), shown);
        }
        for text in ["", "a", "\"", ";;", "ü", "\n"] {
            assert!(text.parse::<Delimiter>().is_err(), "{text:?}");
        }
    }
}
