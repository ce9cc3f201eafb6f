//! What can go wrong between judgements, runs and the numbers drawn from them.

use std::path::PathBuf;

/// Why something could not be evaluated, compared, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A metric name that means nothing here.
    #[error("unknown metric `{name}`; did you mean `{nearest}`?")]
    UnknownMetric {
        /// As it was given.
        name: String,
        /// The metric with the most similar name.
        nearest: String,
    },

    /// A metric's argument or cutoff that it does not take.
    #[error("could not read the metric `{name}`: {reason}; write it as in `{example}`")]
    BadMetric {
        /// As it was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
        /// A correct metric of that kind.
        example: String,
    },

    /// A run file could not be read on.
    #[error("could not read the run {path}, line {line}", path = .path.display())]
    ReadRun {
        /// The run's name.
        path: PathBuf,
        /// The line at which reading failed, from 1.
        line: u64,
        /// What the reader said.
        #[source]
        source: std::io::Error,
    },

    /// A run could not be written.
    #[error("could not write the results of query `{query}` to the run")]
    WriteRun {
        /// The query whose lines were being written.
        query: String,
        /// What the writer said.
        #[source]
        source: std::io::Error,
    },

    /// An id or tag that would break the columns of a run file.
    #[error(
        "could not write a run with the {what} `{text}`: the columns of a run are separated by \
         blanks, so it must be non-empty and hold none; rename it in the collection"
    )]
    Unwritable {
        /// "query id", "document id" or "tag".
        what: &'static str,
        /// The offending text.
        text: String,
    },

    /// Nothing to average over.
    #[error(
        "the judgements hold no queries, so there is nothing to evaluate; check the qrels file"
    )]
    NoQueries,

    /// Two systems that were not measured on the same queries.
    #[error(
        "could not compare two systems with {a} and {b} values: a paired comparison needs one \
         value per query from each"
    )]
    NotPaired {
        /// Values of the first system.
        a: usize,
        /// Values of the second.
        b: usize,
    },

    /// A value that is no number.
    #[error("could not compare two systems: value {position} (from 0) of one is not finite")]
    NotFinite {
        /// Position in the values.
        position: usize,
    },

    /// A number of draws or a level that makes no test.
    #[error("{what} is {value}; it must be {allowed}")]
    BadSetting {
        /// Which setting.
        what: &'static str,
        /// What it was.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },

    /// More folds than queries, or fewer than two.
    #[error(
        "could not split {queries} queries into {folds} folds: there must be at least 2 folds \
         and at least one query for each; use fewer folds or judge more queries"
    )]
    BadFolds {
        /// Distinct queries.
        queries: usize,
        /// Folds asked for.
        folds: usize,
    },
}
