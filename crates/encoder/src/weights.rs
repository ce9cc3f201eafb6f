//! Weights as named f32 tensors, whatever file they come from.

mod e5s1;
mod onnx;
mod protobuf;
mod safetensors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use crate::error::Error;
use crate::folder::Files;

/// The formats that can be read. One reader each; all give the tensor names of
/// the model hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The model hub's own: f32, f16 or bf16.
    Safetensors,
    /// An ONNX graph, f32 or int8 as onnxruntime's dynamic quantiser writes it.
    Onnx,
    /// The E5S1 container: 4-bit blocks and f32.
    E5s1,
}

impl Format {
    const ALL: [Format; 3] = [Format::Safetensors, Format::Onnx, Format::E5s1];

    /// The name of the weights file.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Format::Safetensors => "model.safetensors",
            Format::Onnx => "model.onnx",
            Format::E5s1 => "model.e5s1",
        }
    }

    /// The one format present in `folder`.
    pub(crate) fn find(folder: &Path) -> Result<Self, Error> {
        let found: Vec<Format> = Format::ALL
            .into_iter()
            .filter(|format| folder.join(format.file_name()).is_file())
            .collect();
        match found[..] {
            [format] => Ok(format),
            [] => Err(Error::NoWeights {
                path: folder.to_owned(),
                hint: hint(folder),
            }),
            _ => Err(Error::SeveralWeights {
                path: folder.to_owned(),
                found: found
                    .iter()
                    .map(|format| format.file_name())
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// All tensors of a file of this format.
    fn read(self, bytes: &[u8]) -> Result<Tensors, String> {
        match self {
            Format::Safetensors => safetensors::read(bytes),
            Format::Onnx => onnx::read(bytes),
            Format::E5s1 => e5s1::read(bytes),
        }
    }
}

fn hint(folder: &Path) -> &'static str {
    if !folder.is_dir() {
        "; the folder does not exist"
    } else if folder.join("pytorch_model.bin").is_file() {
        ", but found only pytorch_model.bin, which can run code when it is opened; \
         save it again in Python with `save_pretrained(folder, safe_serialization=True)`"
    } else if folder.join("model.safetensors.index.json").is_file() {
        ", but found weights in several shards; save them again in Python as one file with \
         `save_pretrained(folder, max_shard_size=\"100GB\")`"
    } else {
        ""
    }
}

/// A tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// Tensors by name.
pub(crate) type Tensors = BTreeMap<String, Values>;

/// A weights file being turned into a model: tensors are taken out by name and
/// put on the device.
pub(crate) struct Weights {
    path: PathBuf,
    tensors: Tensors,
    /// Before every name of the encoder: `bert.`, `roberta.`, `electra.` or nothing.
    prefix: String,
    device: Device,
}

impl Weights {
    /// Decodes the weights of `files`, which are to live on `device`.
    pub(crate) fn decode(files: &Files, device: &Device) -> Result<Self, Error> {
        let damaged = |reason| Error::Weights {
            path: files.weights_path.clone(),
            reason,
        };
        let tensors = files.format.read(&files.weights).map_err(damaged)?;
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

    /// Takes all tensors of the encoder whose names begin with `stem`, which must end
    /// with a point.
    pub(crate) fn part(&mut self, stem: &str) -> Weights {
        let from = format!("{}{stem}", self.prefix);
        // The character after the point.
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

    /// The same, as plain values in row-major order.
    pub(crate) fn encoder_values(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, Error> {
        self.take_values(&format!("{}{name}", self.prefix), shape)
    }

    /// Takes a tensor by its whole name.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        let values = self.take_values(name, shape)?;
        Tensor::from_vec(values, shape, &self.device).map_err(|source| Error::Run {
            name: self.path.display().to_string(),
            source: source.into(),
        })
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
        Ok(found.values)
    }

    /// The number of rows of the matrix or the length of the vector `name`.
    pub(crate) fn rows(&self, name: &str) -> Option<usize> {
        self.tensors.get(name)?.shape.first().copied()
    }

    /// Layer norms were once saved as gamma and beta.
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

/// An error unless `shape` holds exactly `available` elements; a damaged file could
/// make the product overflow.
fn check_count(name: &str, shape: &[usize], available: usize) -> Result<(), String> {
    let count = shape
        .iter()
        .try_fold(1usize, |count, &extent| count.checked_mul(extent));
    if count == Some(available) {
        Ok(())
    } else {
        Err(format!(
            "tensor `{name}` of shape {shape:?} comes with {available} values"
        ))
    }
}
