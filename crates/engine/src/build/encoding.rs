//! The second step of a build: every passage of the stored documents through the bi-encoder.

use std::path::Path;

use treffer_dense::{DenseWriter, Error as DenseError, GraphConfig};
use treffer_disk::SealRecord;
use treffer_store::Store;
use treffer_types::{DocId, Embedder, PassageId, Progress};

use crate::error::{Error, part, stop_if_asked};
use crate::manifest::parts;

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
    pub(super) graph: &'a GraphConfig,
    pub(super) progress: &'a dyn Progress,
}

impl DenseEncoding<'_> {
    /// Encodes every passage and builds the graph. Returns what was cut, and the seal of the
    /// part.
    pub(super) fn encode(&self, embedder: &dyn Embedder) -> Result<(Cut, SealRecord), Error> {
        let store_dir = self.building.join(parts::STORE);
        let store = Store::open(&store_dir).map_err(part("open", "store", &store_dir))?;
        let dir = self.building.join(parts::DENSE);
        let mut writer = DenseWriter::create(&dir, embedder.dimension(), self.graph)
            .map_err(part("create", "dense part", &dir))?;
        let mut cut = Cut::default();
        let n_passages = store.n_passages();
        let n_passages = n_passages.map_err(part("read", "store", &store_dir))?;
        self.progress
            .begin("encoding", Some(n_passages.into()), "passages");
        let mut batch = Vec::with_capacity(ENCODED_AT_ONCE);
        for doc in (0..store.len() as u32).map(DocId) {
            let split = store.split_document(doc);
            let (document, passages) = split.map_err(part("read", "store", &store_dir))?;
            for (passage, number) in passages.iter().zip(0..) {
                let id = PassageId {
                    doc,
                    passage: number,
                };
                batch.push((id, passage.full_text(&document.text)));
                if batch.len() == ENCODED_AT_ONCE {
                    self.encode_batch(embedder, &mut batch, &mut writer, &mut cut)?;
                }
            }
        }
        self.encode_batch(embedder, &mut batch, &mut writer, &mut cut)?;
        self.progress.end();
        let seal = writer.finish(self.progress).map_err(|error| match error {
            DenseError::Cancelled => Error::Cancelled,
            error => part("finish", "dense part", &dir)(error),
        })?;
        stop_if_asked(self.progress)?;
        Ok((cut, seal))
    }

    /// Encodes the texts of a batch, which is empty afterwards.
    fn encode_batch(
        &self,
        embedder: &dyn Embedder,
        batch: &mut Vec<(PassageId, String)>,
        writer: &mut DenseWriter,
        cut: &mut Cut,
    ) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
        let embeddings = embedder
            .embed_passages(&texts)
            .map_err(|source| Error::Model {
                action: "run",
                name: embedder.spec().name.clone(),
                source,
            })?;
        for ((id, _), embedding) in batch.iter().zip(embeddings) {
            cut.passages += u32::from(embedding.tokens_cut > 0);
            cut.tokens += u64::from(embedding.tokens_cut);
            writer.add(*id, &embedding.vector).map_err(part(
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
