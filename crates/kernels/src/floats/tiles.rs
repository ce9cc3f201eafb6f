//! Products of matrices rounded to bf16, with AVX-512.
//!
//! Both operands are packed into registers' worth of sixteen *lines* (rows of the left,
//! columns of the right operand). A lane is two neighbors along the inner dimension of one
//! line; an instruction multiplies such pairs and adds both products. The innermost loop adds up a tile of 8 rows and 48 columns in 24
//! registers, for a stretch of the inner dimension for which 48 columns fit in the first
//! cache and all rows of a block in the second (Goto and van de Geijn 2008,
//! <https://doi.org/10.1145/1356052.1356053>).

use std::arch::x86_64::*;
use std::ops::Range;

use super::products::{Into, Matrix};

/// Lanes of a register.
const LANES: usize = 16;
/// Registers of a tile's row.
const WIDE: usize = 3;
/// Rows of a tile: half a register.
const TALL: usize = LANES / 2;
/// Lanes along the inner dimension that are packed at a time.
const DEPTH: usize = 128;
/// Registers of rows that are packed at a time.
const BLOCK: usize = 32;

/// A register in memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Lanes([u32; LANES]);

/// Memory for packed operands, which is kept from one product to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    left: Vec<Lanes>,
    right: Vec<Lanes>,
}

/// Lanes from a row's values, at most 32.
#[inline(always)]
fn pairs(values: &[f32]) -> __m512i {
    let (low, high) = values.split_at(values.len().min(LANES));
    // SAFETY: an operation on registers only; callers have the instructions.
    unsafe { as_words(_mm512_cvtne2ps_pbh(load(high), load(low))) }
}

/// Lanes from values of sixteen lines, at two places along the inner dimension.
#[inline(always)]
fn interleave(first: __m512, second: __m512) -> __m512i {
    const PLACES: [u16; 2 * LANES] = {
        let mut places = [0; 2 * LANES];
        let mut place = 0;
        while place < 2 * LANES {
            places[place] = (place as u16 % 2) * LANES as u16 + place as u16 / 2;
            place += 1;
        }
        places
    };
    // SAFETY: the load is of 64 bytes; callers have the instructions.
    unsafe {
        let places = _mm512_loadu_epi16(PLACES.as_ptr().cast());
        _mm512_permutexvar_epi16(places, as_words(_mm512_cvtne2ps_pbh(second, first)))
    }
}

/// Reads a register of bf16 as one of integers.
#[inline(always)]
fn as_words(halves: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes, and any bits are valid in either.
    unsafe { std::mem::transmute(halves) }
}

/// Reads a register of integers as one of bf16.
#[inline(always)]
fn as_halves(words: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes, and any bits are valid in either.
    unsafe { std::mem::transmute(words) }
}

/// The first `count` bits.
#[inline(always)]
fn mask(count: usize) -> u16 {
    if count >= LANES {
        u16::MAX
    } else {
        (1 << count) - 1
    }
}

/// At most sixteen values, and 0 after them.
#[inline(always)]
fn load(values: &[f32]) -> __m512 {
    // SAFETY: no more is read than is there; callers have AVX-512.
    unsafe { _mm512_maskz_loadu_ps(mask(values.len()), values.as_ptr()) }
}

#[inline(always)]
fn store(lanes: __m512i, to: &mut Lanes) {
    // SAFETY: 64 bytes with an alignment of 64; callers have AVX-512.
    unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), lanes) }
}

/// The rows of a matrix of 16 x 16 lanes from its columns.
#[inline(always)]
fn transpose(columns: [__m512i; LANES]) -> [__m512i; LANES] {
    let mut rows = columns;
    // SAFETY: operations on registers only; callers have AVX-512.
    unsafe {
        // Within each lane of 128 bits: four columns, element by element.
        for quad in 0..4 {
            let c: &[__m512i; 4] = columns[4 * quad..].first_chunk().expect("four are left");
            let low = (
                _mm512_unpacklo_epi32(c[0], c[1]),
                _mm512_unpacklo_epi32(c[2], c[3]),
            );
            let high = (
                _mm512_unpackhi_epi32(c[0], c[1]),
                _mm512_unpackhi_epi32(c[2], c[3]),
            );
            rows[4 * quad] = _mm512_unpacklo_epi64(low.0, low.1);
            rows[4 * quad + 1] = _mm512_unpackhi_epi64(low.0, low.1);
            rows[4 * quad + 2] = _mm512_unpacklo_epi64(high.0, high.1);
            rows[4 * quad + 3] = _mm512_unpackhi_epi64(high.0, high.1);
        }
        // And then the lanes of 128 bits.
        let mut done = rows;
        for element in 0..4 {
            let [a, b] = [rows[element], rows[4 + element]];
            let [c, d] = [rows[8 + element], rows[12 + element]];
            let low = (
                _mm512_shuffle_i32x4::<0x44>(a, b),
                _mm512_shuffle_i32x4::<0x44>(c, d),
            );
            let high = (
                _mm512_shuffle_i32x4::<0xee>(a, b),
                _mm512_shuffle_i32x4::<0xee>(c, d),
            );
            done[element] = _mm512_shuffle_i32x4::<0x88>(low.0, low.1);
            done[4 + element] = _mm512_shuffle_i32x4::<0xdd>(low.0, low.1);
            done[8 + element] = _mm512_shuffle_i32x4::<0x88>(high.0, high.1);
            done[12 + element] = _mm512_shuffle_i32x4::<0xdd>(high.0, high.1);
        }
        done
    }
}

/// Packs `lines` rows of `matrix`, at the places `inner` of its columns. Sixteen rows make one
/// register for each lane along the inner dimension; `panel` such registers lie together.
#[inline(always)]
fn pack(
    to: &mut Vec<Lanes>,
    matrix: Matrix<'_>,
    lines: Range<usize>,
    inner: Range<usize>,
    panel: usize,
) {
    let depth = inner.len().div_ceil(2);
    let groups = lines.len().div_ceil(LANES).next_multiple_of(panel);
    to.clear();
    to.resize(groups * depth, Lanes([0; LANES]));
    let (row_stride, column_stride) = (matrix.row_stride, matrix.column_stride);
    for (group, line) in lines.clone().step_by(LANES).enumerate() {
        let count = (lines.end - line).min(LANES);
        let start = group / panel * panel * depth + group % panel;
        if column_stride == 1 {
            for lane in (0..depth).step_by(LANES) {
                let first = inner.start + 2 * lane;
                let values = (inner.end - first).min(2 * LANES);
                let rows = std::array::from_fn(|row| {
                    if row < count {
                        let at = (line + row) * row_stride + first;
                        pairs(&matrix.values[at..at + values])
                    } else {
                        pairs(&[])
                    }
                });
                let lanes = transpose(rows);
                for (index, &lanes) in lanes.iter().enumerate().take(depth - lane) {
                    store(lanes, &mut to[start + (lane + index) * panel]);
                }
            }
        } else {
            let values = |at: usize| {
                if at < inner.end {
                    load(&matrix.values[at * column_stride + line..][..count])
                } else {
                    load(&[])
                }
            };
            for lane in 0..depth {
                let at = inner.start + 2 * lane;
                let lanes = interleave(values(at), values(at + 1));
                store(lanes, &mut to[start + lane * panel]);
            }
        }
    }
}

/// Adds `scale` times the product of a half of each of `left` and of `right` to `rows` of
/// `out`, or sets them to it.
#[expect(
    clippy::too_many_arguments,
    reason = "two operands, and where the product goes"
)]
#[inline(always)]
fn tile(
    left: &[Lanes],
    half: usize,
    right: &[Lanes],
    out: &mut [f32],
    stride: usize,
    (rows, columns): (usize, usize),
    scale: f32,
    into: Into,
) {
    // SAFETY: rows and columns are within `out`, which the slices below check; loads of packed
    // lanes are of whole ones; callers have the instructions.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); WIDE]; TALL];
        let (right, _) = right.as_chunks::<WIDE>();
        for (left, right) in left.iter().zip(right) {
            let right: [__m512i; WIDE] =
                std::array::from_fn(|part| _mm512_load_si512(right[part].0.as_ptr().cast()));
            let (halves, _) = left.0.as_chunks::<TALL>();
            for (sums, &left) in sums.iter_mut().zip(&halves[half]) {
                let left = as_halves(_mm512_set1_epi32(left.cast_signed()));
                for (sums, &right) in sums.iter_mut().zip(&right) {
                    *sums = _mm512_dpbf16_ps(*sums, left, as_halves(right));
                }
            }
        }
        let scale = _mm512_set1_ps(scale);
        for (row, sums) in sums.iter().enumerate().take(rows) {
            let out = &mut out[row * stride..][..columns];
            for (out, &sums) in out.chunks_mut(LANES).zip(sums) {
                let product = match into {
                    Into::Set => _mm512_mul_ps(sums, scale),
                    Into::Add => _mm512_fmadd_ps(sums, scale, load(out)),
                };
                _mm512_mask_storeu_ps(out.as_mut_ptr(), mask(out.len()), product);
            }
        }
    }
}

/// `scale` times the product of two matrices rounded to bf16, to the nearest, the even one of
/// two. Sums are f32.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn product(
    packed: &mut Packed,
    out: &mut [f32],
    stride: usize,
    left: Matrix<'_>,
    right: Matrix<'_>,
    scale: f32,
    into: Into,
) {
    let right = right.transposed();
    for start in (0..left.columns).step_by(2 * DEPTH) {
        let inner = start..left.columns.min(start + 2 * DEPTH);
        let depth = inner.len().div_ceil(2);
        let into = if start == 0 { into } else { Into::Add };
        pack(&mut packed.right, right, 0..right.rows, inner.clone(), WIDE);
        for first in (0..left.rows).step_by(BLOCK * LANES) {
            let rows = first..left.rows.min(first + BLOCK * LANES);
            pack(&mut packed.left, left, rows.clone(), inner.clone(), 1);
            let panels = packed.right.chunks_exact(WIDE * depth);
            for (panel, column) in panels.zip((0..right.rows).step_by(WIDE * LANES)) {
                let columns = (right.rows - column).min(WIDE * LANES);
                for row in rows.clone().step_by(TALL) {
                    let (group, half) = ((row - first) / LANES, (row - first) / TALL % 2);
                    tile(
                        &packed.left[group * depth..(group + 1) * depth],
                        half,
                        panel,
                        &mut out[row * stride + column..],
                        stride,
                        ((rows.end - row).min(TALL), columns),
                        scale,
                        into,
                    );
                }
            }
        }
    }
}
