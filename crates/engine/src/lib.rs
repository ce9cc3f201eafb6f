//! The engine of Treffer: from a corpus to an index, and from a query to hits.
//!
//! `search = fuse(gather(query), profile)` and
//! `tune = argmax over weights of metric(fuse(gathered, weights))`:
//! gathering is expensive and happens once per query, fusing is cheap and happens
//! thousands of times, so the two are kept apart everywhere.
//!
//! Reading order: [`config`] and [`profile`] configure an index, [`build`] builds one,
//! of documents that are split into [`passages`], [`manifest`] records what it consists of, [`check`] verifies it completely and [`engine`]
//! opens it. [`stages`] defines what a stage is and lists the standard ones, [`pipeline`]
//! turns a profile into the steps of a search, [`gather`] runs them, within a [`deadline`] if
//! there is one, and [`search`] fuses what they found, by weights or by a [`learned`] fusion.
//! A [`fields`] filter limits a search to some documents.
//! [`evaluate`] measures and [`tune`] improves rankings on judged [`topics`], in collections
//! of which [`self_retrieval`] says which documents are queries, [`explain`]
//! shows why a document ranks where it does, [`judge`] has the cross-encoder make judgments,
//! [`mine`] finds training data,
//! [`rerank`] and [`runs`] rerank and fuse the runs of other programs, and [`duplicates`] finds
//! documents that say the same. Nothing here prints.
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
pub mod data;
pub mod deadline;
mod deleted;
pub mod duplicates;
pub mod engine;
mod error;
pub mod evaluate;
pub mod explain;
pub mod field_stages;
pub mod fields;
pub mod gather;
pub mod judge;
mod keys;
pub mod learned;
pub mod manifest;
pub mod mine;
pub mod models;
pub mod passages;
pub mod pipeline;
pub mod profile;
pub mod profiles;
pub mod rerank;
mod rerank_order;
pub mod runs;
pub mod search;
pub mod self_retrieval;
pub mod settings_file;
mod settled;
pub mod stages;
pub mod topics;
pub mod tune;

pub use engine::{Engine, OpenOptions};
pub use error::Error;
pub use treffer_api as api;
pub use treffer_bm25::{Detection, Form, LanguageCounts, TextAnalysis, Trace};
pub use treffer_types::{Device, Language};
