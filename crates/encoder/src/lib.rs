//! Transformer encoders: texts to unit vectors, pairs of texts to logits. The
//! only crate that knows candle, tokenizers, devices and model files.
//!
//! Reading order: [`bi_encoder`] and [`cross_encoder`] are what other crates
//! load; `tokenize` turns text into token ids, `schedule` spreads sequences over
//! threads or batches, `transformer` is the one model definition (BERT,
//! RoBERTa and XLM-RoBERTa, ELECTRA), `quantized` its fast twin on the CPU and `heads`
//! what stands on top of either;
//! `config` reads `config.json`, `weights` the three weight formats;
//! [`fn@fingerprint`] identifies a model and [`fn@describe`] reads a folder that
//! nobody has registered. No type of candle or tokenizers leaves the crate.
//!
//! ```no_run
//! use treffer_encoder::{BiEncoder, Device, describe};
//! use treffer_types::{Embedder, ModelFolder};
//!
//! let path = std::path::PathBuf::from("models/all-MiniLM-L6-v2");
//! let folder = ModelFolder { spec: describe(&path, None)?, path, sha256: Default::default() };
//! let model = BiEncoder::load(&folder, Device::CPU)?;
//! let embeddings = model.embed_queries(&["how cold is a laboratory refrigerator?"])?;
//! assert_eq!(embeddings[0].vector.len(), model.dimension());
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

pub mod bi_encoder;
pub mod cross_encoder;

mod batch;
mod bias;
mod heads;
mod model;
mod ops;
mod quantized;
mod schedule;
mod tokenize;
mod transformer;

mod config;
mod folder;
mod weights;

pub mod describe;
pub mod device;
pub mod error;
pub mod fingerprint;

pub use bi_encoder::BiEncoder;
pub use cross_encoder::CrossEncoder;
pub use describe::describe;
pub use device::arithmetic;
pub use error::Error;
pub use fingerprint::fingerprint;
pub use treffer_types::{CpuBackend, Device, InstructionSet};
