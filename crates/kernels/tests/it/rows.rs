//! The operations on rows between products.

use proptest::prelude::*;
use treffer_kernels::{Isa, LayerNorm, layer_norm};

use crate::{all, assert_same, numbers};

struct Case {
    x: Vec<f32>,
    residual: Vec<f32>,
    norm: LayerNorm,
}

impl Case {
    fn new(rows: usize, width: usize, seed: u64) -> Self {
        Case {
            x: numbers(rows * width, seed),
            residual: numbers(rows * width, seed + 1),
            norm: LayerNorm {
                weight: numbers(width, seed + 2),
                bias: numbers(width, seed + 3),
                eps: 1e-5,
            },
        }
    }

    fn run(&self, isa: Isa) -> Vec<f32> {
        let mut x = self.x.clone();
        layer_norm(isa, &mut x, Some(&self.residual), &self.norm);
        x
    }
}

proptest! {
    #[test]
    fn a_layer_norm_agrees_with_f64_on_every_instruction_set(
        (rows, width) in (1usize..5, 2usize..100),
        seed in 0u64..1 << 40,
    ) {
        let case = Case::new(rows, width, seed);
        let found = case.run(Isa::SCALAR);
        for isa in all() {
            assert_same(&case.run(isa), &found, isa);
        }
        for row in 0..rows {
            let sums: Vec<f64> = (row * width..(row + 1) * width)
                .map(|at| f64::from(case.x[at]) + f64::from(case.residual[at]))
                .collect();
            let mean = sums.iter().sum::<f64>() / width as f64;
            let variance = sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            for (column, sum) in sums.iter().enumerate() {
                let share = (sum - mean) / (variance + 1e-5).sqrt();
                let expected = share * f64::from(case.norm.weight[column])
                    + f64::from(case.norm.bias[column]);
                let found = f64::from(found[row * width + column]);
                prop_assert!((found - expected).abs() < 1e-3, "{found} {expected}");
            }
        }
    }
}

#[test]
fn without_a_residual_nothing_is_added() {
    let mut case = Case::new(3, 50, 8);
    case.residual.fill(0.0);
    for isa in all() {
        let mut x = case.x.clone();
        layer_norm(isa, &mut x, None, &case.norm);
        for (found, expected) in x.iter().zip(case.run(isa)) {
            // The values are summed in another order.
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }
}
