//! How good a ranking is, and whether a difference is more than luck.
//!
//! Metrics have the names of `ir_measures` and the values of `trec_eval`. Nothing
//! here reads or writes but through a reader or writer that is passed in, and
//! nothing is random but by a seed.
//!
//! Reading order: [`metric`] names the metrics and [`measure`] computes them for
//! one ranking, [`run`] holds rankings and their file format, [`evaluation`] puts
//! a run and judgements together, [`significance`] tests the difference between two,
//! [`power`] says what so many queries could show, [`comparison`] puts both together,
//! [`correction`] is for several tests at once, and [`folds`] splits queries for
//! cross-validation.
//!
//! ```
//! use std::collections::BTreeMap;
//! use treffer_eval::Metric;
//!
//! let judgements = BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]);
//! let metric: Metric = "nDCG@10".parse().unwrap();
//! assert_eq!(metric.score(["a", "b", "x"], Some(&judgements)), 1.0);
//! assert!(metric.score(["x", "b", "a"], Some(&judgements)) < 0.7);
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
pub use run::{Problem, Run, RunEntry, read_run, write_run};
pub use significance::{Interval, Randomization, bootstrap_interval, randomization_test};
