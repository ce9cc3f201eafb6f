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

use std::sync::Mutex;

use rayon::prelude::*;
use treffer_kernels::operand::Form;
use treffer_kernels::{
    Activation, Isa, Norm, Panels, Rows, Then, View, attend, attention, normalize, product,
    quantize,
};

use crate::batch::positions_of;
use crate::config::{self, Config};
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

/// Things that are made when needed and kept for the next who needs one.
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool(Mutex::default())
    }
}

impl<T> Pool<T> {
    fn take(&self, make: impl FnOnce() -> T) -> T {
        let kept = self.0.lock().expect("nobody panics while holding it").pop();
        kept.unwrap_or_else(make)
    }

    fn put(&self, thing: T) {
        let mut kept = self.0.lock().expect("nobody panics while holding it");
        kept.push(thing);
    }
}

/// Columns of the feed-forward block at a time. Each slice of a token has its own
/// scale.
const SLICE: usize = 384;
/// Tokens at a time after attention.
const BLOCK: usize = 128;
/// Columns of a group of heads, whose queries, keys and values are made together.
const GROUP: usize = 64;

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

/// What a layer's forward pass needs to know.
struct Pass<'a> {
    isa: Isa,
    config: &'a Config,
    tokens: &'a Tokens,
    wanted: Wanted,
    spread: bool,
    parts: &'a Pool<Part>,
}

impl Pass<'_> {
    /// Does `work` for each of `all`, in order or over all threads, and hands what each
    /// leaves in its memory to `after`, in order.
    fn each<T: Sync>(
        &self,
        all: &[T],
        work: impl Fn(&T, &mut Part) + Sync,
        mut after: impl FnMut(&T, &Part),
    ) {
        if self.spread {
            let run = |thing| {
                let mut part = self.parts.take(|| Part::new(self.isa));
                work(thing, &mut part);
                part
            };
            let done: Vec<Part> = all.par_iter().with_max_len(1).map(run).collect();
            for (thing, part) in all.iter().zip(done) {
                after(thing, &part);
                self.parts.put(part);
            }
        } else {
            self.one_by_one(all, |thing, part| {
                work(thing, part);
                after(thing, part);
            });
        }
    }

    /// Does `work` for each of `all`, in order.
    fn one_by_one<T>(&self, all: &[T], mut work: impl FnMut(&T, &mut Part)) {
        let mut part = self.parts.take(|| Part::new(self.isa));
        for thing in all {
            work(thing, &mut part);
        }
        self.parts.put(part);
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

/// Where each sequence begins among all tokens, and where the last one ends.
struct Tokens {
    bounds: Vec<usize>,
}

impl Tokens {
    fn of(sequences: &[&Sequence]) -> Self {
        let mut bounds = vec![0];
        let mut end = 0;
        for sequence in sequences {
            end += sequence.ids.len();
            bounds.push(end);
        }
        Tokens { bounds }
    }

    fn count(&self) -> usize {
        self.bounds[self.bounds.len() - 1]
    }

    /// Start and end of each sequence.
    fn each(&self) -> impl Iterator<Item = (usize, usize)> {
        self.bounds.windows(2).map(|pair| (pair[0], pair[1]))
    }
}

/// Memory of one forward pass.
struct Scratch {
    /// Token vectors, `[tokens, hidden]`: what goes into a layer and what comes out.
    hidden: Vec<f32>,
    /// The rows of `hidden` that attend, where these are not all.
    asking: Vec<f32>,
    /// What the heads found, `[asking, hidden]`.
    context: Vec<f32>,
    /// After attention, `[BLOCK, hidden]`.
    attended: Vec<f32>,
    rows: Rows,
    asking_rows: Rows,
}

impl Scratch {
    fn new(isa: Isa) -> Self {
        let form = Form::of_linear(isa);
        Scratch {
            hidden: Vec::new(),
            asking: Vec::new(),
            context: Vec::new(),
            attended: Vec::new(),
            rows: Rows::new(form),
            asking_rows: Rows::new(form),
        }
    }
}

/// Memory of a group of heads or of a slice of the feed-forward block.
struct Part {
    /// A group's queries, keys and values, `[tokens, GROUP]` each.
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    attention: attention::Scratch,
    /// A slice's columns, `[BLOCK, SLICE]`.
    inner: Vec<f32>,
    rows: Rows,
    /// What comes out: `[asking, GROUP]`, or `[BLOCK, hidden]` of a slice.
    out: Vec<f32>,
}

impl Part {
    fn new(isa: Isa) -> Self {
        Part {
            queries: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
            attention: attention::Scratch::default(),
            inner: Vec::new(),
            rows: Rows::new(Form::of_linear(isa)),
            out: Vec::new(),
        }
    }
}

/// The first `rows` x `width` values of a buffer that grows as needed.
fn room(buffer: &mut Vec<f32>, rows: usize, width: usize) -> &mut [f32] {
    buffer.resize(rows * width, 0.0);
    buffer
}

/// x W^T + b.
struct Linear {
    panels: Panels,
    bias: Vec<f32>,
}

impl Linear {
    /// Takes `{name}.weight` of shape (outputs, inputs) and `{name}.bias`.
    fn load(
        isa: Isa,
        weights: &mut Weights,
        name: &str,
        (outputs, inputs): (usize, usize),
    ) -> Result<Self, Error> {
        let matrix = weights.encoder_values(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Linear {
            panels: Panels::of_weights(isa, &matrix, inputs, 0..outputs, 0..inputs),
            bias: weights.encoder_values(&format!("{name}.bias"), &[outputs])?,
        })
    }

    /// The same, cut into slices of at most `width` outputs.
    fn load_sliced(
        isa: Isa,
        weights: &mut Weights,
        name: &str,
        (outputs, inputs): (usize, usize),
        width: usize,
    ) -> Result<Vec<Self>, Error> {
        let matrix = weights.encoder_values(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = weights.encoder_values(&format!("{name}.bias"), &[outputs])?;
        let slice = |first: usize| {
            let part = first..outputs.min(first + width);
            Linear {
                bias: bias[part.clone()].to_vec(),
                panels: Panels::of_weights(isa, &matrix, inputs, part, 0..inputs),
            }
        };
        Ok((0..outputs).step_by(width).map(slice).collect())
    }

    fn forward(&self, isa: Isa, rows: &Rows, out: &mut [f32]) {
        let stride = self.panels.columns();
        product(
            isa,
            rows,
            &self.panels,
            out,
            stride,
            Then::Biased(&self.bias),
        );
    }
}

struct Embeddings {
    words: Vec<f32>,
    positions: Vec<f32>,
    segments: Vec<f32>,
    norm: Norm,
    /// ELECTRA's step from narrow embeddings to wide layers.
    project: Option<Linear>,
}

impl Embeddings {
    fn load(isa: Isa, config: &Config, weights: &mut Weights) -> Result<Self, Error> {
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

    /// Fills `hidden`.
    fn forward(&self, isa: Isa, config: &Config, sequences: &[&Sequence], scratch: &mut Scratch) {
        let width = config.embedding_size;
        let last_segment = config.segments as u32 - 1;
        let sum = match self.project {
            None => &mut scratch.hidden,
            Some(_) => &mut scratch.context,
        };
        sum.clear();
        for sequence in sequences {
            let positions = positions_of(config, &sequence.ids);
            for ((&id, &segment), position) in
                sequence.ids.iter().zip(&sequence.segments).zip(positions)
            {
                let word = row(&self.words, id, width);
                // A model with one segment has no second one to put the passage in.
                let segment = row(&self.segments, segment.min(last_segment), width);
                let position = row(&self.positions, position, width);
                let parts = word.iter().zip(segment).zip(position);
                sum.extend(parts.map(|((word, segment), position)| word + segment + position));
            }
        }
        normalize(isa, sum, None, &self.norm);
        if let Some(project) = &self.project {
            let tokens = sum.len() / width;
            quantize(isa, sum, width, Activation::Identity, &mut scratch.rows);
            let hidden = room(&mut scratch.hidden, tokens, config.hidden_size);
            project.forward(isa, &scratch.rows, hidden);
        }
    }
}

fn row(table: &[f32], row: u32, width: usize) -> &[f32] {
    &table[row as usize * width..][..width]
}

fn load_norm(
    config: &Config,
    weights: &mut Weights,
    name: &str,
    width: usize,
) -> Result<Norm, Error> {
    Ok(Norm {
        weight: weights.encoder_values(&format!("{name}.weight"), &[width])?,
        bias: weights.encoder_values(&format!("{name}.bias"), &[width])?,
        eps: config.layer_norm_eps as f32,
    })
}

struct Layer {
    heads: Vec<HeadGroup>,
    attended: Linear,
    attended_norm: Norm,
    slices: Vec<Slice>,
    narrow_bias: Vec<f32>,
    norm: Norm,
}

/// Heads whose columns lie side by side.
struct HeadGroup {
    query: Linear,
    key: Linear,
    value: Linear,
}

/// A slice of the feed-forward block: some of its columns, there and back.
struct Slice {
    widen: Linear,
    narrow: Panels,
}

impl Layer {
    fn load(isa: Isa, config: &Config, weights: &mut Weights, stem: &str) -> Result<Self, Error> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("{stem}{part}");
        let square = (hidden, hidden);
        let group = heads_of_group(config) * (hidden / config.heads);
        let mut grouped = |part: &str| {
            let part = name(&format!("attention.self.{part}"));
            Linear::load_sliced(isa, weights, &part, square, group)
        };
        let heads = grouped("query")?
            .into_iter()
            .zip(grouped("key")?)
            .zip(grouped("value")?)
            .map(|((query, key), value)| HeadGroup { query, key, value })
            .collect();
        let widen = name("intermediate.dense");
        let widen = Linear::load_sliced(isa, weights, &widen, (inner, hidden), SLICE)?;
        let narrow = weights.encoder_values(&name("output.dense.weight"), &[hidden, inner])?;
        let slice = |(place, widen)| {
            let inputs = place * SLICE..inner.min((place + 1) * SLICE);
            let narrow = Panels::of_weights(isa, &narrow, inner, 0..hidden, inputs);
            Slice { widen, narrow }
        };
        let slices = widen.into_iter().enumerate().map(slice).collect();
        let attended = name("attention.output.dense");
        Ok(Layer {
            heads,
            attended: Linear::load(isa, weights, &attended, square)?,
            attended_norm: load_norm(config, weights, &name("attention.output.LayerNorm"), hidden)?,
            slices,
            narrow_bias: weights.encoder_values(&name("output.dense.bias"), &[hidden])?,
            norm: load_norm(config, weights, &name("output.LayerNorm"), hidden)?,
        })
    }

    /// From `hidden` to `hidden`, which for [`Wanted::First`] has one row per sequence
    /// afterwards.
    fn forward(&self, pass: &Pass<'_>, scratch: &mut Scratch) {
        self.attend(pass, scratch);
        let (isa, width) = (pass.isa, pass.config.hidden_size);
        let identity = Activation::Identity;
        if pass.wanted == Wanted::First {
            std::mem::swap(&mut scratch.hidden, &mut scratch.asking);
        }
        let blocks = scratch.hidden.chunks_mut(BLOCK * width);
        for (hidden, context) in blocks.zip(scratch.context.chunks_mut(BLOCK * width)) {
            let count = hidden.len() / width;
            quantize(isa, context, width, identity, &mut scratch.rows);
            let attended = room(&mut scratch.attended, count, width);
            self.attended.forward(isa, &scratch.rows, attended);
            normalize(isa, attended, Some(hidden), &self.attended_norm);
            quantize(isa, attended, width, identity, &mut scratch.asking_rows);
            for row in hidden.chunks_exact_mut(width) {
                row.copy_from_slice(&self.narrow_bias);
            }
            let rows = &scratch.asking_rows;
            if pass.spread {
                pass.each(
                    &self.slices,
                    |slice, part| {
                        let mut out = std::mem::take(&mut part.out);
                        slice.forward(pass, rows, part, room(&mut out, count, width), Then::Plain);
                        part.out = out;
                    },
                    |_, part| {
                        for (sum, value) in hidden.iter_mut().zip(&part.out) {
                            *sum += value;
                        }
                    },
                );
            } else {
                // The same sums, without a detour.
                let sum = |slice: &Slice, part: &mut Part| {
                    slice.forward(pass, rows, part, hidden, Then::Sum);
                };
                pass.one_by_one(&self.slices, sum);
            }
            normalize(isa, hidden, Some(attended), &self.norm);
        }
    }

    /// From `hidden` to `context`, one row per asking token; for [`Wanted::First`] also
    /// to `asking`.
    fn attend(&self, pass: &Pass<'_>, scratch: &mut Scratch) {
        let (isa, width) = (pass.isa, pass.config.hidden_size);
        let identity = Activation::Identity;
        quantize(isa, &mut scratch.hidden, width, identity, &mut scratch.rows);
        let asking_rows = match pass.wanted {
            Wanted::All => &scratch.rows,
            Wanted::First => {
                let asking = &mut scratch.asking;
                asking.clear();
                for (start, _) in pass.tokens.each() {
                    asking.extend_from_slice(&scratch.hidden[start * width..][..width]);
                }
                quantize(isa, asking, width, identity, &mut scratch.asking_rows);
                &scratch.asking_rows
            }
        };
        let context = room(&mut scratch.context, asking_rows.len(), width);
        let mut column = 0;
        pass.each(
            &self.heads,
            |group, part| group.forward(pass, asking_rows, &scratch.rows, part),
            |group, part| {
                let columns = group.query.panels.columns();
                let rows = context.chunks_exact_mut(width);
                for (context, row) in rows.zip(part.out.chunks_exact(columns)) {
                    context[column..column + columns].copy_from_slice(row);
                }
                column += columns;
            },
        );
    }
}

impl HeadGroup {
    /// From the rows that ask and those of all tokens to `out`.
    fn forward(&self, pass: &Pass<'_>, asking: &Rows, all: &Rows, part: &mut Part) {
        let isa = pass.isa;
        let columns = self.query.panels.columns();
        let queries = room(&mut part.queries, asking.len(), columns);
        self.query.forward(isa, asking, queries);
        let keys = room(&mut part.keys, all.len(), columns);
        self.key.forward(isa, all, keys);
        let values = room(&mut part.values, all.len(), columns);
        self.value.forward(isa, all, values);
        let out = room(&mut part.out, asking.len(), columns);
        for (place, (start, end)) in pass.tokens.each().enumerate() {
            let (first, count) = match pass.wanted {
                Wanted::All => (start, end - start),
                Wanted::First => (place, 1),
            };
            let width = pass.config.hidden_size / pass.config.heads;
            for column in (0..columns).step_by(width) {
                let [queries, keys, values] = [
                    (&*queries, first, count),
                    (&*keys, start, end - start),
                    (&*values, start, end - start),
                ]
                .map(|(values, row, rows)| View {
                    values: &values[row * columns + column..],
                    stride: columns,
                    rows,
                });
                attend(
                    isa,
                    queries,
                    keys,
                    values,
                    width,
                    &mut part.attention,
                    &mut out[first * columns + column..],
                    columns,
                );
            }
        }
    }
}

impl Slice {
    /// From rows to what these columns add to the block's result.
    fn forward(
        &self,
        pass: &Pass<'_>,
        rows: &Rows,
        part: &mut Part,
        out: &mut [f32],
        then: Then<'_>,
    ) {
        let columns = self.widen.panels.columns();
        let inner = room(&mut part.inner, rows.len(), columns);
        self.widen.forward(pass.isa, rows, inner);
        let activation = activation(pass.config.activation);
        quantize(pass.isa, inner, columns, activation, &mut part.rows);
        let width = pass.config.hidden_size;
        product(pass.isa, &part.rows, &self.narrow, out, width, then);
    }
}

/// As many heads as fill a group of columns, and at least one.
fn heads_of_group(config: &Config) -> usize {
    (GROUP * config.heads / config.hidden_size).clamp(1, config.heads)
}

fn activation(activation: config::Activation) -> Activation {
    match activation {
        config::Activation::Gelu => Activation::Gelu,
        config::Activation::GeluTanh => Activation::GeluTanh,
        config::Activation::Relu => Activation::Relu,
    }
}
