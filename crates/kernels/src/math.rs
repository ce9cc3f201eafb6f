//! The transcendental functions of a transformer, on sixteen numbers at a time. Every
//! operation and its order is fixed, including fused multiply-adds, so results are
//! bit-identical on all instruction sets.

use crate::simd::Float;

/// x/2 (1 + erf(x / sqrt 2)), Hendrycks and Gimpel 2016,
/// <https://arxiv.org/abs/1606.08415>.
#[inline(always)]
pub(crate) fn gelu<V: Float>(v: V, x: V::F) -> V::F {
    let half = v.mul(v.splat(0.5), x);
    let share = erf(v, v.mul(x, v.splat(std::f32::consts::FRAC_1_SQRT_2)));
    v.fma(half, share, half)
}

/// GELU with its tanh approximation: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
#[inline(always)]
pub(crate) fn gelu_tanh<V: Float>(v: V, x: V::F) -> V::F {
    let cube = v.mul(v.mul(x, x), x);
    let inner = v.fma(v.splat(0.044_715), cube, x);
    // (1 + tanh(y)) / 2 = 1 / (1 + exp(-2 y))
    let power = v.mul(inner, v.splat(-2.0 * 0.797_884_6));
    let one = v.splat(1.0);
    v.div(x, v.add(one, exp(v, v.min(v.splat(80.0), power))))
}

/// Coefficients of P and Q, lowest power first, in erf(x) = x P(x^2) / Q(x^2) on -4..=4;
/// outside this range erf(x) is -1 or 1 in f32. A least-squares fit, reweighted toward the
/// largest error, which is 2e-8 in exact arithmetic and 4e-7 in f32.
#[expect(
    clippy::approx_constant,
    clippy::excessive_precision,
    reason = "coefficients as fitted; the first approximates 2 / sqrt pi"
)]
pub const ERF: [[f32; 6]; 2] = [
    [
        1.128_379,
        0.196_248_31,
        0.053_467_37,
        4.003_604_7e-3,
        2.880_382_2e-4,
        1.974_809_1e-6,
    ],
    [
        1.0,
        0.507_251_7,
        0.116_476_13,
        0.015_444_351,
        1.216_345_1e-3,
        3.748_047e-5,
    ],
];

/// The error function, by [`ERF`].
#[inline(always)]
fn erf<V: Float>(v: V, x: V::F) -> V::F {
    // With the arguments in this order NaN stays NaN.
    let x = v.min(v.splat(4.0), v.max(v.splat(-4.0), x));
    let t = v.mul(x, x);
    let [p, q] = ERF;
    v.div(v.mul(x, horner(v, t, p)), horner(v, t, q))
}

/// e^x for x from -80 to 80, to about 3e-6.
#[inline(always)]
fn exp<V: Float>(v: V, x: V::F) -> V::F {
    exp2(v, v.mul(x, v.splat(std::f32::consts::LOG2_E)))
}

/// 2^x for x up to 125, to about 2e-7; 2^-125 for x below -125.
#[inline(always)]
pub(crate) fn exp2<V: Float>(v: V, x: V::F) -> V::F {
    let x = v.max(v.splat(-125.0), x);
    let n = v.round(x);
    let r = v.sub(x, v.to_float(n));
    // Taylor's series of e^(r ln 2), short enough for |r| <= 1/2.
    let series = [
        1.0,
        std::f32::consts::LN_2,
        0.240_226_5,
        0.055_504_11,
        0.009_618_129,
        0.001_333_355_8,
        0.000_154_035_3,
    ];
    v.scale(horner(v, r, series), n)
}

#[inline(always)]
fn horner<V: Float, const N: usize>(v: V, t: V::F, coefficients: [f32; N]) -> V::F {
    let mut sum = v.splat(coefficients[N - 1]);
    for index in (0..N - 1).rev() {
        sum = v.fma(sum, t, v.splat(coefficients[index]));
    }
    sum
}

#[cfg(test)]
mod tests {
    use crate::simd::scalar::Floats;
    use proptest::prelude::*;

    fn gelu(x: f32) -> f32 {
        super::gelu(Floats, [x; 16])[0]
    }

    fn gelu_tanh(x: f32) -> f32 {
        super::gelu_tanh(Floats, [x; 16])[0]
    }

    fn exp(x: f32) -> f32 {
        super::exp(Floats, [x; 16])[0]
    }

    #[test]
    fn gelu_approaches_zero_and_the_identity() {
        assert_eq!(gelu(0.0), 0.0);
        assert_eq!(gelu(50.0), 50.0);
        assert!(gelu(-50.0).abs() < 2e-5, "{}", gelu(-50.0));
        assert!(gelu(f32::NAN).is_nan());
        assert_eq!(gelu_tanh(50.0), 50.0);
        assert!(gelu_tanh(-50.0).abs() < 1e-6);
    }

    /// By the Maclaurin series.
    fn erf_in_f64(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    proptest! {
        #[test]
        fn functions_agree_with_f64(x in -4f32..4.0, y in -80f32..10.0) {
            let wide = f64::from(x);
            let expected = 0.5 * wide * (1.0 + erf_in_f64(wide / 2f64.sqrt()));
            prop_assert!((f64::from(gelu(x)) - expected).abs() < 2e-6);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044715 * wide.powi(3));
            let expected = 0.5 * wide * (1.0 + inner.tanh());
            prop_assert!((f64::from(gelu_tanh(x)) - expected).abs() < 2e-6);
            let expected = f64::from(y).exp();
            prop_assert!((f64::from(exp(y)) / expected - 1.0).abs() < 1e-5, "{} {}", exp(y), expected);
        }
    }
}
