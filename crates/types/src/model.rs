//! A model as a folder on disk plus what its files do not say.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelRole {
    /// Text to vector, queries and passages separately.
    BiEncoder,
    /// Query and passage read together, to one score.
    CrossEncoder,
}

impl fmt::Display for ModelRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ModelRole::BiEncoder => "bi-encoder",
            ModelRole::CrossEncoder => "cross-encoder",
        })
    }
}

/// How a bi-encoder's token vectors become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Mean over all tokens, special tokens included.
    Mean,
    /// The first token's vector.
    Cls,
}

/// What a model folder's own files do not say reliably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The registry's name, or the folder's for a model that is not registered.
    pub name: String,
    /// Bi- or cross-encoder.
    pub role: ModelRole,
    /// Bi-encoders only; ignored by cross-encoders.
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
}

/// A model ready to be loaded: a folder that holds `config.json`,
/// `tokenizer.json` and one weights file (`model.safetensors`, `model.onnx` or
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
/// files and over pooling, prefixes and maximal length.
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
