//! What is done to each row of activations between two products: residual sum and
//! layer norm, the activation function, and quantization.

use crate::isa::{Isa, compile_for_each};
use crate::math::{gelu, gelu_tanh};
use crate::memory::{bytes_mut, words_mut};
use crate::operand::{Form, Rows};
use crate::simd::{Float, LANES};

/// The function between the halves of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// None.
    Identity,
    /// GELU with the error function: x/2 (1 + erf(x / sqrt 2)).
    Gelu,
    /// GELU with its tanh approximation.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

compile_for_each! {
    /// Applies `activation` to `x` in place, rows of `width` values, and quantizes them.
    ///
    /// Each row gets its own scale, and zero point where the form has one: 254
    /// steps reach from its smallest to its largest value, 0 included. A row that
    /// holds a value which is not finite gets a scale of NaN, so that every product
    /// with it shows.
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
    for (place, row) in x.chunks_exact_mut(width).enumerate() {
        let range = match activation {
            Activation::Identity => activate::<V, IDENTITY>(v, row),
            Activation::Gelu => activate::<V, GELU>(v, row),
            Activation::GeluTanh => activate::<V, GELU_TANH>(v, row),
            Activation::Relu => activate::<V, RELU>(v, row),
        };
        quantize_row(v, row, range, place, rows);
    }
}

/// The extremes of a row and 0.
struct Range {
    smallest: f32,
    largest: f32,
    /// 0, or NaN if a value is not finite.
    finite: f32,
}

// A closure would do in place of these numbers, were it sure to be inlined.
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
    // Every activation maps 0 to 0, so that the filling changes nothing.
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
fn quantize_row<V: Float>(v: V, row: &[f32], range: Range, place: usize, rows: &mut Rows) {
    let spread = range.largest - range.smallest;
    // 254 steps rather than 255: the zero point is rounded too. A row of zeros may have
    // any scale.
    let scale = if spread > 0.0 { spread / 254.0 } else { 1.0 };
    let inverse = 1.0 / scale;
    let zero = ((-range.smallest * inverse).round_ties_even() as i32).clamp(0, 255);
    rows.scale[place] = scale + range.finite;
    let steps = v.splat(inverse);
    let form = rows.form;
    let groups = &mut rows.groups[place * rows.steps..][..rows.steps];
    match form {
        Form::Bytes => {
            rows.zero[place] = zero;
            let shift = v.splat_int(zero);
            let (chunks, rest) = row.as_chunks::<LANES>();
            // Rows of bytes are padded to whole tiles.
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

/// Multiplies and rounds to 16-bit integers; `to` may be longer than `from`.
#[inline(always)]
pub(crate) fn store_words<V: Float>(v: V, from: &[f32], factor: f32, to: &mut [i16]) {
    let factor = v.splat(factor);
    let (chunks, rest) = from.as_chunks::<LANES>();
    let (outs, _) = to.as_chunks_mut::<LANES>();
    for (chunk, out) in chunks.iter().zip(outs) {
        v.store_words(v.round(v.mul(v.load(chunk), factor)), out);
    }
    if !rest.is_empty() {
        let mut out = [0; LANES];
        v.store_words(v.round(v.mul(v.load_part(rest, 0.0), factor)), &mut out);
        to[from.len() - rest.len()..][..rest.len()].copy_from_slice(&out[..rest.len()]);
    }
}

/// Largest magnitude of a row; not a number if one of its values is not finite.
#[inline(always)]
pub(crate) fn magnitude<V: Float>(v: V, row: &[f32]) -> f32 {
    let zero = v.splat(0.0);
    let (chunks, rest) = row.as_chunks::<LANES>();
    let last = v.load_part(rest, 0.0);
    let mut largest = absolute(v, last);
    let mut finite = v.mul(last, zero);
    for chunk in chunks {
        let x = v.load(chunk);
        largest = v.max(absolute(v, x), largest);
        finite = v.fma(x, zero, finite);
    }
    v.largest(largest) + v.sum(finite)
}

/// Without the sign.
#[inline(always)]
pub(crate) fn absolute<V: Float>(v: V, x: V::F) -> V::F {
    v.max(x, v.sub(v.splat(0.0), x))
}

/// Scale and shift of a layer norm, and what keeps its variance from zero.
#[derive(Clone, Debug)]
pub struct Norm {
    /// One per column.
    pub weight: Vec<f32>,
    /// One per column.
    pub bias: Vec<f32>,
    /// Added to the variance.
    pub eps: f32,
}

compile_for_each! {
    /// Normalizes each row of `x` in place, after adding `residual` to it where there
    /// is one. Ba et al. 2016, <https://arxiv.org/abs/1607.06450>.
    pub fn normalize(x: &mut [f32], residual: Option<&[f32]>, norm: &Norm) = normalize_all;
}

#[inline(always)]
fn normalize_all<V: Float>(v: V, x: &mut [f32], residual: Option<&[f32]>, norm: &Norm) {
    let width = norm.weight.len();
    for (place, row) in x.chunks_exact_mut(width).enumerate() {
        let sum = match residual {
            Some(residual) => add(v, row, &residual[place * width..][..width]),
            None => total(v, row),
        };
        normalize_row(v, row, sum, norm);
    }
}

#[inline(always)]
fn normalize_row<V: Float>(v: V, row: &mut [f32], sum: f32, norm: &Norm) {
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

/// Adds to each value of a row and gives the sum of the new ones.
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
