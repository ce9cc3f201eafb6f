//! Safetensors: a JSON header and raw little-endian tensors.
//! <https://github.com/huggingface/safetensors>

use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype, SafeTensors};

use super::{Tensors, Values};

/// What is after the name of a matrix of 8-bit integers in the name of its scales.
const SCALE: &str = ".scale";

/// Reads every floating-point tensor, and every matrix of 8-bit integers whose rows have a scale
/// each, as values of f32 in the tensor of its name and `.scale`. Others, such as the position
/// ids that old versions of Transformers saved, are ignored.
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
            Dtype::I8 => match file.tensor(&format!("{name}{SCALE}")) {
                Ok(scales) => rows(name, data, view.shape(), &scales)?,
                Err(_) => continue,
            },
            _ => continue,
        };
        let shape = view.shape().to_vec();
        super::check_count(name, &shape, values.len())?;
        tensors.insert(name.to_owned(), Values { shape, values });
    }
    Ok(tensors)
}

/// The values of a matrix whose rows have a scale each.
fn rows(
    name: &str,
    integers: &[u8],
    shape: &[usize],
    scales: &TensorView<'_>,
) -> Result<Vec<f32>, String> {
    let [count, width] = *shape else {
        return Err(format!("tensor `{name}` has scales but is no matrix"));
    };
    let (scales, rest) = match scales.dtype() {
        Dtype::F32 => scales.data().as_chunks(),
        other => return Err(format!("the scales of tensor `{name}` are {other:?}")),
    };
    if scales.len() != count || !rest.is_empty() || width == 0 {
        return Err(format!(
            "tensor `{name}` has {count} rows of {width} and {} scales",
            scales.len()
        ));
    }
    let scaled = |(row, &scale): (&[u8], &[u8; 4])| {
        let scale = f32::from_le_bytes(scale);
        row.iter()
            .map(move |&byte| f32::from(byte.cast_signed()) * scale)
            .collect::<Vec<f32>>()
    };
    Ok(integers
        .chunks_exact(width)
        .zip(scales)
        .flat_map(scaled)
        .collect())
}
