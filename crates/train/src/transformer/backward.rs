//! The backward pass: from the gradient of logits or vectors to those of all trained
//! parameters.

use treffer_kernels::floats::{self, Into, Matrix, Products};

use super::{Dropout, LayerTape, Model, Normalized, Pack, Scratch, Site, Tape, resize};
use crate::shape::{Activation, Family, HeadAt, LinearAt, NormAt};

/// Sums of gradients.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Gradients {
    /// Of the parameters from `start` on.
    pub(crate) parameters: Vec<f32>,
    /// The first parameter that is trained.
    pub(crate) start: usize,
    /// The word pieces that were met, if the table is trained.
    pub(crate) words: Option<WordGradients>,
}

/// Gradients of rows of the word table, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WordGradients {
    pub(crate) ids: Vec<u32>,
    pub(crate) rows: Vec<f32>,
}

impl Gradients {
    pub(crate) fn new(model: &Model, start: usize, words: bool) -> Self {
        Gradients {
            parameters: vec![0.0; model.layout.len - start],
            start,
            words: words.then(WordGradients::default),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.parameters.fill(0.0);
        if let Some(words) = &mut self.words {
            words.ids.clear();
            words.rows.clear();
        }
    }

    fn at(&mut self, range: &std::ops::Range<usize>) -> &mut [f32] {
        &mut self.parameters[range.start - self.start..range.end - self.start]
    }
}

impl Model {
    /// Adds the gradients of everything from `gradients.start` on to `gradients`, given that of
    /// the logits or vectors of the sequences that were last run on `tape` with the same dropout.
    pub(crate) fn backward(
        &self,
        pack: &Pack,
        dropout: Option<Dropout>,
        tape: &mut Tape,
        slopes: &[f32],
        gradients: &mut Gradients,
    ) {
        let mut scratch = std::mem::take(&mut tape.scratch);
        match &self.layout.head {
            Some(at) => {
                self.head_backward(at, pack, dropout, tape, slopes, gradients, &mut scratch);
            }
            None => self.pool_backward(pack, tape, slopes, &mut scratch.rows[0]),
        }
        for index in (0..self.shape.layers).rev() {
            if self.layout.layers[index].start < gradients.start {
                tape.scratch = scratch;
                return;
            }
            let lowest = self.layout.layers[index].start == gradients.start;
            self.layer_backward(
                index,
                pack,
                dropout,
                &mut tape.layers[index],
                gradients,
                &mut scratch,
                lowest,
            );
        }
        if gradients.start == 0 {
            let [flow, ..] = &mut scratch.rows;
            self.embed_backward(pack, dropout, &tape.embedded, gradients, flow);
        }
        tape.scratch = scratch;
    }

    /// The gradient of a linear layer's input, from that of its output.
    fn linear_input(
        &self,
        products: &mut Products,
        x: &mut Vec<f32>,
        out: &[f32],
        at: &LinearAt,
        into: Into,
    ) {
        let outputs = at.bias.len();
        let weight = self.at(&at.weight);
        let inputs = weight.len() / outputs;
        let rows = out.len() / outputs;
        resize(x, rows * inputs);
        let weight = Matrix::new(weight, outputs, inputs);
        products.multiply(
            x,
            inputs,
            Matrix::new(out, rows, outputs),
            weight,
            1.0,
            into,
        );
    }

    fn norm_backward(
        &self,
        gradients: &mut Gradients,
        flow: &mut [f32],
        normalized: &Normalized,
        at: &NormAt,
    ) {
        // Weight and bias of a norm lie one after the other.
        let both = gradients.at(&(at.weight.start..at.bias.end));
        let (weight, bias) = both.split_at_mut(at.weight.len());
        floats::norm_backward(
            flow,
            &normalized.rows,
            &normalized.inverse,
            self.at(&at.weight),
            weight,
            bias,
        );
    }

    /// Sets `flow` to the gradient of the first tokens.
    #[expect(
        clippy::too_many_arguments,
        reason = "a head, what it read and what it learns"
    )]
    fn head_backward(
        &self,
        at: &HeadAt,
        pack: &Pack,
        dropout: Option<Dropout>,
        tape: &Tape,
        logits: &[f32],
        gradients: &mut Gradients,
        scratch: &mut Scratch,
    ) {
        let Scratch {
            rows: [flow, ..],
            products,
        } = scratch;
        let hidden = self.shape.hidden;
        let mut dropped = tape.activated.clone();
        Dropout::rows(dropout, Site::Head, pack, &mut dropped, hidden);
        linear_weights(products, gradients, &dropped, logits, &at.classes);
        let mut dense = Vec::new();
        self.linear_input(products, &mut dense, logits, &at.classes, Into::Set);
        Dropout::rows(dropout, Site::Head, pack, &mut dense, hidden);
        match self.shape.family {
            Family::Bert | Family::Roberta => {
                for (gradient, y) in dense.iter_mut().zip(&tape.activated) {
                    *gradient *= 1.0 - y * y;
                }
            }
            Family::Electra => floats::gelu_backward(&mut dense, &tape.dense),
        }
        linear_weights(products, gradients, &tape.last, &dense, &at.dense);
        self.linear_input(products, flow, &dense, &at.dense, Into::Set);
    }

    /// Turns the first of `scratch` from the gradient of a layer's output into that of its
    /// input, which the lowest trained layer does not need.
    #[expect(
        clippy::too_many_arguments,
        reason = "a layer, what it read and what it learns"
    )]
    fn layer_backward(
        &self,
        index: usize,
        pack: &Pack,
        dropout: Option<Dropout>,
        tape: &mut LayerTape,
        gradients: &mut Gradients,
        scratch: &mut Scratch,
        lowest: bool,
    ) {
        let (hidden, at) = (self.shape.hidden, &self.layout.layers[index]);
        let is_narrow = self.is_narrow(index);
        let Scratch { rows, products } = scratch;
        let [flow, inner, branch, context, query, key_value] = rows;
        let drop = |site, rows: &mut [f32]| Dropout::rows(dropout, site, pack, rows, hidden);

        self.norm_backward(gradients, flow, &tape.norm, &at.norm);
        branch.clear();
        branch.extend_from_slice(flow);
        drop(Site::Narrow(index), branch);
        linear_weights(products, gradients, &tape.active, branch, &at.narrow);
        self.linear_input(products, inner, branch, &at.narrow, Into::Set);
        activate_backward(self.shape.activation, inner, &tape.wide);
        linear_weights(products, gradients, &tape.attended, inner, &at.widen);
        self.linear_input(products, flow, inner, &at.widen, Into::Add);

        self.norm_backward(gradients, flow, &tape.attended_norm, &at.attended_norm);
        branch.clear();
        branch.extend_from_slice(flow);
        drop(Site::Attended(index), branch);
        linear_weights(products, gradients, &tape.context, branch, &at.attended);
        self.linear_input(products, context, branch, &at.attended, Into::Set);
        self.attend_backward(
            index, pack, dropout, is_narrow, products, tape, context, query, key_value,
        );

        let rows = if is_narrow {
            &tape.query_input
        } else {
            &tape.input
        };
        linear_weights(products, gradients, rows, query, &at.query);
        linear_weights(products, gradients, &tape.input, key_value, &at.key_value);
        if lowest {
            return;
        }
        self.linear_input(products, flow, query, &at.query, Into::Add);
        if is_narrow {
            self.linear_input(products, branch, key_value, &at.key_value, Into::Set);
            for (span, first) in pack.spans().zip(flow.chunks_exact(hidden)) {
                floats::add(&mut branch[span.start * hidden..][..hidden], first);
            }
            std::mem::swap(flow, branch);
        } else {
            self.linear_input(products, flow, key_value, &at.key_value, Into::Add);
        }
    }

    fn embed_backward(
        &self,
        pack: &Pack,
        dropout: Option<Dropout>,
        embedded: &Normalized,
        gradients: &mut Gradients,
        flow: &mut [f32],
    ) {
        let (hidden, at) = (self.shape.hidden, &self.layout.embeddings);
        Dropout::rows(dropout, Site::Embeddings, pack, flow, hidden);
        self.norm_backward(gradients, flow, embedded, &at.norm);
        for (token, row) in flow.chunks_exact(hidden).enumerate() {
            for (table, index) in [
                (&at.positions, pack.positions[token]),
                (&at.segments, pack.segments[token]),
            ] {
                let start = table.start + index as usize * hidden;
                floats::add(gradients.at(&(start..start + hidden)), row);
            }
        }
        if let Some(words) = &mut gradients.words {
            words.ids.extend_from_slice(&pack.ids);
            words.rows.extend_from_slice(flow);
        }
    }
}

/// Adds to the gradients of a linear layer, given that of its output.
fn linear_weights(
    products: &mut Products,
    gradients: &mut Gradients,
    x: &[f32],
    out: &[f32],
    at: &LinearAt,
) {
    let outputs = at.bias.len();
    let inputs = at.weight.len() / outputs;
    let rows = out.len() / outputs;
    let out_t = Matrix::new(out, rows, outputs).transposed();
    let x = Matrix::new(x, rows, inputs);
    products.multiply(gradients.at(&at.weight), inputs, out_t, x, 1.0, Into::Add);
    floats::add_rows(gradients.at(&at.bias), out);
}

fn activate_backward(activation: Activation, gradient: &mut [f32], x: &[f32]) {
    match activation {
        Activation::Gelu => floats::gelu_backward(gradient, x),
        Activation::GeluTanh => floats::gelu_tanh_backward(gradient, x),
        Activation::Relu => {
            for (gradient, x) in gradient.iter_mut().zip(x) {
                *gradient = if *x > 0.0 { *gradient } else { 0.0 };
            }
        }
    }
}
