//! One step: examples to packs, packs to gradients, gradients to parameters.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use treffer_encoder::parts::{PairTokens, Parts};
use treffer_kernels::floats::{self, AdamStep};

use crate::error::Error;
use crate::example::Example;
use crate::loss::Loss;
use crate::options::Options;
use crate::random::Stream;
use crate::transformer::{Dropout, Gradients, Model, Pack, Tape};

/// Values that one thread changes at a time.
const CHUNK: usize = 1 << 16;

/// Examples that are computed together, and where each is.
#[derive(Debug, Default)]
struct Bundle {
    /// Number of the example in its step, and its sequences.
    examples: Vec<(usize, std::ops::Range<usize>)>,
    pack: Pack,
}

/// What runs on one thread: bundles one after another, into one sum of gradients.
struct Lane {
    bundles: Vec<Bundle>,
    tape: Tape,
    gradients: Gradients,
    /// The sum of the losses.
    loss: f64,
}

/// Runs a model forward and backward.
pub(crate) struct Machine {
    lanes: Vec<Lane>,
    pack: usize,
}

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

/// The first parameter that is trained.
pub(crate) fn first_trained(model: &Model, options: &Options) -> usize {
    match options.freeze_layers {
        0 => 0,
        frozen => match model.layout.layers.get(frozen) {
            Some(layer) => layer.start,
            None => model.layout.head.start,
        },
    }
}

impl Machine {
    pub(crate) fn new(model: &Model, options: &Options) -> Self {
        let start = first_trained(model, options);
        let lane = || Lane {
            bundles: Vec::new(),
            tape: Tape::new(options.precision.products()),
            gradients: Gradients::new(model, start, options.train_words),
            loss: 0.0,
        };
        Machine {
            lanes: (0..options.lanes).map(|_| lane()).collect(),
            pack: options.pack,
        }
    }

    /// Distributes examples over lanes, the longest first, and returns the number of tokens.
    fn distribute(&mut self, examples: &[(u64, Vec<PairTokens>)]) -> usize {
        let length = |example: &(u64, Vec<PairTokens>)| -> usize {
            example.1.iter().map(|pair| pair.ids.len()).sum()
        };
        let mut order: Vec<usize> = (0..examples.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(length(&examples[index])), index));
        let mut bundles: Vec<(usize, Bundle)> = Vec::new();
        for index in order {
            let tokens = length(&examples[index]);
            let fits = |(used, _): &&mut (usize, Bundle)| *used + tokens <= self.pack;
            let at = match bundles.iter_mut().find(fits) {
                Some(bundle) => bundle,
                None => {
                    bundles.push((0, Bundle::default()));
                    let last = bundles.len() - 1;
                    &mut bundles[last]
                }
            };
            at.0 += tokens;
            let (key, pairs) = &examples[index];
            at.1.add(index, *key, pairs);
        }
        let total = bundles.iter().map(|(tokens, _)| tokens).sum();
        let mut used = vec![0; self.lanes.len()];
        for lane in &mut self.lanes {
            lane.bundles.clear();
        }
        for (tokens, bundle) in bundles {
            let least = (0..used.len()).min_by_key(|&lane| used[lane]).unwrap_or(0);
            used[least] += tokens;
            self.lanes[least].bundles.push(bundle);
        }
        total
    }

    /// The logits of examples, `[passages, classes]` each.
    pub(crate) fn score(
        &mut self,
        model: &Model,
        examples: &[(u64, Vec<PairTokens>)],
    ) -> Vec<Vec<f32>> {
        self.distribute(examples);
        let classes = model.shape.classes;
        let scored: Vec<(usize, Vec<f32>)> = self
            .lanes
            .par_iter_mut()
            .flat_map_iter(|lane| {
                let mut scored = Vec::new();
                for bundle in &lane.bundles {
                    model.forward(&bundle.pack, None, &mut lane.tape);
                    for (index, rows) in &bundle.examples {
                        let logits = &lane.tape.logits[rows.start * classes..rows.end * classes];
                        scored.push((*index, logits.to_vec()));
                    }
                }
                scored
            })
            .collect();
        let mut all = vec![Vec::new(); examples.len()];
        for (index, logits) in scored {
            all[index] = logits;
        }
        all
    }

    /// Sets the first lane's gradients to those of the mean loss of `examples`.
    pub(crate) fn gradients(
        &mut self,
        model: &Model,
        examples: &[&Example],
        tokens: &[(u64, Vec<PairTokens>)],
        options: &Options,
        step: u64,
    ) -> (f64, usize) {
        let Options {
            loss, temperature, ..
        } = *options;
        let total = self.distribute(tokens);
        let terms: f64 = examples
            .iter()
            .map(|example| f64::from(example.weight) * loss.terms(example) as f64)
            .sum();
        let dropout = (options.dropout > 0.0).then(|| Dropout {
            share: options.dropout,
            stream: Stream::new(options.seed).of(0x4452_4f50).of(step),
        });
        self.lanes.par_iter_mut().for_each(|lane| {
            lane.loss = 0.0;
            lane.gradients.clear();
            let mut slopes = Vec::new();
            for bundle in &lane.bundles {
                model.forward(&bundle.pack, dropout, &mut lane.tape);
                lane.loss += losses(
                    bundle,
                    model,
                    examples,
                    loss,
                    temperature,
                    terms,
                    &lane.tape,
                    &mut slopes,
                );
                model.backward(
                    &bundle.pack,
                    dropout,
                    &mut lane.tape,
                    &slopes,
                    &mut lane.gradients,
                );
            }
        });
        let (first, others) = self.lanes.split_at_mut(1);
        let first = &mut first[0];
        first
            .gradients
            .parameters
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, sums)| {
                for other in others.iter() {
                    floats::add(
                        sums,
                        &other.gradients.parameters[chunk * CHUNK..][..sums.len()],
                    );
                }
            });
        for other in others.iter_mut() {
            first.loss += other.loss;
            if let (Some(words), Some(other)) =
                (&mut first.gradients.words, &mut other.gradients.words)
            {
                words.ids.append(&mut other.ids);
                words.rows.append(&mut other.rows);
            }
        }
        (first.loss, total)
    }

    /// The sums of the last call of [`Machine::gradients`].
    pub(crate) fn sums(&self) -> &Gradients {
        &self.lanes[0].gradients
    }
}

#[expect(clippy::too_many_arguments, reason = "what a loss is computed from")]
fn losses(
    bundle: &Bundle,
    model: &Model,
    examples: &[&Example],
    loss: Loss,
    temperature: f32,
    terms: f64,
    tape: &Tape,
    slopes: &mut Vec<f32>,
) -> f64 {
    let classes = model.shape.classes;
    slopes.clear();
    slopes.resize(tape.logits.len(), 0.0);
    let mut sum = 0.0;
    for (index, rows) in &bundle.examples {
        let example = examples[*index];
        let at = rows.start * classes..rows.end * classes;
        let scale = f64::from(example.weight) / terms;
        let (logits, slopes) = (&tape.logits[at.clone()], &mut slopes[at]);
        sum += loss.of(example, logits, temperature, scale, slopes);
    }
    sum
}

impl Bundle {
    fn add(&mut self, index: usize, key: u64, pairs: &[PairTokens]) {
        let pack = &mut self.pack;
        let first = pack.keys.len();
        if pack.starts.is_empty() {
            pack.starts.push(0);
        }
        for (passage, pair) in pairs.iter().enumerate() {
            pack.ids.extend_from_slice(&pair.ids);
            pack.segments.extend_from_slice(&pair.segments);
            pack.positions.extend_from_slice(&pair.positions);
            pack.starts.push(pack.ids.len());
            pack.keys.push((key << 16) | passage as u64);
        }
        self.examples.push((index, first..pack.keys.len()));
    }
}

/// The tokens of examples, given with their numbers among all.
pub(crate) fn tokenize(
    parts: &Parts,
    examples: &[(u64, &Example)],
) -> Result<Vec<(u64, Vec<PairTokens>)>, Error> {
    let one = |&(key, example): &(u64, &Example)| {
        let query = parts.query(&example.query)?;
        let pairs = example
            .passages
            .iter()
            .map(|passage| parts.pair(&query, passage));
        Ok((key, pairs.collect::<Result<_, treffer_encoder::Error>>()?))
    };
    examples.par_iter().map(one).collect()
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
    let head = model.layout.head.start;
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
