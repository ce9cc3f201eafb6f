//! The fields of documents: what a filter holds for, how often each value occurs, and the order
//! of documents by a field.

use std::path::Path;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use serde::Serialize;
use treffer_api::{FacetReport, FacetRequest, FacetValue};
use treffer_columns::{CaseHint, Columns, Error as ColumnsError, FacetCounts, Filter};
pub use treffer_columns::{
    Date, Decision, FieldSchema, FieldType, FilterError, FilterErrorKind, InferredField, SortBy,
    SortKey, Value, filter as language,
};
use treffer_types::DocId;

use crate::data::{IndexData, open_columns};
use crate::deleted;
use crate::engine::Engine;
use crate::error::{Error, part};
use crate::manifest::Manifest;

/// Documents of one generation of an index, none of them deleted.
#[derive(Clone, Debug)]
pub struct Selection {
    /// By their numbers in the index.
    docs: Arc<FixedBitSet>,
    /// By their numbers in each segment.
    by_segment: Vec<FixedBitSet>,
    n: usize,
    /// The filter that they were selected by, written anew.
    filter: Option<String>,
    /// Why there may be none.
    hints: Vec<CaseHint>,
}

impl Selection {
    /// The documents, by their numbers in the index.
    pub fn docs(&self) -> &Arc<FixedBitSet> {
        &self.docs
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.n
    }

    /// The filter that they were selected by, in one way of writing it; `None` for all documents.
    pub fn filter(&self) -> Option<&str> {
        self.filter.as_deref()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Whether a document is one of them.
    pub fn contains(&self, doc: DocId) -> bool {
        self.docs.contains(doc.0 as usize)
    }

    /// What to say of a filter that holds for no document; `None` if it holds for some.
    pub fn note(&self) -> Option<String> {
        if !self.is_empty() {
            return None;
        }
        let mut note = "the filter holds for no document".to_owned();
        for CaseHint {
            field,
            asked,
            there,
        } in &self.hints
        {
            note.push_str(&format!(
                "; `{field}` is nowhere `{asked}`, but `{there}`: capitals count"
            ));
        }
        Some(note)
    }
}

/// A field of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldCount {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// How many documents have a value in it.
    pub documents: usize,
}

impl Engine {
    /// The documents that a filter holds for; [`language`] says how filters are written.
    ///
    /// # Errors
    /// [`Error::Filter`] if it cannot be read, names a field that the index does not have, or has a
    /// value that is not of its field's type; or if the index cannot be read.
    pub fn filter(&self, text: &str) -> Result<Selection, Error> {
        self.data().filter(text)
    }

    /// All documents of the index.
    pub fn all_documents(&self) -> Selection {
        self.data().all_documents()
    }

    /// The fields that documents can be filtered, counted and sorted by.
    pub fn fields(&self) -> &FieldSchema {
        &self.manifest().blueprint.fields
    }

    /// How many documents of a selection have each value of a field.
    ///
    /// # Errors
    /// If the index has no such field, or cannot be read.
    pub fn facets(
        &self,
        request: &FacetRequest,
        selection: &Selection,
    ) -> Result<FacetReport, Error> {
        let FacetRequest { field, top } = request;
        check_field(self.fields(), field, "count the values of")?;
        let mut sum = FacetCounts::default();
        for (columns, docs) in self.data().columns.iter().zip(&selection.by_segment) {
            let counts = columns.facets(field, docs, None);
            sum = sum.merge(counts.map_err(failed(self.dir()))?);
        }
        let values = sum.values.iter().take(*top).map(|one| FacetValue {
            value: json(&one.value),
            count: one.count,
        });
        Ok(FacetReport {
            field: field.clone(),
            values: values.collect(),
            n_values: sum.n_values,
            n_present: sum.n_present,
            n_missing: sum.n_missing,
        })
    }

    /// What a document is sorted by.
    ///
    /// # Errors
    /// If the index has no such field or no such document, or cannot be read.
    pub fn sort_key(&self, by: &SortBy, doc: DocId) -> Result<SortKey, Error> {
        check_field(self.fields(), &by.field, "sort by")?;
        let mut first = 0;
        for columns in self.data().columns.iter() {
            let n = columns.len() as u32;
            if doc.0 - first < n {
                let key = columns.sort_key(by, DocId(doc.0 - first));
                return key.map_err(failed(self.dir()));
            }
            first += n;
        }
        let source = ColumnsError::UnknownDoc {
            doc: doc.0,
            len: first,
        };
        Err(failed(self.dir())(source))
    }

    /// The first `top` documents of a selection in the order of a field, with what they are
    /// sorted by; those without a value last, equal ones by number.
    ///
    /// # Errors
    /// If the index has no such field, or cannot be read.
    pub fn sorted(
        &self,
        by: &SortBy,
        selection: &Selection,
        top: usize,
    ) -> Result<Vec<(SortKey, DocId)>, Error> {
        check_field(self.fields(), &by.field, "sort by")?;
        let mut all = Vec::new();
        let mut first = 0;
        for (columns, docs) in self.data().columns.iter().zip(&selection.by_segment) {
            let sorted = columns.sorted(by, docs, top).map_err(failed(self.dir()))?;
            let of_index = |(key, doc): (SortKey, DocId)| (key, DocId(first + doc.0));
            all.extend(sorted.into_iter().map(of_index));
            first += columns.len() as u32;
        }
        all.sort();
        all.truncate(top);
        Ok(all)
    }
}

impl IndexData {
    /// As [`Engine::filter`].
    pub(crate) fn filter(&self, text: &str) -> Result<Selection, Error> {
        let wrong = |problem| Error::Filter {
            text: text.to_owned(),
            problem,
        };
        let filter = Filter::parse(text).map_err(wrong)?;
        let fields = &self.manifest().blueprint.fields;
        let bound = filter.bind(fields).map_err(wrong)?;
        let mut by_segment = Vec::with_capacity(self.columns.len());
        for columns in self.columns.iter() {
            by_segment.push(bound.matches(columns).map_err(failed(self.dir()))?);
        }
        let mut selection = self.live(by_segment);
        selection.filter = Some(filter.to_string());
        if selection.is_empty() {
            for columns in self.columns.iter() {
                let hints = bound.case_hints(columns).map_err(failed(self.dir()))?;
                for hint in hints {
                    if !selection.hints.contains(&hint) && !self.has_value(&hint)? {
                        selection.hints.push(hint);
                    }
                }
            }
        }
        Ok(selection)
    }

    pub(crate) fn all_documents(&self) -> Selection {
        let segments = self.manifest().segments.iter();
        let all = segments.map(|segment| {
            let mut all = FixedBitSet::with_capacity(segment.documents as usize);
            all.insert_range(..);
            all
        });
        self.live(all.collect())
    }

    /// Documents by segment, without deleted ones.
    fn live(&self, mut by_segment: Vec<FixedBitSet>) -> Selection {
        for (docs, deleted) in by_segment.iter_mut().zip(self.deleted()) {
            if let Some(deleted) = deleted {
                docs.difference_with(deleted);
            }
        }
        let docs = match &by_segment[..] {
            [only] => only.clone(),
            several => {
                let mut all =
                    FixedBitSet::with_capacity(several.iter().map(FixedBitSet::len).sum());
                let mut first = 0;
                for docs in several {
                    all.extend(docs.ones().map(|doc| first + doc));
                    first += docs.len();
                }
                all
            }
        };
        Selection {
            n: docs.count_ones(..),
            docs: Arc::new(docs),
            by_segment,
            filter: None,
            hints: Vec::new(),
        }
    }

    /// Whether the keyword that was asked for occurs in another segment than the one that the
    /// hint is from.
    fn has_value(&self, hint: &CaseHint) -> Result<bool, Error> {
        for columns in self.columns.iter() {
            let mut all = FixedBitSet::with_capacity(columns.len());
            all.insert_range(..);
            let counts = columns.facets(&hint.field, &all, None);
            let counts = counts.map_err(failed(self.dir()))?;
            let is_it =
                |value: &Value| matches!(value, Value::Keyword(word) if *word == hint.asked);
            if counts.values.iter().any(|one| is_it(&one.value)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The fields of the index in `dir`, and how many documents have a value in each.
///
/// # Errors
/// If the index cannot be read.
pub fn field_counts(dir: &Path, manifest: &Manifest) -> Result<Vec<FieldCount>, Error> {
    let columns = open_columns(dir, manifest)?;
    let deleted = deleted::read(dir, manifest)?;
    let mut counts = Vec::new();
    for (name, field_type) in manifest.blueprint.fields.iter() {
        let mut documents = 0;
        for (columns, deleted) in columns.iter().zip(&deleted) {
            documents += n_present(columns, deleted.as_deref(), name).map_err(failed(dir))?;
        }
        counts.push(FieldCount {
            name: name.to_owned(),
            field_type,
            documents,
        });
    }
    Ok(counts)
}

/// How many documents that are not deleted have a value.
fn n_present(
    columns: &Columns,
    deleted: Option<&FixedBitSet>,
    field: &str,
) -> Result<usize, ColumnsError> {
    let all = columns.n_present(field).unwrap_or_default() as usize;
    match deleted {
        None => Ok(all),
        Some(deleted) => {
            let of_deleted = columns.facets(field, deleted, Some(0))?;
            Ok(all - of_deleted.n_present as usize)
        }
    }
}

/// Refuses a field that an index does not have; `what` says what was asked of it.
///
/// # Errors
/// Names the nearest field.
pub(crate) fn check_field(fields: &FieldSchema, name: &str, what: &str) -> Result<(), Error> {
    if fields.get(name).is_some() {
        return Ok(());
    }
    let instead = match fields.nearest(name) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if fields.is_empty() => {
            "the index has no fields: name them under [fields] when you build it".to_owned()
        }
        None => {
            let names: Vec<&str> = fields.names().collect();
            format!("the fields are {}", names.join(", "))
        }
    };
    Err(Error::Request(format!(
        "there is no field `{name}` to {what}; {instead}"
    )))
}

/// A value as JSON has it, a date as text.
pub(crate) fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Keyword(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Date(date) => date.to_string().into(),
        Value::Boolean(truth) => (*truth).into(),
    }
}

fn failed(dir: &Path) -> impl Fn(ColumnsError) -> Error + '_ {
    move |source| part("read", "columns", dir)(source)
}
