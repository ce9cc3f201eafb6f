//! Errors of a learned fusion.

use hessboost::error::HessboostError;
use treffer_types::{StageName, stage_list};

/// Why trees could not be trained, used, written or read.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The library refused the settings or the data.
    #[error("could not grow trees on {queries} queries")]
    Train {
        /// How many there were to learn from.
        queries: usize,
        /// Why.
        #[source]
        source: HessboostError,
    },

    /// The trees do not fit the features.
    #[error("could not apply the trees of a learned fusion")]
    Apply {
        /// Why.
        #[source]
        source: HessboostError,
    },

    /// A query whose features are those of other stages.
    #[error(
        "a query has features of {}, the learned fusion looks at {}; make its group for those stages",
        stage_list(.found), stage_list(.needed)
    )]
    OtherStages {
        /// The stages of the query's features.
        found: Vec<StageName>,
        /// The stages of the learned fusion.
        needed: Vec<StageName>,
    },

    /// The trees could not be written.
    #[error("could not write the trees of a learned fusion")]
    Write {
        /// Why.
        #[source]
        source: HessboostError,
    },

    /// Not a learned fusion.
    #[error("this is not a learned fusion")]
    NoJson {
        /// What the parser said.
        #[from]
        source: serde_json::Error,
    },

    /// The trees in the file are damaged.
    #[error("the trees of this learned fusion cannot be read")]
    Trees {
        /// What is wrong.
        #[source]
        source: HessboostError,
    },

    /// A file with impossible content, or of another version.
    #[error("this learned fusion cannot be used: {what}; learn it again")]
    Foreign {
        /// What does not fit.
        what: String,
    },
}
