//! Transformer encoders: bi-encoders turn texts into unit vectors, cross-encoders turn pairs
//! of texts into scores, and models of late interaction turn texts into a unit vector for each
//! token. The only crate that depends on candle, tokenizers, devices and the
//! formats of model files.
//!
//! Reading order: [`bi_encoder`], [`cross_encoder`] and [`late_encoder`] are the models that
//! other crates load. `tokenize` turns text into token ids and `schedule` distributes sequences over
//! threads or batches. `transformer` is the model in f32 through candle (BERT, RoBERTa and
//! XLM-RoBERTa, ELECTRA), `quantized` the same model in integers on the CPU, `packed` in bf16 on a GPU, and `heads` the
//! classification head of a cross-encoder, whose classes `labels` turns into a score. `pooling`
//! and `layers` make one vector of a bi-encoder's tokens. `config` reads `config.json`,
//! `weights` the three weights formats. [`fn@fingerprint`] identifies a model, and [`fn@describe`] derives a spec
//! from the files of an unregistered model folder. [`parts`] hands out the tensors and tokens of a model to a
//! program that trains it. No type of candle or tokenizers is public.
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
pub mod late_encoder;

mod batch;
mod bias;
mod heads;
mod layers;
mod model;
mod ops;
#[cfg(any(test, feature = "cuda"))]
mod packed;
mod phases;
mod pooling;
mod quantized;
mod schedule;
#[cfg(test)]
mod tiny;
mod tokenize;
mod transformer;

mod config;
mod exercise;
mod folder;
mod format;
mod guard;
mod hashes;
mod labels;
mod precheck;
mod vocabulary;
mod weights;

pub mod describe;
pub mod device;
pub mod error;
pub mod fingerprint;
pub mod parts;

pub use bi_encoder::BiEncoder;
pub use cross_encoder::CrossEncoder;
pub use describe::{describe, describe_embedder, describe_late, describe_scorer};
pub use device::arithmetic;
pub use error::Error;
#[doc(hidden)]
pub use exercise::exercise;
pub use fingerprint::fingerprint;
pub use late_encoder::LateEncoder;
#[doc(hidden)]
pub use phases::{Phases, phases};
pub use treffer_types::{CpuBackend, CudaBackend, Device, InstructionSet};
