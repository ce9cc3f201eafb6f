//! What shapes an index and is fixed once it is built.

use serde::{Deserialize, Serialize};
use treffer_bm25::Bm25Config;
use treffer_dense::GraphConfig;
use treffer_types::{EmbedderSettings, ScorerSettings};

use crate::passages::{PassageConfig, Unit};

/// What shapes an index and is fixed once it is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blueprint {
    /// The BM25 stage as built; `k1` and `b` may differ at query time.
    pub bm25: Bm25Config,
    /// How documents are split into passages; `None` if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passages: Option<PassageConfig>,
    /// The bi-encoder stage.
    pub dense: Option<DenseConfig>,
    /// The cross-encoder stage.
    pub cross: Option<CrossConfig>,
}

impl Blueprint {
    /// What BM25 scores.
    pub fn bm25_unit(&self) -> Unit {
        self.passages
            .as_ref()
            .map_or(Unit::Document, |passages| passages.bm25)
    }
}

/// The bi-encoder stage of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenseConfig {
    /// A registry name, `hf:org/name` or a folder.
    pub model: String,
    /// What replaces that which the model says of itself.
    #[serde(flatten)]
    pub settings: EmbedderSettings,
    /// The HNSW graph.
    #[serde(flatten)]
    pub graph: GraphConfig,
}

/// The cross-encoder stage of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossConfig {
    /// A registry name, `hf:org/name` or a folder.
    pub model: String,
    /// What the classes of the model's head mean, if it has several.
    #[serde(flatten)]
    pub settings: ScorerSettings,
}
