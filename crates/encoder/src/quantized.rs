//! The same transformer as `transformer`, in 8-bit integers on the CPU's own
//! instructions.
//!
//! Sequences lie end to end, without padding: what costs is a token. A layer works
//! through its heads, then through blocks of rows, then through slices of its
//! feed-forward block, so that what passes from one product to the next stays in the
//! second-level cache. A token's result depends on its own sequence alone, to the bit.

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
    /// Memory of forward passes that have ended.
    idle: Mutex<Vec<Scratch>>,
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
            idle: Mutex::default(),
        })
    }

    /// For each sequence its first token's vector, or the mean of all tokens' vectors.
    pub(crate) fn forward(&self, sequences: &[&Sequence], wanted: Wanted) -> Vec<Vec<f32>> {
        let idle = || self.idle.lock().expect("nobody panics while holding it");
        let mut scratch = idle().pop().unwrap_or_else(|| Scratch::new(self.isa));
        let tokens = Tokens::of(sequences);
        self.embeddings
            .forward(self.isa, &self.config, sequences, &mut scratch);
        let last = self.layers.len() - 1;
        for (place, layer) in self.layers.iter().enumerate() {
            let wanted = if place == last { wanted } else { Wanted::All };
            layer.forward(self.isa, &self.config, &tokens, wanted, &mut scratch);
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
        idle().push(scratch);
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
    /// A group of heads' queries, keys and values, `[tokens, GROUP]` each.
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    /// After attention, `[BLOCK, hidden]`.
    attended: Vec<f32>,
    /// A slice of the feed-forward block, `[BLOCK, SLICE]`.
    inner: Vec<f32>,
    rows: Rows,
    asking_rows: Rows,
    attention: attention::Scratch,
}

impl Scratch {
    fn new(isa: Isa) -> Self {
        let form = Form::of_linear(isa);
        Scratch {
            hidden: Vec::new(),
            asking: Vec::new(),
            context: Vec::new(),
            queries: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
            attended: Vec::new(),
            inner: Vec::new(),
            rows: Rows::new(form),
            asking_rows: Rows::new(form),
            attention: attention::Scratch::default(),
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
    fn forward(
        &self,
        isa: Isa,
        config: &Config,
        tokens: &Tokens,
        wanted: Wanted,
        scratch: &mut Scratch,
    ) {
        self.attend(isa, config, tokens, wanted, scratch);
        let width = config.hidden_size;
        if wanted == Wanted::First {
            std::mem::swap(&mut scratch.hidden, &mut scratch.asking);
        }
        let blocks = scratch.hidden.chunks_mut(BLOCK * width);
        for (hidden, context) in blocks.zip(scratch.context.chunks_mut(BLOCK * width)) {
            let count = hidden.len() / width;
            quantize(isa, context, width, Activation::Identity, &mut scratch.rows);
            let attended = room(&mut scratch.attended, count, width);
            self.attended.forward(isa, &scratch.rows, attended);
            normalize(isa, attended, Some(hidden), &self.attended_norm);
            quantize(
                isa,
                attended,
                width,
                Activation::Identity,
                &mut scratch.asking_rows,
            );
            let mut then = Then::Biased(&self.narrow_bias);
            for slice in &self.slices {
                let columns = slice.widen.panels.columns();
                let inner = room(&mut scratch.inner, count, columns);
                slice.widen.forward(isa, &scratch.asking_rows, inner);
                let activation = activation(config.activation);
                quantize(isa, inner, columns, activation, &mut scratch.rows);
                product(isa, &scratch.rows, &slice.narrow, hidden, width, then);
                then = Then::Sum;
            }
            normalize(isa, hidden, Some(attended), &self.norm);
        }
    }

    /// From `hidden` to `context`, one row per asking token; for [`Wanted::First`] also
    /// to `asking`.
    fn attend(
        &self,
        isa: Isa,
        config: &Config,
        tokens: &Tokens,
        wanted: Wanted,
        scratch: &mut Scratch,
    ) {
        let width = config.hidden_size;
        let head = width / config.heads;
        let count = tokens.count();
        quantize(
            isa,
            &mut scratch.hidden,
            width,
            Activation::Identity,
            &mut scratch.rows,
        );
        let first_only = wanted == Wanted::First;
        if first_only {
            scratch.asking.clear();
            for (start, _) in tokens.each() {
                let row = &scratch.hidden[start * width..][..width];
                scratch.asking.extend_from_slice(row);
            }
            let asking = &mut scratch.asking;
            quantize(
                isa,
                asking,
                width,
                Activation::Identity,
                &mut scratch.asking_rows,
            );
        }
        let asking_rows = if first_only {
            &scratch.asking_rows
        } else {
            &scratch.rows
        };
        let asking = asking_rows.len();
        room(&mut scratch.context, asking, width);
        let mut column = 0;
        for group in &self.heads {
            let columns = group.query.panels.columns();
            let queries = room(&mut scratch.queries, asking, columns);
            group.query.forward(isa, asking_rows, queries);
            let keys = room(&mut scratch.keys, count, columns);
            group.key.forward(isa, &scratch.rows, keys);
            let values = room(&mut scratch.values, count, columns);
            group.value.forward(isa, &scratch.rows, values);
            for (place, (start, end)) in tokens.each().enumerate() {
                let (first, n) = if first_only {
                    (place, 1)
                } else {
                    (start, end - start)
                };
                for offset in (0..columns).step_by(head) {
                    let view = |values, row, rows| View {
                        values: &<&[f32]>::from(values)[row * columns + offset..],
                        stride: columns,
                        rows,
                    };
                    attend(
                        isa,
                        view(&scratch.queries, first, n),
                        view(&scratch.keys, start, end - start),
                        view(&scratch.values, start, end - start),
                        head,
                        &mut scratch.attention,
                        &mut scratch.context[first * width + column + offset..],
                        width,
                    );
                }
            }
            column += columns;
        }
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
