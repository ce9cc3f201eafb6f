//! Trains cross-encoders and bi-encoders on the CPU, in f32 or with products in bf16.
//!
//! The model is that of `treffer_encoder`, written a second time as explicit forward and
//! backward passes over products of `treffer_kernels`; tests compare the two. Why not the
//! automatic differentiation of candle, which the encoder runs with? Its graph keeps and
//! copies far more than a transformer needs, and the fused operations have no derivative.
//!
//! Reading order: [`read`] and [`example`] are the data, [`loss`] what is made small,
//! [`options`] how, `data` what of it can be learned, [`teacher`] where scores come from that it
//! lacks, and [`run`] the training itself: `base` is where parameters come from, `shape` where
//! each is, `transformer` the model with its derivatives, `machine` runs it over lanes of packed
//! sequences, `similarity` compares the vectors of a bi-encoder, `step` is one step of AdamW,
//! `validate` the measure, `checkpoint` and `save` what is written, `output` what must not be written
//! over. `random` has no state, so that a training that is resumed is the same bit for bit as one
//! that was never interrupted.
//!
//! ```no_run
//! use std::time::Duration;
//! use treffer_encoder::parts::Parts;
//! use treffer_train::{
//!     Examples, Loss, Options, Running, Task, ValueKind, base_folder, read_examples, train,
//! };
//! use treffer_types::NoProgress;
//!
//! # fn main() -> Result<(), treffer_train::Error> {
//! let mut data = Examples::default();
//! let preferred = ValueKind::Labels;
//! read_examples("train.jsonl".as_ref(), preferred, &mut data, &mut |bad| {
//!     eprintln!("{}:{}: {}", bad.path.display(), bad.line, bad.reason);
//! })?;
//! let options = Options {
//!     loss: Loss::List,
//!     ..Options::default()
//! };
//! let mut base = Parts::open(&base_folder("base", "base".into()), options.max_length)?;
//! let task = Task {
//!     data: &data,
//!     held_out: None,
//!     out: "model".as_ref(),
//!     options: &options,
//! };
//! let running = Running {
//!     resume: false,
//!     replace: false,
//!     checkpoint_every: Duration::from_secs(240),
//! };
//! let trained = train(&mut base, &task, running, &NoProgress, &mut |_| {})?;
//! assert_eq!(trained.steps, options.steps);
//! # Ok(())
//! # }
//! ```

pub mod error;
pub mod example;
pub mod loss;
pub mod options;
pub mod read;
pub mod run;
pub mod teacher;

mod base;
mod checkpoint;
mod data;
mod machine;
mod output;
mod random;
mod save;
mod shape;
mod similarity;
mod step;
#[cfg(test)]
mod testing;
mod transformer;
mod validate;

pub use base::base_folder;
pub use checkpoint::CHECKPOINT;
pub use error::Error;
pub use example::{Example, Examples, ValueKind};
pub use loss::Loss;
pub use options::{Decay, Kind, Options, Precision};
pub use output::check_output;
pub use read::{BadLine, read_examples};
pub use run::{End, Event, Running, Task, Trained, train};
pub use step::Did;
pub use teacher::{Taught, add_scores};
pub use validate::Quality;
