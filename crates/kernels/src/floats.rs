//! f32 operations of training: products of matrices, and the rows between them with their
//! derivatives.
//!
//! Every function is compiled for AVX-512, AVX2 and the plain instruction set from one body,
//! and the fastest is chosen when it is called. Operations and their order are the same in
//! all of them, multiply-adds included; only [`Products`] may differ between processors,
//! since it takes its tiles from the `gemm` crate, or for bf16 from `tiles`. On one machine all results are reproducible bit for bit.

use crate::math::ERF;

mod products;
#[cfg(target_arch = "x86_64")]
mod tiles;

pub use products::{Into, Matrix, Precision, Products};

/// Compiles a function for each instruction set, and calls the best.
macro_rules! for_each_isa {
    ($(#[$meta:meta])* pub fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        pub fn $name($($arg: $type),*) {
            #[inline(always)]
            fn body($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,fma")]
                fn avx512($($arg: $type),*) {
                    body($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) {
                    body($($arg),*);
                }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has the instructions.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has the instructions.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*);
        }
    };
}

/// Number of partial sums, which the compiler keeps in one or two registers.
const LANES: usize = 16;

/// The sum of the products of two slices of equal length, in a fixed order.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (blocks_a, rest_a) = a.as_chunks::<LANES>();
    let (blocks_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        for lane in 0..LANES {
            sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The sum of a slice, in a fixed order.
#[inline(always)]
fn sum(a: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (blocks, rest) = a.as_chunks::<LANES>();
    for a in blocks {
        for lane in 0..LANES {
            sums[lane] += a[lane];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let t = x * x;
    let [p, q] = ERF;
    x * horner(t, p) / horner(t, q)
}

/// 2^x for x from -125 to 125, to about 2e-7; less than that is 2^-125. NaN stays NaN.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    let x = if x < -125.0 { -125.0 } else { x };
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x + ROUND;
    let rest = x - (shifted - ROUND);
    let series = [
        1.0,
        std::f32::consts::LN_2,
        0.240_226_5,
        0.055_504_11,
        0.009_618_129,
        0.001_333_355_8,
        0.000_154_035_3,
    ];
    let exponent = shifted.to_bits().wrapping_shl(23);
    f32::from_bits(horner(rest, series).to_bits().wrapping_add(exponent))
}

#[inline(always)]
fn exp(x: f32) -> f32 {
    exp2(x * std::f32::consts::LOG2_E)
}

#[inline(always)]
fn horner<const N: usize>(t: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    for index in (0..N - 1).rev() {
        sum = sum.mul_add(t, coefficients[index]);
    }
    sum
}

for_each_isa! {
    /// Adds `bias` to each row of `x`.
    pub fn add_bias(x: &mut [f32], bias: &[f32]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for (x, bias) in row.iter_mut().zip(bias) {
                *x += bias;
            }
        }
    }
}

for_each_isa! {
    /// Adds the rows of `x` to `sums`: the gradient of a bias.
    pub fn add_rows(sums: &mut [f32], x: &[f32]) {
        for row in x.chunks_exact(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

for_each_isa! {
    /// Adds `other` to `x`.
    pub fn add(x: &mut [f32], other: &[f32]) {
        for (x, other) in x.iter_mut().zip(other) {
            *x += other;
        }
    }
}

for_each_isa! {
    /// x/2 (1 + erf(x / sqrt 2)) of each value of `x`, into `out`.
    pub fn gelu(out: &mut [f32], x: &[f32]) {
        for (out, &x) in out.iter_mut().zip(x) {
            let half = 0.5 * x;
            *out = half.mul_add(erf(x * std::f32::consts::FRAC_1_SQRT_2), half);
        }
    }
}

for_each_isa! {
    /// Multiplies `gradient` by the derivative of [`gelu`] at `x`.
    pub fn gelu_backward(gradient: &mut [f32], x: &[f32]) {
        const DENSITY: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
        for (gradient, &x) in gradient.iter_mut().zip(x) {
            let share = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
            *gradient *= (x * DENSITY).mul_add(exp(-0.5 * x * x), share);
        }
    }
}

for_each_isa! {
    /// GELU with its tanh approximation, of each value of `x`, into `out`.
    pub fn gelu_tanh(out: &mut [f32], x: &[f32]) {
        for (out, &x) in out.iter_mut().zip(x) {
            let inner = 0.797_884_6 * (0.044_715 * x * x).mul_add(x, x);
            *out = x / (1.0 + exp((-2.0 * inner).min(80.0)));
        }
    }
}

for_each_isa! {
    /// Multiplies `gradient` by the derivative of [`gelu_tanh`] at `x`.
    pub fn gelu_tanh_backward(gradient: &mut [f32], x: &[f32]) {
        for (gradient, &x) in gradient.iter_mut().zip(x) {
            let inner = 0.797_884_6 * (0.044_715 * x * x).mul_add(x, x);
            let share = 1.0 / (1.0 + exp((-2.0 * inner).min(80.0)));
            let slope = 0.797_884_6 * (3.0 * 0.044_715 * x).mul_add(x, 1.0);
            *gradient *= (2.0 * x * share * (1.0 - share)).mul_add(slope, share);
        }
    }
}

for_each_isa! {
    /// Softmax of each row of `columns` values, in place.
    pub fn softmax(x: &mut [f32], columns: usize) {
        for row in x.chunks_exact_mut(columns) {
            let mut largest = [f32::NEG_INFINITY; LANES];
            let (blocks, rest) = row.as_chunks::<LANES>();
            for block in blocks {
                for lane in 0..LANES {
                    largest[lane] = if block[lane] > largest[lane] { block[lane] } else { largest[lane] };
                }
            }
            let largest = largest.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            for x in row.iter_mut() {
                *x = exp(*x - largest);
            }
            let scale = 1.0 / sum(row);
            for x in row.iter_mut() {
                *x *= scale;
            }
        }
    }
}

for_each_isa! {
    /// Turns the gradient of each row of [`softmax`]'s result, `y`, into that of its input,
    /// times `scale`, in place.
    pub fn softmax_backward(gradient: &mut [f32], y: &[f32], columns: usize, scale: f32) {
        for (gradient, y) in gradient.chunks_exact_mut(columns).zip(y.chunks_exact(columns)) {
            let mean = dot(gradient, y);
            for (gradient, y) in gradient.iter_mut().zip(y) {
                *gradient = scale * y * (*gradient - mean);
            }
        }
    }
}

/// The parameters of a layer norm.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// The scale of each column.
    pub weight: &'a [f32],
    /// What is added to each column.
    pub bias: &'a [f32],
    /// What is added to the variance.
    pub eps: f32,
}

for_each_isa! {
    /// Layer norm of each row of `x`, into `out`. `x` becomes the normalized rows before scale
    /// and shift, and `inverse` gets the factor of each row, for [`norm_backward`].
    pub fn norm(out: &mut [f32], x: &mut [f32], inverse: &mut [f32], norm: Norm<'_>) {
        let width = norm.weight.len();
        let rows = out.chunks_exact_mut(width).zip(x.chunks_exact_mut(width));
        for ((out, x), inverse) in rows.zip(inverse) {
            let mean = sum(x) / width as f32;
            for x in x.iter_mut() {
                *x -= mean;
            }
            let variance = dot(x, x) / width as f32;
            *inverse = 1.0 / (variance + norm.eps).sqrt();
            for (out, (x, (weight, bias))) in
                out.iter_mut().zip(x.iter_mut().zip(norm.weight.iter().zip(norm.bias)))
            {
                *x *= *inverse;
                *out = x.mul_add(*weight, *bias);
            }
        }
    }
}

for_each_isa! {
    /// Turns the gradient of [`norm`]'s result into that of its input, in place, and adds to
    /// the gradients of its parameters.
    pub fn norm_backward(
        gradient: &mut [f32],
        normalized: &[f32],
        inverse: &[f32],
        weight: &[f32],
        weight_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) {
        let width = weight.len();
        let rows = gradient.chunks_exact_mut(width).zip(normalized.chunks_exact(width));
        for ((gradient, x), inverse) in rows.zip(inverse) {
            for index in 0..width {
                weight_gradient[index] = gradient[index].mul_add(x[index], weight_gradient[index]);
                bias_gradient[index] += gradient[index];
                gradient[index] *= weight[index];
            }
            let mean = sum(gradient) / width as f32;
            let share = dot(gradient, x) / width as f32;
            for (gradient, x) in gradient.iter_mut().zip(x) {
                *gradient = inverse * (*gradient - mean - x * share);
            }
        }
    }
}

/// How AdamW changes parameters (Loshchilov and Hutter 2019,
/// <https://arxiv.org/abs/1711.05101>).
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Share of the old mean of gradients that remains.
    pub beta1: f32,
    /// Share of the old mean of squares that remains.
    pub beta2: f32,
    /// Added to the root of the mean of squares.
    pub eps: f32,
    /// The learning rate, with the correction of the first mean's bias.
    pub rate: f32,
    /// The factor that corrects the second mean's bias.
    pub correction: f32,
    /// What remains of each parameter: 1 - learning rate * weight decay.
    pub keep: f32,
    /// What each gradient is multiplied by first.
    pub scale: f32,
}

for_each_isa! {
    /// Changes `parameters` by their gradients; `mean` and `square` are the moving means.
    pub fn adam(
        parameters: &mut [f32],
        gradients: &[f32],
        mean: &mut [f32],
        square: &mut [f32],
        step: AdamStep,
    ) {
        let moments = mean.iter_mut().zip(square.iter_mut());
        for ((parameter, gradient), (mean, square)) in
            parameters.iter_mut().zip(gradients).zip(moments)
        {
            let gradient = gradient * step.scale;
            *mean = step.beta1 * *mean + (1.0 - step.beta1) * gradient;
            *square = step.beta2 * *square + (1.0 - step.beta2) * gradient * gradient;
            let root = (*square * step.correction).sqrt() + step.eps;
            *parameter = *parameter * step.keep - step.rate * *mean / root;
        }
    }
}

#[cfg(test)]
mod tests;
