//! Bias and exact GELU in one pass over memory, in place. Candle's two passes with a scalar
//! error function cost as much as a matrix product on the CPU.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};
use treffer_kernels::math::ERF;

/// Adds `bias` to each row of `x` in place. The storage of `x` must not be shared.
pub(crate) fn add(x: &Tensor, bias: &Tensor) -> Result<()> {
    x.inplace_op2(bias, &AddBias { then: |sum| sum })
}

/// Adds `bias` to each row of `x` in place and applies [`gelu`]. The storage of `x` must not
/// be shared.
pub(crate) fn add_then_gelu(x: &Tensor, bias: &Tensor) -> Result<()> {
    x.inplace_op2(bias, &AddBias { then: gelu })
}

/// x/2 (1 + erf(x / sqrt 2)), Hendrycks and Gimpel 2016,
/// <https://arxiv.org/abs/1606.08415>.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function, with the coefficients of the kernels. It has no branches or calls, so
/// that the compiler vectorizes loops over it.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let t = x * x;
    let [p, q] = ERF;
    x * horner(t, p) / horner(t, q)
}

#[inline(always)]
fn horner(t: f32, coefficients: [f32; 6]) -> f32 {
    coefficients
        .into_iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * t + coefficient)
}

struct AddBias<F> {
    then: F,
}

impl<F: Fn(f32) -> f32> InplaceOp2 for AddBias<F> {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(x), CpuStorage::F32(bias)) = (x, bias) else {
            bail!("a bias is added in f32");
        };
        let (Some((start, end)), Some((bias_start, bias_end))) = (
            x_layout.contiguous_offsets(),
            bias_layout.contiguous_offsets(),
        ) else {
            bail!("a bias is added to contiguous rows");
        };
        let bias = &bias[bias_start..bias_end];
        for row in x[start..end].chunks_exact_mut(bias.len()) {
            for (x, bias) in row.iter_mut().zip(bias) {
                *x = (self.then)(*x + bias);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use proptest::prelude::*;

    #[test]
    fn gelu_approaches_zero_and_the_identity() {
        assert_eq!(gelu(0.0), 0.0);
        assert_eq!(gelu(50.0), 50.0);
        assert!(gelu(-50.0).abs() < 2e-5, "{}", gelu(-50.0));
        assert!(gelu(f32::NAN).is_nan());
    }

    proptest! {
        #[test]
        fn one_pass_in_place_agrees_with_two_steps_of_candle(
            values in prop::collection::vec(-8f32..8.0, 12),
            bias in prop::collection::vec(-1f32..1.0, 4),
        ) {
            let bias = Tensor::new(bias, &Device::Cpu).unwrap();
            let x = || Tensor::from_vec(values.clone(), (3, 4), &Device::Cpu).unwrap();
            let sum = x().broadcast_add(&bias).unwrap();
            let (added, activated) = (x(), x());
            add(&added, &bias).unwrap();
            add_then_gelu(&activated, &bias).unwrap();
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            prop_assert_eq!(flat(&added), flat(&sum));
            for (found, expected) in flat(&activated).iter().zip(flat(&sum.gelu_erf().unwrap())) {
                prop_assert!((found - expected).abs() < 2e-6, "{} {}", found, expected);
            }
        }
    }
}
