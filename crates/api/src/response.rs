//! What an engine answers.

use serde::{Deserialize, Serialize};
use treffer_types::{PassageId, StageMap, StageName, StageScore};

/// The response to a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    /// The query.
    pub query: QueryName,
    /// How many candidates were fused.
    pub n_candidates: usize,
    /// What each step did, in the order in which they ran. A stage that retrieves and
    /// later scores what others retrieved appears twice.
    pub stages: Vec<StageReport>,
    /// Best first.
    pub hits: Vec<Hit>,
}

/// A query by its id and text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryName {
    /// The query set's id; empty for a query typed by hand.
    pub id: String,
    /// Its text.
    pub text: String,
}

/// One step's part in a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Which stage.
    pub stage: StageName,
    /// Candidates in the pool before it.
    pub candidates_in: usize,
    /// Candidates in the pool after it; never fewer.
    pub candidates_out: usize,
    /// Candidates that it scored.
    pub scored: usize,
    /// How many it would have scored but for the deadline, if that cut it short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_score: Option<usize>,
    /// Present and true if the deadline cut it short.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_by_deadline: bool,
    /// Milliseconds of wall-clock time, if timings were requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<f64>,
}

/// One result. The parts of its score are present only if an explanation was requested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// From 1.
    pub rank: u32,
    /// The corpus's id of the document.
    pub id: String,
    /// The fused score: the sum of the weighted scores and, under a learned fusion, of what
    /// its trees added.
    pub score: f64,
    /// The highest-scoring passage in the last stage that scored the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<PassageId>,
    /// Title of the document, possibly empty.
    pub title: String,
    /// Text of the document.
    pub text: String,
    /// Score by stage.
    #[serde(default, skip_serializing_if = "StageMap::is_empty")]
    pub stages: StageMap<StageScore>,
    /// What the features of a learned fusion added, the strongest first; empty under
    /// weights alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<FeatureScore>,
    /// Tokens of the passage beyond the maximal length of the stages' models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_cut: Option<u32>,
}

/// What one feature added to a score through the trees of a learned fusion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureScore {
    /// Its name; `mean` for what the trees give every candidate.
    pub feature: String,
    /// Its value; `None` if it is unknown, such as the score of a stage that did not score the
    /// document.
    pub value: Option<f32>,
    /// Its part of the score.
    pub part: f64,
}
