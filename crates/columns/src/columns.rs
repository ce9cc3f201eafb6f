//! All columns of a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use treffer_disk::{Prologue, SealRecord, Sealed};
use treffer_types::DocId;

use crate::column::Column;
use crate::error::{Error, damaged};
use crate::format::{FIELDS, FIELDS_PROLOGUE, column_file, type_of_code};
use crate::schema::FieldSchema;
use crate::value::{FieldType, Value};

/// Open columns of the documents of one segment. Any number of threads may read from them.
pub struct Columns {
    sealed: Sealed,
    n_docs: u32,
    schema: FieldSchema,
    columns: BTreeMap<String, Column>,
}

impl Columns {
    /// Opens the columns in `dir`: maps their files and checks their lengths and headers. The cost
    /// depends on the number of fields, not of documents.
    ///
    /// # Errors
    /// [`Error::Missing`] if there are no complete columns, [`Error::Damaged`] with the file at
    /// fault, [`Error::Version`] if another version of this program wrote it, [`Error::Io`] if it
    /// cannot be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let sealed = Sealed::open(dir)?;
        let (n_docs, schema) = read_fields(&sealed)?;
        let mut columns = BTreeMap::new();
        for (place, (name, field_type)) in schema.iter().enumerate() {
            let column = Column::open(&sealed, &column_file(place), field_type, n_docs)?;
            columns.insert(name.to_owned(), column);
        }
        Ok(Columns {
            sealed,
            n_docs,
            schema,
            columns,
        })
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.n_docs as usize
    }

    /// Whether there are no documents at all.
    pub fn is_empty(&self) -> bool {
        self.n_docs == 0
    }

    /// The fields, and their types.
    pub fn schema(&self) -> &FieldSchema {
        &self.schema
    }

    /// How many documents have a value in a field; `None` if there is no such field.
    pub fn n_present(&self, field: &str) -> Option<u32> {
        Some(self.columns.get(field)?.header.n_present)
    }

    /// The different values of a document in a field, ascending.
    ///
    /// # Errors
    /// [`Error::UnknownField`], [`Error::UnknownDoc`], or [`Error::Damaged`] if what is touched is
    /// not as it was written.
    pub fn values(&self, doc: DocId, field: &str) -> Result<Vec<Value>, Error> {
        let column = self.known(field)?;
        self.check_known(doc)?;
        let mut values = Vec::new();
        column.for_each_code(doc.0, &mut |code| {
            values.push(column.value(code)?);
            Ok(())
        })?;
        Ok(values)
    }

    /// The value of a document in a field as a number, to compute with: an integer to the nearest
    /// float, a date in seconds since 1970, `true` as 1. The smallest if there are several, `None`
    /// if there is none.
    ///
    /// # Errors
    /// As [`values`](Self::values); [`Error::FieldType`] for a keyword field.
    pub fn number(&self, doc: DocId, field: &str) -> Result<Option<f64>, Error> {
        let column = self.known(field)?;
        if column.words().is_some() {
            return Err(Error::FieldType {
                field: field.to_owned(),
                needed: "a field of numbers, dates or booleans".to_owned(),
                found: FieldType::Keyword,
            });
        }
        self.check_known(doc)?;
        let Some(code) = column.extreme(doc.0, false)? else {
            return Ok(None);
        };
        Ok(match column.value(code)? {
            Value::Keyword(_) => None,
            Value::Integer(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            Value::Date(date) => Some(date.microseconds() as f64 / 1e6),
            Value::Boolean(truth) => Some(f64::from(u8::from(truth))),
        })
    }

    /// What [`ColumnWriter::finish`](crate::ColumnWriter::finish) returned for these columns.
    pub fn record(&self) -> SealRecord {
        self.sealed.record()
    }

    /// Reads every file completely and reports everything that is not as it was written: the file
    /// and what is wrong with it. Files that are as they were sealed are also compared with
    /// themselves: codes with their headers, words with their order.
    pub fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        let mut damaged: Vec<PathBuf> = Vec::new();
        self.sealed.verify(&mut |path, problem| {
            damaged.push(path.to_owned());
            report(path, problem.to_string());
        });
        for (place, column) in self.columns.values().enumerate() {
            let path = self.sealed.dir().join(column_file(place));
            if !damaged.contains(&path) {
                column.verify(&mut |reason| report(&path, reason));
            }
        }
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        self.sealed.dir()
    }

    /// The column of a field, if documents may have it.
    pub(crate) fn column(&self, field: &str) -> Option<&Column> {
        self.columns.get(field)
    }

    pub(crate) fn known(&self, field: &str) -> Result<&Column, Error> {
        self.column(field).ok_or_else(|| Error::UnknownField {
            field: field.to_owned(),
        })
    }

    pub(crate) fn check_known(&self, doc: DocId) -> Result<(), Error> {
        if doc.0 < self.n_docs {
            return Ok(());
        }
        Err(Error::UnknownDoc {
            doc: doc.0,
            len: self.n_docs,
        })
    }

    /// Refuses a set of another number of documents.
    pub(crate) fn check_set(&self, len: usize) -> Result<(), Error> {
        if len == self.len() {
            return Ok(());
        }
        Err(Error::OtherSet {
            found: len,
            len: self.n_docs,
        })
    }
}

/// Number of documents, and fields in the order of their columns.
fn read_fields(sealed: &Sealed) -> Result<(u32, FieldSchema), Error> {
    let file = sealed.file(FIELDS)?;
    FIELDS_PROLOGUE.check_file(&file)?;
    let mut rest = &file.bytes(0..file.len())?[Prologue::BYTES..];
    let cut = || damaged(file.path(), "it ends too early");
    let number = |rest: &mut &[u8]| {
        let (number, after) = rest.split_first_chunk()?;
        *rest = after;
        Some(u32::from_le_bytes(*number))
    };
    let n_docs = number(&mut rest).ok_or_else(cut)?;
    let n_fields = number(&mut rest).ok_or_else(cut)?;
    let mut schema = FieldSchema::new();
    let mut last: Option<&str> = None;
    for _ in 0..n_fields {
        let (&code, after) = rest.split_first().ok_or_else(cut)?;
        rest = after;
        let length = number(&mut rest).ok_or_else(cut)?;
        let (name, after) = rest.split_at_checked(length as usize).ok_or_else(cut)?;
        rest = after;
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| last.is_none_or(|last| last < *name))
            .ok_or_else(|| damaged(file.path(), "its names are out of order or no texts"))?;
        last = Some(name);
        let field_type = type_of_code(code)
            .ok_or_else(|| damaged(file.path(), format!("`{name}` has type {code}")))?;
        schema.insert(name, field_type);
    }
    if !rest.is_empty() {
        let reason = format!("{} bytes follow its fields", rest.len());
        return Err(damaged(file.path(), reason));
    }
    Ok((n_docs, schema))
}

impl std::fmt::Debug for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Columns")
            .field("len", &self.n_docs)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
