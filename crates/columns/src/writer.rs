//! Writes columns, one document at a time.

use std::fmt;
use std::path::{Path, PathBuf};

use treffer_disk::{FileWriter, SealRecord, create_dir_durably, is_sealed, seal};
use treffer_types::{DocId, Document};

use crate::collector::Collector;
use crate::columns::Columns;
use crate::convert::{MOST_KEYWORD_BYTES, from_json};
use crate::dictionary::Dictionary;
use crate::error::Error;
use crate::format::{FIELDS, FIELDS_PROLOGUE, column_file, type_code};
use crate::leaves;
use crate::schema::FieldSchema;
use crate::value::FieldType;

/// A value that a column cannot hold. It is left out of the column, and the document stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field.
    pub field: String,
    /// What is wrong.
    pub kind: FieldProblemKind,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldProblemKind {
    /// It is not of the field's type.
    WrongType {
        /// The field's type.
        expected: FieldType,
        /// The value as JSON, cut to a line.
        found: String,
    },
    /// It is a keyword of too many bytes.
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// It is nested more than 128 levels deep, and no value of it was looked at.
    TooDeep,
}

impl FieldProblem {
    fn too_deep(field: String) -> Self {
        FieldProblem {
            field,
            kind: FieldProblemKind::TooDeep,
        }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.kind {
            FieldProblemKind::WrongType { expected, found } => write!(
                f,
                "the field `{field}` is of type {expected}, and {found} is none; the value is \
                 left out of filters, facets and sorting"
            ),
            FieldProblemKind::TooLong { bytes } => write!(
                f,
                "a value of the field `{field}` has {bytes} bytes, and a keyword has at most \
                 {MOST_KEYWORD_BYTES}; it is left out of filters, facets and sorting"
            ),
            FieldProblemKind::TooDeep => {
                write!(f, "the field `{field}` is nested too deep to be read")
            }
        }
    }
}

/// Writes columns. Nothing can be opened until [`finish`](Self::finish) has returned.
///
/// Memory grows by 12 to 24 bytes for each document and field, 8 to 16 for each further value,
/// and by the different keywords.
pub struct ColumnWriter {
    dir: PathBuf,
    schema: FieldSchema,
    /// In the order of the schema.
    collectors: Vec<Collector>,
    n_docs: u32,
}

impl ColumnWriter {
    /// Begins columns in `dir`, which is created if it is not there.
    ///
    /// # Errors
    /// If `dir` holds columns already, or if it cannot be written to.
    pub fn create(dir: &Path, schema: &FieldSchema) -> Result<Self, Error> {
        create_dir_durably(dir)?;
        if is_sealed(dir)? {
            return Err(Error::Exists {
                path: dir.to_owned(),
            });
        }
        Ok(ColumnWriter {
            dir: dir.to_owned(),
            schema: schema.clone(),
            collectors: schema.iter().map(|(_, ty)| Collector::new(ty)).collect(),
            n_docs: 0,
        })
    }

    /// Adds the next document, number 0, 1, 2, ... in order of arrival. Returns what of its
    /// metadata could not be taken.
    ///
    /// # Errors
    /// [`Error::Full`] or [`Error::FieldFull`]: the writer can no longer be used.
    pub fn push(&mut self, document: &Document) -> Result<Vec<FieldProblem>, Error> {
        let mut problems = Vec::new();
        let (schema, collectors) = (&self.schema, &mut self.collectors);
        let too_deep = leaves::for_each(&document.metadata, &mut |name, json| {
            let Some((place, field_type)) = schema.place(name) else {
                return;
            };
            match from_json(field_type, json) {
                Some(value) => {
                    collectors[place].add(&value);
                }
                None => problems.push(problem(name, field_type, json)),
            }
        });
        problems.extend(too_deep.map(FieldProblem::too_deep));
        self.end_document()?;
        Ok(problems)
    }

    /// Adds documents from other columns, in the order of `docs`: those of an older segment that
    /// are still wanted.
    ///
    /// # Errors
    /// [`Error::OtherFields`] if those have other fields or types, since values that are not in
    /// columns are only in the documents; [`Error::UnknownDoc`]; [`Error::Damaged`];
    /// [`Error::Full`] or [`Error::FieldFull`]. After all but the first, the writer can no longer
    /// be used.
    pub fn copy(
        &mut self,
        from: &Columns,
        docs: impl IntoIterator<Item = DocId>,
    ) -> Result<(), Error> {
        if *from.schema() != self.schema {
            return Err(Error::OtherFields {
                path: from.dir().to_owned(),
            });
        }
        let mut sources = Vec::with_capacity(self.schema.len());
        for name in self.schema.names() {
            let column = from.known(name)?;
            // The places of its words among those collected here, where they are known.
            let n_words = column.words().map_or(0, Dictionary::len);
            sources.push((column, vec![None; n_words]));
        }
        for doc in docs {
            from.check_known(doc)?;
            for ((column, known), collector) in sources.iter_mut().zip(&mut self.collectors) {
                column.for_each_code(doc.0, &mut |code| {
                    match known.get(code as usize) {
                        Some(Some(id)) => collector.add_id(*id),
                        Some(None) => known[code as usize] = collector.add(&column.value(code)?),
                        None => {
                            collector.add(&column.value(code)?);
                        }
                    }
                    Ok(())
                })?;
            }
            self.end_document()?;
        }
        Ok(())
    }

    fn end_document(&mut self) -> Result<(), Error> {
        self.n_docs = self.n_docs.checked_add(1).ok_or(Error::Full)?;
        for (collector, name) in self.collectors.iter_mut().zip(self.schema.names()) {
            if !collector.end_document() {
                return Err(Error::FieldFull {
                    field: name.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Completes the columns and seals them: when this returns without error, everything is on
    /// disk.
    ///
    /// # Errors
    /// [`Error::Io`] if something cannot be written. The directory then holds no columns.
    pub fn finish(self) -> Result<SealRecord, Error> {
        let mut fields = FileWriter::create(&self.dir.join(FIELDS))?;
        fields.push(&FIELDS_PROLOGUE.to_bytes())?;
        fields.push(&self.n_docs.to_le_bytes())?;
        fields.push(&(self.schema.len() as u32).to_le_bytes())?;
        for (name, field_type) in self.schema.iter() {
            fields.push(&[type_code(field_type)])?;
            fields.push(&(name.len() as u32).to_le_bytes())?;
            fields.push(name.as_bytes())?;
        }
        fields.finish()?;
        for (place, collector) in self.collectors.into_iter().enumerate() {
            let mut out = FileWriter::create(&self.dir.join(column_file(place)))?;
            collector.write(&mut out)?;
            out.finish()?;
        }
        Ok(seal(&self.dir)?)
    }
}

/// What of a document's metadata a [`ColumnWriter`] of this schema could not take.
pub fn check(schema: &FieldSchema, document: &Document) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let too_deep = leaves::for_each(&document.metadata, &mut |name, json| {
        if let Some(field_type) = schema.get(name)
            && from_json(field_type, json).is_none()
        {
            problems.push(problem(name, field_type, json));
        }
    });
    problems.extend(too_deep.map(FieldProblem::too_deep));
    problems
}

fn problem(field: &str, field_type: FieldType, json: &serde_json::Value) -> FieldProblem {
    const MOST_SHOWN: usize = 60;
    let kind = match json {
        serde_json::Value::String(text) if field_type == FieldType::Keyword => {
            FieldProblemKind::TooLong { bytes: text.len() }
        }
        _ => {
            let mut found = json.to_string();
            if let Some((cut, _)) = found.char_indices().nth(MOST_SHOWN) {
                found.truncate(cut);
                found.push('…');
            }
            FieldProblemKind::WrongType {
                expected: field_type,
                found,
            }
        }
    };
    FieldProblem {
        field: field.to_owned(),
        kind,
    }
}

impl fmt::Debug for ColumnWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnWriter")
            .field("dir", &self.dir)
            .field("len", &self.n_docs)
            .finish_non_exhaustive()
    }
}
