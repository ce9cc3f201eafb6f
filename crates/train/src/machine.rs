//! From examples to packs, and from packs to outputs and gradients, over lanes that threads take.

use rayon::prelude::*;
use treffer_encoder::parts::{Parts, Tokens};
use treffer_kernels::floats;
use treffer_types::{NoProgress, Progress};

use crate::error::Error;
use crate::example::Example;
use crate::loss::Loss;
use crate::options::{Kind, Options};
use crate::random::Stream;
use crate::similarity;
use crate::transformer::{Dropout, Gradients, Model, Pack, Tape};

/// Values that one thread adds at a time.
const CHUNK: usize = 1 << 16;

/// Sequences that belong together, with the number by which their dropout is drawn: pairs of an
/// example, or its query and then its passages, or one of these texts.
pub(crate) type Group = (u64, Vec<Tokens>);

/// Groups that are computed together, and where each is.
#[derive(Debug, Default)]
struct Bundle {
    /// Number of the group in its step, and its sequences.
    groups: Vec<(usize, std::ops::Range<usize>)>,
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

/// The first parameter that is trained.
pub(crate) fn first_trained(model: &Model, options: &Options) -> usize {
    match options.freeze_layers {
        0 => 0,
        frozen => match model.layout.layers.get(frozen) {
            Some(layer) => layer.start,
            None => model.layout.encoder_end(),
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

    /// Distributes groups over lanes, the longest first, and returns the number of tokens.
    fn distribute(&mut self, groups: &[Group]) -> usize {
        let length =
            |group: &Group| -> usize { group.1.iter().map(|sequence| sequence.ids.len()).sum() };
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(length(&groups[index])), index));
        let mut bundles: Vec<(usize, Bundle)> = Vec::new();
        for index in order {
            let tokens = length(&groups[index]);
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
            let (key, sequences) = &groups[index];
            at.1.add(index, *key, sequences);
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

    /// The outputs of the `count` groups that were distributed, `[sequences, width]` each.
    /// `progress` counts groups; once it is cancelled, the outputs of those that were not
    /// begun are empty.
    fn outputs(
        &mut self,
        model: &Model,
        count: usize,
        dropout: Option<Dropout>,
        progress: &dyn Progress,
    ) -> Vec<Vec<f32>> {
        let found: Vec<(usize, Vec<f32>)> = self
            .lanes
            .par_iter_mut()
            .flat_map_iter(|lane| {
                let mut found = Vec::new();
                for bundle in &lane.bundles {
                    if progress.cancelled() {
                        break;
                    }
                    model.forward(&bundle.pack, dropout, &mut lane.tape);
                    let (outputs, width) = model.outputs(&lane.tape);
                    for (index, rows) in &bundle.groups {
                        let own = &outputs[rows.start * width..rows.end * width];
                        found.push((*index, own.to_vec()));
                    }
                    progress.advance(bundle.groups.len() as u64);
                }
                found
            })
            .collect();
        let mut all = vec![Vec::new(); count];
        for (index, outputs) in found {
            all[index] = outputs;
        }
        all
    }

    /// The outputs of groups: logits, `[sequences, classes]` each, or vectors, `[sequences,
    /// hidden]`. `progress` counts groups; `None` if it was cancelled.
    pub(crate) fn run(
        &mut self,
        model: &Model,
        groups: &[Group],
        progress: &dyn Progress,
    ) -> Option<Vec<Vec<f32>>> {
        self.distribute(groups);
        let outputs = self.outputs(model, groups.len(), None, progress);
        let is_whole = outputs.iter().all(|of_group| !of_group.is_empty());
        is_whole.then_some(outputs)
    }

    /// Sets the first lane's gradients to those of the mean loss of `examples`, and returns the
    /// loss and the number of tokens.
    pub(crate) fn gradients(
        &mut self,
        model: &Model,
        examples: &[&Example],
        groups: Vec<Group>,
        options: &Options,
        step: u64,
    ) -> (f64, usize) {
        let dropout = (options.dropout > 0.0).then(|| Dropout {
            share: options.dropout,
            stream: Stream::new(options.seed).of(0x4452_4f50).of(step),
        });
        let total = match (options.kind, options.loss) {
            (Kind::BiEncoder { scale }, Loss::MultipleNegatives) => {
                self.coupled(model, examples, groups, scale, dropout)
            }
            _ => self.separate(model, examples, &groups, options, dropout),
        };
        self.add_lanes();
        (self.lanes[0].loss, total)
    }

    /// Gradients of a loss that is a sum over examples: one bundle after another.
    fn separate(
        &mut self,
        model: &Model,
        examples: &[&Example],
        groups: &[Group],
        options: &Options,
        dropout: Option<Dropout>,
    ) -> usize {
        let total = self.distribute(groups);
        let terms: f64 = examples
            .iter()
            .map(|example| f64::from(example.weight) * options.loss.terms(example) as f64)
            .sum();
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
                    options,
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
        total
    }

    /// Gradients of a loss that compares the texts of all examples: first the vectors of all
    /// texts, then the loss and its derivative by these, then each bundle forward again, and
    /// backward (GradCache, Gao et al. 2021, <https://arxiv.org/abs/2101.06983>).
    ///
    /// Keeping the tapes of all bundles instead would save a quarter of the work, but take
    /// memory in proportion to the batch: for multilingual-e5-small, 0.3 MB for each token, of
    /// which a batch of 32 queries with eight passages has some 30 000. What is dropped is
    /// drawn without a state, so that both passes drop the same.
    fn coupled(
        &mut self,
        model: &Model,
        examples: &[&Example],
        groups: Vec<Group>,
        scale: f32,
        dropout: Option<Dropout>,
    ) -> usize {
        let hidden = model.shape.hidden;
        // No text needs its example's others beside it: single ones fill packs better.
        let mut texts: Vec<Group> = Vec::new();
        for (key, sequences) in groups {
            for (number, sequence) in (0u64..).zip(sequences) {
                texts.push(((key << 16) | number, vec![sequence]));
            }
        }
        let total = self.distribute(&texts);
        let vectors = self
            .outputs(model, texts.len(), dropout, &NoProgress)
            .concat();
        let (loss, slopes) = similarity::multiple_negatives(examples, &vectors, hidden, scale);
        self.lanes.par_iter_mut().for_each(|lane| {
            lane.loss = 0.0;
            lane.gradients.clear();
            let mut own = Vec::new();
            for (at, bundle) in lane.bundles.iter().enumerate().rev() {
                // The last one is on the tape still.
                if at + 1 < lane.bundles.len() {
                    model.forward(&bundle.pack, dropout, &mut lane.tape);
                }
                own.clear();
                for (text, _) in &bundle.groups {
                    own.extend_from_slice(&slopes[text * hidden..][..hidden]);
                }
                model.backward(
                    &bundle.pack,
                    dropout,
                    &mut lane.tape,
                    &own,
                    &mut lane.gradients,
                );
            }
        });
        self.lanes[0].loss = loss;
        total
    }

    /// Adds losses and gradients of all lanes to those of the first.
    fn add_lanes(&mut self) {
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
    }

    /// The sums of the last call of [`Machine::gradients`].
    pub(crate) fn sums(&self) -> &Gradients {
        &self.lanes[0].gradients
    }
}

/// The losses of a bundle's examples, and into `slopes` their derivatives by the outputs.
fn losses(
    bundle: &Bundle,
    model: &Model,
    examples: &[&Example],
    options: &Options,
    terms: f64,
    tape: &Tape,
    slopes: &mut Vec<f32>,
) -> f64 {
    let (outputs, width) = model.outputs(tape);
    slopes.clear();
    slopes.resize(outputs.len(), 0.0);
    let mut sum = 0.0;
    for (index, rows) in &bundle.groups {
        let example = examples[*index];
        let at = rows.start * width..rows.end * width;
        let share = f64::from(example.weight) / terms;
        let (found, slopes) = (&outputs[at.clone()], &mut slopes[at]);
        sum += match options.kind {
            Kind::CrossEncoder => options.loss.of(
                &example.values,
                example.kind,
                found,
                options.temperature,
                share,
                slopes,
            ),
            Kind::BiEncoder { scale } => {
                similarity::of_example(example, found, options, scale, share, slopes)
            }
        };
    }
    sum
}

impl Bundle {
    fn add(&mut self, index: usize, key: u64, sequences: &[Tokens]) {
        let pack = &mut self.pack;
        let first = pack.keys.len();
        if pack.starts.is_empty() {
            pack.starts.push(0);
        }
        for (number, sequence) in (0u64..).zip(sequences) {
            pack.ids.extend_from_slice(&sequence.ids);
            pack.segments.extend_from_slice(&sequence.segments);
            pack.positions.extend_from_slice(&sequence.positions);
            pack.starts.push(pack.ids.len());
            pack.keys.push((key << 16) | number);
        }
        self.groups.push((index, first..pack.keys.len()));
    }
}

/// The tokens of examples, given with their numbers among all: for a cross-encoder those of each
/// pair, for a bi-encoder those of the query and then of each passage.
pub(crate) fn tokenize(
    parts: &Parts,
    kind: Kind,
    examples: &[(u64, &Example)],
) -> Result<Vec<Group>, Error> {
    let spec = &parts.folder().spec;
    let one = |&(key, example): &(u64, &Example)| {
        let mut sequences = Vec::with_capacity(1 + example.passages.len());
        match kind {
            Kind::CrossEncoder => {
                let query = parts.query(&example.query)?;
                for passage in &example.passages {
                    sequences.push(parts.pair(&query, passage)?);
                }
            }
            Kind::BiEncoder { .. } => {
                sequences.push(parts.single(&spec.query_prefix, &example.query)?);
                for passage in &example.passages {
                    sequences.push(parts.single(&spec.passage_prefix, passage)?);
                }
            }
        }
        Ok((key, sequences))
    };
    examples.par_iter().map(one).collect()
}
