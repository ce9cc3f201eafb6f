//! The second step of a build: every stored document through the bi-encoder.

use std::path::Path;

use treffer_dense::{DenseWriter, Error as DenseError, GraphConfig};
use treffer_disk::SealRecord;
use treffer_store::Store;
use treffer_types::{DocId, Embedder, PassageId, Progress};

use crate::error::{Error, part, stop_if_asked};
use crate::manifest::parts;

/// Documents encoded between two reports of progress.
const ENCODED_AT_ONCE: usize = 64;

/// What exceeded the bi-encoder's maximal length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    pub(super) documents: u32,
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
    /// Encodes every document and builds the graph. Returns what was cut, and the seal of the
    /// part.
    pub(super) fn encode(&self, embedder: &dyn Embedder) -> Result<(Cut, SealRecord), Error> {
        let store_dir = self.building.join(parts::STORE);
        let store = Store::open(&store_dir).map_err(part("open", "store", &store_dir))?;
        let dir = self.building.join(parts::DENSE);
        let mut writer = DenseWriter::create(&dir, embedder.dimension(), self.graph)
            .map_err(part("create", "dense part", &dir))?;
        let mut cut = Cut::default();
        let n_docs = store.len() as u32;
        self.progress
            .begin("encoding", Some(n_docs.into()), "documents");
        for first in (0..n_docs).step_by(ENCODED_AT_ONCE) {
            let docs: Vec<DocId> = (first..n_docs.min(first + ENCODED_AT_ONCE as u32))
                .map(DocId)
                .collect();
            self.encode_some(embedder, &store, &docs, &mut writer, &mut cut)?;
            self.progress.advance(docs.len() as u64);
            stop_if_asked(self.progress)?;
        }
        self.progress.end();
        let seal = writer.finish(self.progress).map_err(|error| match error {
            DenseError::Cancelled => Error::Cancelled,
            error => part("finish", "dense part", &dir)(error),
        })?;
        stop_if_asked(self.progress)?;
        Ok((cut, seal))
    }

    fn encode_some(
        &self,
        embedder: &dyn Embedder,
        store: &Store,
        docs: &[DocId],
        writer: &mut DenseWriter,
        cut: &mut Cut,
    ) -> Result<(), Error> {
        let texts = docs
            .iter()
            .map(|doc| store.document(*doc).map(|document| document.full_text()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(part("read", "store", self.building))?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embeddings = embedder
            .embed_passages(&texts)
            .map_err(|source| Error::Model {
                action: "run",
                name: embedder.spec().name.clone(),
                source,
            })?;
        for (doc, embedding) in docs.iter().zip(embeddings) {
            cut.documents += u32::from(embedding.tokens_cut > 0);
            cut.tokens += u64::from(embedding.tokens_cut);
            writer
                .add(PassageId::whole(*doc), &embedding.vector)
                .map_err(part("write", "dense part", self.building))?;
        }
        Ok(())
    }
}
