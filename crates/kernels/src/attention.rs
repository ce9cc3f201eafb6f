//! Attention, softmax(Q K^T / sqrt d) V, for one head of one sequence (Vaswani et al. 2017,
//! <https://arxiv.org/abs/1706.03762>).
//!
//! Both products use 16-bit integers, at half the cost of f32 and a negligible loss: queries
//! and keys have 12 bits and a sign, probabilities and values 15. The scores of a few
//! queries at a time stay in the first-level cache. No mask is needed, since sequences are
//! never padded.

use crate::isa::{Isa, Level};
use crate::math::exp2;
use crate::memory::words_mut;
use crate::operand::{Form, Panels, Rows};
use crate::output::Store;
use crate::product::run;
use crate::rounding::{absolute, store_words};
use crate::simd::{Dot, Float, LANES, PanelRow, scalar};

/// A view of a row-major matrix whose rows are `stride` values apart.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    /// The values, starting with the first one of the first row.
    pub values: &'a [f32],
    /// Distance between the starts of two rows, in values.
    pub stride: usize,
    /// Number of rows.
    pub rows: usize,
}

impl MatrixView<'_> {
    #[inline(always)]
    fn row(&self, row: usize, width: usize) -> &[f32] {
        &self.values[row * self.stride..][..width]
    }
}

/// Memory that is reused between calls of [`attend`].
#[derive(Debug)]
pub struct Scratch {
    queries: Rows,
    keys: Panels,
    values: Panels,
    scores: Vec<f32>,
    probabilities: Rows,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            queries: Rows::new(Form::Words),
            keys: Panels::zero(Form::Words, 0, 0),
            values: Panels::zero(Form::Words, 0, 0),
            scores: Vec::new(),
            probabilities: Rows::new(Form::Words),
        }
    }
}

/// Largest quantized query or key: 128 products of two sum to less than 2^31.
const MAX_KEY: f32 = 4095.0;
/// Largest quantized probability or value: the probabilities of a row sum to about this.
const MAX_VALUE: f32 = 32_767.0;
/// Number of queries at a time.
const BLOCK: usize = 12;
/// Maximal width of a head, for which scores cannot overflow.
pub const MAX_HEAD_WIDTH: usize = 128;
/// Maximal number of keys, for which sums of rounded-up probabilities cannot overflow.
pub const MAX_KEYS: usize = 1 << 15;

/// Computes the attention of each row of `queries` over all `keys` and `values` and stores it
/// in `out`, whose rows are `stride` values apart. All rows have `width` columns.
///
/// # Panics
/// If the head is wider than [`MAX_HEAD_WIDTH`], there are more than [`MAX_KEYS`] keys,
/// or a slice is too short.
#[expect(clippy::too_many_arguments, reason = "three matrices and the output")]
pub fn attend(
    isa: Isa,
    queries: MatrixView<'_>,
    keys: MatrixView<'_>,
    values: MatrixView<'_>,
    width: usize,
    scratch: &mut Scratch,
    out: &mut [f32],
    stride: usize,
) {
    assert!(
        width <= MAX_HEAD_WIDTH,
        "the head is too wide for 32-bit sums"
    );
    assert!(keys.rows <= MAX_KEYS, "too many keys for 32-bit sums");
    let task = Task {
        queries,
        keys,
        values,
        width,
    };
    match isa.level() {
        Level::Scalar => task.run(scalar::Words, scalar::Floats, scratch, out, stride),
        // SAFETY: an `Isa` of this level proves that the processor has its features.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(task, scratch, out, stride) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => unsafe { x86::avx512(task, scratch, out, stride) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("other levels than scalar exist on x86-64 only"),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Scratch, Task};
    use crate::simd::{avx2, avx512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(task: Task<'_>, scratch: &mut Scratch, out: &mut [f32], stride: usize) {
        // SAFETY: this function enables the features that both need.
        let (dot, floats) = unsafe { (avx2::Words::new(), avx2::Floats::new()) };
        task.run(dot, floats, scratch, out, stride);
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn avx512(task: Task<'_>, scratch: &mut Scratch, out: &mut [f32], stride: usize) {
        // SAFETY: as above.
        let (dot, floats) = unsafe { (avx512::Words::new(), avx512::Floats::new()) };
        task.run(dot, floats, scratch, out, stride);
    }
}

#[derive(Clone, Copy)]
struct Task<'a> {
    queries: MatrixView<'a>,
    keys: MatrixView<'a>,
    values: MatrixView<'a>,
    width: usize,
}

impl Task<'_> {
    #[inline(always)]
    fn run<D: Dot, V: Float>(
        self,
        dot: D,
        v: V,
        scratch: &mut Scratch,
        out: &mut [f32],
        stride: usize,
    ) {
        let Scratch {
            queries,
            keys,
            values,
            scores,
            probabilities,
        } = scratch;
        pack_queries(v, self.queries, self.width, queries);
        pack_keys(v, self.keys, self.width, keys);
        pack_values(v, self.values, self.width, values);
        let n_keys = self.keys.rows;
        scores.resize(BLOCK * n_keys, 0.0);
        for first in (0..self.queries.rows).step_by(BLOCK) {
            let last = self.queries.rows.min(first + BLOCK);
            let scores = &mut scores[..(last - first) * n_keys];
            run(
                dot,
                queries,
                (first, last),
                (&*keys, None),
                scores,
                n_keys,
                Store::Overwrite,
            );
            pack_probabilities(v, scores, n_keys, probabilities);
            let out = &mut out[first * stride..];
            run(
                dot,
                probabilities,
                (0, last - first),
                (&*values, None),
                out,
                stride,
                Store::Overwrite,
            );
        }
    }
}

/// The factor to multiply with before rounding, and the scale that reverses it.
#[inline(always)]
fn factor_and_scale(magnitude: f32, largest: f32) -> (f32, f32) {
    if magnitude == 0.0 {
        (0.0, 1.0)
    } else {
        // A magnitude of NaN makes the scale NaN too.
        (largest / magnitude, magnitude / largest)
    }
}

/// The largest magnitude in all rows; NaN if a value is not finite.
#[inline(always)]
fn magnitude<V: Float>(v: V, view: MatrixView<'_>, width: usize) -> f32 {
    let zero = v.splat(0.0);
    let (mut largest, mut finite) = (zero, zero);
    for index in 0..view.rows {
        for part in view.row(index, width).chunks(LANES) {
            let x = v.load_part(part, 0.0);
            largest = v.max(absolute(v, x), largest);
            finite = v.fma(x, zero, finite);
        }
    }
    v.largest(largest) + v.sum(finite)
}

#[inline(always)]
fn pack_queries<V: Float>(v: V, view: MatrixView<'_>, width: usize, rows: &mut Rows) {
    rows.resize(view.rows, width);
    let (inverse, scale) = factor_and_scale(magnitude(v, view, width), MAX_KEY);
    // The softmax uses powers of 2 instead of e.
    rows.scale
        .fill(scale * std::f32::consts::LOG2_E / (width as f32).sqrt());
    for index in 0..view.rows {
        let words = words_mut(&mut rows.groups[index * rows.steps..][..rows.steps]);
        store_words(v, view.row(index, width), inverse, words);
    }
}

/// Packs keys as the columns of the first product.
#[inline(always)]
fn pack_keys<V: Float>(v: V, view: MatrixView<'_>, width: usize, panels: &mut Panels) {
    shape(panels, view.rows, width);
    let (inverse, scale) = factor_and_scale(magnitude(v, view, width), MAX_KEY);
    panels.scale.fill(scale);
    let steps = panels.steps;
    // Zero after an odd width.
    let mut words = [0i16; MAX_HEAD_WIDTH];
    for key in 0..view.rows {
        store_words(v, view.row(key, width), inverse, &mut words);
        let column = &mut panels.rows[key / LANES * steps..][..steps];
        for ([low, high], row) in words.as_chunks::<2>().0.iter().zip(column) {
            row.0[key % LANES] = u32::from(*low as u16) | u32::from(*high as u16) << 16;
        }
    }
}

/// Packs values as the rows of the second product's right operand.
#[inline(always)]
fn pack_values<V: Float>(v: V, view: MatrixView<'_>, width: usize, panels: &mut Panels) {
    shape(panels, width, view.rows);
    let (inverse, scale) = factor_and_scale(magnitude(v, view, width), MAX_VALUE);
    panels.scale.fill(scale);
    let inverse = v.splat(inverse);
    let steps = panels.steps;
    for step in 0..steps {
        let even = view.row(2 * step, width);
        // The last of an odd number of rows is paired with zeros.
        let odd = if 2 * step + 1 < view.rows {
            view.row(2 * step + 1, width)
        } else {
            &[0.0; MAX_HEAD_WIDTH][..width]
        };
        let pairs = even.chunks(LANES).zip(odd.chunks(LANES));
        for (panel, (even, odd)) in pairs.enumerate() {
            let even = v.round(v.mul(v.load_part(even, 0.0), inverse));
            let odd = v.round(v.mul(v.load_part(odd, 0.0), inverse));
            v.pair(even, odd, &mut panels.rows[panel * steps + step].0);
        }
    }
}

/// Makes room for `columns` columns. The padding columns keep old values, which are never
/// stored in the output.
#[inline(always)]
fn shape(panels: &mut Panels, columns: usize, depth: usize) {
    let n_panels = columns.div_ceil(LANES);
    panels.steps = Form::Words.steps(depth);
    panels.columns = columns;
    panels.rows.resize(n_panels * panels.steps, PanelRow::ZERO);
    panels.scale.resize(n_panels * LANES, 0.0);
    panels.sums.resize(n_panels * LANES, 0);
}

/// Softmax of each row of scores, as integers that sum to about [`MAX_VALUE`]. Their scale is
/// 1 / their actual sum, so that rounding does not change the sum of the probabilities.
#[inline(always)]
fn pack_probabilities<V: Float>(v: V, scores: &mut [f32], n_keys: usize, probabilities: &mut Rows) {
    probabilities.resize(scores.len() / n_keys, n_keys);
    for (index, row) in scores.chunks_exact_mut(n_keys).enumerate() {
        let sum = exponentials(v, row);
        let inverse = v.splat(MAX_VALUE / sum);
        let words = words_mut(
            &mut probabilities.groups[index * probabilities.steps..][..probabilities.steps],
        );
        let mut sums = v.splat_int(0);
        let (chunks, rest) = row.as_chunks::<LANES>();
        let (outs, _) = words.as_chunks_mut::<LANES>();
        for (chunk, out) in chunks.iter().zip(outs) {
            let probabilities = v.round(v.mul(v.load(chunk), inverse));
            sums = v.add_int(sums, probabilities);
            v.store_words(probabilities, out);
        }
        if !rest.is_empty() {
            let probabilities = v.round(v.mul(v.load_part(rest, 0.0), inverse));
            sums = v.add_int(sums, probabilities);
            let mut out = [0; LANES];
            v.store_words(probabilities, &mut out);
            words[n_keys - rest.len()..n_keys].copy_from_slice(&out[..rest.len()]);
        }
        // A NaN among the scores makes the scale NaN.
        probabilities.scale[index] = 1.0 / v.sum_int(sums) as f32 + sum * 0.0;
    }
}

/// Replaces each x by 2^(x - max) and returns their sum.
#[inline(always)]
fn exponentials<V: Float>(v: V, row: &mut [f32]) -> f32 {
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    let mut largest = v.load_part(rest, f32::NEG_INFINITY);
    for chunk in chunks.iter() {
        largest = v.max(v.load(chunk), largest);
    }
    let largest = v.splat(v.largest(largest));
    let mut sums = v.splat(0.0);
    for chunk in chunks {
        let e = exp2(v, v.sub(v.load(chunk), largest));
        v.store(e, chunk);
        sums = v.add(sums, e);
    }
    if !rest.is_empty() {
        let e = exp2(v, v.sub(v.load_part(rest, f32::NEG_INFINITY), largest));
        v.store_part(e, rest);
        // The padding contributes 2^-125 each, which is negligible.
        sums = v.add(sums, e);
    }
    v.sum(sums)
}
