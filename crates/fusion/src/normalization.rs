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
}
