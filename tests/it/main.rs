//! The program from outside: what is typed, what is printed, and the exit code.
//!
//! Every test has a folder of its own and runs the binary in it. The models are the
//! tiny random ones of `data/golden`, but for `golden`, which pulls the real ones.

// What a test needs and does not get is a failed test.
#![allow(clippy::unwrap_used)]

mod fixtures;
mod util;

mod config;
mod index;
mod inputs;
mod records;

mod field_stages;
mod filters;
mod languages;
mod profiles;
mod queries;
mod repeat;
mod search;
mod spellings;
mod vectors;

mod analyze;
mod changes;
mod compare;
mod duplicates;
mod eval;
mod examples;
mod explain;
mod fuse;
mod judge;
mod learn;
mod report;
mod rerank;
mod rerank_texts;
mod train;
mod tune;
mod tuned;

mod crash;
mod damage;
mod formats;
mod hostile_index;
#[cfg(unix)]
mod interrupt;
mod mismatch;

mod help;
mod info;
mod model;
mod output;

mod golden;
