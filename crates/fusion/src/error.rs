//! Errors in the settings of a fusion. Fusing itself cannot fail.

use treffer_types::{InvalidStageName, StageMap, StageName};

use crate::normalizer::Normalizer;

/// Both ways to write weights, for messages.
const WEIGHT_FORMS: &str = "write the weights of bm25, dense and cross as in `0.2,0.3,0.5`, \
     or name the stages as in `bm25=0.4,dense=0.6`";

/// Why weights, a normalizer or an aggregation were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No stage has any weight.
    #[error("the weight of every stage is 0; give at least one stage a weight above 0")]
    NoWeight,

    /// A number of unnamed values other than three.
    #[error(
        "could not read weights from `{text}`: found {found} values where three are needed; {forms}",
        forms = WEIGHT_FORMS
    )]
    NotThreeWeights {
        /// What was to be read.
        text: String,
        /// How many values it held.
        found: usize,
    },

    /// A value without a name among values with names.
    #[error(
        "could not read weights from `{text}`: `{part}` has no `=`, as other weights have; {forms}",
        forms = WEIGHT_FORMS
    )]
    NamelessWeight {
        /// What was to be read.
        text: String,
        /// The part without a name.
        part: String,
    },

    /// A weight for an invalid stage name.
    #[error("could not read weights from `{text}`")]
    WeightOfNoStage {
        /// What was to be read.
        text: String,
        /// What is wrong with the name.
        #[source]
        source: InvalidStageName,
    },

    /// A stage with two weights.
    #[error("could not read weights from `{text}`: {stage} has two of them; give it one")]
    StageTwice {
        /// What was to be read.
        text: String,
        /// The stage that is named twice.
        stage: StageName,
    },

    /// A weight that is not a number.
    #[error("could not read the weight of {stage} from `{text}`; write a number such as `0.3`")]
    NotANumber {
        /// Whose weight it is.
        stage: StageName,
        /// What was found in its place.
        text: String,
        /// What the number parser said.
        #[source]
        source: std::num::ParseFloatError,
    },

    /// A weight that is negative, infinite or not a number.
    #[error("the weight of {stage} is {value}; a weight is between 0 and 1")]
    WeightOutOfRange {
        /// Whose weight it is.
        stage: StageName,
        /// The offending value.
        value: f64,
    },

    /// The weights do not sum to 1.
    #[error("the weights {} sum to {sum}; they must sum to 1", listed(.weights))]
    SumNotOne {
        /// Weight by stage.
        weights: StageMap<f64>,
        /// Their sum, rounded to nine digits unless the difference is smaller.
        sum: f64,
    },

    /// Text that names no normalizer.
    #[error("unknown normalizer `{text}`; write {forms}")]
    UnknownNormalizer {
        /// As it was given.
        text: String,
        /// Every form that is known.
        forms: &'static str,
    },

    /// A normalizer with invalid settings.
    #[error("the normalizer `{normalizer}` cannot be used: {reason}")]
    InvalidNormalizer {
        /// The normalizer.
        normalizer: Normalizer,
        /// What is wrong, and what would be right.
        reason: &'static str,
    },

    /// Text that names no aggregation.
    #[error(
        "unknown aggregation `{text}`; write max, first, mean, or mean:N for the mean of the N best passages"
    )]
    UnknownAggregation {
        /// As it was given.
        text: String,
    },

    /// The mean of the best 0 passages.
    #[error("cannot aggregate by the mean of the 0 best passages; mean:N needs an N of at least 1")]
    MeanOfNothing,

    /// A weight of one of several systems that is negative, infinite or not a number.
    #[error("weight {place} is {value}; a weight is a number from 0 to a million")]
    ShareOutOfRange {
        /// Which one, from 1.
        place: usize,
        /// The offending value.
        value: f64,
    },

    /// No system has any weight.
    #[error("all {systems} weights are 0; give at least one system a weight above 0")]
    NoShare {
        /// How many there are.
        systems: usize,
    },
}

/// Weights for a message, as in "bm25 = 0.4, dense = 0.5".
fn listed(weights: &StageMap<f64>) -> String {
    let listed = weights
        .iter()
        .map(|(stage, value)| format!("{stage} = {value}"));
    listed.collect::<Vec<String>>().join(", ")
}
