//! What a stage is, and the standard stages.
//!
//! A stage retrieves candidates, scores those that others retrieved, or reranks the best
//! of them. It is registered once, as a [`StageKind`]: its name, what it can do and how it
//! is opened. A search runs a stage only through these.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_api::TokenMatch;
use treffer_fusion::Normalizer;
use treffer_late::Pruning;
use treffer_types::{BoxError, Device, DocId, Evidence, PassageId, Query, Score, StageName};

use crate::data::IndexData;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::models::ModelSource;

mod bm25;
mod cross;
mod dense;
pub(crate) mod field;
mod late;

pub(crate) use bm25::LEAST_BM25;

/// A stage of an open index. Any number of threads may use it.
pub trait Stage: Send + Sync {
    /// Prepares these queries, all at once, so that a model can encode them in one pass.
    /// Returns one [`StageQuery`] per query, in order; its results do not depend on the other
    /// queries.
    ///
    /// # Errors
    /// If a query cannot be encoded.
    fn begin<'a>(
        &'a self,
        queries: &[&'a Query],
        parameters: Parameters,
    ) -> Result<Vec<Box<dyn StageQuery + 'a>>, BoxError>;
}

/// Parameters of retrieval, apart from depths: what a profile sets, and where to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Beam of the graph search.
    pub ef_search: usize,
    /// Indexes of fewer vectors than this are scanned instead.
    pub exact_below: usize,
    /// Where late interaction looks for passages.
    pub late: Pruning,
    /// The documents among which to search, by their numbers; `None` for all. A stage retrieves
    /// and ranks no other, and as many of these as if there were no other.
    pub allowed: Option<Arc<FixedBitSet>>,
}

/// One stage's work on one query.
///
/// Methods that a stage lacks the capability for are never called.
pub trait StageQuery: Send {
    /// The `depth` best passages, best first, ties by document and passage.
    ///
    /// # Errors
    /// If the stage cannot be run.
    fn retrieve(&self, depth: usize) -> Result<Vec<Found>, BoxError> {
        let _ = depth;
        Err("this stage does not retrieve".into())
    }

    /// Every passage that the stage can rank, best first and exact at any cost: the ranking
    /// that `retrieve` may approximate.
    ///
    /// # Errors
    /// If the stage cannot be run.
    fn rank_all(&self) -> Result<Vec<Found>, BoxError> {
        Err("this stage does not retrieve".into())
    }

    /// The evidence for each of `docs`, in their order: for all passages of a document, for it
    /// as a whole, or none if the stage cannot score it.
    ///
    /// # Errors
    /// If the stage cannot be run.
    fn score(&self, docs: &[DocId]) -> Result<Vec<Found>, BoxError> {
        let _ = docs;
        Err("this stage does not score given documents".into())
    }

    /// The evidence for each of `passages`, in their order; those that the stage cannot score
    /// are left out. Passages of one document follow one another.
    ///
    /// # Errors
    /// If the stage cannot be run.
    fn rerank(&self, passages: &[PassageId]) -> Result<Vec<Found>, BoxError> {
        let _ = passages;
        Err("this stage does not rerank".into())
    }

    /// Which token of a passage of the index is nearest to each token of the query, by the text of
    /// the passage as models read it; nothing if the stage does not compare tokens, or has no
    /// vectors of the passage. Places are in that text.
    ///
    /// # Errors
    /// If the stage cannot be run.
    fn align(&self, passage: PassageId, text: &str) -> Result<Vec<TokenMatch>, BoxError> {
        let _ = (passage, text);
        Ok(Vec::new())
    }

    /// Whether [`compare`](Self::compare) may be called.
    fn reads_any_text(&self) -> bool {
        false
    }

    /// The score of each of `texts`, which need not be in the index, in their order.
    ///
    /// # Errors
    /// If the stage cannot be run.
    fn compare(&self, texts: &[&str]) -> Result<Vec<Score>, BoxError> {
        let _ = texts;
        Err("this stage reads no text beside the index".into())
    }
}

/// A document, and what a stage found in one of its passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The document.
    pub doc: DocId,
    /// What was found.
    pub evidence: Evidence,
}

/// What a stage can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Finds candidates in the whole index.
    pub retrieves: bool,
    /// Scores given candidates at a low cost, so every candidate gets a score.
    pub scores: bool,
    /// Scores given candidates at a high cost, so only the best get a score.
    pub reranks: bool,
    /// Matches words, and so finds little in documents of another language than the query.
    pub matches_words: bool,
    /// Scores a document by itself, whatever the query: such scores have no part in choosing what
    /// rerankers read.
    pub by_document: bool,
}

/// A kind of stage: what the engine knows of a stage before it is opened.
pub struct StageKind {
    /// Its name on the command line, in configuration and in results.
    pub name: StageName,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its depth if a profile sets none; 0 for a stage that only scores what others retrieved
    /// unless a profile says that it retrieves, too.
    pub default_depth: usize,
    /// How its scores are normalized by their theoretical bounds.
    pub theoretical: Normalizer,
    /// Whether an index has the stage.
    pub is_in: fn(&Manifest) -> bool,
    /// Opens it.
    pub open: fn(&OpenContext<'_>) -> Result<Arc<dyn Stage>, Error>,
}

/// How a stage's scores are normalized by their theoretical bounds in this index: those of a
/// cross-encoder's grades depend on the model.
pub(crate) fn theoretical(kind: &StageKind, manifest: &Manifest) -> Normalizer {
    let of_model = (kind.name == StageName::CROSS).then(|| cross::bounds(manifest));
    of_model.flatten().unwrap_or(kind.theoretical)
}

/// What a stage may use when it is opened.
pub struct OpenContext<'a> {
    /// The index: manifest, documents, inverted index.
    pub data: &'a IndexData,
    /// Where models come from.
    pub models: &'a dyn ModelSource,
    /// Where they run.
    pub device: Device,
}

/// The kinds of stages that a program knows, in the order in which they run.
#[derive(Clone, Copy)]
pub struct Registry(&'static [&'static StageKind]);

static STANDARD: [&StageKind; 4] = [&bm25::KIND, &dense::KIND, &late::KIND, &cross::KIND];

impl Registry {
    /// BM25, the bi-encoder, late interaction and the cross-encoder.
    pub const fn standard() -> Self {
        Registry(&STANDARD)
    }

    /// The kinds of a program that has stages of its own; usually the standard ones and more.
    pub const fn new(kinds: &'static [&'static StageKind]) -> Self {
        Registry(kinds)
    }

    /// The kind of this name.
    pub fn get(self, name: StageName) -> Option<&'static StageKind> {
        self.iter().find(|kind| kind.name == name)
    }

    /// Every kind, in the order in which they run.
    pub fn iter(self) -> impl Iterator<Item = &'static StageKind> {
        self.0.iter().copied()
    }

    /// Every name, in the order in which they run.
    pub fn names(self) -> Vec<StageName> {
        self.iter().map(|kind| kind.name).collect()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Registry::standard()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
