//! A layer, in the order that keeps what passes between two products in the cache:
//! group of heads by group, then block of rows by block, slice by slice.

use treffer_kernels::{
    Activation, Isa, Norm, Panels, Rows, Then, View, attend, normalize, product, quantize,
};

use super::linear::{Linear, load_norm};
use super::memory::{Part, Scratch, room};
use super::pass::Pass;
use crate::config::{self, Config};
use crate::error::Error;
use crate::transformer::Wanted;
use crate::weights::Weights;

/// Columns of the feed-forward block at a time. Each slice of a token has its own
/// scale.
const SLICE: usize = 384;
/// Tokens at a time after attention.
const BLOCK: usize = 128;
/// Columns of a group of heads, whose queries, keys and values are made together.
const GROUP: usize = 64;

/// One layer: attention, then the feed-forward block, each with its residual sum and
/// norm.
pub(super) struct Layer {
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
    pub(super) fn forward(&self, pass: &Pass<'_>, scratch: &mut Scratch) {
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
            let next = Some(&self.slices[0].widen.panels);
            self.attended.forward(isa, &scratch.rows, next, attended);
            normalize(isa, attended, Some(hidden), &self.attended_norm);
            quantize(isa, attended, width, identity, &mut scratch.asking_rows);
            for row in hidden.chunks_exact_mut(width) {
                row.copy_from_slice(&self.narrow_bias);
            }
            let rows = &scratch.asking_rows;
            if pass.spread {
                pass.each(
                    &self.slices,
                    |slice, next, part| {
                        let mut out = std::mem::take(&mut part.out);
                        let sum = room(&mut out, count, width);
                        slice.forward(pass, rows, next, part, sum, Then::Plain);
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
                let sum = |slice: &Slice, next: Option<&Slice>, part: &mut Part| {
                    slice.forward(pass, rows, next, part, hidden, Then::Sum);
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
            |group, next, part| {
                let next = next.map_or(&self.attended.panels, |next| &next.query.panels);
                group.forward(pass, asking_rows, &scratch.rows, next, part);
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
    /// From the rows that ask and those of all tokens to `out`.
    fn forward(&self, pass: &Pass<'_>, asking: &Rows, all: &Rows, next: &Panels, part: &mut Part) {
        let isa = pass.isa;
        let columns = self.query.panels.columns();
        let queries = room(&mut part.queries, asking.len(), columns);
        self.query
            .forward(isa, asking, Some(&self.key.panels), queries);
        let keys = room(&mut part.keys, all.len(), columns);
        self.key.forward(isa, all, Some(&self.value.panels), keys);
        let values = room(&mut part.values, all.len(), columns);
        self.value.forward(isa, all, Some(next), values);
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
        next: Option<&Slice>,
        part: &mut Part,
        out: &mut [f32],
        then: Then<'_>,
    ) {
        let columns = self.widen.panels.columns();
        let inner = room(&mut part.inner, rows.len(), columns);
        self.widen
            .forward(pass.isa, rows, Some(&self.narrow), inner);
        let activation = activation(pass.config.activation);
        quantize(pass.isa, inner, columns, activation, &mut part.rows);
        let width = pass.config.hidden_size;
        let next = next.map(|next| &next.widen.panels);
        product(pass.isa, &part.rows, &self.narrow, next, out, width, then);
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
