//! Attention of one head.

use proptest::prelude::*;
use treffer_kernels::attention::{MAX_HEAD_WIDTH, Scratch};
use treffer_kernels::{Isa, MatrixView, attend};

use crate::{all, assert_same, numbers};

/// Queries, keys and values of `width` columns each, adjacent in rows of `stride` values.
struct Case {
    queries: usize,
    keys: usize,
    width: usize,
    stride: usize,
    values: Vec<f32>,
}

impl Case {
    fn new(queries: usize, keys: usize, width: usize, seed: u64) -> Self {
        let stride = 3 * width + 1;
        Case {
            queries,
            keys,
            width,
            stride,
            values: numbers(stride * keys.max(queries), seed),
        }
    }

    fn view(&self, part: usize, rows: usize) -> MatrixView<'_> {
        MatrixView {
            values: &self.values[part * self.width..],
            stride: self.stride,
            rows,
        }
    }

    fn run(&self, isa: Isa, scratch: &mut Scratch) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.queries * self.width];
        attend(
            isa,
            self.view(0, self.queries),
            self.view(1, self.keys),
            self.view(2, self.keys),
            self.width,
            scratch,
            &mut out,
            self.width,
        );
        out
    }

    fn at(&self, part: usize, row: usize, column: usize) -> f64 {
        f64::from(self.values[row * self.stride + part * self.width + column])
    }

    fn exact(&self, query: usize) -> Vec<f64> {
        let scores: Vec<f64> = (0..self.keys)
            .map(|key| {
                let product = |d| self.at(0, query, d) * self.at(1, key, d);
                (0..self.width).map(product).sum::<f64>() / (self.width as f64).sqrt()
            })
            .collect();
        let largest = scores.iter().copied().fold(f64::MIN, f64::max);
        let shares: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let total: f64 = shares.iter().sum();
        (0..self.width)
            .map(|d| {
                let part = |(key, share): (usize, &f64)| share / total * self.at(2, key, d);
                shares.iter().enumerate().map(part).sum()
            })
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn attention_agrees_with_f64(
        (queries, keys, width) in (1usize..30, 1usize..70, 1usize..70),
        seed in 0u64..1 << 40,
    ) {
        let case = Case::new(queries, keys, width, seed);
        let found = case.run(Isa::SCALAR, &mut Scratch::default());
        // A step of the 8-bit values, which one far from the others makes wide.
        let value = |key, d| case.at(2, key, d).abs();
        let all = (0..keys).flat_map(|key| (0..width).map(move |d| (key, d)));
        let largest = all.map(|(key, d)| value(key, d)).fold(0.0, f64::max);
        let tolerance = (largest / 127.0).max(0.03);
        for query in 0..queries {
            for (d, expected) in case.exact(query).into_iter().enumerate() {
                let found = f64::from(found[query * width + d]);
                prop_assert!((found - expected).abs() < tolerance, "{found} {expected}");
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits(
        (queries, keys, width) in (1usize..30, 1usize..140, 1usize..=MAX_HEAD_WIDTH),
        seed in 0u64..1 << 40,
    ) {
        let case = Case::new(queries, keys, width, seed);
        let expected = case.run(Isa::SCALAR, &mut Scratch::default());
        for isa in all() {
            assert_same(&case.run(isa, &mut Scratch::default()), &expected, isa);
        }
    }
}

#[test]
fn reused_memory_does_not_change_results() {
    for isa in all() {
        let mut used = Scratch::default();
        for (queries, keys, width) in [(40, 512, 64), (1, 1, 1), (13, 33, 31), (5, 500, 32)] {
            let case = Case::new(queries, keys, width, 11);
            let fresh = case.run(isa, &mut Scratch::default());
            assert_same(&case.run(isa, &mut used), &fresh, isa);
        }
    }
}

#[test]
fn the_longest_sequences_and_widest_heads_do_not_overflow() {
    // All values are equal: every product is as large as possible, and the result is the value.
    for (keys, width) in [(512, MAX_HEAD_WIDTH), (4_000, 64)] {
        let mut case = Case::new(3, keys, width, 1);
        case.values.fill(3.0);
        for isa in all() {
            for value in case.run(isa, &mut Scratch::default()) {
                assert!((value - 3.0).abs() < 1e-3, "{value}");
            }
        }
    }
}

#[test]
fn a_nan_propagates() {
    for (part, row) in [(0, 2), (1, 7), (2, 7)] {
        let mut case = Case::new(5, 20, 32, 4);
        case.values[row * case.stride + part * 32 + 9] = f32::NAN;
        for isa in all() {
            let out = case.run(isa, &mut Scratch::default());
            assert!(out.iter().any(|x| x.is_nan()), "part {part}");
        }
    }
}
