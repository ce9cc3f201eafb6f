//! Named f32 tensors from a weights file of any supported format.

mod e5s1;
mod onnx;
mod protobuf;
mod safetensors;

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor};

use crate::error::Error;
use crate::folder::Files;
use crate::format::{OVERLAY, WeightsFormat};

/// A tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// Tensors by name.
pub(crate) type Tensors = BTreeMap<String, Values>;

pub(crate) fn read_tensors(format: WeightsFormat, bytes: &[u8]) -> Result<Tensors, String> {
    match format {
        WeightsFormat::Safetensors => safetensors::read(bytes),
        WeightsFormat::Onnx => onnx::read(bytes),
        WeightsFormat::E5s1 => e5s1::read(bytes),
    }
}

/// The tensors of a weights file. Loading a model removes them by name and moves them to
/// the device.
pub(crate) struct Weights {
    path: PathBuf,
    tensors: Tensors,
    /// Prefix of the encoder's names: `bert.`, `roberta.`, `electra.` or nothing.
    prefix: String,
    device: Device,
}

impl Weights {
    /// Decodes the weights of `files` for `device`.
    pub(crate) fn decode(files: &Files, device: &Device) -> Result<Self, Error> {
        let damaged = |reason| Error::Weights {
            path: files.weights_path.clone(),
            reason,
        };
        let mut tensors = read_tensors(files.format, &files.weights).map_err(damaged)?;
        if let Some(overlay) = &files.overlay {
            let path = files.weights_path.with_file_name(OVERLAY);
            let damaged = |reason| Error::Weights { path, reason };
            tensors.extend(read_tensors(WeightsFormat::Safetensors, overlay).map_err(damaged)?);
        }
        Ok(Weights::new(files.weights_path.clone(), tensors, device))
    }

    fn new(path: PathBuf, tensors: Tensors, device: &Device) -> Self {
        let anchor = "embeddings.word_embeddings.weight";
        let prefix = tensors
            .keys()
            .find_map(|name| name.strip_suffix(anchor))
            .unwrap_or("")
            .to_owned();
        Weights {
            path,
            tensors,
            prefix,
            device: device.clone(),
        }
    }

    /// Takes all tensors of the encoder whose names start with `stem`, which must end with
    /// a dot.
    pub(crate) fn part(&mut self, stem: &str) -> Weights {
        let from = format!("{}{stem}", self.prefix);
        // `/` is the character after the dot.
        let to = format!("{}/", &from[..from.len() - 1]);
        let mut tensors = self.tensors.split_off(&from);
        self.tensors.append(&mut tensors.split_off(&to));
        Weights {
            path: self.path.clone(),
            tensors,
            prefix: self.prefix.clone(),
            device: self.device.clone(),
        }
    }

    /// Takes a tensor of the encoder, named without its prefix.
    pub(crate) fn encoder(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        self.take(&format!("{}{name}", self.prefix), shape)
    }

    /// Takes a tensor of the encoder as plain values in row-major order.
    pub(crate) fn encoder_values(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, Error> {
        self.take_values(&format!("{}{name}", self.prefix), shape)
    }

    /// Takes a tensor by its full name.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        let values = self.take_values(name, shape)?;
        Tensor::from_vec(values, shape, &self.device).map_err(|source| Error::Run {
            name: self.path.display().to_string(),
            source: source.into(),
        })
    }

    /// Takes a tensor by its full name as plain values in row-major order.
    pub(crate) fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        self.take_values(name, shape)
    }

    fn take_values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let found = self.remove(name).ok_or_else(|| Error::NoTensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
        })?;
        if found.shape != shape {
            return Err(Error::TensorShape {
                path: self.path.clone(),
                tensor: name.to_owned(),
                expected: shape.to_owned(),
                found: found.shape,
            });
        }
        // Integers made of them would be as finite as any others.
        if !are_finite(&found.values) {
            return Err(Error::TensorNotFinite {
                path: self.path.clone(),
                tensor: name.to_owned(),
            });
        }
        Ok(found.values)
    }

    /// The number of rows of the matrix or the length of the vector `name`.
    pub(crate) fn rows(&self, name: &str) -> Option<usize> {
        self.tensors.get(name)?.shape.first().copied()
    }

    /// Removes a tensor. Old files name the weight and bias of layer norms gamma and beta.
    fn remove(&mut self, name: &str) -> Option<Values> {
        if let Some(found) = self.tensors.remove(name) {
            return Some(found);
        }
        let old = name
            .strip_suffix("LayerNorm.weight")
            .map(|stem| format!("{stem}LayerNorm.gamma"))
            .or_else(|| {
                Some(format!(
                    "{}LayerNorm.beta",
                    name.strip_suffix("LayerNorm.bias")?
                ))
            })?;
        self.tensors.remove(&old)
    }
}

/// Whether none is infinite or no number, by the greatest exponent: a loop that is vectorized.
fn are_finite(values: &[f32]) -> bool {
    let magnitude = |value: &f32| value.to_bits() & !(1 << 31);
    let greatest = values.iter().map(magnitude).fold(0, u32::max);
    greatest < f32::INFINITY.to_bits()
}

/// An error unless `shape` has exactly `available` elements. Checks for overflow, which the
/// shapes of a damaged file could cause.
fn check_count(name: &str, shape: &[usize], available: usize) -> Result<(), String> {
    let count = shape
        .iter()
        .try_fold(1usize, |count, &extent| count.checked_mul(extent));
    if count == Some(available) {
        Ok(())
    } else {
        Err(format!(
            "tensor `{name}` of shape {shape:?} has {available} values"
        ))
    }
}
