//! Errors of evaluating, comparing and writing.

/// Why something could not be evaluated, compared or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No metric has this name.
    #[error("unknown metric `{name}`; did you mean `{nearest}`?")]
    UnknownMetric {
        /// The text that was parsed.
        name: String,
        /// The metric with the most similar name.
        nearest: String,
    },

    /// The metric does not take such an argument or cutoff.
    #[error("could not read the metric `{name}`: {reason}; write it as in `{example}`")]
    BadMetric {
        /// The text that was parsed.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
        /// A valid metric with the same name.
        example: String,
    },

    /// A run could not be written.
    #[error("could not write the results of query `{query}` to the run")]
    WriteRun {
        /// The query whose lines were being written.
        query: String,
        /// The writer's error.
        #[source]
        source: std::io::Error,
    },

    /// An id or tag that is empty or contains white space, which separates the columns of
    /// a run file.
    #[error(
        "could not write a run with the {what} `{text}`: white space separates the columns of a \
         run, so it must be non-empty and contain none; rename it in the collection"
    )]
    Unwritable {
        /// "query id", "document id" or "tag".
        what: &'static str,
        /// The offending text.
        text: String,
    },

    /// The judgments are empty, so there is nothing to average over.
    #[error(
        "the judgments contain no queries, so there is nothing to evaluate; check the qrels file"
    )]
    NoQueries,

    /// Two systems without a value for each of the same queries, or without any.
    #[error(
        "could not compare two systems with {a} and {b} values: a paired comparison needs one \
         value per query from each"
    )]
    NotPaired {
        /// Number of values of the first system.
        a: usize,
        /// Number of values of the second system.
        b: usize,
    },

    /// A value is infinite or NaN.
    #[error("could not compare two systems: the value at index {position} of one is not finite")]
    NotFinite {
        /// Index of the value, from 0.
        position: usize,
    },

    /// A parameter of a test or interval is out of range.
    #[error("{what} is {value}; it must be {allowed}")]
    BadSetting {
        /// Which parameter.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The allowed range.
        allowed: &'static str,
    },

    /// More folds than queries, or fewer than two.
    #[error(
        "could not split {queries} queries into {folds} folds: there must be at least 2 folds \
         and at least one query for each; use fewer folds or judge more queries"
    )]
    BadFolds {
        /// Number of distinct queries.
        queries: usize,
        /// Number of folds requested.
        folds: usize,
    },
}
