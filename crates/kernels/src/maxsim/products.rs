//! Every product of a token of a query with a token of a document.

use super::{Floats, LANES, OnFloats, Query};
use crate::simd::Float;

impl Query {
    /// The products of each token of the query with all tokens of a document, whose `values` come
    /// one token after the other: as many as the document has tokens for the first token of the
    /// query, then for the next. The greatest of each are the terms of [`Query::of_floats`].
    ///
    /// # Panics
    /// As [`Query::of_floats`].
    pub fn products(&self, values: &[f32]) -> Vec<f32> {
        All(self.floats(values)).on(self.isa)
    }
}

struct All<'a>(Floats<'a>);

impl OnFloats for All<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<V: Float, const R: usize>(self, v: V) -> Vec<f32> {
        let task = self.0;
        let n = task.values.len() / task.width;
        let mut products = vec![0.0; task.tokens * n];
        for first in (0..task.tokens).step_by(LANES) {
            let panel = &task.query[first / LANES * task.width..][..task.width];
            let tokens = LANES.min(task.tokens - first);
            let out = &mut products[first * n..][..tokens * n];
            let mut token = 0;
            while token < n {
                let rest = &task.values[token * task.width..];
                if n - token >= R {
                    let sums: [V::F; R] = task.sums(v, rest, panel);
                    store(v, &sums, out, token, n);
                    token += R;
                } else {
                    let sums: [V::F; 1] = task.sums(v, rest, panel);
                    store(v, &sums, out, token, n);
                    token += 1;
                }
            }
        }
        products
    }
}

/// Puts the products with some tokens of a document of `n`, `token` the first of them, in their
/// places.
#[inline(always)]
fn store<V: Float>(v: V, sums: &[V::F], out: &mut [f32], token: usize, n: usize) {
    let mut lanes = [0.0; LANES];
    for (row, sum) in sums.iter().enumerate() {
        v.store(*sum, &mut lanes);
        for (of_token, lane) in out.chunks_exact_mut(n).zip(lanes) {
            of_token[token + row] = lane;
        }
    }
}
