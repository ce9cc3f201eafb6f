//! The first step of a build: every record of every input, one at a time.

use std::path::{Path, PathBuf};

use treffer_bm25::{Bm25Writer, Error as Bm25Error};
use treffer_corpus::{Origin, PassedOver, Problem, Reason, Record, check_input, read_documents};
use treffer_store::{Error as StoreError, StoreWriter};
use treffer_types::{DocId, Document, Passage, Progress};

use super::BuildRequest;
use super::language::{RecordLanguages, UnreadLanguages};
use crate::config::Config;
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::{Parts, parts};
use crate::passages::{Split, Splitter, Unit};

/// Reads the inputs of a request.
pub(super) struct Reading<'a> {
    pub(super) request: &'a BuildRequest<'a>,
    pub(super) progress: &'a dyn Progress,
    pub(super) on_problem: &'a mut dyn FnMut(&Problem),
}

/// What was read.
#[derive(Default)]
pub(super) struct Counts {
    /// Documents that were kept.
    pub(super) documents: u32,
    /// Bad records.
    pub(super) problems: u64,
    /// Files of folders that were not read.
    pub(super) passed_over: PassedOver,
}

impl Reading<'_> {
    /// Reads every input; `keep` accepts a document or returns the problem with it.
    pub(super) fn run(self, keep: &mut Keep<'_>) -> Result<Counts, Error> {
        let mut counts = Counts::default();
        // Reading fails once it is to stop, which is not the input's fault.
        let progress = self.progress;
        let unread = |error| {
            if progress.cancelled() {
                return Error::Cancelled;
            }
            Error::Corpus(error)
        };
        // All of them, before the first takes its time.
        for input in self.request.inputs {
            check_input(input, self.request.reading).map_err(Error::Corpus)?;
        }
        for input in self.request.inputs {
            let reader = read_documents(input, self.request.reading);
            let mut reader = reader.map_err(unread)?;
            counts.passed_over.merge(&reader.passed_over());
            let step = format!("reading {}", input.display());
            self.progress.begin(&step, reader.bytes_total(), "bytes");
            let mut bytes = 0;
            while let Some(record) = reader.next() {
                stop_if_asked(self.progress)?;
                let problem = match record.map_err(unread)? {
                    Record::Problem(problem) => Some(problem),
                    Record::Document { document, origin } => keep(&document, origin)?,
                };
                match problem {
                    None => counts.documents += 1,
                    Some(problem) if self.request.strict => return Err(Error::Strict(problem)),
                    Some(problem) => {
                        counts.problems += 1;
                        (self.on_problem)(&problem);
                    }
                }
                let now = reader.bytes_read();
                self.progress.advance(now.saturating_sub(bytes));
                bytes = now;
            }
            self.progress.end();
        }
        match counts.documents {
            0 => Err(Error::EmptyCorpus {
                problems: counts.problems,
                passed_over: counts.passed_over,
            }),
            _ => Ok(counts),
        }
    }
}

/// Accepts a document, or returns the problem with it.
pub(super) type Keep<'a> = dyn FnMut(&Document, Origin) -> Result<Option<Problem>, Error> + 'a;

/// The problem of a document whose id is taken.
pub(super) fn duplicate(document: &Document, origin: Origin) -> Problem {
    origin.problem(Reason::DuplicateId {
        id: document.id.clone(),
        first_line: None,
    })
}

/// Where a build puts what it reads: the store and the inverted index.
pub(super) struct DocumentWriter {
    dir: PathBuf,
    store: StoreWriter,
    bm25: Bm25Writer,
    bm25_unit: Unit,
    splitter: Option<Splitter>,
    passages: PassageCounts,
    languages: RecordLanguages,
}

/// What was written.
pub(super) struct Written {
    /// The seals of the parts.
    pub(super) parts: Parts,
    pub(super) passages: PassageCounts,
    /// Records that name no language.
    pub(super) unread_languages: UnreadLanguages,
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
        self.passages += n;
        self.documents_split += u32::from(n > 1);
        self.most = self.most.max(n);
        self.titles_cut += u32::from(split.tokens_cut > 0);
        self.title_tokens_cut += split.tokens_cut as u64;
    }
}

impl DocumentWriter {
    pub(super) fn create(
        building: &Path,
        config: &Config,
        splitter: Option<Splitter>,
    ) -> Result<Self, Error> {
        let (store, bm25) = (building.join(parts::STORE), building.join(parts::BM25));
        Ok(DocumentWriter {
            dir: building.into(),
            store: StoreWriter::create(&store).map_err(part("create", "store", &store))?,
            bm25: Bm25Writer::create(&bm25, &config.bm25).map_err(part(
                "create",
                "BM25 part",
                &bm25,
            ))?,
            bm25_unit: config.blueprint().bm25_unit(),
            splitter,
            passages: PassageCounts::default(),
            languages: RecordLanguages::new(&config.language),
        })
    }

    /// Adds words that compounds may be cut into besides those of the documents.
    pub(super) fn add_pieces(&mut self, pieces: Vec<String>) -> Result<(), Error> {
        let added = self.bm25.add_pieces(pieces);
        added.map_err(part("write", "BM25 part", &self.dir))
    }

    /// Adds one document; a problem if its id is taken.
    pub(super) fn add(
        &mut self,
        document: &Document,
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
        self.add_to_bm25(doc, document, &split.passages)
            .map_err(part("write", "BM25 part", &self.dir))?;
        self.passages.add(&split);
        Ok(None)
    }

    /// Adds the document, or its passages, of which the first has the number of all before it.
    fn add_to_bm25(
        &mut self,
        doc: DocId,
        document: &Document,
        passages: &[Passage],
    ) -> Result<(), Bm25Error> {
        let language = self.languages.of(document);
        let whole = [Passage::whole(document)];
        let (first, passages) = match (self.bm25_unit, passages) {
            (Unit::Document, _) => (doc.0, &whole[..]),
            (Unit::Passage, []) => (self.passages.passages, &whole[..]),
            (Unit::Passage, passages) => (self.passages.passages, passages),
        };
        for (number, passage) in (first..).zip(passages) {
            let piece = passage.piece(&document.text).unwrap_or_default();
            let (row, context) = (DocId(number), passage.context.as_str());
            match language {
                None => self.bm25.add(row, context, piece)?,
                known => self.bm25.add_in(known, row, context, piece)?,
            }
        }
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
            passages: self.passages,
            unread_languages: self.languages.finish(),
        })
    }
}
