//! Reports on evaluations and tunings, each as one HTML page: style, script and pictures
//! are in it, and nothing is loaded from anywhere.
//!
//! Typed results go in, a text comes out; where it is written is the caller's matter.
//!
//! Reading order: [`Experiment`] says what was measured and how, `evaluation` and `tuning`
//! are the two pages. `markup` is what everything is made of and `page` puts it together;
//! `color`, `marks`, `forest`, `bars`, `depths`, `surface`, `profile` and `simplex` draw;
//! `comparison`, `queries`, `times`, `trees`, `command` and `provenance` fill sections.
//! [`text`] writes numbers for people, on a page as on a terminal.

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

#[cfg(test)]
mod tests;

pub use error::Error;
pub use evaluation::evaluation;
pub use provenance::Experiment;
pub use tuning::tuning;
