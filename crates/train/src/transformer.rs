//! The transformer of [`treffer_encoder`] in f32 with derivatives: the same layers in the
//! same order, as explicit forward and backward passes over packed sequences.
//!
//! Sequences are not padded: the tokens of all of them lie one after another, and only
//! attention looks at where each begins. The last layer computes the first token of each
//! sequence only where nothing reads another: a head reads no other, the mean of all tokens
//! does.

use treffer_kernels::floats::{self, Into, Matrix, Norm, Products};

use crate::random::Stream;
use crate::shape::{Activation, Family, HeadAt, Layout, LinearAt, NormAt, Output, Shape};

mod attention;
mod backward;
mod pooling;

pub(crate) use backward::Gradients;

/// A model's parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(crate) shape: Shape,
    /// What it makes of a sequence.
    pub(crate) output: Output,
    pub(crate) layout: Layout,
    /// The table of word embeddings, one row for each word piece.
    pub(crate) words: Vec<f32>,
    /// All others, as the layout says.
    pub(crate) parameters: Vec<f32>,
}

/// Sequences, one after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pack {
    pub(crate) ids: Vec<u32>,
    pub(crate) segments: Vec<u32>,
    pub(crate) positions: Vec<u32>,
    /// Where each sequence begins, and the end of the last.
    pub(crate) starts: Vec<usize>,
    /// A number for each sequence that its dropout is drawn by.
    pub(crate) keys: Vec<u64>,
}

impl Pack {
    pub(crate) fn tokens(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn sequences(&self) -> usize {
        self.keys.len()
    }

    /// The tokens of each sequence.
    fn spans(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.starts.windows(2).map(|ends| ends[0]..ends[1])
    }
}

/// Values that are set to 0 at random; the others grow so that the mean remains
/// (Srivastava et al. 2014, <https://jmlr.org/papers/v15/srivastava14a.html>).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    /// The share of values that is set to 0, from 0 to 1 (exclusive).
    pub(crate) share: f32,
    /// Of one step.
    pub(crate) stream: Stream,
}

/// Where in a model values are dropped.
#[derive(Clone, Copy, Debug)]
enum Site {
    Embeddings,
    Probabilities(usize),
    Attended(usize),
    Narrow(usize),
    Head,
}

impl Site {
    fn key(self) -> u64 {
        match self {
            Site::Embeddings => 0,
            Site::Head => 1,
            Site::Probabilities(layer) => 4 * layer as u64 + 4,
            Site::Attended(layer) => 4 * layer as u64 + 5,
            Site::Narrow(layer) => 4 * layer as u64 + 6,
        }
    }
}

impl Dropout {
    /// Drops values of one sequence, or, equally, their gradients.
    fn apply(self, site: Site, sequence: u64, values: &mut [f32]) {
        let stream = self.stream.of(sequence).of(site.key());
        let limit = (f64::from(self.share) * 2f64.powi(32)) as u64;
        let scale = 1.0 / (1.0 - self.share);
        for (index, value) in values.iter_mut().enumerate() {
            let kept = stream.bits(index as u64) >> 32 >= limit;
            *value = if kept { *value * scale } else { 0.0 };
        }
    }

    /// Drops values of `rows`, of `width` values each, that belong to the tokens of all
    /// sequences, or to the first token of each.
    fn rows(this: Option<Self>, site: Site, pack: &Pack, rows: &mut [f32], width: usize) {
        let Some(this) = this else { return };
        if rows.len() == pack.sequences() * width && pack.sequences() < pack.tokens() {
            for (row, &key) in rows.chunks_exact_mut(width).zip(&pack.keys) {
                this.apply(site, key, row);
            }
        } else {
            for (span, &key) in pack.spans().zip(&pack.keys) {
                this.apply(site, key, &mut rows[span.start * width..span.end * width]);
            }
        }
    }
}

/// What the backward pass needs of the forward pass, and room for both. Reused, since fresh
/// memory costs more than what is written to it.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    embedded: Normalized,
    layers: Vec<LayerTape>,
    /// The states after the last layer: of the first tokens, or of all.
    last: Vec<f32>,
    /// The dense layer of the head: before and after its activation, and what is dropped.
    dense: Vec<f32>,
    activated: Vec<f32>,
    /// `[sequences, classes]`, of a model with a head.
    logits: Vec<f32>,
    /// `[sequences, hidden]`, of length 1, of a model without.
    vectors: Vec<f32>,
    /// What the sum of a sequence's states was multiplied by, to have length 1.
    inverse: Vec<f32>,
    scratch: Scratch,
}

/// Room that nothing is kept in from one layer to the next.
#[derive(Debug, Default)]
struct Scratch {
    rows: [Vec<f32>; 6],
    products: Products,
}

impl Tape {
    pub(crate) fn new(products: Products) -> Self {
        Tape {
            scratch: Scratch {
                rows: Default::default(),
                products,
            },
            ..Tape::default()
        }
    }
}

#[derive(Debug, Default)]
struct Normalized {
    /// Rows before scale and shift.
    rows: Vec<f32>,
    inverse: Vec<f32>,
}

#[derive(Debug, Default)]
struct LayerTape {
    input: Vec<f32>,
    /// The rows that queries are computed for, if not all.
    query_input: Vec<f32>,
    query: Vec<f32>,
    key_value: Vec<f32>,
    /// Of each sequence and head, `[queries, keys]`.
    probabilities: Vec<f32>,
    context: Vec<f32>,
    attended_norm: Normalized,
    attended: Vec<f32>,
    wide: Vec<f32>,
    active: Vec<f32>,
    norm: Normalized,
}

/// Gives `values` a length. What is in them does not matter.
fn resize(values: &mut Vec<f32>, len: usize) {
    values.resize(len, 0.0);
}

impl Model {
    pub(crate) fn at(&self, range: &std::ops::Range<usize>) -> &[f32] {
        &self.parameters[range.clone()]
    }

    fn norm_at(&self, at: &NormAt) -> Norm<'_> {
        Norm {
            weight: self.at(&at.weight),
            bias: self.at(&at.bias),
            eps: self.shape.eps,
        }
    }

    /// x W^T + b, into `out`.
    fn linear(&self, products: &mut Products, out: &mut Vec<f32>, x: &[f32], at: &LinearAt) {
        let bias = self.at(&at.bias);
        let (weight, outputs) = (self.at(&at.weight), bias.len());
        let inputs = weight.len() / outputs;
        let rows = x.len() / inputs;
        resize(out, rows * outputs);
        let weight = Matrix::new(weight, outputs, inputs).transposed();
        products.multiply(
            out,
            outputs,
            Matrix::new(x, rows, inputs),
            weight,
            1.0,
            Into::Set,
        );
        floats::add_bias(out, bias);
    }

    /// Whether a layer computes the first token of each sequence only.
    fn is_narrow(&self, layer: usize) -> bool {
        layer + 1 == self.shape.layers && self.output != Output::MeanVector
    }

    /// The outputs of the last forward pass on `tape`, and the number of values of each sequence.
    pub(crate) fn outputs<'t>(&self, tape: &'t Tape) -> (&'t [f32], usize) {
        match self.output {
            Output::Logits => (&tape.logits, self.shape.classes),
            Output::MeanVector | Output::FirstVector => (&tape.vectors, self.shape.hidden),
        }
    }

    /// Logits of the sequences of `pack`, into `tape.logits`, or their vectors, into
    /// `tape.vectors`, with all that the backward pass needs.
    pub(crate) fn forward(&self, pack: &Pack, dropout: Option<Dropout>, tape: &mut Tape) {
        tape.layers
            .resize_with(self.shape.layers, LayerTape::default);
        let mut layers = std::mem::take(&mut tape.layers);
        if let Some(first) = layers.first_mut() {
            self.embed(pack, dropout, &mut tape.embedded, &mut first.input);
        }
        for index in 0..layers.len() {
            let (before, after) = layers.split_at_mut(index + 1);
            let output = match after.first_mut() {
                Some(next) => &mut next.input,
                None => &mut tape.last,
            };
            self.layer(
                index,
                pack,
                dropout,
                &mut before[index],
                output,
                &mut tape.scratch,
            );
        }
        tape.layers = layers;
        match &self.layout.head {
            Some(head) => self.head(head, pack, dropout, tape),
            None => self.pool(pack, tape),
        }
    }

    fn embed(
        &self,
        pack: &Pack,
        dropout: Option<Dropout>,
        normalized: &mut Normalized,
        out: &mut Vec<f32>,
    ) {
        let (hidden, at) = (self.shape.hidden, &self.layout.embeddings);
        let tokens = pack.tokens();
        resize(&mut normalized.rows, tokens * hidden);
        resize(&mut normalized.inverse, tokens);
        resize(out, tokens * hidden);
        let (positions, segments) = (self.at(&at.positions), self.at(&at.segments));
        let row = |table: &[f32], row: u32, column: usize| table[row as usize * hidden + column];
        for (token, sum) in normalized.rows.chunks_exact_mut(hidden).enumerate() {
            for (column, sum) in sum.iter_mut().enumerate() {
                *sum = row(&self.words, pack.ids[token], column)
                    + row(segments, pack.segments[token], column)
                    + row(positions, pack.positions[token], column);
            }
        }
        let norm = self.norm_at(&at.norm);
        floats::norm(out, &mut normalized.rows, &mut normalized.inverse, norm);
        Dropout::rows(dropout, Site::Embeddings, pack, out, hidden);
    }

    fn layer(
        &self,
        index: usize,
        pack: &Pack,
        dropout: Option<Dropout>,
        tape: &mut LayerTape,
        output: &mut Vec<f32>,
        scratch: &mut Scratch,
    ) {
        let Scratch {
            rows: [sum, ..],
            products,
        } = scratch;
        let (hidden, at) = (self.shape.hidden, &self.layout.layers[index]);
        let is_narrow = self.is_narrow(index);
        let LayerTape {
            input, query_input, ..
        } = tape;
        let rows: &[f32] = if is_narrow {
            query_input.clear();
            for span in pack.spans() {
                query_input.extend_from_slice(&input[span.start * hidden..][..hidden]);
            }
            query_input
        } else {
            input
        };
        self.linear(products, &mut tape.query, rows, &at.query);
        self.linear(products, &mut tape.key_value, input, &at.key_value);
        let rows_len = rows.len();
        self.attend(index, pack, dropout, is_narrow, products, tape);
        self.linear(
            products,
            &mut tape.attended_norm.rows,
            &tape.context,
            &at.attended,
        );
        let rows = if is_narrow {
            &tape.query_input
        } else {
            &tape.input
        };
        Dropout::rows(
            dropout,
            Site::Attended(index),
            pack,
            &mut tape.attended_norm.rows,
            hidden,
        );
        floats::add(&mut tape.attended_norm.rows, rows);
        resize(&mut tape.attended_norm.inverse, rows_len / hidden);
        resize(&mut tape.attended, rows_len);
        floats::norm(
            &mut tape.attended,
            &mut tape.attended_norm.rows,
            &mut tape.attended_norm.inverse,
            self.norm_at(&at.attended_norm),
        );
        self.linear(products, &mut tape.wide, &tape.attended, &at.widen);
        resize(&mut tape.active, tape.wide.len());
        activate(self.shape.activation, &mut tape.active, &tape.wide);
        self.linear(products, sum, &tape.active, &at.narrow);
        Dropout::rows(dropout, Site::Narrow(index), pack, sum, hidden);
        floats::add(sum, &tape.attended);
        std::mem::swap(&mut tape.norm.rows, sum);
        resize(&mut tape.norm.inverse, rows_len / hidden);
        resize(output, rows_len);
        floats::norm(
            output,
            &mut tape.norm.rows,
            &mut tape.norm.inverse,
            self.norm_at(&at.norm),
        );
    }

    fn head(&self, at: &HeadAt, pack: &Pack, dropout: Option<Dropout>, tape: &mut Tape) {
        let hidden = self.shape.hidden;
        // Dropped before the classes, as in BERT; RoBERTa also drops before the dense layer.
        let Scratch {
            rows: [dropped, ..],
            products,
        } = &mut tape.scratch;
        self.linear(products, &mut tape.dense, &tape.last, &at.dense);
        resize(&mut tape.activated, tape.dense.len());
        match self.shape.family {
            Family::Bert | Family::Roberta => {
                for (out, x) in tape.activated.iter_mut().zip(&tape.dense) {
                    *out = x.tanh();
                }
            }
            Family::Electra => floats::gelu(&mut tape.activated, &tape.dense),
        }
        dropped.clear();
        dropped.extend_from_slice(&tape.activated);
        Dropout::rows(dropout, Site::Head, pack, dropped, hidden);
        self.linear(products, &mut tape.logits, dropped, &at.classes);
    }
}

fn activate(activation: Activation, out: &mut [f32], x: &[f32]) {
    match activation {
        Activation::Gelu => floats::gelu(out, x),
        Activation::GeluTanh => floats::gelu_tanh(out, x),
        Activation::Relu => {
            for (out, x) in out.iter_mut().zip(x) {
                *out = x.max(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
