//! softmax(Q K^T / sqrt d) V for one head of one sequence, Vaswani et al. 2017,
//! <https://arxiv.org/abs/1706.03762>.
//!
//! Both products run on 16-bit integers, which cost half of f32 and lose next to
//! nothing: queries and keys keep 12 bits of their range, shares and values 15.
//! Scores of a few queries at a time stay in the first-level cache; no mask is needed,
//! since sequences are never padded.

use crate::isa::{Isa, Level};
use crate::math::exp2;
use crate::memory::words_mut;
use crate::operand::{Form, Panels, Rows};
use crate::product::{Then, run};
use crate::rows::{absolute, store_words};
use crate::simd::{Dot, Float, LANES, PanelRow, scalar};

/// Rows of a matrix that begin `stride` apart in `values`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The values, from the first row's first one on.
    pub values: &'a [f32],
    /// From one row to the next.
    pub stride: usize,
    /// Number of rows.
    pub rows: usize,
}

impl View<'_> {
    #[inline(always)]
    fn row(&self, row: usize, width: usize) -> &[f32] {
        &self.values[row * self.stride..][..width]
    }
}

/// Memory that attention reuses from call to call.
#[derive(Debug)]
pub struct Scratch {
    queries: Rows,
    keys: Panels,
    values: Panels,
    scores: Vec<f32>,
    shares: Rows,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            queries: Rows::new(Form::Words),
            keys: Panels::zero(Form::Words, 0, 0),
            values: Panels::zero(Form::Words, 0, 0),
            scores: Vec::new(),
            shares: Rows::new(Form::Words),
        }
    }
}

/// Largest integer of a query or key: 128 products of two sum to less than 2^31.
const LARGEST_KEY: f32 = 4095.0;
/// Largest integer of a share or value: the shares of a row sum to about one of them.
const LARGEST_VALUE: f32 = 32_767.0;
/// Queries at a time.
const BLOCK: usize = 12;
/// Widest head whose scores cannot overflow.
pub const WIDEST_HEAD: usize = 128;
/// Most keys whose shares, each rounded up, cannot overflow.
pub const MOST_KEYS: usize = 1 << 15;

/// Attends from each row of `queries` to all `keys`, whose `values` are mixed into
/// `out`, rows of which begin `stride` apart. All rows are `width` wide.
///
/// # Panics
/// If the head is wider than [`WIDEST_HEAD`], there are more than [`MOST_KEYS`] keys,
/// or a slice is too short.
#[expect(
    clippy::too_many_arguments,
    reason = "three matrices and where to put a fourth"
)]
pub fn attend(
    isa: Isa,
    queries: View<'_>,
    keys: View<'_>,
    values: View<'_>,
    width: usize,
    scratch: &mut Scratch,
    out: &mut [f32],
    stride: usize,
) {
    assert!(width <= WIDEST_HEAD, "the head is too wide for 32-bit sums");
    assert!(keys.rows <= MOST_KEYS, "too many keys for 32-bit sums");
    let task = Task {
        queries,
        keys,
        values,
        width,
    };
    match isa.level() {
        Level::Scalar => task.run(scalar::Words, scalar::Floats, scratch, out, stride),
        // SAFETY: an `Isa` of this level exists only where its instructions do.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(task, scratch, out, stride) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => unsafe { x86::avx512(task, scratch, out, stride) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("only x86-64 has another level than scalar"),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Scratch, Task};
    use crate::simd::{avx2, avx512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(task: Task<'_>, scratch: &mut Scratch, out: &mut [f32], stride: usize) {
        // SAFETY: this function enables what both need.
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
    queries: View<'a>,
    keys: View<'a>,
    values: View<'a>,
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
            shares,
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
                Then::Plain,
            );
            pack_shares(v, scores, n_keys, shares);
            let out = &mut out[first * stride..];
            run(
                dot,
                shares,
                (0, last - first),
                (&*values, None),
                out,
                stride,
                Then::Plain,
            );
        }
    }
}

/// What to multiply with before rounding, and the scale that undoes it.
#[inline(always)]
fn steps_of(magnitude: f32, largest: f32) -> (f32, f32) {
    if magnitude == 0.0 {
        (0.0, 1.0)
    } else {
        // A row without a magnitude keeps none.
        (largest / magnitude, magnitude / largest)
    }
}

/// The largest magnitude of all rows; not a number if one of them holds such.
#[inline(always)]
fn magnitude<V: Float>(v: V, view: View<'_>, width: usize) -> f32 {
    let zero = v.splat(0.0);
    let (mut largest, mut finite) = (zero, zero);
    for place in 0..view.rows {
        for part in view.row(place, width).chunks(LANES) {
            let x = v.load_part(part, 0.0);
            largest = v.max(absolute(v, x), largest);
            finite = v.fma(x, zero, finite);
        }
    }
    v.largest(largest) + v.sum(finite)
}

#[inline(always)]
fn pack_queries<V: Float>(v: V, view: View<'_>, width: usize, rows: &mut Rows) {
    rows.resize(view.rows, width);
    let (inverse, scale) = steps_of(magnitude(v, view, width), LARGEST_KEY);
    // Scores are powers of 2 rather than of e.
    rows.scale
        .fill(scale * std::f32::consts::LOG2_E / (width as f32).sqrt());
    for place in 0..view.rows {
        let words = words_mut(&mut rows.groups[place * rows.steps..][..rows.steps]);
        store_words(v, view.row(place, width), inverse, words);
    }
}

/// Keys are the columns of the first product.
#[inline(always)]
fn pack_keys<V: Float>(v: V, view: View<'_>, width: usize, panels: &mut Panels) {
    shape(panels, view.rows, width);
    let (inverse, scale) = steps_of(magnitude(v, view, width), LARGEST_KEY);
    panels.scale.fill(scale);
    let steps = panels.steps;
    // Zero beyond an odd width.
    let mut words = [0i16; WIDEST_HEAD];
    for key in 0..view.rows {
        store_words(v, view.row(key, width), inverse, &mut words);
        let column = &mut panels.rows[key / LANES * steps..][..steps];
        for ([low, high], row) in words.as_chunks::<2>().0.iter().zip(column) {
            row.0[key % LANES] = u32::from(*low as u16) | u32::from(*high as u16) << 16;
        }
    }
}

/// Values are the rows of the second product.
#[inline(always)]
fn pack_values<V: Float>(v: V, view: View<'_>, width: usize, panels: &mut Panels) {
    shape(panels, width, view.rows);
    let (inverse, scale) = steps_of(magnitude(v, view, width), LARGEST_VALUE);
    panels.scale.fill(scale);
    let inverse = v.splat(inverse);
    let steps = panels.steps;
    for step in 0..steps {
        let even = view.row(2 * step, width);
        // After an odd number of rows the last stands beside zeros.
        let odd = if 2 * step + 1 < view.rows {
            view.row(2 * step + 1, width)
        } else {
            &[0.0; WIDEST_HEAD][..width]
        };
        let pairs = even.chunks(LANES).zip(odd.chunks(LANES));
        for (panel, (even, odd)) in pairs.enumerate() {
            let even = v.round(v.mul(v.load_part(even, 0.0), inverse));
            let odd = v.round(v.mul(v.load_part(odd, 0.0), inverse));
            v.pair(even, odd, &mut panels.rows[panel * steps + step].0);
        }
    }
}

/// Makes room for `columns` columns; those beyond are left with what they hold, which
/// is never read out.
#[inline(always)]
fn shape(panels: &mut Panels, columns: usize, depth: usize) {
    let n_panels = columns.div_ceil(LANES);
    panels.steps = Form::Words.steps(depth);
    panels.columns = columns;
    panels.rows.resize(n_panels * panels.steps, PanelRow::ZERO);
    panels.scale.resize(n_panels * LANES, 0.0);
    panels.sums.resize(n_panels * LANES, 0);
}

/// Softmax of each row of scores, as integers that sum to about [`LARGEST_VALUE`].
/// Their scale is one over their true sum, so that rounding favors nobody.
#[inline(always)]
fn pack_shares<V: Float>(v: V, scores: &mut [f32], n_keys: usize, shares: &mut Rows) {
    shares.resize(scores.len() / n_keys, n_keys);
    for (place, row) in scores.chunks_exact_mut(n_keys).enumerate() {
        let sum = exponentials(v, row);
        let inverse = v.splat(LARGEST_VALUE / sum);
        let words = words_mut(&mut shares.groups[place * shares.steps..][..shares.steps]);
        let mut sums = v.splat_int(0);
        let (chunks, rest) = row.as_chunks::<LANES>();
        let (outs, _) = words.as_chunks_mut::<LANES>();
        for (chunk, out) in chunks.iter().zip(outs) {
            let shares = v.round(v.mul(v.load(chunk), inverse));
            sums = v.add_int(sums, shares);
            v.store_words(shares, out);
        }
        if !rest.is_empty() {
            let shares = v.round(v.mul(v.load_part(rest, 0.0), inverse));
            sums = v.add_int(sums, shares);
            let mut out = [0; LANES];
            v.store_words(shares, &mut out);
            words[n_keys - rest.len()..n_keys].copy_from_slice(&out[..rest.len()]);
        }
        // A row with a score that is not a number has no sum either.
        shares.scale[place] = 1.0 / v.sum_int(sums) as f32 + sum * 0.0;
    }
}

/// 2^(x - max) in place, and the sum of all.
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
        // 2^-125 in place of the filling is too little to count.
        sums = v.add(sums, e);
    }
    v.sum(sums)
}
