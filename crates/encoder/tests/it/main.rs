//! The crate from outside, on tiny models with random weights whose outputs the
//! Python originals computed (`data/golden/make.py`).

#![allow(missing_docs, clippy::unwrap_used)]

mod damaged;
mod description;
mod independent;
mod invariants;
mod parity;
mod support;
