//! One run of a writer: it adds and deletes documents, and commits them batch by batch.

mod known;

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use fixedbitset::FixedBitSet;
use treffer_corpus::Origin;
use treffer_dense::DenseIndex;
use treffer_store::Store;
use treffer_types::{DocId, Document, Embedder, Progress};

use super::bm25_parts::Rebuilding;
use super::clock::StepClock;
use super::commit::{Commit, Committed, Move, NEW_SEGMENT, Workplace};
use super::documents::{DocumentWriter, PassageCounts, Words, Written};
use super::encoding::{Encoded, Encoding};
use super::given::{of_dimension, vector_in_metadata};
use super::language::UnreadLanguages;
use super::language_shift::LanguageShift;
use super::reading::{Kept, duplicate};
use super::renumbering::Renumbering;
use super::texts::Cut;
use super::tokens::TokenEncoding;
use super::vectors::{DenseEncoding, Given, SameTexts};
use super::writing::Writing;
use crate::data::IndexData;
use crate::error::{Error, part};
use crate::manifest::{Manifest, Segment, parts, segment_name};
use crate::models::unit;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Builds an index from nothing.
    Build,
    /// Goes on with an index whose building was interrupted.
    Resume,
    /// Changes an index.
    Change,
}

/// An index that is being written.
pub(super) struct Session<'a> {
    pub(super) workplace: Workplace,
    /// Of the last commit, with the counts of what was deleted since.
    pub(super) manifest: Manifest,
    /// What the last commit holds.
    pub(super) data: IndexData,
    /// The deleted documents of each segment, with those deleted since.
    pub(super) deleted: Vec<Option<Arc<FixedBitSet>>>,
    /// Whether anything was deleted since the last commit.
    has_deleted: bool,
    /// Whether this run has committed anything.
    has_committed: bool,
    /// Whether a commit could not be opened.
    is_behind: bool,
    /// Documents from this number on were added by this run.
    first_of_run: u32,
    /// Documents from before this run that it found again as they are.
    unchanged: HashSet<DocId>,
    batch: Option<Batch>,
    writing: Writing<'a>,
    kind: Kind,
    /// The vectors of the last commit, once they are needed.
    vectors: OnceCell<DenseIndex>,
    pub(super) counts: SessionCounts,
    pub(super) progress: &'a dyn Progress,
}

/// Documents that wait for the next commit.
struct Batch {
    writer: DocumentWriter,
    /// Documents whose text a document of the last commit has, by their numbers in the batch.
    same_texts: HashMap<DocId, DocId>,
    /// Those among them for which this document has the vectors of their passages.
    same_vectors: HashMap<DocId, DocId>,
    /// Vectors that come with documents, by their numbers in the batch.
    given: HashMap<DocId, Given>,
}

/// What a run did.
#[derive(Default)]
pub(super) struct SessionCounts {
    pub(super) added: u32,
    pub(super) updated: u32,
    pub(super) unchanged: u32,
    pub(super) deleted: u32,
    /// Documents that have no vector, because none came with them and there is no model.
    pub(super) without_vector: u32,
    pub(super) passages: PassageCounts,
    pub(super) cut: Cut,
    pub(super) warnings: Vec<String>,
    pub(super) clock: StepClock,
}

impl<'a> Session<'a> {
    /// Goes on from the commit of `manifest`, which has no segments if the index is new.
    pub(super) fn begin(
        workplace: Workplace,
        manifest: Manifest,
        writing: Writing<'a>,
        kind: Kind,
    ) -> Result<Self, Error> {
        let data = IndexData::open(workplace.dir(), &manifest, &manifest.blueprint.bm25)?;
        Ok(Session {
            deleted: data.deleted().to_vec(),
            has_deleted: false,
            has_committed: false,
            is_behind: false,
            first_of_run: data.store.len() as u32,
            unchanged: HashSet::new(),
            batch: None,
            progress: writing.progress,
            writing,
            kind,
            vectors: OnceCell::new(),
            counts: SessionCounts::default(),
            workplace,
            manifest,
            data,
        })
    }

    /// Adds a document, in the place of the one that has its id, if there is one. A document that
    /// is there as it is stays. One whose id this run has seen is a problem.
    pub(super) fn add(
        &mut self,
        document: &Document,
        origin: Origin,
        given: Option<Given>,
    ) -> Result<Kept, Error> {
        let (mut stripped, mut row) = (None, None);
        let vector = match given {
            Some(Given::Vector(vector)) => Ok(Some(vector)),
            Some(Given::Row(nth)) => {
                row = Some(nth);
                let vector = self.writing.vectors.map(|file| file.row(nth));
                vector.transpose().map_err(Error::Corpus)?.transpose()
            }
            None => {
                vector_in_metadata(document, self.manifest.blueprint.dense.as_ref()).map(|found| {
                    let (document, vector) = found.unzip();
                    stripped = document;
                    vector
                })
            }
        };
        let dimension = self.writing.embedder.as_ref().map(|one| one.dimension());
        let given = match vector.and_then(|vector| of_dimension(vector, dimension)) {
            Ok(vector) => vector.map(unit),
            Err(reason) => return Ok(Kept::not(origin.problem(reason))),
        };
        let document = stripped.as_ref().unwrap_or(document);
        let old = self.find(&document.id)?;
        if old.is_some_and(|old| old.0 >= self.first_of_run || self.unchanged.contains(&old)) {
            return Ok(Kept::not(duplicate(document, origin)));
        }
        let lacks_vector = given.is_none() && self.needs_vectors();
        let (mut same_text, mut same_vectors) = (None, None);
        if let Some(old) = old {
            let stored = self.data.store.document(old);
            let stored = stored.map_err(part("read", "store", self.workplace.dir()))?;
            let is_same = self.has_same_text(&stored, document);
            let keeps_vectors = is_same && self.keeps_vectors(old, given.as_deref())?;
            if stored == *document && keeps_vectors {
                self.unchanged.insert(old);
                self.counts.unchanged += 1;
                self.counts.without_vector += u32::from(lacks_vector);
                return Ok(Kept::whole());
            }
            same_text = (is_same && given.is_none()).then_some(old);
            same_vectors = same_text.filter(|_| keeps_vectors);
        }
        if self.batch.is_none() {
            self.batch = Some(self.new_batch()?);
        }
        let language = self.writing.languages.of(document);
        let batch = self.batch.as_mut().expect("it was just begun");
        let doc = DocId(batch.writer.n_documents());
        let kept = batch.writer.add(document, language, origin)?;
        if !kept.is_kept {
            return Ok(kept);
        }
        batch.same_texts.extend(same_text.map(|old| (doc, old)));
        batch
            .same_vectors
            .extend(same_vectors.map(|old| (doc, old)));
        self.counts.without_vector += u32::from(lacks_vector);
        let given = match row.filter(|_| given.is_some()) {
            Some(row) => Some(Given::Row(row)),
            None => given.map(Given::Vector),
        };
        batch.given.extend(given.map(|given| (doc, given)));
        let is_full = Some(batch.writer.n_documents()) == self.writing.commit_every;
        match old {
            None => self.counts.added += 1,
            Some(old) => {
                self.mark_deleted(old)?;
                self.counts.updated += 1;
            }
        }
        if is_full {
            self.commit(true)?;
        }
        Ok(Kept {
            has_committed: is_full,
            ..kept
        })
    }

    /// The same, but that a stop after a commit says so.
    pub(super) fn or_interrupted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| match error {
            Error::Cancelled if self.has_committed => Error::Interrupted {
                documents: self.data.manifest().n_documents(),
            },
            error => error,
        })
    }

    /// Deletes the document of this id; whether there was one.
    pub(super) fn delete(&mut self, id: &str) -> Result<bool, Error> {
        let Some(doc) = self.find(id)? else {
            return Ok(false);
        };
        self.mark_deleted(doc)?;
        self.counts.deleted += 1;
        Ok(true)
    }

    /// Deletes the documents of the last commit that a filter holds for.
    pub(super) fn delete_filtered(&mut self, filter: &str) -> Result<(), Error> {
        let selection = self.data.filter(filter)?;
        for doc in selection.docs().ones().map(|doc| DocId(doc as u32)) {
            if !self.is_deleted(doc) {
                self.mark_deleted(doc)?;
                self.counts.deleted += 1;
            }
        }
        Ok(())
    }

    /// Commits what was added and deleted since the last commit. While more is to come, an index
    /// that is being built is marked as unfinished.
    pub(super) fn commit(&mut self, more_is_to_come: bool) -> Result<(), Error> {
        let batch = self.batch.take();
        let unfinished = match self.kind {
            Kind::Build | Kind::Resume => more_is_to_come,
            Kind::Change => self.manifest.unfinished,
        };
        if batch.is_none() && !self.has_deleted && self.manifest.unfinished == unfinished {
            return Ok(());
        }
        let mut moves = Vec::new();
        let (mut manifest, mut deleted) = (self.manifest.clone(), self.deleted.clone());
        manifest.unfinished = unfinished;
        if let Some(batch) = batch {
            let segment = self.finish_batch(batch)?;
            let all: Vec<usize> = (0..manifest.segments.len()).collect();
            let rebuilding = Rebuilding {
                data: &self.data,
                workplace: &self.workplace,
                progress: self.progress,
            };
            moves.extend(rebuilding.run(&mut manifest, &all, Some(&segment))?);
            moves.push(Move {
                from: NEW_SEGMENT.to_owned(),
                to: vec![segment.name.clone()],
            });
            manifest.segments.push(segment);
            deleted.push(None);
        }
        self.put_in_force(manifest, deleted, moves, None)
    }

    /// Commits a manifest with these deleted documents and goes on from it. A merge tells which
    /// numbers its documents have got.
    ///
    /// # Errors
    /// If it is not committed, everything is as it was. If it is, but cannot be opened, the run
    /// cannot go on: see [`is_behind`](Self::is_behind).
    pub(super) fn put_in_force(
        &mut self,
        manifest: Manifest,
        deleted: Vec<Option<Arc<FixedBitSet>>>,
        moves: Vec<Move>,
        renumbering: Option<&Renumbering>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let commit = Commit {
            manifest,
            deleted: &deleted,
            moves,
            // Those of a build belong to the generation that it commits first.
            writes_settings: self.kind == Kind::Build && self.data.manifest().generation == 0,
        };
        let Committed { manifest, warnings } = self.workplace.commit(commit)?;
        self.counts.warnings.extend(warnings);
        self.is_behind = true;
        let bm25 = &manifest.blueprint.bm25;
        self.data = IndexData::open(self.workplace.dir(), &manifest, bm25)?;
        self.is_behind = false;
        (self.manifest, self.deleted) = (manifest, deleted);
        if let Some(renumbering) = renumbering {
            let new = |number| renumbering.new_number(number);
            self.first_of_run = new(self.first_of_run);
            self.unchanged = self.unchanged.iter().map(|doc| DocId(new(doc.0))).collect();
        }
        self.vectors = OnceCell::new();
        self.has_deleted = false;
        self.has_committed = true;
        self.counts.clock.add("commit", start.elapsed());
        Ok(())
    }

    /// Whether something was committed that could not be opened: numbers of documents are not those
    /// of the index any more.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// What the run did, records that name no language where they should, and what is in force.
    pub(super) fn into_counts(self) -> (SessionCounts, UnreadLanguages, Manifest) {
        (self.counts, self.writing.languages.unread(), self.manifest)
    }

    fn new_batch(&self) -> Result<Batch, Error> {
        let building = self.workplace.begin()?;
        let failed = || part("read", "BM25 part", self.workplace.dir());
        // Each segment has the words of the list, because any of the others may be emptied.
        let mut own = self.writing.pieces.clone();
        own.extend(self.data.bm25.listed_pieces().map_err(failed())?);
        let words = Words {
            own,
            known: self.data.bm25.pieces().map_err(failed())?,
        };
        let splitter = self.writing.splitter.clone();
        let dir = building.join(NEW_SEGMENT);
        Ok(Batch {
            writer: DocumentWriter::create(&dir, &self.manifest.blueprint, words, splitter)?,
            same_texts: HashMap::new(),
            same_vectors: HashMap::new(),
            given: HashMap::new(),
        })
    }

    /// Completes the parts of a batch.
    fn finish_batch(&mut self, batch: Batch) -> Result<Segment, Error> {
        let Batch {
            writer,
            same_texts,
            same_vectors,
            given,
        } = batch;
        let start = Instant::now();
        let Written {
            mut parts,
            documents,
            passages,
        } = writer.finish()?;
        self.counts.passages += passages;
        self.counts.clock.add("read", start.elapsed());
        let start = Instant::now();
        let encoded = self.encode(&same_texts, &same_vectors, &given)?;
        self.counts.cut += encoded.cut;
        for (name, seal) in [(parts::DENSE, encoded.dense), (parts::LATE, encoded.late)] {
            parts.extend(seal.map(|seal| (name.to_owned(), seal)));
        }
        if self.writing.embedder.is_some() || self.writing.late.is_some() {
            self.counts.clock.add("encode", start.elapsed());
        }
        Ok(Segment {
            name: segment_name(self.workplace.generation()),
            documents,
            passages: passages.passages,
            deleted: 0,
            deleted_passages: 0,
            parts,
        })
    }

    /// The vectors of the segment that is being written.
    fn encode(
        &self,
        same_texts: &HashMap<DocId, DocId>,
        same_vectors: &HashMap<DocId, DocId>,
        given: &HashMap<DocId, Given>,
    ) -> Result<Encoded, Error> {
        let Writing { embedder, late, .. } = &self.writing;
        let blueprint = &self.manifest.blueprint;
        if embedder.is_none() && late.is_none() {
            return Ok(Encoded::default());
        }
        let segment = self.workplace.building().join(NEW_SEGMENT);
        let store_dir = segment.join(parts::STORE);
        let store = Store::open_folder(&store_dir);
        let store = store.map_err(part("open", "store", &store_dir))?;
        let (dense_dir, late_dir) = (segment.join(parts::DENSE), segment.join(parts::LATE));
        let bm25 = segment.join(parts::BM25);
        let needs_old = embedder.is_some() && !same_vectors.is_empty();
        let vectors = needs_old.then(|| self.data.open_dense());
        let same = SameTexts {
            docs: same_vectors,
            index: vectors.transpose()?,
        };
        let dense = match (embedder, &blueprint.dense) {
            (Some(embedder), Some(dense)) => Some(DenseEncoding {
                dir: &dense_dir,
                bm25: &bm25,
                blueprint,
                dense,
                embedder: embedder.as_ref(),
                shift: self.shift(embedder.as_ref(), dense.language_shift)?,
                same_texts: &same,
                given,
                vectors: self.writing.vectors,
            }),
            _ => None,
        };
        let tokens = late.as_ref().map(|_| self.data.open_late()).transpose()?;
        let late = match (late, &blueprint.late) {
            (Some(model), Some(late)) => Some(TokenEncoding {
                dir: &late_dir,
                late,
                model: model.as_ref(),
                same_texts,
                learned: (tokens.as_ref()).and_then(|index| index.width().map(|_| index.learned())),
                index: tokens.as_ref(),
                progress: self.progress,
            }),
            _ => None,
        };
        let encoding = Encoding {
            store: &store,
            store_dir: &store_dir,
            dense,
            late,
            progress: self.progress,
        };
        encoding.encode()
    }

    /// What takes the languages out of vectors: measured once.
    fn shift(&self, embedder: &dyn Embedder, factor: f64) -> Result<Option<&LanguageShift>, Error> {
        if factor == 0.0 {
            return Ok(None);
        }
        let cell = &self.writing.shift;
        if cell.get().is_none() {
            let shift = LanguageShift::measure(embedder, factor);
            let shift = shift.map_err(|source| Error::Model {
                action: "run",
                name: embedder.spec().name.clone(),
                source,
            })?;
            let _ = cell.set(shift); // nobody else has set it
        }
        Ok(cell.get())
    }
}
