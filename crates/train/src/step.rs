//! From gradients to parameters: AdamW.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use treffer_kernels::floats::{self, AdamStep};

use crate::options::Options;
use crate::transformer::{Gradients, Model};

/// Values that one thread changes at a time.
const CHUNK: usize = 1 << 16;

/// The moving means of AdamW.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: Vec<f32>,
    pub(crate) square: Vec<f32>,
    pub(crate) words: Option<(Vec<f32>, Vec<f32>)>,
}

impl Moments {
    pub(crate) fn new(model: &Model, start: usize, words: bool) -> Self {
        let zeros = |len| vec![0.0; len];
        let len = model.layout.len - start;
        Moments {
            mean: zeros(len),
            square: zeros(len),
            words: words.then(|| (zeros(model.words.len()), zeros(model.words.len()))),
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Did {
    /// Mean loss of its terms.
    pub loss: f64,
    /// Norm of the gradient before it was clipped.
    pub norm: f64,
    /// Number of tokens.
    pub tokens: usize,
}

/// The norm of all gradients.
pub(crate) fn norm(gradients: &Gradients, word_sums: Option<&[f32]>) -> f64 {
    let squares = |values: &[f32]| -> f64 {
        let chunks: Vec<f64> = values
            .par_chunks(CHUNK)
            .map(|chunk| chunk.iter().map(|&x| f64::from(x) * f64::from(x)).sum())
            .collect();
        chunks.iter().sum()
    };
    (squares(&gradients.parameters) + word_sums.map_or(0.0, squares)).sqrt()
}

/// Changes the model by its gradients, `scale` times as long as they are. Steps count from 0.
pub(crate) fn update(
    model: &mut Model,
    gradients: &Gradients,
    word_sums: Option<&[f32]>,
    moments: &mut Moments,
    options: &Options,
    step: u64,
    scale: f32,
) {
    let at = i32::try_from(step + 1).unwrap_or(i32::MAX);
    let adam = |times: f64, decays: bool| {
        let rate = options.rate * times * options.share(step);
        let decay = if decays { options.weight_decay } else { 0.0 };
        AdamStep {
            beta1: options.beta1 as f32,
            beta2: options.beta2 as f32,
            eps: 1e-8,
            rate: (rate / (1.0 - options.beta1.powi(at))) as f32,
            correction: (1.0 / (1.0 - options.beta2.powi(at))) as f32,
            keep: (1.0 - rate * decay) as f32,
            scale,
        }
    };
    let head = model.layout.encoder_end();
    for tensor in &model.layout.tensors {
        if tensor.at.start < gradients.start {
            continue;
        }
        let times = if tensor.at.start >= head {
            options.head_rate
        } else {
            1.0
        };
        let at = tensor.at.start - gradients.start..tensor.at.end - gradients.start;
        let values = &mut model.parameters[tensor.at.clone()];
        let (mean, square) = (
            &mut moments.mean[at.clone()],
            &mut moments.square[at.clone()],
        );
        change(
            values,
            &gradients.parameters[at],
            mean,
            square,
            adam(times, tensor.decays),
        );
    }
    if let (Some(sums), Some((mean, square))) = (word_sums, &mut moments.words) {
        change(&mut model.words, sums, mean, square, adam(1.0, true));
    }
}

/// Sets `sums` to the sum of the gradients of each row of the word table.
pub(crate) fn add_words(sums: &mut [f32], gradients: &Gradients, hidden: usize) {
    sums.fill(0.0);
    if let Some(words) = &gradients.words {
        for (id, row) in words.ids.iter().zip(words.rows.chunks_exact(hidden)) {
            let start = *id as usize * hidden;
            floats::add(&mut sums[start..start + hidden], row);
        }
    }
}

fn change(
    values: &mut [f32],
    gradients: &[f32],
    mean: &mut [f32],
    square: &mut [f32],
    step: AdamStep,
) {
    let moments = mean.par_chunks_mut(CHUNK).zip(square.par_chunks_mut(CHUNK));
    let values = values
        .par_chunks_mut(CHUNK)
        .zip(gradients.par_chunks(CHUNK));
    values
        .zip(moments)
        .for_each(|((values, gradients), (mean, square))| {
            floats::adam(values, gradients, mean, square, step);
        });
}
