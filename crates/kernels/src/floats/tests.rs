//! Each operation against its definition in f64, and each derivative against differences.

use super::products::to_bf16;
use super::*;

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn close(found: f32, expected: f64, tolerance: f64) {
    assert!(
        (f64::from(found) - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{found} {expected}"
    );
}

/// The gradient of `sum(weights * f(x))` by central differences in f64.
fn differences(x: &[f32], weights: &[f32], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let total = |x: &[f64]| -> f64 {
        f(x).iter()
            .zip(weights)
            .map(|(y, &w)| y * f64::from(w))
            .sum()
    };
    let step = 1e-5;
    let slope = |index: usize| {
        let (mut above, mut below) = (wide.clone(), wide.clone());
        above[index] += step;
        below[index] -= step;
        (total(&above) - total(&below)) / (2.0 * step)
    };
    (0..x.len()).map(slope).collect()
}

fn erf64(x: f64) -> f64 {
    // Series of erf, which converges quickly for |x| < 3.
    let (mut sum, mut term) = (x, x);
    for n in 1..60 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn gelu64(x: f64) -> f64 {
    0.5 * x * (1.0 + erf64(x / 2f64.sqrt()))
}

fn gelu_tanh64(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

fn softmax64(x: &[f64]) -> Vec<f64> {
    let total: f64 = x.iter().map(|x| x.exp()).sum();
    x.iter().map(|x| x.exp() / total).collect()
}

fn norm64(x: &[f64], weight: &[f32], bias: &[f32], eps: f64) -> Vec<f64> {
    let width = x.len() as f64;
    let mean = x.iter().sum::<f64>() / width;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width;
    let scaled = |((x, &w), &b): ((&f64, &f32), &f32)| {
        (x - mean) / (variance + eps).sqrt() * f64::from(w) + f64::from(b)
    };
    x.iter().zip(weight).zip(bias).map(scaled).collect()
}

#[test]
fn a_product_is_that_of_its_definition_in_every_layout() {
    let (rows, columns, inner) = (5, 7, 19);
    let (a, b) = (numbers(rows * inner, 1), numbers(columns * inner, 2));
    let expected = |row: usize, column: usize| -> f64 {
        let product = |k: usize| f64::from(a[row * inner + k]) * f64::from(b[column * inner + k]);
        (0..inner).map(product).sum()
    };
    let left = Matrix::new(&a, rows, inner);
    let right = Matrix::new(&b, columns, inner).transposed();
    let mut out = vec![1.0; rows * 10];
    Products::default().multiply(&mut out, 10, left, right, 2.0, Into::Add);
    for row in 0..rows {
        for column in 0..columns {
            close(
                out[row * 10 + column],
                1.0 + 2.0 * expected(row, column),
                1e-6,
            );
        }
        assert_eq!(out[row * 10 + columns..][..3], [1.0; 3]);
    }
    let mut turned = vec![f32::NAN; columns * rows];
    Products::default().multiply(
        &mut turned,
        rows,
        right.transposed(),
        left.transposed(),
        1.0,
        Into::Set,
    );
    close(turned[3 * rows + 4], expected(4, 3), 1e-6);
}

#[test]
#[should_panic(expected = "needs more than")]
fn a_matrix_outside_its_slice_is_refused() {
    Matrix::strided(&[0.0; 10], 2, 5, 6);
}

#[test]
fn activations_and_their_derivatives() {
    let x: Vec<f32> = numbers(40, 3).iter().map(|x| x * 3.0).collect();
    let ones = vec![1.0; 40];
    type Forward = fn(&mut [f32], &[f32]);
    type Definition = fn(f64) -> f64;
    let cases: [(Forward, Forward, Definition); 2] = [
        (gelu, gelu_backward, gelu64),
        (gelu_tanh, gelu_tanh_backward, gelu_tanh64),
    ];
    for (forward, backward, exact) in cases {
        let mut out = vec![0.0; 40];
        forward(&mut out, &x);
        let mut gradient = ones.clone();
        backward(&mut gradient, &x);
        let all = |x: &[f64]| x.iter().map(|&x| exact(x)).collect();
        for (index, slope) in differences(&x, &ones, all).into_iter().enumerate() {
            close(out[index], exact(f64::from(x[index])), 2e-6);
            close(gradient[index], slope, 3e-6);
        }
    }
}

#[test]
fn softmax_and_its_derivative() {
    let (x, weights) = (numbers(37, 4), numbers(37, 5));
    let mut y = x.clone();
    softmax(&mut y, 37);
    let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    for (found, expected) in y.iter().zip(softmax64(&wide)) {
        close(*found, expected, 1e-6);
    }
    let mut gradient = weights.clone();
    softmax_backward(&mut gradient, &y, 37, 1.0);
    for (found, expected) in gradient.iter().zip(differences(&x, &weights, softmax64)) {
        close(*found, expected, 1e-6);
    }
}

#[test]
fn layer_norm_and_its_derivatives() {
    let (x, weight, bias) = (numbers(37, 6), numbers(37, 7), numbers(37, 8));
    let weights = numbers(37, 9);
    let (mut out, mut normalized, mut inverse) = (vec![0.0; 37], x.clone(), [0.0]);
    let parameters = Norm {
        weight: &weight,
        bias: &bias,
        eps: 1e-5,
    };
    norm(&mut out, &mut normalized, &mut inverse, parameters);
    let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    for (found, expected) in out.iter().zip(norm64(&wide, &weight, &bias, 1e-5)) {
        close(*found, expected, 2e-6);
    }
    let (mut gradient, mut by_weight, mut by_bias) =
        (weights.clone(), vec![0.0; 37], vec![0.0; 37]);
    norm_backward(
        &mut gradient,
        &normalized,
        &inverse,
        &weight,
        &mut by_weight,
        &mut by_bias,
    );
    let of_x = differences(&x, &weights, |x| norm64(x, &weight, &bias, 1e-5));
    for (found, expected) in gradient.iter().zip(of_x) {
        close(*found, expected, 5e-6);
    }
    for index in 0..37 {
        let plain = f64::from(normalized[index]);
        close(by_weight[index], plain * f64::from(weights[index]), 1e-6);
        close(by_bias[index], f64::from(weights[index]), 0.0);
    }
}

#[test]
fn the_first_step_of_adam_is_the_learning_rate() {
    let (mut parameters, mut mean, mut square) = ([1.0, 1.0], [0.0; 2], [0.0; 2]);
    let (beta1, beta2) = (0.9f32, 0.999f32);
    let step = AdamStep {
        beta1,
        beta2,
        eps: 1e-8,
        rate: 0.01 / (1.0 - beta1),
        correction: 1.0 / (1.0 - beta2),
        keep: 1.0,
        scale: 1.0,
    };
    adam(&mut parameters, &[3.0, -0.5], &mut mean, &mut square, step);
    close(parameters[0], 0.99, 1e-5);
    close(parameters[1], 1.01, 1e-5);
}

#[test]
fn rows_are_added_up_and_to_one_another() {
    let (mut x, bias) = (numbers(3 * 21, 31), numbers(21, 32));
    let before = x.clone();
    add_bias(&mut x, &bias);
    let mut sums = numbers(21, 33);
    let first = sums.clone();
    add_rows(&mut sums, &before);
    for column in 0..21 {
        let mut expected = f64::from(first[column]);
        for row in 0..3 {
            let at = row * 21 + column;
            assert_eq!(x[at], before[at] + bias[column]);
            expected += f64::from(before[at]);
        }
        close(sums[column], expected, 1e-6);
    }
    let mut y = before.clone();
    add(&mut y, &x);
    assert!((0..y.len()).all(|at| y[at] == before[at] + x[at]));
}

/// AdamW by its definition (Loshchilov and Hutter 2019, algorithm 2).
#[test]
fn steps_of_adam_are_those_of_the_definition() {
    let (beta1, beta2, rate, decay, scale) = (0.9f64, 0.999f64, 1e-2, 0.1, 0.5);
    let mut values = numbers(37, 41);
    let (mut mean, mut square) = (vec![0.0; 37], vec![0.0; 37]);
    let mut expected: Vec<[f64; 3]> = values.iter().map(|&x| [f64::from(x), 0.0, 0.0]).collect();
    for step in 1..=5 {
        let gradients = numbers(37, 50 + step as u32);
        let adam = AdamStep {
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            eps: 1e-8,
            rate: (rate / (1.0 - beta1.powi(step))) as f32,
            correction: (1.0 / (1.0 - beta2.powi(step))) as f32,
            keep: (1.0 - rate * decay) as f32,
            scale: scale as f32,
        };
        super::adam(&mut values, &gradients, &mut mean, &mut square, adam);
        for ([value, mean, square], gradient) in expected.iter_mut().zip(&gradients) {
            let gradient = scale * f64::from(*gradient);
            *mean = beta1 * *mean + (1.0 - beta1) * gradient;
            *square = beta2 * *square + (1.0 - beta2) * gradient * gradient;
            let mean = *mean / (1.0 - beta1.powi(step));
            let square = *square / (1.0 - beta2.powi(step));
            *value -= rate * (mean / (square.sqrt() + 1e-8) + decay * *value);
        }
    }
    for (found, [expected, ..]) in values.iter().zip(&expected) {
        close(*found, *expected, 1e-5);
    }
}

/// The size of every operand, and of what lies between its rows.
fn shapes() -> impl proptest::strategy::Strategy<Value = (usize, usize, usize, usize)> {
    (1..120usize, 1..120usize, 1..400usize, 0..3usize)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    #[test]
    fn products_of_any_shape_are_those_of_their_definition(
        (rows, columns, inner, gap) in shapes(),
        turned in proptest::array::uniform2(proptest::bool::ANY),
        half in proptest::bool::ANY,
        add in proptest::bool::ANY,
        seed in 0..1000u32,
    ) {
        let [left_turned, right_turned] = turned;
        let numbers = |count, seed| -> Vec<f32> {
            let round = |x| if half { to_bf16(x) } else { x };
            numbers(count, seed).into_iter().map(round).collect()
        };
        // In memory, rows of the operand or of its transpose.
        let stored = |turned: bool, rows: usize, columns: usize| {
            if turned { (columns, rows) } else { (rows, columns) }
        };
        let (tall, wide) = stored(left_turned, rows, inner);
        let a = numbers(tall * (wide + gap), seed);
        let left = Matrix::strided(&a, tall, wide, wide + gap);
        let left = if left_turned { left.transposed() } else { left };
        let (tall, wide) = stored(right_turned, inner, columns);
        let b = numbers(tall * (wide + gap), seed + 1);
        let right = Matrix::strided(&b, tall, wide, wide + gap);
        let right = if right_turned { right.transposed() } else { right };

        let precision = if half { Precision::Bf16 } else { Precision::F32 };
        let into = if add { Into::Add } else { Into::Set };
        let before = numbers(rows * (columns + gap), seed + 2);
        let mut out = before.clone();
        // Memory that an earlier, larger product has left behind.
        let mut products = Products::new(precision);
        let ones = vec![1.0; 130 * 130];
        let square = Matrix::new(&ones, 130, 130);
        products.multiply(&mut vec![0.0; 130 * 130], 130, square, square, 1.0, Into::Set);
        products.multiply(&mut out, columns + gap, left, right, 0.5, into);

        let at = |m: &Matrix<'_>, row: usize, column: usize| {
            f64::from(m.values[row * m.row_stride + column * m.column_stride])
        };
        for row in 0..rows {
            for column in 0..columns {
                let place = row * (columns + gap) + column;
                let (mut sum, mut size) = (0.0, 1.0);
                for k in 0..inner {
                    let term = at(&left, row, k) * at(&right, k, column);
                    sum += term;
                    size += term.abs();
                }
                let start = if add { f64::from(before[place]) } else { 0.0 };
                let expected = start + 0.5 * sum;
                let found = f64::from(out[place]);
                proptest::prop_assert!((found - expected).abs() < 1e-6 * size, "{found} {expected}");
            }
            for between in columns..columns + gap {
                let place = row * (columns + gap) + between;
                proptest::prop_assert_eq!(out[place], before[place]);
            }
        }
    }
}

#[test]
fn rounding_to_bf16_is_to_the_nearest_even() {
    let bits = |bits: u32| f32::from_bits(bits);
    for (from, to) in [
        (0x3f80_7fff, 0x3f80_0000),
        (0x3f80_8000, 0x3f80_0000),
        (0x3f80_8001, 0x3f81_0000),
        (0x3f81_8000, 0x3f82_0000),
        (0x7f7f_ffff, 0x7f80_0000),
        (0x8000_0001, 0x8000_0000),
        (0xff80_0000, 0xff80_0000),
    ] {
        assert_eq!(to_bf16(bits(from)).to_bits(), to, "{from:x}");
        let (one, x) = ([1.0, 0.0], [bits(from), 0.0]);
        let mut out = [0.0];
        let (x, one) = (Matrix::new(&x, 1, 2), Matrix::new(&one, 2, 1));
        Products::new(Precision::Bf16).multiply(&mut out, 1, x, one, 1.0, Into::Set);
        assert_eq!(out[0].abs().to_bits(), to & 0x7fff_ffff, "{from:x}");
    }
    let (one, x) = ([1.0, 1.0], [f32::NAN, 1.0]);
    let mut out = [0.0];
    let (x, one) = (Matrix::new(&x, 1, 2), Matrix::new(&one, 2, 1));
    Products::new(Precision::Bf16).multiply(&mut out, 1, x, one, 1.0, Into::Set);
    assert!(out[0].is_nan());
}

#[test]
fn a_product_over_nothing_is_zero() {
    let mut out = [1.0; 6];
    let left = Matrix::new(&[], 2, 0);
    let right = Matrix::new(&[], 0, 2);
    Products::default().multiply(&mut out, 3, left, right, 1.0, Into::Add);
    assert_eq!(out, [1.0; 6]);
    Products::default().multiply(&mut out, 3, left, right, 1.0, Into::Set);
    assert_eq!(out, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
}
