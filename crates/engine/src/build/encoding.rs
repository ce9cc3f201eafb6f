//! The second step of a build: every passage of the stored documents through the bi-encoder.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

use treffer_bm25::Bm25Index;
use treffer_corpus::VectorFile;
use treffer_dense::{DenseIndex, DenseWriter, Error as DenseError};
use treffer_disk::SealRecord;
use treffer_store::Store;
use treffer_types::{DocId, Embedder, Language, PassageId, Progress};

use super::language_shift::LanguageShift;
use crate::blueprint::{Blueprint, DenseConfig, NO_MODEL};
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::parts;
use crate::models::unit;
use crate::passages::Unit;

/// Passages encoded between two reports of progress.
const ENCODED_AT_ONCE: usize = 64;

/// What exceeded the bi-encoder's maximal length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    pub(super) passages: u32,
    pub(super) tokens: u64,
}

impl AddAssign for Cut {
    fn add_assign(&mut self, other: Self) {
        self.passages += other.passages;
        self.tokens += other.tokens;
    }
}

/// From the store of a new segment to its vectors and their graph.
pub(super) struct DenseEncoding<'a> {
    /// Where the part is written.
    pub(super) dir: &'a Path,
    /// The documents, numbered from 0, none of them deleted.
    pub(super) store: &'a Store,
    /// The folder of their inverted index, which knows their languages.
    pub(super) bm25: &'a Path,
    pub(super) blueprint: &'a Blueprint,
    pub(super) dense: &'a DenseConfig,
    pub(super) embedder: &'a dyn Embedder,
    /// What takes the languages out of vectors, if the configuration says so.
    pub(super) shift: Option<&'a LanguageShift>,
    /// Documents whose text is that of a document of the index before.
    pub(super) same_texts: &'a SameTexts<'a>,
    /// Vectors that come with documents, each in the place of those of the document's passages.
    pub(super) given: &'a HashMap<DocId, Given>,
    /// Where rows are read from.
    pub(super) vectors: Option<&'a VectorFile>,
    pub(super) progress: &'a dyn Progress,
}

/// The vector that comes with a document.
pub(super) enum Given {
    /// Its record has it: of length 1 from when the document is added.
    Vector(Vec<f32>),
    /// It is this row of the file of vectors, which may not fit into memory.
    Row(u64),
}

/// Documents of a new segment whose text has vectors already.
pub(super) struct SameTexts<'a> {
    /// By their numbers in the segment, the documents of the index before.
    pub(super) docs: &'a HashMap<DocId, DocId>,
    /// Their vectors; `None` if there are no such documents.
    pub(super) index: Option<&'a DenseIndex>,
}

impl SameTexts<'_> {
    /// The vectors of a document's passages, if they are all there.
    fn vectors(&self, doc: DocId, n_passages: usize) -> Result<Option<Vec<Vec<f32>>>, Error> {
        let (Some(old), Some(index)) = (self.docs.get(&doc), self.index) else {
            return Ok(None);
        };
        let failed = || part("read", "dense part", Path::new(parts::DENSE));
        let passages = index.passages_of(*old).map_err(failed())?;
        if passages.len() != n_passages {
            return Ok(None);
        }
        let mut vectors = Vec::with_capacity(n_passages);
        for passage in passages {
            match index.vector(passage).map_err(failed())? {
                Some(vector) => vectors.push(vector),
                None => return Ok(None),
            }
        }
        Ok(Some(vectors))
    }
}

/// What waits to be written, in the order of passages: a vector that is there, or a text.
struct Input {
    id: PassageId,
    content: Content,
    language: Option<Language>,
}

enum Content {
    Text(String),
    Vector(Vec<f32>),
}

/// The languages of the documents of a new segment.
struct Languages {
    bm25: Bm25Index,
    unit: Unit,
    dir: PathBuf,
}

impl Languages {
    /// The language of a passage of a document, which has this number among all passages.
    fn of(&self, doc: DocId, passage: u32) -> Result<Option<Language>, Error> {
        let row = match self.unit {
            Unit::Document => doc,
            Unit::Passage => DocId(passage),
        };
        let language = self.bm25.language_of(row);
        language.map_err(part("read", "BM25 part", &self.dir))
    }
}

impl DenseEncoding<'_> {
    /// Encodes every passage that has no vector and builds the graph. Returns what was cut, and
    /// the seal of the part.
    pub(super) fn encode(&self) -> Result<(Cut, SealRecord), Error> {
        let (store, dir) = (self.store, self.dir);
        let DenseConfig { graph, storage, .. } = self.dense;
        let mut writer = DenseWriter::create(dir, self.embedder.dimension(), graph, *storage)
            .map_err(part("create", "dense part", dir))?;
        let languages = self.languages()?;
        let mut cut = Cut::default();
        self.progress
            .begin("encoding", Some(store.n_passages().into()), "passages");
        let mut row = 0;
        let mut batch = Vec::with_capacity(ENCODED_AT_ONCE);
        for doc in store.live_docs() {
            let split = store.split_document(doc);
            let (document, passages) = split.map_err(part("read", "store", dir))?;
            if let Some(given) = self.given.get(&doc) {
                row += passages.len() as u32;
                batch.push(Input {
                    id: PassageId::whole(doc),
                    content: Content::Vector(self.vector(given)?),
                    language: None,
                });
                if batch.len() >= ENCODED_AT_ONCE {
                    self.write_batch(&mut batch, &mut writer, &mut cut)?;
                }
                continue;
            }
            if self.embedder.spec().name == NO_MODEL {
                continue; // without a vector, the document is not in this stage
            }
            let mut vectors = self.same_texts.vectors(doc, passages.len())?;
            for (number, passage) in passages.iter().enumerate() {
                let by = |languages: &Languages| languages.of(doc, row);
                let vector = vectors
                    .as_mut()
                    .map(|vectors| std::mem::take(&mut vectors[number]));
                batch.push(Input {
                    id: PassageId {
                        doc,
                        passage: number as u32,
                    },
                    content: match vector {
                        Some(vector) => Content::Vector(vector),
                        None => Content::Text(passage.full_text(&document.text)),
                    },
                    language: languages.as_ref().map(by).transpose()?.flatten(),
                });
                row += 1;
            }
            if batch.len() >= ENCODED_AT_ONCE {
                self.write_batch(&mut batch, &mut writer, &mut cut)?;
            }
        }
        self.write_batch(&mut batch, &mut writer, &mut cut)?;
        self.progress.end();
        let seal = finish(writer, dir, self.progress)?;
        Ok((cut, seal))
    }

    /// A given vector, of length 1.
    fn vector(&self, given: &Given) -> Result<Vec<f32>, Error> {
        let (row, file) = match (given, self.vectors) {
            (Given::Vector(vector), _) => return Ok(vector.clone()),
            (Given::Row(row), Some(file)) => (*row, file),
            (Given::Row(row), None) => {
                let why = format!("the file of vectors, of which row {row} is to be read, is gone");
                return Err(Error::Request(why));
            }
        };
        // It was sound when its record was read.
        let vector = file.row(row).map_err(Error::Corpus)?;
        let vector = vector.map_err(|reason| {
            Error::Request(format!(
                "{} was changed while it was read: {reason}; run the command again",
                file.path().display()
            ))
        })?;
        Ok(unit(vector))
    }

    fn languages(&self) -> Result<Option<Languages>, Error> {
        if self.shift.is_none() {
            return Ok(None);
        }
        let bm25 = Bm25Index::open_folder(self.bm25, &self.blueprint.bm25);
        Ok(Some(Languages {
            bm25: bm25.map_err(part("open", "BM25 part", self.bm25))?,
            unit: self.blueprint.bm25_unit(),
            dir: self.bm25.to_owned(),
        }))
    }

    /// Encodes the texts of a batch and writes all its vectors. It is empty afterwards.
    fn write_batch(
        &self,
        batch: &mut Vec<Input>,
        writer: &mut DenseWriter,
        cut: &mut Cut,
    ) -> Result<(), Error> {
        let texts = batch.iter().filter_map(|input| match &input.content {
            Content::Text(text) => Some(text.as_str()),
            Content::Vector(_) => None,
        });
        let texts: Vec<&str> = texts.collect();
        let mut embeddings = Vec::new();
        if !texts.is_empty() {
            let embedded = self.embedder.embed_passages(&texts);
            embeddings = embedded.map_err(|source| Error::Model {
                action: "run",
                name: self.embedder.spec().name.clone(),
                source,
            })?;
        }
        let n = batch.len();
        let mut embeddings = embeddings.into_iter();
        for input in batch.drain(..) {
            let vector = match input.content {
                Content::Vector(vector) => vector,
                Content::Text(_) => {
                    let Some(mut embedding) = embeddings.next() else {
                        return Err(Error::Model {
                            action: "run",
                            name: self.embedder.spec().name.clone(),
                            source: "it returned fewer vectors than it was given texts".into(),
                        });
                    };
                    if let Some(shift) = self.shift {
                        shift.apply(&mut embedding.vector, input.language);
                    }
                    cut.passages += u32::from(embedding.tokens_cut > 0);
                    cut.tokens += u64::from(embedding.tokens_cut);
                    embedding.vector
                }
            };
            let added = writer.add(input.id, &vector);
            added.map_err(part("write", "dense part", self.dir))?;
        }
        self.progress.advance(n as u64);
        stop_if_asked(self.progress)
    }
}

/// Builds the graph and seals the part.
pub(super) fn finish(
    writer: DenseWriter,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<SealRecord, Error> {
    let seal = writer.finish(progress).map_err(|error| match error {
        DenseError::Cancelled => Error::Cancelled,
        error => part("finish", "dense part", dir)(error),
    })?;
    stop_if_asked(progress)?;
    Ok(seal)
}
