//! What every training is told, whatever it trains.

use std::path::PathBuf;

use clap::ValueEnum;
use treffer_train::{Decay, Options, Precision};

#[derive(Debug, clap::Args)]
pub(crate) struct Shared {
    /// Training data: JSON lines, also .gz or .zst
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub(super) data: Vec<PathBuf>,
    /// Data to measure nDCG@10 and MRR@10 on, with several passages and labels a line
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(super) held_out: Vec<PathBuf>,
    /// Model to begin with, by name as in `treffer model list`, or a folder
    #[arg(long, value_name = "MODEL")]
    pub(in crate::commands) base: String,
    /// Folder for the model and its checkpoint
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::commands) out: PathBuf,
    /// Go on from the checkpoint in the folder
    #[arg(long)]
    pub(super) resume: bool,
    /// Write over a model or training that the folder holds
    #[arg(long, conflicts_with = "resume")]
    pub(super) replace: bool,
    /// Number of steps [default: one pass through the data]
    #[arg(long, value_name = "N", conflicts_with = "epochs")]
    steps: Option<u64>,
    /// Number of passes through the data
    #[arg(long, value_name = "N")]
    epochs: Option<f64>,
    /// Lines of data in a step
    #[arg(long, default_value = "32", value_name = "N")]
    batch: usize,
    /// Largest learning rate
    #[arg(long, default_value = "2e-5", value_name = "RATE")]
    rate: f64,
    /// Share of the steps in which the learning rate grows
    #[arg(long, default_value = "0.1", value_name = "SHARE")]
    warm_up: f64,
    /// How the learning rate falls after that
    #[arg(long, value_enum, default_value = "linear")]
    decay: DecayName,
    /// Weight decay of matrices
    #[arg(long, default_value = "0.01", value_name = "SHARE")]
    weight_decay: f64,
    /// Largest norm of a gradient
    #[arg(long, default_value = "1", value_name = "NORM")]
    clip: f64,
    /// Divides a teacher's scores before a softmax or sigmoid
    #[arg(long, default_value = "1", value_name = "T")]
    temperature: f32,
    /// Share of values that are set to 0 at random
    #[arg(long, default_value = "0.1", value_name = "SHARE")]
    dropout: f32,
    /// Number of layers of the model, evenly chosen from the base [default: all]
    #[arg(long, value_name = "N")]
    pub(super) layers: Option<usize>,
    /// Leave the first N layers as they are, and the embeddings
    #[arg(long, default_value = "0", value_name = "N")]
    freeze_layers: usize,
    /// Train the table of word embeddings too
    #[arg(long)]
    train_words: bool,
    /// What products of matrices are computed from; everything else is f32
    #[arg(long, value_enum, default_value = "f32", value_name = "FORM")]
    precision: PrecisionName,
    /// Where random numbers come from
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,
    /// Steps between two measurements of the held-out data
    #[arg(long, default_value = "500", value_name = "N")]
    validate_every: u64,
    /// End after N measurements without a better one; 0 for never
    #[arg(long, default_value = "0", value_name = "N")]
    patience: u32,
    /// Seconds between two checkpoints
    #[arg(long, default_value = "240", value_name = "SECONDS")]
    pub(super) checkpoint_every: u64,
    /// Steps between two lines about loss and time left
    #[arg(long, default_value = "10", value_name = "N")]
    pub(super) log_every: u64,
}

/// What the operands of products are rounded to.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionName {
    /// Not rounded
    F32,
    /// bf16: about 1.6 times as fast with AVX-512 BF16, slower without
    Bf16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DecayName {
    Linear,
    Cosine,
    None,
}

impl Shared {
    /// Options of a training with so many lines of data, the rest as `options` says.
    pub(super) fn options(&self, lines: usize, options: Options) -> Options {
        let epochs = self.epochs.unwrap_or(1.0);
        let pass = lines as f64 / self.batch.max(1) as f64;
        Options {
            batch: self.batch,
            steps: self.steps.unwrap_or((epochs * pass).ceil() as u64),
            rate: self.rate,
            warm_up: self.warm_up,
            decay: match self.decay {
                DecayName::Linear => Decay::Linear,
                DecayName::Cosine => Decay::Cosine,
                DecayName::None => Decay::None,
            },
            weight_decay: self.weight_decay,
            clip: self.clip,
            temperature: self.temperature,
            dropout: self.dropout,
            freeze_layers: self.freeze_layers,
            train_words: self.train_words,
            layers: self.layers,
            precision: match self.precision {
                PrecisionName::F32 => Precision::F32,
                PrecisionName::Bf16 => Precision::Bf16,
            },
            seed: self.seed,
            validate_every: self.validate_every,
            patience: self.patience,
            ..options
        }
    }
}
