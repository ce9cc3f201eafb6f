//! One folder of an index: its columns, the way from a term to its postings, and which of its
//! rows are deleted.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fixedbitset::FixedBitSet;
use tantivy::index::InvertedIndexReader;
use tantivy::postings::{BlockSegmentPostings, TermInfo};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, SegmentReader, Term};
use treffer_disk::{Numbers, Sealed};
use treffer_types::Language;

use crate::column;
use crate::config::Bm25Config;
use crate::cursor::{FieldCursor, FieldScoring, TermCursor};
use crate::directory::SealedDirectory;
use crate::error::Error;
use crate::explain::FieldScore;
use crate::guard::backend;
use crate::language_column::{LanguageColumn, LanguageCounts};
use crate::layout::{Layout, Record, TextField};
use crate::rows::Rows;
use crate::word_list::{COMPOUNDS, LISTED, PIECES, WordList};

/// A folder that [`Bm25Writer`](crate::Bm25Writer) finished, as a part of an index.
#[derive(Clone, Debug)]
pub struct Bm25Part<'a> {
    /// The folder.
    pub dir: &'a Path,
    /// The row of the index that its row 0 is: the sum of the rows of all parts before it.
    pub first: u32,
    /// Its rows that are deleted, numbered from 0. They keep their numbers, but are never found and
    /// count nowhere, as if they had never been added.
    pub deleted: Option<Arc<FixedBitSet>>,
}

/// An opened folder. A row in it is tantivy's document number.
pub(crate) struct Part {
    sealed: Arc<Sealed>,
    /// The row of the index that its row 0 is.
    first: u32,
    n_rows: u32,
    deleted: Option<Deleted>,
    /// Those that are searched, in the order of the layout.
    fields: Vec<SearchedField>,
    /// With two fields, gives the number of rows that hold a term in either.
    either: Option<Terms>,
    /// For a language that has compounds.
    words: Option<CompoundWords>,
    languages: LanguageColumn,
    /// Number of rows by language, as the record has them.
    recorded_languages: LanguageCounts,
    /// The same without deleted rows.
    live_languages: LanguageCounts,
}

struct SearchedField {
    name: &'static str,
    terms: Terms,
    /// Number of tokens of each row.
    lengths: Numbers<u32>,
    /// Of all rows, as the record has it.
    n_terms: u64,
    /// Of those that are not deleted.
    n_live_terms: u64,
}

/// What a part tells about words.
struct CompoundWords {
    /// What compounds are cut into.
    pieces: WordList,
    /// Those among them that were listed.
    listed: WordList,
    /// What may be a compound, with the pieces that it was cut into.
    compounds: WordList,
}

struct Deleted {
    rows: Arc<FixedBitSet>,
    /// At least 1.
    n: u32,
    /// Of each term that was asked for: the number of deleted rows that hold it.
    of_terms: Mutex<HashMap<String, u32>>,
}

/// Where a term occurs in a part.
pub(crate) struct PartTerm {
    /// Number of rows, not deleted, that hold it in a searched field; may be 0.
    pub(crate) df: u32,
    /// By searched field.
    by_field: Vec<Option<TermInfo>>,
}

impl Part {
    /// Opens a folder. `weights` are those of all fields.
    pub(crate) fn open(
        part: &Bm25Part<'_>,
        config: &Bm25Config,
        weights: &[f64],
    ) -> Result<Self, Error> {
        let sealed = Arc::new(Sealed::open(part.dir)?);
        let record = Record::read(&sealed)?;
        record.check(part.dir, config)?;
        let layout = Layout::new(config.fields);
        let n_rows = record.n_docs;
        let reader = open_reader(&sealed, &layout, n_rows)?;
        let terms = |field| Terms {
            field,
            reader: reader.clone(),
        };
        let deleted = Deleted::of(part, n_rows)?;
        let deleted_rows = || deleted.iter().flat_map(|deleted| deleted.rows.ones());
        let mut fields = Vec::new();
        for ((field, &weight), &n_terms) in layout.fields.iter().zip(weights).zip(&record.n_terms) {
            if weight > 0.0 {
                let TextField {
                    name,
                    postings,
                    lengths,
                } = *field;
                let lengths = column::open(&sealed, lengths, n_rows)?;
                let mut n_deleted = 0;
                for row in deleted_rows() {
                    n_deleted += u64::from(lengths.get(row)?);
                }
                let n_live_terms = n_terms.checked_sub(n_deleted);
                fields.push(SearchedField {
                    name,
                    terms: terms(postings),
                    lengths,
                    n_terms,
                    n_live_terms: n_live_terms.ok_or_else(|| {
                        let reason = "some of its lengths sum to more than all of them";
                        damaged(part.dir, reason.to_owned())
                    })?,
                });
            }
        }
        let languages = LanguageColumn::open(&sealed, n_rows)?;
        let live_languages = languages.without(record.languages, deleted_rows())?;
        let words = match (record.n_pieces, record.n_listed, record.n_compounds) {
            (Some(n_pieces), Some(n_listed), Some(n_compounds)) => Some(CompoundWords {
                pieces: WordList::open(&sealed, PIECES, n_pieces)?,
                listed: WordList::open(&sealed, LISTED, n_listed)?,
                compounds: WordList::open(&sealed, COMPOUNDS, n_compounds)?,
            }),
            _ => None,
        };
        let either = layout.either.filter(|_| fields.len() > 1).map(terms);
        Ok(Part {
            first: part.first,
            n_rows,
            deleted,
            fields,
            either,
            words,
            languages,
            recorded_languages: record.languages,
            live_languages,
            sealed,
        })
    }

    /// Reads the columns and reports invalid ones.
    pub(crate) fn check(&self, report: &mut dyn FnMut(&Path, String)) -> Result<(), Error> {
        for SearchedField {
            n_terms, lengths, ..
        } in &self.fields
        {
            let all = lengths.slice(0..lengths.len())?;
            let sum: u64 = all.iter().map(|&length| u64::from(length)).sum();
            if sum != *n_terms {
                let reason = format!("its lengths sum to {sum} instead of {n_terms}");
                report(lengths.file().path(), reason);
            }
        }
        let found = self.languages.count()?;
        if found != self.recorded_languages {
            let reason = format!(
                "it counts {found:?} instead of {:?}",
                self.recorded_languages
            );
            report(self.languages.path(), reason);
        }
        if let Some(CompoundWords {
            pieces,
            listed,
            compounds,
        }) = &self.words
        {
            pieces.check(&mut *report)?;
            listed.check(&mut *report)?;
            compounds.check(report)?;
        }
        Ok(())
    }

    pub(crate) fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    pub(crate) fn dir(&self) -> &Path {
        self.sealed.dir()
    }

    /// The row of the index that its row 0 is.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// Number of rows, deleted ones included.
    pub(crate) fn n_rows(&self) -> u32 {
        self.n_rows
    }

    /// Number of rows that are not deleted.
    pub(crate) fn n_live(&self) -> u32 {
        self.n_rows - self.deleted.as_ref().map_or(0, |deleted| deleted.n)
    }

    /// Number of terms of the rows that are not deleted, by searched field.
    pub(crate) fn live_terms(&self) -> impl Iterator<Item = u64> {
        self.fields.iter().map(|field| field.n_live_terms)
    }

    /// Number of rows by language, without deleted ones.
    pub(crate) fn live_languages(&self) -> LanguageCounts {
        self.live_languages
    }

    /// The rows that a search may find, of those of the index that are `allowed`.
    pub(crate) fn rows<'a>(&'a self, allowed: Option<&'a FixedBitSet>) -> Rows<'a> {
        Rows {
            first: self.first,
            n: self.n_rows,
            deleted: self.deleted.as_ref().map(|deleted| &*deleted.rows),
            allowed,
        }
    }

    /// Tokens of a row, in all searched fields.
    pub(crate) fn length(&self, row: u32) -> Result<u32, Error> {
        let mut sum = 0u32;
        for field in &self.fields {
            sum = sum.saturating_add(field.lengths.get(row as usize)?);
        }
        Ok(sum)
    }

    /// The language of a row.
    pub(crate) fn language(&self, row: u32) -> Result<Option<Language>, Error> {
        self.languages.get(row)
    }

    /// Looks a term up; `None` if it occurs nowhere.
    pub(crate) fn term(&self, text: &str) -> Result<Option<PartTerm>, Error> {
        let mut by_field = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            by_field.push(field.terms.find(self.dir(), text)?);
        }
        if by_field.iter().all(Option::is_none) {
            return Ok(None);
        }
        // Without `either`, one field is searched.
        let (counting, info) = match &self.either {
            Some(either) => (Some(either), either.find(self.dir(), text)?),
            None => {
                let terms = self.fields.first().map(|field| &field.terms);
                (terms, by_field.first().cloned().flatten())
            }
        };
        let df = info.as_ref().map_or(0, |info| info.doc_freq);
        if df == 0 || df > self.n_rows {
            let reason = format!("term `{text}` is said to occur in {df} documents");
            return Err(damaged(self.dir(), reason));
        }
        let n_deleted = match (&self.deleted, counting, info) {
            (Some(deleted), Some(counting), Some(info)) => {
                deleted.with_term(text, || counting.postings(self.dir(), &info))?
            }
            _ => 0,
        };
        let df = df.checked_sub(n_deleted).ok_or_else(|| {
            let reason = format!("term `{text}` is said to occur in fewer documents than hold it");
            damaged(self.dir(), reason)
        })?;
        Ok(Some(PartTerm { df, by_field }))
    }

    /// A cursor for each field that holds the term.
    pub(crate) fn cursors<'a>(
        &'a self,
        term: &PartTerm,
        scorings: &'a [FieldScoring],
    ) -> Result<Vec<FieldCursor<'a>>, Error> {
        let mut cursors = Vec::with_capacity(self.fields.len());
        for ((field, info), scoring) in self.fields.iter().zip(&term.by_field).zip(scorings) {
            if let Some(info) = info
                && let Some(index) = field.terms.index(self.dir())?
            {
                let postings = index
                    .read_block_postings_from_terminfo(info, IndexRecordOption::WithFreqs)
                    .map_err(backend("search", self.dir()))?;
                cursors.push(FieldCursor::new(postings, &field.lengths, scoring));
            }
        }
        Ok(cursors)
    }

    /// The fields in which a term occurs in a row, where its `cursor` stands.
    pub(crate) fn explain_fields(
        &self,
        cursor: &TermCursor<'_>,
        row: u32,
    ) -> Result<Vec<FieldScore>, Error> {
        let mut explained = Vec::new();
        for field in &self.fields {
            let here = cursor
                .fields
                .iter()
                .find(|cursor| cursor.scoring().name == field.name);
            if let Some(here) = here.filter(|here| here.doc() == row) {
                let length = field.lengths.get(row as usize)?;
                let scoring = here.scoring();
                explained.push(FieldScore {
                    field: field.name,
                    weight: scoring.weight,
                    tf: here.tf(),
                    length,
                    average_length: scoring.average_length,
                    length_norm: scoring.norm.of(length),
                    normalized_tf: here.normalized_tf()?,
                });
            }
        }
        Ok(explained)
    }

    /// Whether `word` is one of this part that compounds are cut into.
    pub(crate) fn has_piece(&self, word: &str) -> Result<bool, Error> {
        let words = self.words.as_ref();
        words.map_or(Ok(false), |words| words.pieces.contains(word))
    }

    /// The words of this part that compounds are cut into, sorted.
    pub(crate) fn pieces(&self) -> Result<Vec<&str>, Error> {
        let words = self.words.as_ref();
        words.map_or(Ok(Vec::new()), |words| words.pieces.all())
    }

    /// Those among [`pieces`](Self::pieces) that were listed, sorted.
    pub(crate) fn listed_pieces(&self) -> Result<Vec<&str>, Error> {
        let words = self.words.as_ref();
        words.map_or(Ok(Vec::new()), |words| words.listed.all())
    }

    /// The words of this part that may be compounds, sorted, each with the pieces that it was cut
    /// into and a blank before each.
    pub(crate) fn compounds(&self) -> Result<Vec<&str>, Error> {
        let words = self.words.as_ref();
        words.map_or(Ok(Vec::new()), |words| words.compounds.all())
    }
}

impl Deleted {
    /// `None` if no row is.
    fn of(part: &Bm25Part<'_>, n_rows: u32) -> Result<Option<Self>, Error> {
        let Some(rows) = &part.deleted else {
            return Ok(None);
        };
        if let Some(row) = rows.maximum().filter(|&row| row >= n_rows as usize) {
            return Err(Error::Part {
                dir: part.dir.to_owned(),
                reason: format!("its row {row} is said to be deleted, but it has {n_rows} rows"),
            });
        }
        let n = rows.count_ones(..) as u32;
        Ok((n > 0).then(|| Deleted {
            rows: Arc::clone(rows),
            n,
            of_terms: Mutex::default(),
        }))
    }

    /// The number of deleted rows that hold `term`. Counted once: the number of terms of a part
    /// bounds what is kept.
    fn with_term(
        &self,
        term: &str,
        postings: impl FnOnce() -> Result<Option<BlockSegmentPostings>, Error>,
    ) -> Result<u32, Error> {
        // What is in it is valid whatever happened to a thread that held it.
        let known = || self.of_terms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&n) = known().get(term) {
            return Ok(n);
        }
        let n = postings()?.map_or(0, |postings| self.among(postings));
        known().insert(term.to_owned(), n);
        Ok(n)
    }

    fn among(&self, mut postings: BlockSegmentPostings) -> u32 {
        /// How many postings are read in the time in which one is looked for.
        const LOOKING: u32 = 16;
        let mut n = 0;
        if self.n < postings.doc_freq() / LOOKING {
            for row in self.rows.ones() {
                let at = postings.seek(row as u32);
                n += u32::from(postings.doc(at) == row as u32);
            }
            return n;
        }
        while !postings.docs().is_empty() {
            let held = postings.docs().iter();
            n += held
                .filter(|&&doc| self.rows.contains(doc as usize))
                .count() as u32;
            postings.advance();
        }
        n
    }
}

/// The terms of one field.
struct Terms {
    field: Field,
    /// `None` if the part has no documents, and so no terms.
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

    /// The rows that hold a term.
    fn postings(&self, dir: &Path, info: &TermInfo) -> Result<Option<BlockSegmentPostings>, Error> {
        let index = self.index(dir)?;
        let postings = index
            .map(|index| index.read_block_postings_from_terminfo(info, IndexRecordOption::Basic));
        postings.transpose().map_err(backend("search", dir))
    }
}

/// `None` if the part has no documents.
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

fn damaged(dir: &Path, reason: String) -> Error {
    Error::Damaged {
        dir: dir.to_owned(),
        reason,
    }
}
