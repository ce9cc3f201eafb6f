//! What an engine can be asked.

use serde::{Deserialize, Serialize};
use treffer_types::{Query, StageMap, StageName};

/// The profile that is used when none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// How many hits a search returns when nothing else is said.
pub const DEFAULT_TOP_K: usize = 10;

/// One query and how to answer it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// What is searched for.
    pub query: Query,
    /// How.
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

/// How to answer a query: a profile of the index, with what is to differ from it.
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
    /// Most hits to return.
    pub top_k: usize,
    /// Whether hits say how they came to their scores.
    pub explain: bool,
    /// Whether the response says how long each stage took, which differs from run to run.
    pub timings: bool,
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions {
            profile: DEFAULT_PROFILE.into(),
            set: Vec::new(),
            stages: None,
            weights: None,
            top_k: DEFAULT_TOP_K,
            explain: false,
            timings: false,
        }
    }
}

/// Why a document ranks where it does for a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// What was searched for.
    pub query: Query,
    /// The corpus's id of the document.
    pub doc: String,
    /// How it was searched; `top_k` is how many hits are good enough.
    #[serde(default)]
    pub options: SearchOptions,
    /// Steps from weight 0 to weight 1 of the weightings that are tried, from 1.
    pub steps: u32,
}
