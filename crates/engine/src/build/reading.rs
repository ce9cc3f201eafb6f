//! The first step of a build: every record of every input, one at a time.

use std::path::{Path, PathBuf};

use treffer_bm25::Bm25Writer;
use treffer_corpus::{Origin, PassedOver, Problem, Reason, Record, check_input, read_documents};
use treffer_store::{Error as StoreError, StoreWriter};
use treffer_types::{Document, Progress};

use super::BuildRequest;
use super::language::{RecordLanguages, UnreadLanguages};
use crate::config::Config;
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::{Parts, parts};

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
    languages: RecordLanguages,
}

impl DocumentWriter {
    pub(super) fn create(building: &Path, config: &Config) -> Result<Self, Error> {
        let (store, bm25) = (building.join(parts::STORE), building.join(parts::BM25));
        Ok(DocumentWriter {
            dir: building.into(),
            store: StoreWriter::create(&store).map_err(part("create", "store", &store))?,
            bm25: Bm25Writer::create(&bm25, &config.bm25).map_err(part(
                "create",
                "BM25 part",
                &bm25,
            ))?,
            languages: RecordLanguages::new(&config.language),
        })
    }

    /// Adds one document; a problem if its id is taken.
    pub(super) fn add(
        &mut self,
        document: &Document,
        origin: Origin,
    ) -> Result<Option<Problem>, Error> {
        let doc = match self.store.add(document) {
            Ok(doc) => doc,
            Err(StoreError::DuplicateId { .. }) => {
                return Ok(Some(duplicate(document, origin)));
            }
            Err(error @ (StoreError::TooLarge { .. } | StoreError::TooDeep { .. })) => {
                return Ok(Some(origin.problem(Reason::Refused(error.into()))));
            }
            Err(error) => return Err(part("write", "store", &self.dir)(error)),
        };
        let Document { title, text, .. } = document;
        let added = match self.languages.of(document) {
            None => self.bm25.add(doc, title, text),
            known => self.bm25.add_in(known, doc, title, text),
        };
        added.map_err(part("write", "BM25 part", &self.dir))?;
        Ok(None)
    }

    /// The seals of the parts that were written, and records that name no language.
    pub(super) fn finish(self) -> Result<(Parts, UnreadLanguages), Error> {
        let store = self.store.finish();
        let store = store.map_err(part("finish", "store", &self.dir))?;
        let bm25 = self.bm25.finish();
        let bm25 = bm25.map_err(part("finish", "BM25 part", &self.dir))?;
        let parts = Parts::from([
            (parts::STORE.to_owned(), store),
            (parts::BM25.to_owned(), bm25),
        ]);
        Ok((parts, self.languages.finish()))
    }
}
