//! The model of `transformer` in 8-bit integers on the CPU.
//!
//! Sequences are concatenated without padding. A layer processes groups of heads, then
//! blocks of rows, then slices of its feed-forward block, so that intermediate results stay
//! in the second-level cache. A token's result depends on its own sequence alone and is
//! bit-identical whatever runs with it.
//!
//! Several sequences are distributed over the threads. A single one, usually a query, is
//! itself split into heads and slices that run in parallel, for latency.

mod embeddings;
mod layer;
mod linear;
mod memory;
mod pass;

use rayon::prelude::*;
use treffer_kernels::{Isa, attention};
use treffer_types::Pooling;

use self::embeddings::Embeddings;
use self::layer::Layer;
use self::memory::{Part, Pool, Scratch};
use self::pass::{Pass, Tokens};
use crate::config::Config;
use crate::error::Error;
use crate::pooling::pool;
use crate::tokenize::Sequence;
use crate::transformer::OutputTokens;
use crate::weights::Weights;

/// Embeddings and layers.
pub(crate) struct Quantized {
    isa: Isa,
    config: Config,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    /// Memory of finished forward passes and of their parts, for reuse.
    idle: Pool<Scratch>,
    idle_parts: Pool<Part>,
}

impl Quantized {
    /// Whether the kernels support a model of this shape.
    pub(crate) fn supports(config: &Config) -> bool {
        config.hidden_size / config.heads <= attention::MAX_HEAD_WIDTH
            && config.positions <= attention::MAX_KEYS
            && config.hidden_size <= 1 << 16
            && config.embedding_size <= 1 << 16
    }

    /// Takes its tensors from `weights`.
    pub(crate) fn load(isa: Isa, config: &Config, weights: &mut Weights) -> Result<Self, Error> {
        let parts: Vec<(String, Weights)> = (0..config.layers)
            .map(|layer| format!("encoder.layer.{layer}."))
            .map(|stem| (stem.clone(), weights.part(&stem)))
            .collect();
        Ok(Quantized {
            isa,
            embeddings: Embeddings::load(isa, config, weights)?,
            layers: parts
                .into_par_iter()
                .map(|(stem, mut weights)| Layer::load(isa, config, &mut weights, &stem))
                .collect::<Result<_, Error>>()?,
            config: config.clone(),
            idle: Pool::default(),
            idle_parts: Pool::default(),
        })
    }

    /// The pooled vector of each sequence. With `spread`, the work is distributed over the threads of the current rayon pool; the
    /// result is the same.
    pub(crate) fn forward(
        &self,
        sequences: &[&Sequence],
        pooling: Pooling,
        spread: bool,
    ) -> Vec<Vec<f32>> {
        let width = self.config.hidden_size;
        let outputs = OutputTokens::of(pooling);
        self.run(sequences, outputs, spread, |hidden, tokens| match outputs {
            OutputTokens::First => hidden.chunks_exact(width).map(<[f32]>::to_vec).collect(),
            OutputTokens::All => tokens
                .each()
                .zip(sequences)
                .map(|((start, end), sequence)| {
                    let rows = &hidden[start * width..end * width];
                    pool(pooling, rows, width, sequence.not_pooled)
                })
                .collect(),
        })
    }

    /// The vectors of all tokens of each sequence, one after the other.
    pub(crate) fn forward_tokens(&self, sequences: &[&Sequence], spread: bool) -> Vec<Vec<f32>> {
        let width = self.config.hidden_size;
        self.run(sequences, OutputTokens::All, spread, |hidden, tokens| {
            let rows = |(start, end): (usize, usize)| hidden[start * width..end * width].to_vec();
            tokens.each().map(rows).collect()
        })
    }

    /// Runs all layers and hands the vectors of the output tokens to `read`.
    fn run<T>(
        &self,
        sequences: &[&Sequence],
        outputs: OutputTokens,
        spread: bool,
        read: impl FnOnce(&[f32], &Tokens) -> T,
    ) -> T {
        let mut scratch = self.idle.take(|| Scratch::new(self.isa));
        let tokens = Tokens::of(sequences);
        self.embeddings
            .forward(self.isa, &self.config, sequences, &mut scratch);
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let pass = Pass {
                isa: self.isa,
                config: &self.config,
                tokens: &tokens,
                outputs: if index == last {
                    outputs
                } else {
                    OutputTokens::All
                },
                spread,
                parts: &self.idle_parts,
            };
            layer.forward(&pass, &mut scratch);
        }
        let read = read(&scratch.hidden, &tokens);
        self.idle.put(scratch);
        read
    }
}
