//! The magnitude of a row and its rounding to scaled 16-bit integers, which both sides of a
//! product need.

use crate::simd::{Float, LANES};

/// Multiplies by `factor` and rounds to 16-bit integers; `to` may be longer than `from`.
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

/// The largest magnitude of a row; NaN if a value is not finite.
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

/// The magnitude of each value.
#[inline(always)]
pub(crate) fn absolute<V: Float>(v: V, x: V::F) -> V::F {
    v.max(x, v.sub(v.splat(0.0), x))
}
