//! What shapes an index and is fixed once it is built.

use serde::{Deserialize, Serialize};
use treffer_bm25::Bm25Config;
use treffer_dense::{GraphConfig, Storage};
use treffer_types::{EmbedderSettings, ScorerSettings};

use crate::passages::{PassageConfig, Unit};

/// What shapes an index and is fixed once it is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blueprint {
    /// How the languages of documents are known.
    #[serde(default, skip_serializing_if = "LanguageConfig::is_default")]
    pub language: LanguageConfig,
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

/// How the languages of documents are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageConfig {
    /// The field of a record that names its language, by a tag of BCP 47 such as `de-AT`; a dotted
    /// name leads into an object. Without it, and for records that do not have it, languages are
    /// detected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl LanguageConfig {
    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == LanguageConfig::default()
    }
}

/// The bi-encoder stage of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseConfig {
    /// A registry name, `hf:org/name` or a folder.
    pub model: String,
    /// What replaces that which the model says of itself.
    #[serde(flatten)]
    pub settings: EmbedderSettings,
    /// How much of the difference between German and English is taken out of the documents'
    /// vectors, so that queries find documents in either: 0 for nothing, 1 for all of it as it is
    /// on average. At most 2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub language_shift: f64,
    /// The form in which vectors are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub storage: Storage,
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
