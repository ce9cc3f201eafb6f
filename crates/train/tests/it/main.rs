//! Trainings of tiny models from beginning to end: what is learned, what is written, and
//! what remains when something fails.

#![allow(missing_docs, clippy::unwrap_used)]

mod bi;
mod failures;
mod inputs;
mod learning;
mod python;
mod resuming;
mod support;
