//! What an engine can be asked.

use serde::{Deserialize, Serialize};
use treffer_types::{Query, StageMap, StageName};

/// The profile that is used when none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// How many hits a search returns by default.
pub const DEFAULT_TOP_K: usize = 10;

/// One query and how to answer it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// The query.
    pub query: Query,
    /// How to answer it.
    #[serde(default)]
    pub options: SearchOptions,
}

impl SearchRequest {
    /// A search for `text` with the default options.
    pub fn text(text: impl Into<String>) -> Self {
        SearchRequest {
            query: Query::text(text),
            options: SearchOptions::default(),
        }
    }
}

/// How to answer a query: a profile of the index, and what to change in it for this request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// Name of the profile.
    pub profile: String,
    /// Keys of the profile to set for this search, each as `key=value`, as in
    /// `cross_depth=20`.
    pub set: Vec<String>,
    /// The stages to run. By default all that the profile runs, except a reranker without
    /// weight: its scores would change nothing.
    pub stages: Option<Vec<StageName>>,
    /// Weights instead of the profile's: at least 0, with sum 1.
    pub weights: Option<StageMap<f64>>,
    /// Maximum number of hits to return.
    pub top_k: usize,
    /// How many of its best passages each hit has at most.
    pub passages: usize,
    /// Whether passages mark the words of the query.
    pub highlight: bool,
    /// Whether passages mark the sentence that answers the query best, which takes the models
    /// some time.
    pub sentences: bool,
    /// Whether hits explain their scores.
    pub explain: bool,
    /// Whether the response says how long each stage took, which differs from run to run.
    pub timings: bool,
    /// Searches only the documents that this holds for, as in `brand:Kirsch AND price:<500`.
    pub filter: Option<String>,
    /// The fields whose values are counted: over all documents that the filter holds for, whether
    /// they are found or not, or over all documents.
    pub facets: Vec<FacetRequest>,
    /// Orders what was found by a field instead of the score: `price`, or `-price` for the highest
    /// first. Documents without a value are last.
    pub sort: Option<String>,
}

/// A field whose values are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FacetRequest {
    /// The field.
    pub field: String,
    /// How many values, the most frequent first.
    #[serde(default = "default_values")]
    pub top: usize,
}

/// How many values of a field are counted by default.
fn default_values() -> usize {
    10
}

impl FacetRequest {
    /// The ten most frequent values of a field.
    pub fn of(field: impl Into<String>) -> Self {
        FacetRequest {
            field: field.into(),
            top: default_values(),
        }
    }
}

impl SearchOptions {
    /// The same with another profile.
    pub fn with_profile(&self, name: &str) -> Self {
        SearchOptions {
            profile: name.to_owned(),
            ..self.clone()
        }
    }
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions {
            profile: DEFAULT_PROFILE.into(),
            set: Vec::new(),
            stages: None,
            weights: None,
            top_k: DEFAULT_TOP_K,
            passages: 1,
            highlight: false,
            sentences: false,
            explain: false,
            timings: false,
            filter: None,
            facets: Vec::new(),
            sort: None,
        }
    }
}

/// Why a document ranks where it does for a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// The query.
    pub query: Query,
    /// The corpus's id of the document.
    pub doc: String,
    /// How to search; the explanation is about reaching the first `top_k` hits.
    #[serde(default)]
    pub options: SearchOptions,
    /// Steps from weight 0 to weight 1 on the grid of weights to try, at least 1.
    pub steps: u32,
}
