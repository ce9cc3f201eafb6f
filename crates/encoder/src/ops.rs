//! The building blocks of a candle layer. Some work in place on the CPU, so they are for
//! inference only and cannot be differentiated.

use candle_core::Tensor;

use crate::bias;
use crate::config::Activation;
use crate::error::Error;
use crate::weights::Weights;

/// x W^T + b.
pub(crate) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Takes `{name}.weight` of shape (outputs, inputs) and `{name}.bias` of the encoder.
    pub(crate) fn load(
        weights: &mut Weights,
        name: &str,
        shape: (usize, usize),
    ) -> Result<Self, Error> {
        let (rows, columns) = shape;
        Ok(Linear {
            weight: weights.encoder(&format!("{name}.weight"), &[rows, columns])?,
            bias: weights.encoder(&format!("{name}.bias"), &[rows])?,
        })
    }

    /// Like [`Linear::load`], for a layer of the head by its full name.
    pub(crate) fn load_head(
        weights: &mut Weights,
        name: &str,
        shape: (usize, usize),
    ) -> Result<Self, Error> {
        let (rows, columns) = shape;
        Ok(Linear {
            weight: weights.take(&format!("{name}.weight"), &[rows, columns])?,
            bias: weights.take(&format!("{name}.bias"), &[rows])?,
        })
    }

    /// Applies the layer over the last dimension of `x`, which may have any others.
    pub(crate) fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let product = self.product(x)?;
        if !product.device().is_cpu() {
            return product.broadcast_add(&self.bias);
        }
        bias::add(&product, &self.bias)?;
        Ok(product)
    }

    /// Applies the layer and then `activation`.
    pub(crate) fn forward_activated(
        &self,
        x: &Tensor,
        activation: Activation,
    ) -> candle_core::Result<Tensor> {
        if activation == Activation::Gelu && x.device().is_cpu() {
            let product = self.product(x)?;
            bias::add_then_gelu(&product, &self.bias)?;
            return Ok(product);
        }
        let sum = self.forward(x)?;
        match activation {
            Activation::Gelu => sum.gelu_erf(),
            Activation::GeluTanh => sum.gelu(),
            Activation::Relu => sum.relu(),
        }
    }

    fn product(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let mut shape = x.dims().to_vec();
        let columns = shape.pop().unwrap_or(1);
        shape.push(self.weight.dim(0)?);
        x.reshape(((), columns))?
            .matmul(&self.weight.t()?)?
            .reshape(shape)
    }
}

/// Subtracts the mean, divides by the standard deviation, scales and shifts, over the last
/// dimension (Ba et al. 2016, <https://arxiv.org/abs/1607.06450>).
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl LayerNorm {
    /// Takes `{name}.weight` and `{name}.bias` of the encoder.
    pub(crate) fn load(
        weights: &mut Weights,
        name: &str,
        width: usize,
        eps: f64,
    ) -> Result<Self, Error> {
        Ok(LayerNorm {
            weight: weights.encoder(&format!("{name}.weight"), &[width])?,
            bias: weights.encoder(&format!("{name}.bias"), &[width])?,
            eps: eps as f32,
        })
    }

    /// Normalizes `x`.
    pub(crate) fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        candle_nn::ops::layer_norm(&x.contiguous()?, &self.weight, &self.bias, self.eps)
    }

    /// Normalizes `x` + `residual`.
    pub(crate) fn forward_sum(&self, x: &Tensor, residual: &Tensor) -> candle_core::Result<Tensor> {
        self.forward(&(x + residual)?)
    }
}

/// Softmax over the last dimension.
pub(crate) fn softmax(x: &Tensor) -> candle_core::Result<Tensor> {
    candle_nn::ops::softmax_last_dim(&x.contiguous()?)
}
