//! MaxSim: the sum, over the tokens of a query, of the greatest dot product with a token of a
//! document (Khattab and Zaharia 2020, <https://arxiv.org/abs/2004.12832>).
//!
//! The tokens of the query are the columns of [`Panels`], sixteen at a time, and those of the
//! document the rows, so that each lane keeps the greatest product of one token of the query
//! and nothing is added across lanes before the end. Products of bytes are exact integers, those
//! of floats are added in the order of the values with one rounding each, and the sum is taken in
//! the order of the query's tokens: results are bit-identical for every instruction set.

use crate::isa::{Isa, Level};
use crate::memory::words_mut;
use crate::operand::{Form, Panels};
use crate::simd::{Dot, Float, LANES, PanelRow, scalar};

mod nearest;
mod products;
#[cfg(test)]
mod tests;

pub use nearest::Nearest;

/// What is added to a signed byte of the left operand to make it unsigned.
const SHIFT: i32 = 128;

/// The tokens of a query, packed for one instruction set.
#[derive(Clone, Debug)]
pub struct Query {
    isa: Isa,
    width: usize,
    tokens: usize,
    packed: Packed,
}

#[derive(Clone, Debug)]
enum Packed {
    Bytes(Panels),
    /// `width` vectors for each sixteen tokens: value by value, each of the sixteen.
    Floats(Vec<[f32; LANES]>),
}

/// Memory that is reused between calls of [`Query::of_bytes`].
#[derive(Clone, Debug, Default)]
pub struct Scratch(Vec<u32>);

impl Query {
    /// Packs tokens of `width` values each, one after the other, to be compared with bytes: each
    /// is rounded to bytes with a scale of its own.
    ///
    /// # Panics
    /// If `width` is 0 or above 65,536, for which 32-bit sums could overflow, or does not divide
    /// the number of values.
    pub fn for_bytes(isa: Isa, values: &[f32], width: usize) -> Self {
        let tokens = count(values, width);
        Query {
            isa,
            width,
            tokens,
            packed: Packed::Bytes(Panels::from_weights(
                isa,
                values,
                width,
                0..tokens,
                0..width,
            )),
        }
    }

    /// Packs tokens to be compared with floats, as they are.
    ///
    /// # Panics
    /// As [`Query::for_bytes`].
    pub fn for_floats(isa: Isa, values: &[f32], width: usize) -> Self {
        let tokens = count(values, width);
        let mut packed = vec![[0.0; LANES]; tokens.div_ceil(LANES) * width];
        for (token, values) in values.chunks_exact(width).enumerate() {
            let panel = &mut packed[token / LANES * width..][..width];
            for (lanes, value) in panel.iter_mut().zip(values) {
                lanes[token % LANES] = *value;
            }
        }
        Query {
            isa,
            width,
            tokens,
            packed: Packed::Floats(packed),
        }
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The instruction set that it was packed for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Values of each token.
    pub fn width(&self) -> usize {
        self.width
    }

    /// MaxSim with a document whose tokens are `codes` times their `scales`. 0 without tokens of
    /// the query, and minus infinity without those of the document.
    ///
    /// # Panics
    /// If the query was packed for floats, or there are not `width` codes for each scale.
    pub fn of_bytes(&self, codes: &[i8], scales: &[f32], scratch: &mut Scratch) -> f32 {
        let Packed::Bytes(panels) = &self.packed else {
            panic!("the query was packed for floats");
        };
        assert_eq!(
            codes.len(),
            scales.len() * self.width,
            "codes for each scale"
        );
        let task = Bytes {
            panels,
            tokens: self.tokens,
            codes,
            scales,
            width: self.width,
        };
        let groups = &mut scratch.0;
        match self.isa.level() {
            Level::Scalar => task.run::<_, 4>(scalar::Words, groups),
            // SAFETY: an `Isa` of this level proves that the processor has its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::bytes_avx2(task, groups) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => unsafe { x86::bytes_avx512(task, groups) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("other levels than scalar exist on x86-64 only"),
        }
    }

    /// MaxSim with a document whose tokens are `values`. 0 without tokens of the query, and minus
    /// infinity without those of the document.
    ///
    /// # Panics
    /// If the query was packed for bytes, or `values` are not whole tokens.
    pub fn of_floats(&self, values: &[f32]) -> f32 {
        self.floats(values).on(self.isa)
    }

    /// The work of comparing with `values`.
    fn floats<'a>(&'a self, values: &'a [f32]) -> Floats<'a> {
        let Packed::Floats(query) = &self.packed else {
            panic!("the query was packed for bytes");
        };
        count(values, self.width);
        Floats {
            query,
            tokens: self.tokens,
            values,
            width: self.width,
        }
    }
}

/// Work on floats that is compiled for each instruction set.
trait OnFloats: Sized {
    type Output;

    /// In tiles of `R` tokens of the document.
    fn run<V: Float, const R: usize>(self, v: V) -> Self::Output;

    fn on(self, isa: Isa) -> Self::Output {
        match isa.level() {
            Level::Scalar => self.run::<_, 4>(scalar::Floats),
            // SAFETY: an `Isa` of this level proves that the processor has its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::floats_avx2(self) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => unsafe { x86::floats_avx512(self) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("other levels than scalar exist on x86-64 only"),
        }
    }
}

fn count(values: &[f32], width: usize) -> usize {
    assert!((1..=1 << 16).contains(&width), "the width is {width}");
    assert!(values.len().is_multiple_of(width), "values of whole tokens");
    values.len() / width
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Bytes, OnFloats};
    use crate::simd::{avx2, avx512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn bytes_avx2(task: Bytes<'_>, groups: &mut Vec<u32>) -> f32 {
        // SAFETY: this function enables the features that the dot product needs.
        task.run::<_, 6>(unsafe { avx2::Words::new() }, groups)
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn bytes_avx512(task: Bytes<'_>, groups: &mut Vec<u32>) -> f32 {
        // SAFETY: as above.
        task.run::<_, 12>(unsafe { avx512::Bytes::new() }, groups)
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn floats_avx2<T: OnFloats>(task: T) -> T::Output {
        // SAFETY: this function enables the features that the vectors need.
        task.run::<_, 6>(unsafe { avx2::Floats::new() })
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn floats_avx512<T: OnFloats>(task: T) -> T::Output {
        // SAFETY: as above.
        task.run::<_, 12>(unsafe { avx512::Floats::new() })
    }
}

/// The greatest products of up to sixteen tokens of the query, added in their order to `sum`.
#[inline(always)]
fn add_lanes<V: Float>(v: V, greatest: V::F, tokens: usize, sum: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    v.store(greatest, &mut lanes);
    lanes[..tokens].iter().fold(sum, |sum, lane| sum + lane)
}

#[derive(Clone, Copy)]
struct Bytes<'a> {
    panels: &'a Panels,
    /// Of the query.
    tokens: usize,
    codes: &'a [i8],
    scales: &'a [f32],
    width: usize,
}

impl Bytes<'_> {
    /// In tiles of `R` tokens of the document.
    #[inline(always)]
    fn run<D: Dot, const R: usize>(self, dot: D, groups: &mut Vec<u32>) -> f32 {
        let v = dot.floats();
        self.pack::<D>(groups);
        let mut sum = 0.0;
        for first in (0..self.tokens).step_by(LANES) {
            let panel = self.panels.panel(first / LANES);
            let lanes = first..first + LANES;
            let sums: &[i32; LANES] = self.panels.sums[lanes.clone()]
                .try_into()
                .expect("panels are whole");
            let shift = v.mul_int(v.load_int(sums), v.splat_int(SHIFT));
            let mut greatest = v.splat(f32::NEG_INFINITY);
            let mut token = 0;
            while token < self.scales.len() {
                let left = self.scales.len() - token;
                if left >= R {
                    greatest = self.tile::<D, R>(dot, groups, panel, token, shift, greatest);
                    token += R;
                } else if left >= 3 {
                    greatest = self.tile::<D, 3>(dot, groups, panel, token, shift, greatest);
                    token += 3;
                } else {
                    greatest = self.tile::<D, 1>(dot, groups, panel, token, shift, greatest);
                    token += 1;
                }
            }
            let scale = v.load_part(&self.panels.scale[lanes], 0.0);
            let tokens = LANES.min(self.tokens - first);
            sum = add_lanes(v, v.mul(greatest, scale), tokens, sum);
        }
        sum
    }

    /// The tokens of the document as groups of the panels' form.
    #[inline(always)]
    fn pack<D: Dot>(self, groups: &mut Vec<u32>) {
        let steps = self.panels.steps;
        groups.resize(self.scales.len() * steps, 0);
        let rows = groups.chunks_exact_mut(steps);
        for (row, codes) in rows.zip(self.codes.chunks_exact(self.width)) {
            if D::SHIFTED {
                debug_assert_eq!(self.panels.form, Form::Bytes);
                let (whole, rest) = codes.as_chunks::<4>();
                for (group, codes) in row.iter_mut().zip(whole) {
                    *group = u32::from_le_bytes(codes.map(|code| code as u8 ^ 0x80));
                }
                // Beyond the width, the bytes of the panels are 0, and these may be anything.
                if !rest.is_empty() {
                    let mut bytes = [0; 4];
                    for (byte, code) in bytes.iter_mut().zip(rest) {
                        *byte = *code as u8 ^ 0x80;
                    }
                    row[whole.len()] = u32::from_le_bytes(bytes);
                }
            } else {
                debug_assert_eq!(self.panels.form, Form::Words);
                let words = words_mut(row);
                for (word, code) in words.iter_mut().zip(codes) {
                    *word = i16::from(*code);
                }
                words[self.width..].fill(0);
            }
        }
    }

    /// The greater of `greatest` and the products with `R` tokens of the document, without the
    /// scale of the query's tokens.
    #[inline(always)]
    fn tile<D: Dot, const R: usize>(
        self,
        dot: D,
        groups: &[u32],
        panel: &[PanelRow],
        token: usize,
        shift: <D::Floats as Float>::I,
        greatest: <D::Floats as Float>::F,
    ) -> <D::Floats as Float>::F {
        let v = dot.floats();
        // Beyond the width there are only zeros.
        let steps = self.width.div_ceil(self.panels.form.per_group());
        let panel = &panel[..steps];
        let mut rows: [&[u32]; R] = [&[]; R];
        for (row, groups_of) in rows.iter_mut().enumerate() {
            *groups_of = &groups[(token + row) * self.panels.steps..][..steps];
        }
        let mut sums = [v.splat_int(0); R];
        for step in 0..steps {
            let columns = dot.load(&panel[step]);
            for row in 0..R {
                sums[row] = dot.add(sums[row], rows[row][step], columns);
            }
        }
        let mut greatest = greatest;
        for (row, sum) in sums.into_iter().enumerate() {
            let sum = if D::SHIFTED {
                v.sub_int(sum, shift)
            } else {
                sum
            };
            let product = v.mul(v.to_float(sum), v.splat(self.scales[token + row]));
            greatest = v.max(product, greatest);
        }
        greatest
    }
}

#[derive(Clone, Copy)]
struct Floats<'a> {
    query: &'a [[f32; LANES]],
    /// Of the query.
    tokens: usize,
    values: &'a [f32],
    width: usize,
}

impl OnFloats for Floats<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<V: Float, const R: usize>(self, v: V) -> f32 {
        let mut sum = 0.0;
        for first in (0..self.tokens).step_by(LANES) {
            let panel = &self.query[first / LANES * self.width..][..self.width];
            let mut greatest = v.splat(f32::NEG_INFINITY);
            let mut rest = self.values;
            while !rest.is_empty() {
                let left = rest.len() / self.width;
                let tall = if left >= R {
                    greatest = self.tile::<V, R>(v, rest, panel, greatest);
                    R
                } else if left >= 3 {
                    greatest = self.tile::<V, 3>(v, rest, panel, greatest);
                    3
                } else {
                    greatest = self.tile::<V, 1>(v, rest, panel, greatest);
                    1
                };
                rest = &rest[tall * self.width..];
            }
            let tokens = LANES.min(self.tokens - first);
            sum = add_lanes(v, greatest, tokens, sum);
        }
        sum
    }
}

impl Floats<'_> {
    /// The greater of `greatest` and the products with the first `R` tokens of `values`.
    #[inline(always)]
    fn tile<V: Float, const R: usize>(
        self,
        v: V,
        values: &[f32],
        panel: &[[f32; LANES]],
        greatest: V::F,
    ) -> V::F {
        let sums: [V::F; R] = self.sums(v, values, panel);
        sums.into_iter()
            .fold(greatest, |greatest, sum| v.max(sum, greatest))
    }

    /// The products with the first `R` tokens of `values`.
    #[inline(always)]
    fn sums<V: Float, const R: usize>(
        self,
        v: V,
        values: &[f32],
        panel: &[[f32; LANES]],
    ) -> [V::F; R] {
        let mut rows: [&[f32]; R] = [&[]; R];
        for (row, values_of) in rows.iter_mut().enumerate() {
            *values_of = &values[row * self.width..][..panel.len()];
        }
        let mut sums = [v.splat(0.0); R];
        for step in 0..panel.len() {
            let columns = v.load(&panel[step]);
            for row in 0..R {
                sums[row] = v.fma(v.splat(rows[row][step]), columns, sums[row]);
            }
        }
        sums
    }
}
