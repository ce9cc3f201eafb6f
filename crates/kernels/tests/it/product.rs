//! Quantized products.

use proptest::prelude::*;
use treffer_kernels::operand::Form;
use treffer_kernels::{Activation, Isa, Panels, Rows, Store, product, quantize};

use crate::{all, assert_same, numbers};

struct Case {
    rows: usize,
    depth: usize,
    columns: usize,
    x: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new(rows: usize, depth: usize, columns: usize, seed: u64) -> Self {
        Case {
            rows,
            depth,
            columns,
            x: numbers(rows * depth, seed),
            weights: numbers(columns * depth, seed + 1),
            bias: numbers(columns, seed + 2),
        }
    }

    fn run(&self, isa: Isa, store: Store<'_>, out: &mut [f32], stride: usize) {
        let panels = Panels::from_weights(
            isa,
            &self.weights,
            self.depth,
            0..self.columns,
            0..self.depth,
        );
        let mut rows = Rows::new(Form::for_linear(isa));
        let mut x = self.x.clone();
        quantize(isa, &mut x, self.depth, Activation::Identity, &mut rows);
        product(isa, &rows, &panels, Some(&panels), out, stride, store);
    }

    fn biased(&self, isa: Isa) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.rows * self.columns];
        self.run(isa, Store::WithBias(&self.bias), &mut out, self.columns);
        out
    }

    /// The exact product, and a bound of the rounding error: half a quantization step of one
    /// operand times the sum of the other, and vice versa.
    fn exact(&self, row: usize, column: usize) -> (f64, f64) {
        let x = &self.x[row * self.depth..][..self.depth];
        let w = &self.weights[column * self.depth..][..self.depth];
        let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            x.iter()
                .zip(w)
                .map(|(x, w)| f(f64::from(*x), f64::from(*w)))
                .sum()
        };
        let largest = |values: &[f32]| values.iter().fold(0f64, |l, v| l.max(f64::from(v.abs())));
        let step_x = 2.0 * largest(x) / 254.0;
        let step_w = largest(w) / 127.0;
        let bound = sum(&|x, w| 0.51 * step_x * w.abs() + 0.51 * step_w * x.abs())
            + 0.26 * step_x * step_w * self.depth as f64;
        (
            sum(&|x, w| x * w) + f64::from(self.bias[column]),
            bound + 1e-4,
        )
    }
}

proptest! {
    #[test]
    fn a_product_agrees_with_f64_within_the_rounding_error(
        (rows, depth, columns) in (1usize..20, 1usize..200, 1usize..100),
        seed in 0u64..1 << 40,
    ) {
        let case = Case::new(rows, depth, columns, seed);
        let found = case.biased(Isa::SCALAR);
        for row in 0..rows {
            for column in 0..columns {
                let (expected, bound) = case.exact(row, column);
                let found = f64::from(found[row * columns + column]);
                prop_assert!((found - expected).abs() <= bound, "{found} {expected} {bound}");
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits(
        (rows, depth, columns) in (1usize..40, 1usize..420, 1usize..150),
        seed in 0u64..1 << 40,
    ) {
        let case = Case::new(rows, depth, columns, seed);
        let expected = case.biased(Isa::SCALAR);
        for isa in all() {
            assert_same(&case.biased(isa), &expected, isa);
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it(
        (rows, depth, columns) in (2usize..40, 1usize..100, 1usize..100),
        seed in 0u64..1 << 40,
    ) {
        let case = Case::new(rows, depth, columns, seed);
        for isa in all() {
            let together = case.biased(isa);
            for row in 0..rows {
                let alone = Case {
                    rows: 1,
                    x: case.x[row * depth..][..depth].to_vec(),
                    weights: case.weights.clone(),
                    bias: case.bias.clone(),
                    ..case
                };
                assert_same(&alone.biased(isa), &together[row * columns..][..columns], isa);
            }
        }
    }

    #[test]
    fn storing_by_addition_adds_to_the_output(
        (rows, columns) in (1usize..10, 1usize..40),
        seed in 0u64..1 << 40,
    ) {
        let case = Case::new(rows, 8, columns, seed);
        for isa in all() {
            let mut plain = vec![f32::NAN; rows * columns];
            case.run(isa, Store::Overwrite, &mut plain, columns);
            let mut sum = case.bias.repeat(rows);
            case.run(isa, Store::Add, &mut sum, columns);
            for ((sum, plain), bias) in sum.iter().zip(&plain).zip(case.bias.repeat(rows)) {
                prop_assert_eq!(*sum, plain + bias);
            }
        }
    }
}

#[test]
fn values_between_strided_rows_are_not_changed() {
    let case = Case::new(7, 30, 21, 5);
    for isa in all() {
        let mut out = vec![-1.0; 7 * 50];
        case.run(isa, Store::WithBias(&case.bias), &mut out, 50);
        let expected = case.biased(isa);
        for (row, out) in out.chunks(50).enumerate() {
            assert_same(&out[..21], &expected[row * 21..][..21], isa);
            assert!(out[21..].iter().all(|x| *x == -1.0));
        }
    }
}

#[test]
fn the_extremes_of_all_operands_do_not_overflow() {
    // 254 times 127, summed over the maximal depth.
    let depth = 1 << 16;
    let (x, weights) = (vec![3.0; depth], vec![2.0; depth]);
    for isa in all() {
        let panels = Panels::from_weights(isa, &weights, depth, 0..1, 0..depth);
        let mut rows = Rows::new(Form::for_linear(isa));
        quantize(isa, &mut x.clone(), depth, Activation::Identity, &mut rows);
        let mut out = [0.0];
        product(isa, &rows, &panels, None, &mut out, 1, Store::Overwrite);
        let expected = 6.0 * depth as f32;
        assert!((out[0] - expected).abs() < 1e-5 * expected, "{}", out[0]);
    }
}

#[test]
fn values_that_are_not_finite_propagate_within_their_row_only() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut case = Case::new(3, 40, 20, 9);
        case.x[40 + 17] = bad;
        for isa in all() {
            let out = case.biased(isa);
            assert!(out[20..40].iter().all(|x| !x.is_finite()), "{bad} {out:?}");
            assert!(out[..20].iter().chain(&out[40..]).all(|x| x.is_finite()));
        }
    }
}

#[test]
fn a_row_of_zeros_gives_the_bias() {
    let mut case = Case::new(1, 40, 20, 3);
    case.x.fill(0.0);
    for isa in all() {
        assert_same(&case.biased(isa), &case.bias, isa);
    }
}
