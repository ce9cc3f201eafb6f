//! A model as a folder on disk plus what its files do not say.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::scoring::Scoring;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelRole {
    /// Text to vector, queries and passages separately.
    BiEncoder,
    /// Query and passage read together, to one score.
    CrossEncoder,
    /// Text to one vector for each token, queries and passages separately.
    LateInteraction,
}

impl fmt::Display for ModelRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ModelRole::BiEncoder => "bi-encoder",
            ModelRole::CrossEncoder => "cross-encoder",
            ModelRole::LateInteraction => "late-interaction",
        })
    }
}

/// How a bi-encoder's token vectors become one. The names are those of Sentence Transformers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Mean over all tokens, special tokens included.
    Mean,
    /// The first token's vector.
    Cls,
    /// The largest value of each dimension over all tokens.
    Max,
    /// The last token's vector.
    LastToken,
    /// Mean over all tokens, each weighted with its position from 1.
    WeightedMean,
    /// Sum over all tokens, divided by the square root of their number.
    #[serde(rename = "mean_sqrt_len_tokens")]
    MeanSqrtLen,
}

impl Pooling {
    /// Every pooling.
    pub const ALL: [Pooling; 6] = [
        Pooling::Mean,
        Pooling::Cls,
        Pooling::Max,
        Pooling::LastToken,
        Pooling::WeightedMean,
        Pooling::MeanSqrtLen,
    ];

    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
            Pooling::Max => "max",
            Pooling::LastToken => "lasttoken",
            Pooling::WeightedMean => "weightedmean",
            Pooling::MeanSqrtLen => "mean_sqrt_len_tokens",
        }
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a model folder's own files do not say reliably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The registry's name, or the folder's for a model that is not registered.
    pub name: String,
    /// Bi-encoder, cross-encoder or late interaction.
    pub role: ModelRole,
    /// Bi-encoders only; ignored by others.
    pub pooling: Pooling,
    /// Put before every query; often empty.
    #[serde(default)]
    pub query_prefix: String,
    /// Put before every passage; often empty.
    #[serde(default)]
    pub passage_prefix: String,
    /// Maximum number of tokens, special tokens included.
    pub max_length: usize,
    /// SPDX expression, or "unknown".
    pub license: String,
    /// What only some models need.
    #[serde(default, skip_serializing_if = "ModelDetails::is_default")]
    pub details: ModelDetails,
}

/// What only some models need; the default is what all others do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelDetails {
    /// Whether texts, with their prefixes, are lowered before they are tokenized, in addition
    /// to what the tokenizer does.
    pub lower_case: bool,
    /// Bi-encoders only: whether the tokens of a prefix are read, but left out of the pooling.
    pub prefix_not_pooled: bool,
    /// Late interaction only: whether special tokens and those of a prefix are read, but have no
    /// vectors.
    pub content_only: bool,
    /// Layers after the pooling of a bi-encoder, or on the vector of each token of a model of late
    /// interaction, in order. Vectors are scaled to length 1 in the end, whether a layer says so
    /// or not.
    pub layers: Vec<PooledLayer>,
    /// Late interaction only: how queries and passages are read otherwise than by any encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colbert: Option<Box<Colbert>>,
    /// Cross-encoders only: what the score of a pair is.
    pub scoring: Scoring,
}

impl ModelDetails {
    /// Whether nothing is special about the model.
    pub fn is_default(&self) -> bool {
        *self == ModelDetails::default()
    }
}

/// How ColBERT reads texts (Khattab and Zaharia 2020, <https://arxiv.org/abs/2004.12832>): with
/// markers that tell queries from passages, queries filled up with mask tokens, and passages without
/// the vectors of punctuation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Colbert {
    /// The token after the first special token of every query.
    pub query_marker: Option<String>,
    /// The token after the first special token of every passage.
    pub passage_marker: Option<String>,
    /// Maximum number of tokens of a query, special tokens and marker included.
    pub query_length: usize,
    /// What fills queries up to that length, if anything does.
    pub expansion: Option<Expansion>,
    /// Tokens of passages that are read, but whose vectors are left out.
    pub skipped: Vec<String>,
}

/// What fills up a query: its vectors are compared as those of any other token of the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expansion {
    /// The token, such as `[MASK]`.
    pub token: String,
    /// Whether all tokens attend to those of the expansion. If not, these attend to the others, and
    /// none attends to them.
    pub attended: bool,
}

/// A layer between pooling and the unit vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PooledLayer {
    /// Scales the vector to length 1.
    Normalize,
    /// A linear layer and an activation; `config.json` and weights are in this folder of the
    /// model's.
    Dense(String),
    /// A layer norm, whose weights are in this folder of the model's.
    LayerNorm(String),
    /// A linear layer without bias and activation to this many values, whose weights are
    /// `linear.weight` among those of the transformer.
    Linear(usize),
}

/// A model ready to be loaded: a folder that holds `config.json`, `tokenizer.json` (or the
/// `vocab.txt` of a BERT) and one weights file (`model.safetensors`, `model.onnx` or
/// `model.e5s1`), and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFolder {
    /// The folder.
    pub path: PathBuf,
    /// What its files do not say.
    pub spec: ModelSpec,
    /// Pinned lower-case hexadecimal sha256 by file name. The loader checks the
    /// files named here and refuses the model if one differs; empty if nothing is pinned.
    pub sha256: BTreeMap<String, String>,
}

/// Fingerprint of a model as used: the sha256 over its weights, tokenizer and configuration
/// files and over pooling, prefixes, maximal length and details.
///
/// Vectors of models with different fingerprints cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
