//! What shapes an index and is fixed once it is built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use treffer_bm25::Bm25Config;
use treffer_columns::FieldSchema;
use treffer_dense::{GraphConfig, Storage};
pub use treffer_late::{Compression, Storage as LateStorage};
use treffer_types::{EmbedderSettings, Language, ScorerSettings};

use crate::passages::{PassageConfig, Unit};

/// What shapes an index and is fixed once it is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blueprint {
    /// How the languages of documents are known.
    #[serde(default, skip_serializing_if = "LanguageConfig::is_default")]
    pub language: LanguageConfig,
    /// The fields of documents that can be filtered, counted and sorted by.
    #[serde(default, skip_serializing_if = "FieldSchema::is_empty")]
    pub fields: FieldSchema,
    /// The BM25 stage as built; `k1` and `b` may differ at query time.
    pub bm25: Bm25Config,
    /// How documents are split into passages; `None` if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passages: Option<PassageConfig>,
    /// The bi-encoder stage.
    pub dense: Option<DenseConfig>,
    /// The stage of late interaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<LateConfig>,
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
    /// A registry name, `hf:org/name` or a folder; [`NO_MODEL`] if every vector is given, with
    /// documents as with queries.
    pub model: String,
    /// What replaces that which the model says of itself.
    #[serde(flatten)]
    pub settings: EmbedderSettings,
    /// The field of a record that holds its vector, as an array of numbers: of its direction, not
    /// its length. Documents without it are encoded by the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<String>,
    /// Whether documents were given with vectors from a file of their own, a row for each record.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from_file: bool,
    /// Values of each vector, where neither a model nor a file of vectors says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
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

/// In the place of a bi-encoder's name: there is none.
pub const NO_MODEL: &str = "none";

impl DenseConfig {
    /// Says what is wrong with keys that depend on each other.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let has_model = self.model != NO_MODEL;
        let shift = self.language_shift;
        if !(0.0..=2.0).contains(&shift) {
            return Err(format!(
                "`dense.language_shift` is {shift}; it must be from 0 to 2"
            ));
        }
        if self.vectors.as_deref() == Some("") {
            return Err(
                "`dense.vectors` is empty; name a field of the records, or leave it out".into(),
            );
        }
        match (has_model, &self.vectors, self.dimension) {
            (true, _, Some(_)) => {
                Err("`dense.dimension` is what the model says; leave it out".into())
            }
            (false, Some(_), None) => Err(
                "`dense.model` is none, so `dense.dimension` has to say how many values a vector has".into(),
            ),
            (false, ..) if shift != 0.0 => {
                Err("`dense.language_shift` is measured with a model, and `dense.model` is none".into())
            }
            (false, ..) if !self.settings.is_empty() => {
                Err("prefixes and pooling are a model's, and `dense.model` is none".into())
            }
            _ => Ok(()),
        }
    }

    /// Whether documents may bring a vector, which stands for all of their passages.
    pub(crate) fn has_given_vectors(&self) -> bool {
        self.vectors.is_some() || self.from_file
    }
}

/// The stage of late interaction of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateConfig {
    /// A registry name, `hf:org/name` or a folder.
    pub model: String,
    /// How token vectors are kept.
    #[serde(flatten)]
    pub compression: Compression,
}

/// The cross-encoder stage of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossConfig {
    /// A registry name, `hf:org/name` or a folder.
    pub model: String,
    /// What the classes of the model's head mean, if it has several.
    #[serde(flatten)]
    pub settings: ScorerSettings,
    /// Other models for queries in these languages, whose scores mean the same: all give logits,
    /// or all the same grades.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_language: BTreeMap<Language, String>,
}

impl CrossConfig {
    /// A model without settings.
    pub fn new(model: impl Into<String>) -> Self {
        CrossConfig {
            model: model.into(),
            settings: ScorerSettings::default(),
            by_language: BTreeMap::new(),
        }
    }
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
