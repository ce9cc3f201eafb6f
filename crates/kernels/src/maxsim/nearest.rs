//! Which token of a document is nearest to each token of a query.

use super::{LANES, Packed, Query, count};
use crate::isa::Level;
use crate::simd::{Float, scalar};

/// The token of a document whose product with a token of a query is greatest, the first of equal
/// ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Its number in the document, from 0.
    pub token: u32,
    /// The product.
    pub product: f32,
}

impl Query {
    /// For each token of the query the nearest of a document whose tokens are `values`: the terms of
    /// [`Query::of_floats`]. Nothing without tokens of the document.
    ///
    /// # Panics
    /// As [`Query::of_floats`].
    pub fn nearest(&self, values: &[f32]) -> Vec<Nearest> {
        let Packed::Floats(query) = &self.packed else {
            panic!("the query was packed for bytes");
        };
        if count(values, self.width) == 0 {
            return Vec::new();
        }
        let task = Task {
            query,
            tokens: self.tokens,
            values,
            width: self.width,
        };
        match self.isa.level() {
            Level::Scalar => task.run::<_, 4>(scalar::Floats),
            // SAFETY: an `Isa` of this level proves that the processor has its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => unsafe { x86::avx512(task) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("other levels than scalar exist on x86-64 only"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Nearest, Task};
    use crate::simd::{avx2, avx512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(task: Task<'_>) -> Vec<Nearest> {
        // SAFETY: this function enables the features that the vectors need.
        task.run::<_, 6>(unsafe { avx2::Floats::new() })
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn avx512(task: Task<'_>) -> Vec<Nearest> {
        // SAFETY: as above.
        task.run::<_, 12>(unsafe { avx512::Floats::new() })
    }
}

#[derive(Clone, Copy)]
struct Task<'a> {
    query: &'a [[f32; LANES]],
    /// Of the query.
    tokens: usize,
    values: &'a [f32],
    width: usize,
}

impl Task<'_> {
    /// In tiles of `R` tokens of the document, of which only the greatest product is kept; which
    /// token it belongs to is looked up in the best tile afterwards.
    #[inline(always)]
    fn run<V: Float, const R: usize>(self, v: V) -> Vec<Nearest> {
        let mut found = Vec::with_capacity(self.tokens);
        let n = self.values.len() / self.width;
        for first in (0..self.tokens).step_by(LANES) {
            let panel = &self.query[first / LANES * self.width..][..self.width];
            let mut best = [f32::NEG_INFINITY; LANES];
            let mut tile_of = [0u32; LANES];
            let mut token = 0;
            while token < n {
                let (greatest, tall) = if n - token >= R {
                    (self.greatest::<V, R>(v, token, panel), R)
                } else {
                    (self.greatest::<V, 1>(v, token, panel), 1)
                };
                let mut lanes = [0.0; LANES];
                v.store(greatest, &mut lanes);
                for lane in 0..LANES {
                    if lanes[lane] > best[lane] {
                        best[lane] = lanes[lane];
                        tile_of[lane] = token as u32;
                    }
                }
                token += tall;
            }
            for lane in 0..LANES.min(self.tokens - first) {
                let start = tile_of[lane] as usize;
                let end = n.min(start + R);
                // Every product is finite, or none is; then the first will do.
                let token = (start..end)
                    .find(|&token| self.product(token, panel, lane) == best[lane])
                    .unwrap_or(start);
                found.push(Nearest {
                    token: token as u32,
                    product: best[lane],
                });
            }
        }
        found
    }

    /// The greatest product of each token of the query with `R` tokens of the document.
    #[inline(always)]
    fn greatest<V: Float, const R: usize>(
        self,
        v: V,
        token: usize,
        panel: &[[f32; LANES]],
    ) -> V::F {
        let mut rows: [&[f32]; R] = [&[]; R];
        for (row, values) in rows.iter_mut().enumerate() {
            *values = &self.values[(token + row) * self.width..][..panel.len()];
        }
        let mut sums = [v.splat(0.0); R];
        for step in 0..panel.len() {
            let columns = v.load(&panel[step]);
            for row in 0..R {
                sums[row] = v.fma(v.splat(rows[row][step]), columns, sums[row]);
            }
        }
        let lowest = v.splat(f32::NEG_INFINITY);
        sums.into_iter()
            .fold(lowest, |greatest, sum| v.max(sum, greatest))
    }

    /// The product with one token of the query, with the same roundings.
    #[inline(always)]
    fn product(self, token: usize, panel: &[[f32; LANES]], lane: usize) -> f32 {
        let row = &self.values[token * self.width..][..self.width];
        let pairs = row.iter().zip(panel);
        pairs.fold(0.0f32, |sum, (value, columns)| {
            value.mul_add(columns[lane], sum)
        })
    }
}
