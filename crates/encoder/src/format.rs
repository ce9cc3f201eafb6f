//! The formats of weights files, recognized by their names.

use std::path::Path;

use crate::error::Error;

/// File name of tensors that are added to those of the weights file, or take their place: what
/// was trained of a model whose other tensors are those of another model, byte by byte.
pub(crate) const OVERLAY: &str = "overlay.safetensors";

/// A supported format of weights. Tensors have their PyTorch names in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightsFormat {
    /// Safetensors, the format of the model hub: f32, f16 or bf16.
    Safetensors,
    /// An ONNX graph: f32, or int8 by the dynamic quantization of ONNX Runtime.
    Onnx,
    /// The E5S1 container: blocks of 4-bit weights, and f32.
    E5s1,
}

impl WeightsFormat {
    const ALL: [WeightsFormat; 3] = [
        WeightsFormat::Safetensors,
        WeightsFormat::Onnx,
        WeightsFormat::E5s1,
    ];

    /// The name of the weights file.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            WeightsFormat::Safetensors => "model.safetensors",
            WeightsFormat::Onnx => "model.onnx",
            WeightsFormat::E5s1 => "model.e5s1",
        }
    }

    /// The format of the one weights file in `folder`.
    pub(crate) fn find(folder: &Path) -> Result<Self, Error> {
        let found: Vec<WeightsFormat> = WeightsFormat::ALL
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
