//! What an engine answers to a query that brings its texts along.

use serde::{Deserialize, Serialize};
use treffer_types::{Grade, Score};

/// The texts of one query, scored by a cross-encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RerankResponse {
    /// The id that the request gave itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The query.
    pub query: String,
    /// Best first, equal scores in the order of the request.
    pub results: Vec<RankedText>,
}

/// One of the texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedText {
    /// Its place in the request, from 0.
    pub index: usize,
    /// The id that it brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The raw score: what it is, the model's [`Scoring`](treffer_types::Scoring) says.
    pub score: Score,
    /// The sigmoid of a score that is a logit: the probability of relevance, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// A score that is an expected grade, rounded to the nearest grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Tokens at its end that did not fit the model and were not read.
    pub tokens_cut: u32,
}
