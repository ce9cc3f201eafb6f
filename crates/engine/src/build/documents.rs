//! Where documents are written: the store and the inverted index of a new segment.

use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use treffer_bm25::{Bm25Writer, Error as Bm25Error};
use treffer_corpus::{Origin, Problem, Reason};
use treffer_store::{Error as StoreError, StoreWriter};
use treffer_types::{DocId, Document, Language, Passage};

use super::reading::duplicate;
use crate::blueprint::Blueprint;
use crate::error::{Error, part};
use crate::manifest::{Parts, parts};
use crate::passages::{Split, Splitter, Unit};

/// Writes the documents of one segment: the store and the inverted index.
pub(super) struct DocumentWriter {
    dir: PathBuf,
    store: StoreWriter,
    bm25: Bm25Writer,
    bm25_unit: Unit,
    splitter: Option<Arc<Splitter>>,
    documents: u32,
    passages: PassageCounts,
}

/// What was written.
pub(super) struct Written {
    /// The seals of the parts.
    pub(super) parts: Parts,
    pub(super) documents: u32,
    pub(super) passages: PassageCounts,
}

/// Into how many passages the documents were split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassageCounts {
    /// Passages of all documents.
    pub passages: u32,
    /// Documents that were split.
    pub documents_split: u32,
    /// Most passages of one document.
    pub most: u32,
    /// Titles too long to be read in front of every passage.
    pub titles_cut: u32,
    /// Tokens of such titles that were not read.
    pub title_tokens_cut: u64,
}

impl PassageCounts {
    fn add(&mut self, split: &Split) {
        let n = (split.passages.len() as u32).max(1);
        *self += PassageCounts {
            passages: n,
            documents_split: u32::from(n > 1),
            most: n,
            titles_cut: u32::from(split.tokens_cut > 0),
            title_tokens_cut: split.tokens_cut as u64,
        };
    }
}

impl AddAssign for PassageCounts {
    fn add_assign(&mut self, other: Self) {
        self.passages += other.passages;
        self.documents_split += other.documents_split;
        self.most = self.most.max(other.most);
        self.titles_cut += other.titles_cut;
        self.title_tokens_cut += other.title_tokens_cut;
    }
}

impl DocumentWriter {
    /// Begins a segment in `dir`. Compounds may be cut into words of the documents and into
    /// these.
    pub(super) fn create(
        dir: &Path,
        blueprint: &Blueprint,
        words: Words,
        splitter: Option<Arc<Splitter>>,
    ) -> Result<Self, Error> {
        let store = dir.join(parts::STORE);
        Ok(DocumentWriter {
            dir: dir.into(),
            store: StoreWriter::create(&store).map_err(part("create", "store", &store))?,
            bm25: bm25_writer(&dir.join(parts::BM25), blueprint, words)?,
            bm25_unit: blueprint.bm25_unit(),
            splitter,
            documents: 0,
            passages: PassageCounts::default(),
        })
    }

    /// Number of documents so far: the number of the next.
    pub(super) fn n_documents(&self) -> u32 {
        self.documents
    }

    /// Adds one document, whose language is detected if it is not given; a problem if its id is
    /// taken or it cannot be stored.
    pub(super) fn add(
        &mut self,
        document: &Document,
        language: Option<Language>,
        origin: Origin,
    ) -> Result<Option<Problem>, Error> {
        let split = match &self.splitter {
            None => Split::default(),
            Some(splitter) => splitter.split(document).map_err(|source| Error::Split {
                id: document.id.clone(),
                source,
            })?,
        };
        let doc = match self.store.add_split(document, &split.passages) {
            Ok(doc) => doc,
            Err(StoreError::DuplicateId { .. }) => {
                return Ok(Some(duplicate(document, origin)));
            }
            Err(error @ (StoreError::TooLarge { .. } | StoreError::TooDeep { .. })) => {
                return Ok(Some(origin.problem(Reason::Refused(error.into()))));
            }
            Err(error) => return Err(part("write", "store", &self.dir)(error)),
        };
        let known = language.map(Some);
        self.add_to_bm25(doc, document, &split.passages, |_| known)
            .map_err(part("write", "BM25 part", &self.dir))?;
        self.documents += 1;
        self.passages.add(&split);
        Ok(None)
    }

    /// Adds a document as it is in another segment: with its passages, and for each of BM25's
    /// rows the language that it has there.
    pub(super) fn add_stored(
        &mut self,
        document: &Document,
        passages: Vec<Passage>,
        languages: &[Option<Language>],
    ) -> Result<(), Error> {
        let is_whole = passages == [Passage::whole(document)];
        let split = Split {
            passages: if is_whole { Vec::new() } else { passages },
            tokens_cut: 0,
        };
        let doc = self.store.add_split(document, &split.passages);
        let doc = doc.map_err(part("write", "store", &self.dir))?;
        let known = |row: usize| languages.get(row).copied();
        self.add_to_bm25(doc, document, &split.passages, known)
            .map_err(part("write", "BM25 part", &self.dir))?;
        self.documents += 1;
        self.passages.add(&split);
        Ok(())
    }

    /// Adds the document, or its passages, of which the first has the number of all before it.
    fn add_to_bm25(
        &mut self,
        doc: DocId,
        document: &Document,
        passages: &[Passage],
        language: impl Fn(usize) -> Option<Option<Language>>,
    ) -> Result<(), Bm25Error> {
        let first = match self.bm25_unit {
            Unit::Document => doc.0,
            Unit::Passage => self.passages.passages,
        };
        add_rows(
            &mut self.bm25,
            self.bm25_unit,
            first,
            document,
            passages,
            language,
        )?;
        Ok(())
    }

    /// Completes the parts.
    pub(super) fn finish(self) -> Result<Written, Error> {
        let store = self.store.finish();
        let store = store.map_err(part("finish", "store", &self.dir))?;
        let bm25 = self.bm25.finish();
        let bm25 = bm25.map_err(part("finish", "BM25 part", &self.dir))?;
        let parts = Parts::from([
            (parts::STORE.to_owned(), store),
            (parts::BM25.to_owned(), bm25),
        ]);
        Ok(Written {
            parts,
            documents: self.documents,
            passages: self.passages,
        })
    }
}

/// Words that compounds are cut into besides those of the documents at hand.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// Those that stay with the segment.
    pub(super) own: Vec<String>,
    /// Those of other segments.
    pub(super) known: Vec<String>,
}

/// Begins an inverted index.
pub(super) fn bm25_writer(
    dir: &Path,
    blueprint: &Blueprint,
    words: Words,
) -> Result<Bm25Writer, Error> {
    let writer = Bm25Writer::create(dir, &blueprint.bm25);
    let mut writer = writer.map_err(part("create", "BM25 part", dir))?;
    let Words { own, known } = words;
    let added = writer
        .add_pieces(own)
        .and_then(|()| writer.know_pieces(known));
    added.map_err(part("write", "BM25 part", dir))?;
    Ok(writer)
}

/// Adds the rows of a document, or of its passages, numbered from `first` on, and returns the
/// number of the next row. `language` gives what is known of the language of each row, counted
/// from 0 in the document; where nothing is, the language is detected.
pub(super) fn add_rows(
    bm25: &mut Bm25Writer,
    unit: Unit,
    first: u32,
    document: &Document,
    passages: &[Passage],
    language: impl Fn(usize) -> Option<Option<Language>>,
) -> Result<u32, Bm25Error> {
    let whole = [Passage::whole(document)];
    let passages = match (unit, passages) {
        (Unit::Document, _) | (Unit::Passage, []) => &whole[..],
        (Unit::Passage, passages) => passages,
    };
    let mut next = first;
    for (row, passage) in passages.iter().enumerate() {
        let piece = passage.piece(&document.text).unwrap_or_default();
        let (number, context) = (DocId(next), passage.context.as_str());
        match language(row) {
            None => bm25.add(number, context, piece)?,
            Some(known) => bm25.add_in(known, number, context, piece)?,
        }
        next += 1;
    }
    Ok(next)
}
