//! Treffer as a library: the engine, and models known by name.
//!
//! This crate puts the standard set together. The engine alone (`treffer-engine`) knows
//! neither an inference library nor an HTTP client; here it meets [`StandardModels`],
//! which finds models in the registry, fetches them when they are first needed, and runs
//! them on the CPU or on a CUDA device. A program with models of its own implements
//! [`ModelSource`] instead, and may depend on `treffer-engine` directly.
//!
//! ```no_run
//! use treffer::{Engine, OpenOptions, SearchRequest, StandardModels};
//!
//! let models = StandardModels::from_default_cache()?;
//! let engine = Engine::open("my-index".as_ref(), &OpenOptions::default(), &models)?;
//! let response = engine.search(&SearchRequest::text("quiet refrigerator"))?;
//! for hit in response.hits {
//!     println!("{}. {} ({:.3})", hit.rank, hit.title, hit.score);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What an index consists of and how it is built, evaluated and tuned is in [`engine`];
//! the folder `examples` of this crate shows each.

mod standard_models;

#[doc(inline)]
pub use standard_models::StandardModels;

pub use treffer_corpus as corpus;
pub use treffer_encoder as encoder;
pub use treffer_engine as engine;
pub use treffer_engine::api;
pub use treffer_eval as eval;
pub use treffer_models as models;
pub use treffer_types as types;

pub use treffer_engine::api::{SearchOptions, SearchRequest, SearchResponse};
pub use treffer_engine::models::ModelSource;
pub use treffer_engine::{Engine, Error, OpenOptions};
pub use treffer_types::Device;
