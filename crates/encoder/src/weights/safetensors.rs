//! Safetensors: a JSON header and raw little-endian tensors.
//! <https://github.com/huggingface/safetensors>

use ::safetensors::{Dtype, SafeTensors};

use super::{Tensors, Values};

/// Reads every floating-point tensor. Others, such as the position ids that old versions of
/// Transformers saved, are ignored.
pub(super) fn read(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => data
                .as_chunks()
                .0
                .iter()
                .map(|&b| f32::from_le_bytes(b))
                .collect(),
            Dtype::F16 => data
                .as_chunks()
                .0
                .iter()
                .map(|&b| half::f16::from_le_bytes(b).to_f32())
                .collect(),
            Dtype::BF16 => {
                let widen = |&b: &[u8; 2]| half::bf16::from_le_bytes(b).to_f32();
                data.as_chunks().0.iter().map(widen).collect()
            }
            _ => continue,
        };
        let shape = view.shape().to_vec();
        super::check_count(name, &shape, values.len())?;
        tensors.insert(name.to_owned(), Values { shape, values });
    }
    Ok(tensors)
}
