//! Embeddings: from token ids to the input of the first layer.

use treffer_kernels::{Activation, Isa, LayerNorm, layer_norm, quantize};

use super::linear::{Linear, load_norm};
use super::memory::{Scratch, room};
use crate::batch::{positions_of, segments_of};
use crate::config::Config;
use crate::error::Error;
use crate::tokenize::Sequence;
use crate::weights::Weights;

pub(super) struct Embeddings {
    words: Vec<f32>,
    positions: Vec<f32>,
    segments: Vec<f32>,
    norm: LayerNorm,
    /// ELECTRA's projection from narrow embeddings to wider layers.
    project: Option<Linear>,
}

impl Embeddings {
    pub(super) fn load(isa: Isa, config: &Config, weights: &mut Weights) -> Result<Self, Error> {
        let width = config.embedding_size;
        let mut table = |name: &str, rows| {
            weights.encoder_values(
                &format!("embeddings.{name}_embeddings.weight"),
                &[rows, width],
            )
        };
        Ok(Embeddings {
            words: table("word", config.vocab_size)?,
            positions: table("position", config.positions)?,
            segments: table("token_type", config.segments)?,
            norm: load_norm(config, weights, "embeddings.LayerNorm", width)?,
            project: if width == config.hidden_size {
                None
            } else {
                let shape = (config.hidden_size, width);
                Some(Linear::load(isa, weights, "embeddings_project", shape)?)
            },
        })
    }

    /// Writes the embeddings of all tokens to `scratch.hidden`.
    pub(super) fn forward(
        &self,
        isa: Isa,
        config: &Config,
        sequences: &[&Sequence],
        scratch: &mut Scratch,
    ) {
        let width = config.embedding_size;
        let sum = match self.project {
            None => &mut scratch.hidden,
            Some(_) => &mut scratch.context,
        };
        sum.clear();
        for sequence in sequences {
            let positions = positions_of(config, &sequence.ids);
            let segments = segments_of(config, &sequence.segments);
            for ((&id, segment), position) in sequence.ids.iter().zip(segments).zip(positions) {
                let word = row(&self.words, id, width);
                let segment = row(&self.segments, segment, width);
                let position = row(&self.positions, position, width);
                let parts = word.iter().zip(segment).zip(position);
                sum.extend(parts.map(|((word, segment), position)| word + segment + position));
            }
        }
        layer_norm(isa, sum, None, &self.norm);
        if let Some(project) = &self.project {
            let tokens = sum.len() / width;
            quantize(isa, sum, width, Activation::Identity, &mut scratch.rows);
            let hidden = room(&mut scratch.hidden, tokens, config.hidden_size);
            project.forward(isa, &scratch.rows, None, hidden);
        }
    }
}

fn row(table: &[f32], row: u32, width: usize) -> &[f32] {
    &table[row as usize * width..][..width]
}
