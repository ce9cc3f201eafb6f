//! The one segment of a finished index: the columns that scoring needs, and the way from a
//! term to its postings.

use std::path::Path;
use std::sync::Arc;

use tantivy::index::InvertedIndexReader;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, SegmentReader, Term};
use treffer_disk::{Numbers, Sealed, partition_point};
use treffer_types::{DocId, Language};

use crate::column::{self, DOCUMENTS};
use crate::config::{Bm25Config, Fields};
use crate::cursor::{FieldCursor, FieldScoring, TermCursor};
use crate::directory::SealedDirectory;
use crate::error::Error;
use crate::explain::FieldScore;
use crate::formula::LengthNorm;
use crate::guard::backend;
use crate::language_column::{LanguageColumn, LanguageCounts};
use crate::layout::{Layout, Record, TextField};
use crate::pieces::Pieces;

/// An opened segment. A document's position in it is tantivy's document number.
pub(crate) struct Segment {
    /// Numbers by position, ascending.
    docs: Numbers<u32>,
    /// Those that are searched, in the order of the layout.
    fields: Vec<SearchedField>,
    /// With two fields, gives the number of documents that hold a term in either.
    either: Option<Terms>,
    /// What compounds are cut into, for a language that has them.
    pieces: Option<Pieces>,
    languages: LanguageColumn,
    /// Number of documents by language, as the record has them.
    counts: LanguageCounts,
}

struct SearchedField {
    name: &'static str,
    terms: Terms,
    /// Of all documents.
    n_terms: u64,
    average_length: f64,
    scoring: FieldScoring,
}

/// Where a term occurs.
#[derive(Clone)]
pub(crate) struct TermPostings {
    /// Number of documents that hold it in a searched field.
    pub(crate) df: u32,
    /// By searched field.
    by_field: Vec<Option<TermInfo>>,
}

impl Segment {
    /// Opens the segment of a sealed index with this record.
    pub(crate) fn open(
        sealed: &Arc<Sealed>,
        config: &Bm25Config,
        record: &Record,
    ) -> Result<Self, Error> {
        let layout = Layout::new(config.fields);
        let n_docs = record.n_docs;
        let reader = open_reader(sealed, &layout, n_docs)?;
        let docs = column::open(sealed, DOCUMENTS, n_docs)?;
        let terms = |field| Terms {
            field,
            reader: reader.clone(),
        };
        let mut fields = Vec::new();
        let weights = weights(config.fields);
        for ((field, weight), &n_terms) in layout.fields.iter().zip(weights).zip(&record.n_terms) {
            if weight > 0.0 {
                let TextField {
                    name,
                    postings,
                    lengths,
                } = *field;
                let average_length = mean(n_terms, n_docs);
                let scoring = FieldScoring {
                    weight,
                    lengths: column::open(sealed, lengths, n_docs)?,
                    norm: LengthNorm::new(f64::from(config.b), average_length),
                };
                fields.push(SearchedField {
                    name,
                    terms: terms(postings),
                    n_terms,
                    average_length,
                    scoring,
                });
            }
        }
        let either = layout.either.filter(|_| fields.len() > 1).map(terms);
        Ok(Segment {
            docs,
            fields,
            either,
            pieces: (record.n_pieces)
                .map(|n| Pieces::open(sealed, n))
                .transpose()?,
            languages: LanguageColumn::open(sealed, n_docs)?,
            counts: record.languages,
        })
    }

    /// Reads the columns and reports invalid ones.
    pub(crate) fn check(&self, report: &mut dyn FnMut(&Path, String)) -> Result<(), Error> {
        let docs = self.docs.slice(0..self.docs.len())?;
        if !docs.is_sorted_by(|a, b| a < b) {
            let reason = "its documents are out of order".to_owned();
            report(self.docs.file().path(), reason);
        }
        for SearchedField {
            n_terms, scoring, ..
        } in &self.fields
        {
            let lengths = scoring.lengths.slice(0..scoring.lengths.len())?;
            let sum: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
            if sum != *n_terms {
                let reason = format!("its lengths sum to {sum} instead of {n_terms}");
                report(scoring.lengths.file().path(), reason);
            }
        }
        let found = self.languages.count()?;
        if found != self.counts {
            let reason = format!("it counts {found:?} instead of {:?}", self.counts);
            report(self.languages.path(), reason);
        }
        if let Some(pieces) = &self.pieces {
            pieces.check(report)?;
        }
        Ok(())
    }

    pub(crate) fn n_docs(&self) -> u32 {
        self.docs.len() as u32
    }

    /// The document at `position`.
    pub(crate) fn doc(&self, position: u32) -> Result<DocId, Error> {
        Ok(DocId(self.docs.get(position as usize)?))
    }

    /// Where `doc` stands, `None` if it was never added.
    pub(crate) fn position(&self, doc: DocId) -> Result<Option<u32>, Error> {
        let n = self.docs.len();
        let position = partition_point(n, |i| Ok::<_, Error>(self.docs.get(i)? < doc.0))?;
        let found = position < n && self.docs.get(position)? == doc.0;
        Ok(found.then_some(position as u32))
    }

    /// Terms of the document at `position`, in all searched fields.
    pub(crate) fn length(&self, position: u32) -> Result<u32, Error> {
        let mut sum = 0u32;
        for field in &self.fields {
            sum = sum.saturating_add(field.scoring.lengths.get(position as usize)?);
        }
        Ok(sum)
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

    /// Whether compounds are cut into `word`.
    pub(crate) fn is_piece(&self, word: &str) -> Result<bool, Error> {
        self.pieces
            .as_ref()
            .map_or(Ok(false), |pieces| pieces.contains(word))
    }

    /// The language of the document at `position`.
    pub(crate) fn language(&self, position: u32) -> Result<Option<Language>, Error> {
        self.languages.get(position)
    }

    /// Number of documents by language.
    pub(crate) fn languages(&self) -> LanguageCounts {
        self.counts
    }

    /// A cursor for each field that holds the term.
    pub(crate) fn cursors(
        &self,
        dir: &Path,
        term: &TermPostings,
    ) -> Result<Vec<FieldCursor<'_>>, Error> {
        let mut cursors = Vec::with_capacity(self.fields.len());
        for (field, info) in self.fields.iter().zip(&term.by_field) {
            if let Some(info) = info
                && let Some(index) = field.terms.index(dir)?
            {
                let postings = index
                    .read_block_postings_from_terminfo(info, IndexRecordOption::WithFreqs)
                    .map_err(backend("search", dir))?;
                cursors.push(FieldCursor::new(postings, field.name, &field.scoring));
            }
        }
        Ok(cursors)
    }

    /// The fields in which a term occurs in the document at `position`, where its
    /// `cursor` stands.
    pub(crate) fn explain_fields(
        &self,
        cursor: &TermCursor<'_>,
        position: u32,
    ) -> Result<Vec<FieldScore>, Error> {
        let mut explained = Vec::new();
        for field in &self.fields {
            let here = cursor
                .fields
                .iter()
                .find(|cursor| cursor.name() == field.name);
            if let Some(here) = here.filter(|here| here.doc() == position) {
                let length = field.scoring.lengths.get(position as usize)?;
                explained.push(FieldScore {
                    field: field.name,
                    weight: field.scoring.weight,
                    tf: here.tf(),
                    length,
                    average_length: field.average_length,
                    length_norm: field.scoring.norm.of(length),
                    normalized_tf: here.normalized_tf()?,
                });
            }
        }
        Ok(explained)
    }
}

/// The terms of one field.
struct Terms {
    field: Field,
    /// `None` if the index has no documents, and so no terms.
    reader: Option<Arc<SegmentReader>>,
}

impl Terms {
    /// The field's dictionary and postings: the first call reads the dictionary, and the reader
    /// keeps it.
    fn index(&self, dir: &Path) -> Result<Option<Arc<InvertedIndexReader>>, Error> {
        let index = self
            .reader
            .as_ref()
            .map(|reader| reader.inverted_index(self.field));
        index.transpose().map_err(backend("search", dir))
    }

    fn find(&self, dir: &Path, text: &str) -> Result<Option<TermInfo>, Error> {
        let Some(index) = self.index(dir)? else {
            return Ok(None);
        };
        let term = Term::from_field_text(self.field, text);
        index.get_term_info(&term).map_err(backend("search", dir))
    }
}

/// `None` if the index has no documents.
fn open_reader(
    sealed: &Arc<Sealed>,
    layout: &Layout,
    n_docs: u32,
) -> Result<Option<Arc<SegmentReader>>, Error> {
    let dir = sealed.dir();
    let index = Index::open(SealedDirectory(Arc::clone(sealed))).map_err(backend("open", dir))?;
    if index.schema() != layout.schema {
        return Err(damaged(
            dir,
            "its fields are not those of its record".to_owned(),
        ));
    }
    let segments = index.searchable_segments().map_err(backend("open", dir))?;
    let reader = match segments.as_slice() {
        [] => None,
        [segment] => Some(SegmentReader::open(segment).map_err(backend("open", dir))?),
        segments => {
            return Err(damaged(
                dir,
                format!("it has {} segments, not one", segments.len()),
            ));
        }
    };
    let n_found = reader.as_ref().map_or(0, SegmentReader::num_docs);
    if n_found != n_docs {
        return Err(damaged(
            dir,
            format!("it has {n_found} documents, not {n_docs}"),
        ));
    }
    Ok(reader.map(Arc::new))
}

fn weights(fields: Fields) -> Vec<f64> {
    match fields {
        Fields::Concatenated => vec![1.0],
        Fields::Weighted { title, text } => vec![f64::from(title), f64::from(text)],
    }
}

/// 0 for no documents.
fn mean(n_terms: u64, n_docs: u32) -> f64 {
    if n_docs == 0 {
        0.0
    } else {
        n_terms as f64 / f64::from(n_docs)
    }
}

fn damaged(dir: &Path, reason: String) -> Error {
    Error::Damaged {
        dir: dir.to_owned(),
        reason,
    }
}
