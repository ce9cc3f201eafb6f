//! Reports on evaluations and tunings, each as one HTML page: style, script and pictures
//! are in it, and nothing is loaded from anywhere.
//!
//! Typed results go in, a text comes out; where it is written is the caller's matter.
//!
//! Reading order: [`Experiment`] says what was measured and how, `evaluation` and `tuning`
//! are the two pages. `markup` is what everything is made of and `page` puts it together;
//! `color`, `marks`, `forest`, `bars`, `depths`, `surface`, `profile` and `simplex` draw;
//! `weightings`, `comparison`, `queries`, `matches`, `times`, `trees`, `command` and `provenance` fill
//! sections.
//! [`text`] writes numbers for people, on a page as on a terminal.
//!
//! ```
//! use std::time::Duration;
//! use treffer_report::text::{count, count_queries, one_line, percentile};
//!
//! assert_eq!(count(138_468, "document"), "138 468 documents");
//! assert_eq!(count_queries(1), "1 query");
//! assert_eq!(one_line("A quiet\nlaboratory refrigerator.", 12), "A quiet l...");
//! let times = [12, 9, 40].map(Duration::from_millis);
//! assert_eq!(percentile(&times, 50), Duration::from_millis(12));
//! ```

mod bars;
mod color;
mod command;
mod comparison;
mod depths;
mod error;
mod evaluation;
mod forest;
mod marks;
mod markup;
mod matches;
mod page;
mod profile;
mod provenance;
mod queries;
mod simplex;
mod surface;
pub mod text;
mod times;
mod trees;
mod tuning;
mod weightings;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use evaluation::evaluation;
pub use provenance::Experiment;
pub use tuning::tuning;
