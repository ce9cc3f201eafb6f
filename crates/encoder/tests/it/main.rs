//! Tests of the public interface on tiny models with random weights, whose expected outputs
//! were computed by the Python originals (`data/golden/make.py`, `make_late.py`).

#![allow(missing_docs, clippy::unwrap_used)]

mod colbert;
mod damaged;
mod description;
mod independent;
mod invariants;
mod late;
mod mutations;
mod overlay;
mod parity;
mod scores;
mod sentence_folders;
mod support;
mod tokenizers;
