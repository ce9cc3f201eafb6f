//! Which token of a document is nearest to each token of a query.

use super::{Floats, LANES, OnFloats, Query};
use crate::simd::Float;

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
        let task = self.floats(values);
        if values.is_empty() {
            return Vec::new();
        }
        Nearby(task).on(self.isa)
    }
}

struct Nearby<'a>(Floats<'a>);

impl OnFloats for Nearby<'_> {
    type Output = Vec<Nearest>;

    /// Of each tile only the greatest product is kept; which token it belongs to is looked up in the
    /// best tile afterwards.
    #[inline(always)]
    fn run<V: Float, const R: usize>(self, v: V) -> Vec<Nearest> {
        let task = self.0;
        let lowest = v.splat(f32::NEG_INFINITY);
        let mut found = Vec::with_capacity(task.tokens);
        let n = task.values.len() / task.width;
        for first in (0..task.tokens).step_by(LANES) {
            let panel = &task.query[first / LANES * task.width..][..task.width];
            let mut best = [f32::NEG_INFINITY; LANES];
            let mut tile_of = [0u32; LANES];
            let mut token = 0;
            while token < n {
                let rest = &task.values[token * task.width..];
                let (greatest, tall) = if n - token >= R {
                    (task.tile::<V, R>(v, rest, panel, lowest), R)
                } else {
                    (task.tile::<V, 1>(v, rest, panel, lowest), 1)
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
            for lane in 0..LANES.min(task.tokens - first) {
                let start = tile_of[lane] as usize;
                let end = n.min(start + R);
                // Every product is finite, or none is; then the first will do.
                let token = (start..end)
                    .find(|&token| task.product(token, panel, lane) == best[lane])
                    .unwrap_or(start);
                found.push(Nearest {
                    token: token as u32,
                    product: best[lane],
                });
            }
        }
        found
    }
}

impl Floats<'_> {
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
