//! What can be wrong with weights and normalizers. Fusing itself cannot fail.

use treffer_types::StageName;

/// Why weights or a normalizer were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No stage has any weight.
    #[error("the weights of bm25, dense and cross are all 0; give at least one stage a part")]
    NoWeight,

    /// Not three comma-separated numbers.
    #[error(
        "could not read weights from `{text}`: found {found} values where three are needed; \
         write the weights of bm25, dense and cross as in `0.2,0.3,0.5`"
    )]
    NotThreeWeights {
        /// What was to be read.
        text: String,
        /// How many values it held.
        found: usize,
    },

    /// One of the three is not a number.
    #[error("could not read the weight of {stage} from `{text}`; write a number such as `0.3`")]
    NotANumber {
        /// Whose weight it is.
        stage: StageName,
        /// What stands in its place.
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
    #[error(
        "the weights bm25 = {bm25}, dense = {dense}, cross = {cross} sum to {sum}; \
         they must sum to 1"
    )]
    SumNotOne {
        /// Weight of the bm25 stage.
        bm25: f64,
        /// Weight of the bi-encoder stage.
        dense: f64,
        /// Weight of the cross-encoder stage.
        cross: f64,
        /// Their sum, rounded to nine digits unless the difference is smaller.
        sum: f64,
    },

    /// Bounds that enclose nothing.
    #[error("the bounds low = {low}, high = {high} are no range; low must be below high")]
    EmptyBounds {
        /// What would become 0.
        low: f64,
        /// What would become 1.
        high: f64,
    },

    /// A sigmoid that does not rise.
    #[error(
        "the sigmoid slope = {slope}, offset = {offset} does not rise with the score; \
         slope must be a number above 0 and offset a number"
    )]
    FlatSigmoid {
        /// Factor of the raw score.
        slope: f64,
        /// Added to the product.
        offset: f64,
    },

    /// A least score that is no number.
    #[error(
        "the least score low = {low} is not a finite number; it is 0 for BM25, -1 for a cosine"
    )]
    NoLeastScore {
        /// What would become 0.
        low: f64,
    },

    /// A normalizer that means nothing here.
    #[error(
        "unknown normalizer `{text}`; write min-max, z-score, rank:60, linear-rank, \
         theoretical-min:LOW, bounds:LOW:HIGH or sigmoid:SLOPE:OFFSET"
    )]
    UnknownNormalizer {
        /// As it was given.
        text: String,
    },

    /// A share of one of several systems that is negative, infinite or not a number.
    #[error("weight {place} is {value}; a weight is a number from 0 to a million")]
    ShareOutOfRange {
        /// Which one, from 1.
        place: usize,
        /// The offending value.
        value: f64,
    },

    /// No system has any share.
    #[error("all {systems} weights are 0; give at least one system a part")]
    NoShare {
        /// How many there are.
        systems: usize,
    },
}
