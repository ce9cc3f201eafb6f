//! The vectors of a new segment's passages and their graph.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use treffer_bm25::Bm25Index;
use treffer_corpus::VectorFile;
use treffer_dense::{DenseIndex, DenseWriter, Error as DenseError};
use treffer_disk::SealRecord;
use treffer_types::{DocId, Embedder, Embedding, Language, PassageId, Progress};

use super::language_shift::LanguageShift;
use super::texts::{TextNumber, embed_all};
use crate::blueprint::{Blueprint, DenseConfig, NO_MODEL};
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::parts;
use crate::models::unit;
use crate::passages::Unit;

/// How the passages of a new segment get vectors.
pub(super) struct DenseEncoding<'a> {
    /// Where the part is written.
    pub(super) dir: &'a Path,
    /// The folder of the inverted index, which knows the languages of the documents.
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
    pub(super) index: Option<DenseIndex>,
}

impl SameTexts<'_> {
    /// The vectors of a document's passages, if they are all there.
    fn vectors(&self, doc: DocId, n_passages: usize) -> Result<Option<Vec<Vec<f32>>>, Error> {
        let (Some(old), Some(index)) = (self.docs.get(&doc), &self.index) else {
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

/// What waits to be written, in the order of passages.
pub(super) struct DenseInputs<'a> {
    encoding: &'a DenseEncoding<'a>,
    writer: DenseWriter,
    languages: Option<Languages>,
    /// The number of the next passage among all.
    row: u32,
    /// What the passages of the document get.
    source: Source,
    waiting: Vec<Input>,
}

/// Where the vectors of a document's passages come from.
enum Source {
    /// There are none, or one for the document as a whole.
    None,
    /// The index before.
    Old(Vec<Vec<f32>>),
    Model,
}

/// A vector that is there, or a text.
struct Input {
    id: PassageId,
    content: Content,
    language: Option<Language>,
}

enum Content {
    Text(TextNumber),
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
    pub(super) fn begin(&self) -> Result<DenseInputs<'_>, Error> {
        let DenseConfig { graph, storage, .. } = self.dense;
        let writer = DenseWriter::create(self.dir, self.embedder.dimension(), graph, *storage);
        Ok(DenseInputs {
            encoding: self,
            writer: writer.map_err(part("create", "dense part", self.dir))?,
            languages: self.languages()?,
            row: 0,
            source: Source::None,
            waiting: Vec::new(),
        })
    }

    pub(super) fn embed(&self, texts: &[&str]) -> Result<Vec<Embedding>, Error> {
        let name = &self.embedder.spec().name;
        embed_all(name, texts, |texts| self.embedder.embed_passages(texts))
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
}

impl DenseInputs<'_> {
    /// Begins with the next document, whose passages follow.
    pub(super) fn next_document(&mut self, doc: DocId, n_passages: usize) -> Result<(), Error> {
        let encoding = self.encoding;
        self.source = if let Some(given) = encoding.given.get(&doc) {
            self.waiting.push(Input {
                id: PassageId::whole(doc),
                content: Content::Vector(encoding.vector(given)?),
                language: None,
            });
            Source::None
        } else if encoding.embedder.spec().name == NO_MODEL {
            Source::None // without a vector, the document is not in this stage
        } else {
            match encoding.same_texts.vectors(doc, n_passages)? {
                Some(vectors) => Source::Old(vectors),
                None => Source::Model,
            }
        };
        Ok(())
    }

    /// Takes the next passage, whose text has the number that `text` gives.
    pub(super) fn queue(
        &mut self,
        id: PassageId,
        text: impl FnOnce() -> TextNumber,
    ) -> Result<(), Error> {
        let row = self.row;
        self.row += 1;
        let content = match &mut self.source {
            Source::None => return Ok(()),
            Source::Old(vectors) => {
                Content::Vector(std::mem::take(&mut vectors[id.passage as usize]))
            }
            Source::Model => Content::Text(text()),
        };
        let by = |languages: &Languages| languages.of(id.doc, row);
        self.waiting.push(Input {
            id,
            content,
            language: self.languages.as_ref().map(by).transpose()?.flatten(),
        });
        Ok(())
    }

    /// The texts that need a vector, in order.
    pub(super) fn to_encode(&self) -> Vec<TextNumber> {
        let texts = self.waiting.iter().filter_map(|input| match input.content {
            Content::Text(number) => Some(number),
            Content::Vector(_) => None,
        });
        texts.collect()
    }

    /// Writes what waits, with the embeddings of its texts.
    pub(super) fn write(&mut self, embeddings: Vec<Embedding>) -> Result<(), Error> {
        let DenseEncoding { dir, shift, .. } = self.encoding;
        let mut embeddings = embeddings.into_iter();
        for input in self.waiting.drain(..) {
            let vector = match input.content {
                Content::Vector(vector) => vector,
                Content::Text(_) => {
                    let mut vector = embeddings.next().expect("one for each text").vector;
                    if let Some(shift) = shift {
                        shift.apply(&mut vector, input.language);
                    }
                    vector
                }
            };
            let added = self.writer.add(input.id, &vector);
            added.map_err(part("write", "dense part", dir))?;
        }
        Ok(())
    }

    /// Builds the graph and seals the part.
    pub(super) fn finish(self, progress: &dyn Progress) -> Result<SealRecord, Error> {
        finish(self.writer, self.encoding.dir, progress)
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
