//! From the evidence of a pool to comparable scores: everything about a fusion except
//! the weights.

use serde::{Deserialize, Serialize};
use treffer_types::{StageMap, StageName};

use crate::aggregation::Aggregation;
use crate::normalizer::Normalizer;

/// How the raw evidence of a pool becomes one column of comparable scores per stage.
///
/// There is a column for each stage in `normalizers`, in that map's order, which is also
/// the order in which a document's scores are added. Evidence of other stages is ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// How each stage's raw scores reach the common scale.
    pub normalizers: StageMap<Normalizer>,
    /// How the scores of a document's passages become its raw score, in every stage.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// The stage that scores only the best candidates of the others, if there is one.
    /// While it has a weight and has scored something, the candidates that it has scored
    /// are ranked above the rest of the pool. Without a normalizer it has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reranker: Option<StageName>,
    /// What stands in for a stage that cannot score documents in another language than the
    /// query; `None` if nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<StandIn>,
}

/// A stage that matches words finds few in a document of another language than the query, which
/// says nothing about its relevance. For such documents its normalized score is at least `share`
/// of that of a stage that compares meanings, while that stage has a weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandIn {
    /// The stage that matches words.
    pub stage: StageName,
    /// The stage that stands in for it.
    pub by: StageName,
    /// How much of its normalized score counts, from 0 to 1.
    pub share: f64,
}
