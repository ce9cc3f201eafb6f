//! What an engine answers.

use serde::{Deserialize, Serialize};
use treffer_types::{Language, Score, StageMap, StageName, StageScore};

/// The response to a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    /// The query.
    pub query: QueryName,
    /// How many documents the filter holds for, or there are if there is no filter; only if
    /// documents are filtered, counted or sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<usize>,
    /// Why nothing can be found, if the filter holds for no document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many candidates were fused.
    pub n_candidates: usize,
    /// What each step did, in the order in which they ran. A stage that retrieves and
    /// later scores what others retrieved appears twice.
    pub stages: Vec<StageReport>,
    /// How often values occur, in the order of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facets: Vec<FacetReport>,
    /// Best first, or in the order that was asked for.
    pub hits: Vec<Hit>,
}

/// The values of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FacetReport {
    /// The field.
    pub field: String,
    /// By count, the highest first; of equal counts the lower value first.
    pub values: Vec<FacetValue>,
    /// How many different values there are, also those that are not in `values`.
    pub n_values: usize,
    /// Documents with a value.
    pub n_present: u64,
    /// Documents without one.
    pub n_missing: u64,
}

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FacetValue {
    /// The value: a text, a number or a truth value; a date is a text.
    pub value: serde_json::Value,
    /// Documents that have it; one with several values counts for each.
    pub count: u64,
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
    /// How many it did not score because the best were settled, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<usize>,
    /// The language of the query, if the stage was left out because its model does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_language: Option<Language>,
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
    /// its trees added. 0 if nothing was searched for, so that no stage gave a score.
    pub score: f64,
    /// What it is sorted by, if a field was named and it has a value there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort_value: Option<serde_json::Value>,
    /// The best passages of the document, the best first: by the last stage that scored
    /// passages, or else by the words of the query that they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<HitPassage>,
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
}

/// A passage of a hit. Places are bytes of the hit's text: where they begin and where they end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HitPassage {
    /// Its number within the document, from 0.
    pub number: u32,
    /// How many the document has.
    pub of: u32,
    /// Where it is.
    pub place: (usize, usize),
    /// What models read before it: the title and the headings above it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub context: String,
    /// Where words of the query are, in their order, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<(usize, usize)>,
    /// Where the sentence is that answers the query best, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<(usize, usize)>,
    /// Raw scores by stage, as far as stages scored it; only if an explanation was requested.
    #[serde(default, skip_serializing_if = "StageMap::is_empty")]
    pub scores: StageMap<Score>,
    /// Tokens of it beyond the maximal length of the stages' models, of those that scored it;
    /// only if an explanation was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_cut: Option<u32>,
    /// Which token of it late interaction found nearest to each token of the query, in the order
    /// of the query; only if an explanation was requested and the stage scored it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alignment: Vec<TokenMatch>,
}

/// A token of a query and the token of a passage that is nearest to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenMatch {
    /// The part of the query, or the name of a token that the model adds, such as `[MASK]`.
    pub query_token: String,
    /// Where it is in the query, in bytes; not for a token that the model adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_place: Option<(usize, usize)>,
    /// The part of what the model read of the passage, or the name of a token that it adds.
    pub token: String,
    /// Where it is in the hit's text, in bytes; not for a token of the context or one that the
    /// model adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(usize, usize)>,
    /// Their cosine similarity, from -1 to 1. The score of the passage is the mean of all.
    pub similarity: f32,
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
