//! The two journeys of Treffer: from a corpus to an index, from a query to hits.
//!
//! `search = fuse(gather(query), profile)` and
//! `tune = argmax over weights of metric(fuse(gathered, weights))`:
//! gathering is expensive and happens once per query, fusing is cheap and happens
//! thousands of times, so the two are separate everywhere.
//!
//! Reading order: [`config`] and [`profile`] say what an index is, [`build`] makes
//! one and [`manifest`] records it, [`engine`] opens it. [`stages`] says what a stage is and
//! which there are, [`pipeline`] turns a profile into the steps of a search, [`gather`] runs
//! them, before a [`deadline`] if there is one, and [`search`] orders what they found, by
//! weights or by a [`learned`] fusion. [`evaluate`] measures and [`tune`] improves the order
//! on judged [`topics`], [`explain`] says where a document was lost, [`judge`] makes
//! judgments where there are none, [`rerank`] reads and [`runs`] fuses what other programs
//! ranked. Nothing here prints.
//!
//! ```
//! use treffer_engine::config::Config;
//! use treffer_types::StageName;
//!
//! let config = Config::preset("english")?;
//! let profile = &config.profiles["default"];
//! assert_eq!(profile.depths.get(StageName::CROSS), Some(100));
//! # Ok::<(), treffer_engine::Error>(())
//! ```

pub mod blueprint;
pub mod build;
pub mod check;
pub mod config;
pub mod deadline;
pub mod engine;
mod error;
pub mod evaluate;
pub mod explain;
pub mod gather;
pub mod judge;
mod keys;
pub mod learned;
pub mod manifest;
pub mod models;
pub mod pipeline;
pub mod profile;
pub mod rerank;
mod rerank_order;
pub mod runs;
pub mod search;
pub mod settings_file;
pub mod stages;
pub mod topics;
pub mod tune;

pub use engine::{Engine, OpenOptions};
pub use error::Error;
pub use treffer_api as api;
pub use treffer_types::Device;
