//! The engine from outside, with stand-ins for the models: what is built, what is
//! refused, what is found, and that all of it agrees with the obvious way.

#![allow(missing_docs, clippy::unwrap_used)]

mod build;
mod crash;
mod damage;
mod deadline;
mod determinism;
mod duplicates;
mod explain;
mod failures;
mod field_stages;
mod filters;
mod judge;
mod languages;
mod late;
mod late_retrieval;
mod mine;
mod modes;
mod oracle;
mod passages;
mod patience;
mod repair;
mod rerank;
mod resume;
mod support;
mod topics;
mod tune;
mod updates;
mod vectors;
