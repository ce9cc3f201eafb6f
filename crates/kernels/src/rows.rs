//! Operations on the rows of activations between two products: residual sum and layer
//! norm, the activation function, and quantization.

use crate::isa::{Isa, compile_for_each};
use crate::math::{gelu, gelu_tanh};
use crate::memory::{bytes_mut, words_mut};
use crate::operand::{Form, Rows};
use crate::rounding::store_words;
use crate::simd::{Float, LANES};

/// The activation function of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x itself.
    Identity,
    /// GELU with the error function: x/2 (1 + erf(x / sqrt 2)).
    Gelu,
    /// GELU with its tanh approximation.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

compile_for_each! {
    /// Applies `activation` to `x`, rows of `width` values, in place, and quantizes the rows.
    ///
    /// Each row gets its own scale, and a zero point if the form has one: its range, which
    /// includes 0, is divided into 254 steps. The scale of a row with a value that is not
    /// finite is NaN, so that every product with it is NaN too.
    pub fn quantize(x: &mut [f32], width: usize, activation: Activation, rows: &mut Rows) = quantize_all;
}

#[inline(always)]
fn quantize_all<V: Float>(
    v: V,
    x: &mut [f32],
    width: usize,
    activation: Activation,
    rows: &mut Rows,
) {
    rows.resize(x.len() / width, width);
    for (index, row) in x.chunks_exact_mut(width).enumerate() {
        let range = match activation {
            Activation::Identity => activate::<V, IDENTITY>(v, row),
            Activation::Gelu => activate::<V, GELU>(v, row),
            Activation::GeluTanh => activate::<V, GELU_TANH>(v, row),
            Activation::Relu => activate::<V, RELU>(v, row),
        };
        quantize_row(v, row, range, index, rows);
    }
}

/// The smallest and largest of a row's values and 0.
struct Range {
    smallest: f32,
    largest: f32,
    /// 0, or NaN if a value is not finite.
    finite: f32,
}

// Constants rather than a closure, which the compiler may not inline.
const IDENTITY: u8 = 0;
const GELU: u8 = 1;
const GELU_TANH: u8 = 2;
const RELU: u8 = 3;

#[inline(always)]
fn activated<V: Float, const ACTIVATION: u8>(v: V, x: V::F) -> V::F {
    match ACTIVATION {
        GELU => gelu(v, x),
        GELU_TANH => gelu_tanh(v, x),
        RELU => v.max(v.splat(0.0), x),
        _ => x,
    }
}

#[inline(always)]
fn activate<V: Float, const ACTIVATION: u8>(v: V, row: &mut [f32]) -> Range {
    let zero = v.splat(0.0);
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    // Every activation maps 0 to 0, so the padding does not matter.
    let last = activated::<V, ACTIVATION>(v, v.load_part(rest, 0.0));
    v.store_part(last, rest);
    let mut smallest = v.min(last, zero);
    let mut largest = v.max(last, zero);
    let mut finite = v.mul(last, zero);
    for chunk in chunks {
        let x = activated::<V, ACTIVATION>(v, v.load(chunk));
        if ACTIVATION != IDENTITY {
            v.store(x, chunk);
        }
        smallest = v.min(x, smallest);
        largest = v.max(x, largest);
        finite = v.fma(x, zero, finite);
    }
    Range {
        smallest: v.smallest(smallest),
        largest: v.largest(largest),
        finite: v.sum(finite),
    }
}

#[inline(always)]
fn quantize_row<V: Float>(v: V, row: &[f32], range: Range, index: usize, rows: &mut Rows) {
    let spread = range.largest - range.smallest;
    // 254 steps rather than 255, because the zero point is rounded too. The scale of a row
    // of zeros is arbitrary.
    let scale = if spread > 0.0 { spread / 254.0 } else { 1.0 };
    let inverse = 1.0 / scale;
    let zero = ((-range.smallest * inverse).round_ties_even() as i32).clamp(0, 255);
    rows.scale[index] = scale + range.finite;
    let steps = v.splat(inverse);
    let form = rows.form;
    let groups = &mut rows.groups[index * rows.steps..][..rows.steps];
    match form {
        Form::Bytes => {
            rows.zero[index] = zero;
            let shift = v.splat_int(zero);
            let (chunks, rest) = row.as_chunks::<LANES>();
            // Rows of bytes are padded to the width of AMX tiles.
            let (outs, _) = bytes_mut(groups).as_chunks_mut::<LANES>();
            for (chunk, out) in chunks.iter().zip(outs.iter_mut()) {
                let integers = v.round(v.mul(v.load(chunk), steps));
                v.store_bytes(v.add_int(integers, shift), out);
            }
            if !rest.is_empty() {
                let integers = v.round(v.mul(v.load_part(rest, 0.0), steps));
                v.store_bytes(v.add_int(integers, shift), &mut outs[chunks.len()]);
            }
        }
        Form::Words => store_words(v, row, inverse, words_mut(groups)),
    }
}

/// The parameters of a layer norm.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// Scale of each column.
    pub weight: Vec<f32>,
    /// Shift of each column.
    pub bias: Vec<f32>,
    /// Added to the variance, so that it is never 0.
    pub eps: f32,
}

compile_for_each! {
    /// Adds `residual` to `x`, if given, and applies the layer norm to each row in place (Ba
    /// et al. 2016, <https://arxiv.org/abs/1607.06450>).
    pub fn layer_norm(x: &mut [f32], residual: Option<&[f32]>, norm: &LayerNorm) = layer_norm_all;
}

#[inline(always)]
fn layer_norm_all<V: Float>(v: V, x: &mut [f32], residual: Option<&[f32]>, norm: &LayerNorm) {
    let width = norm.weight.len();
    for (index, row) in x.chunks_exact_mut(width).enumerate() {
        let sum = match residual {
            Some(residual) => add(v, row, &residual[index * width..][..width]),
            None => total(v, row),
        };
        layer_norm_row(v, row, sum, norm);
    }
}

#[inline(always)]
fn layer_norm_row<V: Float>(v: V, row: &mut [f32], sum: f32, norm: &LayerNorm) {
    let width = row.len() as f32;
    let center = sum / width;
    let mean = v.splat(center);
    let mut squares = v.splat(0.0);
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks.iter() {
        let x = v.sub(v.load(chunk), mean);
        squares = v.fma(x, x, squares);
    }
    if !rest.is_empty() {
        let x = v.sub(v.load_part(rest, center), mean);
        squares = v.fma(x, x, squares);
    }
    let square = v.sum(squares);
    let scale = v.splat(1.0 / (square / width + norm.eps).sqrt());
    let (weights, last_weights) = norm.weight.as_chunks::<LANES>();
    let (biases, last_biases) = norm.bias.as_chunks::<LANES>();
    for ((chunk, weight), bias) in chunks.iter_mut().zip(weights).zip(biases) {
        let x = v.mul(v.sub(v.load(chunk), mean), scale);
        v.store(v.fma(x, v.load(weight), v.load(bias)), chunk);
    }
    if !rest.is_empty() {
        let x = v.mul(v.sub(v.load_part(rest, 0.0), mean), scale);
        let weights = v.load_part(last_weights, 0.0);
        v.store_part(v.fma(x, weights, v.load_part(last_biases, 0.0)), rest);
    }
}

/// Adds `added` to a row and returns the sum of the result.
#[inline(always)]
fn add<V: Float>(v: V, row: &mut [f32], added: &[f32]) -> f32 {
    let mut sums = v.splat(0.0);
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    let (added, last_added) = added.as_chunks::<LANES>();
    for (chunk, added) in chunks.iter_mut().zip(added) {
        let x = v.add(v.load(chunk), v.load(added));
        v.store(x, chunk);
        sums = v.add(sums, x);
    }
    if !rest.is_empty() {
        let x = v.add(v.load_part(rest, 0.0), v.load_part(last_added, 0.0));
        v.store_part(x, rest);
        sums = v.add(sums, x);
    }
    v.sum(sums)
}

#[inline(always)]
fn total<V: Float>(v: V, row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = v.load_part(rest, 0.0);
    for chunk in chunks {
        sums = v.add(sums, v.load(chunk));
    }
    v.sum(sums)
}
