//! A layer, in an order of work that keeps intermediate results in the cache: first by groups
//! of heads, then by blocks of rows and by slices of the feed-forward block.

use treffer_kernels::{
    Activation, Isa, LayerNorm, MatrixView, Panels, Rows, Store, attend, layer_norm, product,
    quantize,
};

use super::linear::{Linear, load_norm};
use super::memory::{Part, Scratch, room};
use super::pass::Pass;
use crate::config::{self, Config};
use crate::error::Error;
use crate::transformer::OutputTokens;
use crate::weights::Weights;

/// Number of columns in a slice of the feed-forward block. Each slice of a token has its own
/// quantization scale.
const SLICE: usize = 384;
/// Number of tokens in a block, after attention.
const BLOCK: usize = 128;
/// Number of columns in a group of heads, whose queries, keys and values are computed together.
const GROUP: usize = 64;

/// One layer: attention, then the feed-forward block, each with its residual sum and
/// norm.
pub(super) struct Layer {
    heads: Vec<HeadGroup>,
    attended: Linear,
    attended_norm: LayerNorm,
    slices: Vec<Slice>,
    narrow_bias: Vec<f32>,
    norm: LayerNorm,
}

/// Heads with adjacent columns.
struct HeadGroup {
    query: Linear,
    key: Linear,
    value: Linear,
}

/// A slice of the feed-forward block: some of its inner columns, with the products that
/// compute and consume them.
struct Slice {
    widen: Linear,
    narrow: Panels,
}

impl Layer {
    pub(super) fn load(
        isa: Isa,
        config: &Config,
        weights: &mut Weights,
        stem: &str,
    ) -> Result<Self, Error> {
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
        let slice = |(index, widen)| {
            let inputs = index * SLICE..inner.min((index + 1) * SLICE);
            let narrow = Panels::from_weights(isa, &narrow, inner, 0..hidden, inputs);
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

    /// Replaces `scratch.hidden` by the layer's output, which for [`OutputTokens::First`] has
    /// one row per sequence.
    pub(super) fn forward(&self, pass: &Pass<'_>, scratch: &mut Scratch) {
        self.attend(pass, scratch);
        let (isa, width) = (pass.isa, pass.config.hidden_size);
        let identity = Activation::Identity;
        if pass.outputs == OutputTokens::First {
            std::mem::swap(&mut scratch.hidden, &mut scratch.query_hidden);
        }
        let blocks = scratch.hidden.chunks_mut(BLOCK * width);
        for (hidden, context) in blocks.zip(scratch.context.chunks_mut(BLOCK * width)) {
            let count = hidden.len() / width;
            quantize(isa, context, width, identity, &mut scratch.rows);
            let attended = room(&mut scratch.attended, count, width);
            let next = Some(&self.slices[0].widen.panels);
            self.attended.forward(isa, &scratch.rows, next, attended);
            layer_norm(isa, attended, Some(hidden), &self.attended_norm);
            quantize(isa, attended, width, identity, &mut scratch.query_rows);
            for row in hidden.chunks_exact_mut(width) {
                row.copy_from_slice(&self.narrow_bias);
            }
            let rows = &scratch.query_rows;
            if pass.spread {
                pass.each(
                    &self.slices,
                    |slice, next, part| {
                        let mut out = std::mem::take(&mut part.out);
                        let sum = room(&mut out, count, width);
                        slice.forward(pass, rows, next, part, sum, Store::Overwrite);
                        part.out = out;
                    },
                    |_, part| {
                        for (sum, value) in hidden.iter_mut().zip(&part.out) {
                            *sum += value;
                        }
                    },
                );
            } else {
                // The same sums in the same order, without a buffer per slice.
                let sum = |slice: &Slice, next: Option<&Slice>, part: &mut Part| {
                    slice.forward(pass, rows, next, part, hidden, Store::Add);
                };
                pass.one_by_one(&self.slices, sum);
            }
            layer_norm(isa, hidden, Some(attended), &self.norm);
        }
    }

    /// Writes the output of attention to `scratch.context`, one row per query token. For
    /// [`OutputTokens::First`] also copies the vectors of the query tokens to
    /// `scratch.query_hidden`.
    fn attend(&self, pass: &Pass<'_>, scratch: &mut Scratch) {
        let (isa, width) = (pass.isa, pass.config.hidden_size);
        let identity = Activation::Identity;
        quantize(isa, &mut scratch.hidden, width, identity, &mut scratch.rows);
        let query_rows = match pass.outputs {
            OutputTokens::All => &scratch.rows,
            OutputTokens::First => {
                let query_hidden = &mut scratch.query_hidden;
                query_hidden.clear();
                for (start, _) in pass.tokens.each() {
                    query_hidden.extend_from_slice(&scratch.hidden[start * width..][..width]);
                }
                quantize(isa, query_hidden, width, identity, &mut scratch.query_rows);
                &scratch.query_rows
            }
        };
        let context = room(&mut scratch.context, query_rows.len(), width);
        let mut column = 0;
        pass.each(
            &self.heads,
            |group, next, part| {
                let next = next.map_or(&self.attended.panels, |next| &next.query.panels);
                group.forward(pass, query_rows, &scratch.rows, next, part);
            },
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
    /// Writes the output of these heads to `part.out`, from the rows of the query tokens and of
    /// all tokens.
    fn forward(
        &self,
        pass: &Pass<'_>,
        query_rows: &Rows,
        all: &Rows,
        next: &Panels,
        part: &mut Part,
    ) {
        let isa = pass.isa;
        let columns = self.query.panels.columns();
        let queries = room(&mut part.queries, query_rows.len(), columns);
        self.query
            .forward(isa, query_rows, Some(&self.key.panels), queries);
        let keys = room(&mut part.keys, all.len(), columns);
        self.key.forward(isa, all, Some(&self.value.panels), keys);
        let values = room(&mut part.values, all.len(), columns);
        self.value.forward(isa, all, Some(next), values);
        let out = room(&mut part.out, query_rows.len(), columns);
        let sequences = pass.tokens.each().zip(pass.tokens.attended());
        for (index, ((start, end), attended)) in sequences.enumerate() {
            let (first, count) = match pass.outputs {
                OutputTokens::All => (start, end - start),
                OutputTokens::First => (index, 1),
            };
            let width = pass.config.hidden_size / pass.config.heads;
            for column in (0..columns).step_by(width) {
                let [queries, keys, values] = [
                    (&*queries, first, count),
                    (&*keys, start, attended),
                    (&*values, start, attended),
                ]
                .map(|(values, row, rows)| MatrixView {
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
    /// Computes the contribution of these columns to the block's output.
    fn forward(
        &self,
        pass: &Pass<'_>,
        rows: &Rows,
        next: Option<&Slice>,
        part: &mut Part,
        out: &mut [f32],
        store: Store<'_>,
    ) {
        let columns = self.widen.panels.columns();
        let inner = room(&mut part.inner, rows.len(), columns);
        self.widen
            .forward(pass.isa, rows, Some(&self.narrow), inner);
        let activation = activation(pass.config.activation);
        quantize(pass.isa, inner, columns, activation, &mut part.rows);
        let width = pass.config.hidden_size;
        let next = next.map(|next| &next.widen.panels);
        product(pass.isa, &part.rows, &self.narrow, next, out, width, store);
    }
}

/// Number of heads in a group: as many as fit into its columns, and at least one.
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
