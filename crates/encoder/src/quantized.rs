//! The same transformer as `transformer`, in 8-bit integers on the CPU's own
//! instructions.
//!
//! Sequences lie end to end, without padding: what costs is a token. A layer works
//! through its heads, then through blocks of rows, then through slices of its
//! feed-forward block, so that what passes from one product to the next stays in the
//! second-level cache. A token's result depends on its own sequence alone, to the bit.
//!
//! Many sequences keep all threads busy, each with its own. A single one, a query that
//! somebody waits for, spreads its heads and slices over them.

mod embeddings;
mod layer;
mod linear;
mod memory;
mod pass;

use rayon::prelude::*;
use treffer_kernels::{Isa, attention};

use self::embeddings::Embeddings;
use self::layer::Layer;
use self::memory::{Part, Pool, Scratch};
use self::pass::{Pass, Tokens};
use crate::config::Config;
use crate::error::Error;
use crate::tokenize::Sequence;
use crate::transformer::Wanted;
use crate::weights::Weights;

/// Embeddings and layers.
pub(crate) struct Quantized {
    isa: Isa,
    config: Config,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    /// Memory of forward passes that have ended, and of their parts.
    idle: Pool<Scratch>,
    idle_parts: Pool<Part>,
}

impl Quantized {
    /// Whether a model of this shape can be run here.
    pub(crate) fn supports(config: &Config) -> bool {
        config.hidden_size / config.heads <= attention::WIDEST_HEAD
            && config.positions <= attention::MOST_KEYS
            && config.hidden_size <= 1 << 16
    }

    /// Takes its tensors out of `weights`.
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

    /// For each sequence its first token's vector, or the mean of all tokens' vectors.
    /// The work is spread over the threads of the current rayon pool or not, with the
    /// same result.
    pub(crate) fn forward(
        &self,
        sequences: &[&Sequence],
        wanted: Wanted,
        spread: bool,
    ) -> Vec<Vec<f32>> {
        let mut scratch = self.idle.take(|| Scratch::new(self.isa));
        let tokens = Tokens::of(sequences);
        self.embeddings
            .forward(self.isa, &self.config, sequences, &mut scratch);
        let last = self.layers.len() - 1;
        for (place, layer) in self.layers.iter().enumerate() {
            let pass = Pass {
                isa: self.isa,
                config: &self.config,
                tokens: &tokens,
                wanted: if place == last { wanted } else { Wanted::All },
                spread,
                parts: &self.idle_parts,
            };
            layer.forward(&pass, &mut scratch);
        }
        let width = self.config.hidden_size;
        let pooled = match wanted {
            Wanted::First => scratch
                .hidden
                .chunks_exact(width)
                .map(<[f32]>::to_vec)
                .collect(),
            Wanted::All => tokens
                .each()
                .map(|(start, end)| mean(&scratch.hidden[start * width..end * width], width))
                .collect(),
        };
        self.idle.put(scratch);
        pooled
    }
}

fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let share = width as f32 / rows.len() as f32;
    let mut sums = vec![0f32; width];
    for row in rows.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sums.iter().map(|sum| sum * share).collect()
}
