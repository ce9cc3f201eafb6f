//! The second step of a build: every passage of the stored documents through the bi-encoder.

use std::path::{Path, PathBuf};

use treffer_bm25::Bm25Index;
use treffer_dense::{DenseWriter, Error as DenseError};
use treffer_disk::SealRecord;
use treffer_store::Store;
use treffer_types::{DocId, Embedder, Language, PassageId, Progress};

use super::language_shift::LanguageShift;
use crate::blueprint::{Blueprint, DenseConfig};
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::parts;
use crate::passages::Unit;

/// Passages encoded between two reports of progress.
const ENCODED_AT_ONCE: usize = 64;

/// What exceeded the bi-encoder's maximal length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    pub(super) passages: u32,
    pub(super) tokens: u64,
}

/// From the store to the vectors and their graph.
pub(super) struct DenseEncoding<'a> {
    /// Where the segment is being built.
    pub(super) building: &'a Path,
    pub(super) blueprint: &'a Blueprint,
    pub(super) dense: &'a DenseConfig,
    pub(super) progress: &'a dyn Progress,
}

/// A passage to be encoded.
struct Input {
    id: PassageId,
    text: String,
    language: Option<Language>,
}

/// The languages of documents, and what takes them out of vectors.
struct Languages {
    bm25: Bm25Index,
    unit: Unit,
    shift: LanguageShift,
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
    /// Encodes every passage and builds the graph. Returns what was cut, and the seal of the
    /// part.
    pub(super) fn encode(&self, embedder: &dyn Embedder) -> Result<(Cut, SealRecord), Error> {
        let store_dir = self.building.join(parts::STORE);
        let store = Store::open(&store_dir).map_err(part("open", "store", &store_dir))?;
        let dir = self.building.join(parts::DENSE);
        let mut writer = DenseWriter::create(&dir, embedder.dimension(), &self.dense.graph)
            .map_err(part("create", "dense part", &dir))?;
        let languages = self.languages(embedder)?;
        let mut cut = Cut::default();
        let n_passages = store.n_passages();
        let n_passages = n_passages.map_err(part("read", "store", &store_dir))?;
        self.progress
            .begin("encoding", Some(n_passages.into()), "passages");
        let mut row = 0;
        let mut batch = Vec::with_capacity(ENCODED_AT_ONCE);
        for doc in (0..store.len() as u32).map(DocId) {
            let split = store.split_document(doc);
            let (document, passages) = split.map_err(part("read", "store", &store_dir))?;
            for (passage, number) in passages.iter().zip(0..) {
                let id = PassageId {
                    doc,
                    passage: number,
                };
                let by = |languages: &Languages| languages.of(doc, row);
                batch.push(Input {
                    id,
                    text: passage.full_text(&document.text),
                    language: languages.as_ref().map(by).transpose()?.flatten(),
                });
                row += 1;
                if batch.len() == ENCODED_AT_ONCE {
                    self.encode_batch(
                        embedder,
                        &mut batch,
                        languages.as_ref(),
                        &mut writer,
                        &mut cut,
                    )?;
                }
            }
        }
        self.encode_batch(
            embedder,
            &mut batch,
            languages.as_ref(),
            &mut writer,
            &mut cut,
        )?;
        self.progress.end();
        let seal = writer.finish(self.progress).map_err(|error| match error {
            DenseError::Cancelled => Error::Cancelled,
            error => part("finish", "dense part", &dir)(error),
        })?;
        stop_if_asked(self.progress)?;
        Ok((cut, seal))
    }

    /// What takes the languages out of vectors, if the configuration says so.
    fn languages(&self, embedder: &dyn Embedder) -> Result<Option<Languages>, Error> {
        if self.dense.language_shift == 0.0 {
            return Ok(None);
        }
        let dir = self.building.join(parts::BM25);
        let bm25 = Bm25Index::open(&dir, &self.blueprint.bm25);
        let shift = LanguageShift::measure(embedder, self.dense.language_shift);
        Ok(Some(Languages {
            bm25: bm25.map_err(part("open", "BM25 part", &dir))?,
            unit: self.blueprint.bm25_unit(),
            shift: shift.map_err(|source| Error::Model {
                action: "run",
                name: embedder.spec().name.clone(),
                source,
            })?,
            dir,
        }))
    }

    /// Encodes the texts of a batch, which is empty afterwards.
    fn encode_batch(
        &self,
        embedder: &dyn Embedder,
        batch: &mut Vec<Input>,
        languages: Option<&Languages>,
        writer: &mut DenseWriter,
        cut: &mut Cut,
    ) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let texts: Vec<&str> = batch.iter().map(|input| input.text.as_str()).collect();
        let embeddings = embedder
            .embed_passages(&texts)
            .map_err(|source| Error::Model {
                action: "run",
                name: embedder.spec().name.clone(),
                source,
            })?;
        for (input, mut embedding) in batch.iter().zip(embeddings) {
            if let Some(languages) = languages {
                languages.shift.apply(&mut embedding.vector, input.language);
            }
            cut.passages += u32::from(embedding.tokens_cut > 0);
            cut.tokens += u64::from(embedding.tokens_cut);
            writer.add(input.id, &embedding.vector).map_err(part(
                "write",
                "dense part",
                self.building,
            ))?;
        }
        self.progress.advance(batch.len() as u64);
        batch.clear();
        stop_if_asked(self.progress)
    }
}
