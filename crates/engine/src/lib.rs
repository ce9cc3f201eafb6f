//! The two journeys of Treffer: from a corpus to an index, from a query to hits.
//!
//! `search = fuse(gather(query), profile)` and
//! `tune = argmax over weights of metric(fuse(gathered, weights))`:
//! gathering is expensive and happens once per query, fusing is cheap and happens
//! thousands of times, so the two are separate everywhere.
//!
//! Reading order: [`config`] and [`profile`] say what an index is, [`build`] makes
//! one and [`manifest`] records it, [`index`] opens it, [`stages`] and [`gather`]
//! collect candidates and their scores, before a [`deadline`] if there is one, [`search`]
//! orders them, by weights or by a [`learned`] fusion, [`evaluate`]
//! measures and [`tune`] improves the order on judged [`topics`], [`explain`] says where
//! a document was lost, [`judge`] makes judgements where there are none, [`rerank`]
//! reads and [`runs`] fuses what other programs ranked. Nothing here prints.
//!
//! ```
//! use treffer_engine::config::Config;
//!
//! let config = Config::preset("english")?;
//! let profile = &config.profiles["default"];
//! assert_eq!(profile.cross_depth, 100);
//! # Ok::<(), treffer_engine::Error>(())
//! ```

pub mod build;
pub mod config;
pub mod deadline;
mod error;
pub mod evaluate;
pub mod explain;
pub mod gather;
pub mod index;
pub mod judge;
mod keys;
pub mod learned;
pub mod manifest;
pub mod models;
pub mod profile;
pub mod rerank;
pub mod runs;
pub mod search;
pub mod settings_file;
pub mod stages;
pub mod topics;
pub mod tune;

pub use error::Error;
pub use treffer_encoder::Device;
