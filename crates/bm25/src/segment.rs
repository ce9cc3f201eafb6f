//! The one segment of a finished index: what scoring needs of it in memory, and the way
//! from a term to its postings.

use std::path::Path;
use std::sync::Arc;

use tantivy::index::InvertedIndexReader;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, SegmentReader, Term};
use treffer_types::DocId;

use crate::config::{Fields, Bm25Config};
use crate::cursor::{FieldCursor, FieldScoring, TermCursor};
use crate::error::Error;
use crate::explain::FieldScore;
use crate::formula::LengthNorm;
use crate::guard::backend;
use crate::layout::{DOC, Layout, TextField};

/// An opened segment. A document's position in it is tantivy's number of it.
pub(crate) struct Segment {
    /// Numbers by position, ascending.
    docs: Vec<DocId>,
    /// Those that are searched, in the order of the layout.
    fields: Vec<SearchedField>,
    /// If two fields are searched, tells the number of documents of a term.
    either: Option<Terms>,
}

struct SearchedField {
    name: &'static str,
    terms: Terms,
    average_length: f64,
    scoring: FieldScoring,
}

/// Where a term occurs.
pub(crate) struct TermPostings {
    /// Number of documents that hold it in a searched field.
    pub(crate) df: u32,
    /// By searched field.
    by_field: Vec<Option<TermInfo>>,
}

impl Segment {
    /// Opens the segment in `dir`, which must hold `n_docs` documents.
    pub(crate) fn open(dir: &Path, config: &Bm25Config, n_docs: u32) -> Result<Self, Error> {
        let layout = Layout::new(config.fields);
        let reader = open_reader(dir, &layout)?;
        let column = |name| column(dir, reader.as_ref(), name, n_docs);
        let docs: Vec<DocId> = column(DOC)?.into_iter().map(DocId).collect();
        if !docs.is_sorted_by(|a, b| a < b) {
            return Err(damaged(dir, "its documents are out of order".to_owned()));
        }
        let terms = |field| Terms::open(dir, reader.as_ref(), field);
        let mut fields = Vec::new();
        for (field, weight) in layout.fields.iter().zip(weights(config.fields)) {
            if weight > 0.0 {
                let TextField {
                    name,
                    postings,
                    length_name,
                    ..
                } = *field;
                let lengths = column(length_name)?;
                let average_length = mean(&lengths);
                let norm = LengthNorm::new(f64::from(config.b), average_length);
                let scoring = FieldScoring {
                    weight,
                    lengths,
                    norm,
                };
                fields.push(SearchedField {
                    name,
                    terms: terms(postings)?,
                    average_length,
                    scoring,
                });
            }
        }
        let either = match layout.either {
            Some(either) if fields.len() > 1 => Some(terms(either)?),
            _ => None,
        };
        Ok(Segment {
            docs,
            fields,
            either,
        })
    }

    pub(crate) fn n_docs(&self) -> u32 {
        self.docs.len() as u32
    }

    /// The document at `position`.
    pub(crate) fn doc(&self, position: u32) -> DocId {
        self.docs[position as usize]
    }

    /// Where `doc` stands, `None` if it was never added.
    pub(crate) fn position(&self, doc: DocId) -> Option<u32> {
        self.docs
            .binary_search(&doc)
            .ok()
            .map(|position| position as u32)
    }

    /// Terms of the document at `position`, in all searched fields.
    pub(crate) fn length(&self, position: u32) -> u32 {
        let lengths = self.fields.iter().map(|field| &field.scoring.lengths);
        lengths.map(|lengths| lengths[position as usize]).sum()
    }

    /// Looks a term up; `None` if it occurs nowhere.
    pub(crate) fn term(&self, dir: &Path, text: &str) -> Result<Option<TermPostings>, Error> {
        let mut by_field = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            by_field.push(field.terms.find(dir, text)?);
        }
        if by_field.iter().all(Option::is_none) {
            return Ok(None);
        }
        let df = match &self.either {
            Some(either) => either.find(dir, text)?.map_or(0, |info| info.doc_freq),
            None => by_field.iter().flatten().map(|info| info.doc_freq).sum(),
        };
        if df == 0 || df > self.n_docs() {
            return Err(damaged(
                dir,
                format!("term `{text}` is said to occur in {df} documents"),
            ));
        }
        Ok(Some(TermPostings { df, by_field }))
    }

    /// A cursor for each field that holds the term.
    pub(crate) fn cursors(
        &self,
        dir: &Path,
        term: &TermPostings,
    ) -> Result<Vec<FieldCursor<'_>>, Error> {
        let mut cursors = Vec::with_capacity(self.fields.len());
        for (field, info) in self.fields.iter().zip(&term.by_field) {
            if let Some(info) = info {
                let postings = field
                    .terms
                    .index
                    .read_block_postings_from_terminfo(info, IndexRecordOption::WithFreqs)
                    .map_err(backend("search", dir))?;
                cursors.push(FieldCursor::new(postings, field.name, &field.scoring));
            }
        }
        Ok(cursors)
    }

    /// The fields in which a term occurs in the document at `position`, where its
    /// `cursor` stands.
    pub(crate) fn explain_fields(&self, cursor: &TermCursor<'_>, position: u32) -> Vec<FieldScore> {
        let mut explained = Vec::new();
        for field in &self.fields {
            let here = cursor
                .fields
                .iter()
                .find(|cursor| cursor.name() == field.name);
            if let Some(here) = here.filter(|here| here.doc() == position) {
                let length = field.scoring.lengths[position as usize];
                explained.push(FieldScore {
                    field: field.name,
                    weight: field.scoring.weight,
                    tf: here.tf(),
                    length,
                    average_length: field.average_length,
                    length_norm: field.scoring.norm.of(length),
                    normalized_tf: here.normalized_tf(),
                });
            }
        }
        explained
    }
}

/// The terms of one field. An index of no documents has none.
struct Terms {
    field: Field,
    index: Arc<InvertedIndexReader>,
}

impl Terms {
    fn open(dir: &Path, reader: Option<&SegmentReader>, field: Field) -> Result<Self, Error> {
        let index = match reader {
            Some(reader) => reader.inverted_index(field).map_err(backend("open", dir))?,
            None => Arc::new(InvertedIndexReader::empty(IndexRecordOption::Basic)),
        };
        Ok(Terms { field, index })
    }

    fn find(&self, dir: &Path, text: &str) -> Result<Option<TermInfo>, Error> {
        let term = Term::from_field_text(self.field, text);
        self.index
            .get_term_info(&term)
            .map_err(backend("search", dir))
    }
}

/// `None` if the index has no documents.
fn open_reader(dir: &Path, layout: &Layout) -> Result<Option<SegmentReader>, Error> {
    let index = Index::open_in_dir(dir).map_err(backend("open", dir))?;
    if index.schema() != layout.schema {
        return Err(damaged(
            dir,
            "its fields are not those of its record".to_owned(),
        ));
    }
    match index
        .searchable_segments()
        .map_err(backend("open", dir))?
        .as_slice()
    {
        [] => Ok(None),
        [segment] => SegmentReader::open(segment)
            .map(Some)
            .map_err(backend("open", dir)),
        segments => Err(damaged(
            dir,
            format!("it has {} segments, not one", segments.len()),
        )),
    }
}

/// One number for each document.
fn column(
    dir: &Path,
    reader: Option<&SegmentReader>,
    name: &str,
    n_docs: u32,
) -> Result<Vec<u32>, Error> {
    let mut values = Vec::new();
    if let Some(reader) = reader {
        let column = reader
            .fast_fields()
            .u64(name)
            .map_err(backend("open", dir))?;
        for position in 0..reader.max_doc().min(n_docs) {
            let value = column
                .first(position)
                .and_then(|value| u32::try_from(value).ok());
            let missing = || damaged(dir, format!("document {position} has no valid `{name}`"));
            values.push(value.ok_or_else(missing)?);
        }
    }
    let n_found = reader.map_or(0, SegmentReader::num_docs);
    if n_found != n_docs {
        return Err(damaged(
            dir,
            format!("it has {n_found} documents, not {n_docs}"),
        ));
    }
    Ok(values)
}

fn weights(fields: Fields) -> Vec<f64> {
    match fields {
        Fields::Concatenated => vec![1.0],
        Fields::Weighted { title, text } => vec![f64::from(title), f64::from(text)],
    }
}

/// 0 for no lengths.
fn mean(lengths: &[u32]) -> f64 {
    let sum: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
    if lengths.is_empty() {
        0.0
    } else {
        sum as f64 / lengths.len() as f64
    }
}

fn damaged(dir: &Path, reason: String) -> Error {
    Error::Damaged {
        dir: dir.to_owned(),
        reason,
    }
}
