//! Loads quantized linear layers and layer norms.

use treffer_kernels::{Isa, LayerNorm, Panels, Rows, Store, product};

use crate::config::Config;
use crate::error::Error;
use crate::weights::Weights;

/// x W^T + b.
pub(super) struct Linear {
    pub(super) panels: Panels,
    bias: Vec<f32>,
}

impl Linear {
    /// Takes `{name}.weight` of shape (outputs, inputs) and `{name}.bias`.
    pub(super) fn load(
        isa: Isa,
        weights: &mut Weights,
        name: &str,
        (outputs, inputs): (usize, usize),
    ) -> Result<Self, Error> {
        let matrix = weights.encoder_values(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Linear {
            panels: Panels::from_weights(isa, &matrix, inputs, 0..outputs, 0..inputs),
            bias: weights.encoder_values(&format!("{name}.bias"), &[outputs])?,
        })
    }

    /// Like [`Linear::load`], but split into slices of at most `width` outputs.
    pub(super) fn load_sliced(
        isa: Isa,
        weights: &mut Weights,
        name: &str,
        (outputs, inputs): (usize, usize),
        width: usize,
    ) -> Result<Vec<Self>, Error> {
        let matrix = weights.encoder_values(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = weights.encoder_values(&format!("{name}.bias"), &[outputs])?;
        let slice = |first: usize| {
            let part = first..outputs.min(first + width);
            Linear {
                bias: bias[part.clone()].to_vec(),
                panels: Panels::from_weights(isa, &matrix, inputs, part, 0..inputs),
            }
        };
        Ok((0..outputs).step_by(width).map(slice).collect())
    }

    /// Writes the layer's output to `out`. `next` are the panels to prefetch.
    pub(super) fn forward(&self, isa: Isa, rows: &Rows, next: Option<&Panels>, out: &mut [f32]) {
        let stride = self.panels.columns();
        product(
            isa,
            rows,
            &self.panels,
            next,
            out,
            stride,
            Store::WithBias(&self.bias),
        );
    }
}

pub(super) fn load_norm(
    config: &Config,
    weights: &mut Weights,
    name: &str,
    width: usize,
) -> Result<LayerNorm, Error> {
    Ok(LayerNorm {
        weight: weights.encoder_values(&format!("{name}.weight"), &[width])?,
        bias: weights.encoder_values(&format!("{name}.bias"), &[width])?,
        eps: config.layer_norm_eps as f32,
    })
}
