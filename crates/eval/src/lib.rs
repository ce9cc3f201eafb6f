//! Effectiveness metrics for rankings, and significance tests for their differences.
//!
//! Metrics have the names of `ir_measures` and the values of `trec_eval`. This crate does
//! no I/O except through writers that are passed in, and draws no random numbers except
//! from a given seed.
//!
//! Reading order: [`metric`] names the metrics and [`measure`] computes them for one
//! ranking, [`run`] holds rankings and their file format, [`evaluation`] measures a run by
//! relevance judgments, [`significance`] tests the difference between two systems,
//! [`power`] estimates the smallest difference that such a test can detect, [`comparison`]
//! combines these, [`correction`] adjusts the p-values of several tests, and [`folds`]
//! splits queries for cross-validation.
//!
//! ```
//! use std::collections::BTreeMap;
//! use treffer_eval::Metric;
//!
//! let judgments = BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]);
//! let metric: Metric = "nDCG@10".parse().unwrap();
//! assert_eq!(metric.score(["a", "b", "x"], Some(&judgments)), 1.0);
//! assert!(metric.score(["x", "b", "a"], Some(&judgments)) < 0.7);
//! ```

pub mod comparison;
pub mod correction;
mod draws;
pub mod error;
pub mod evaluation;
pub mod folds;
pub mod measure;
pub mod metric;
pub mod power;
pub mod run;
pub mod significance;

pub use comparison::{Comparison, Settings};
pub use correction::holm;
pub use error::Error;
pub use evaluation::{Coverage, Evaluation, unknown_documents};
pub use folds::k_fold;
pub use measure::Topic;
pub use metric::Metric;
pub use power::{Power, detectable_gain};
pub use run::{Run, RunEntry, write_run};
pub use significance::{Interval, Randomization, bootstrap_interval, randomization_test};
