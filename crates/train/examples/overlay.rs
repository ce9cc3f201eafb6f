//! Keeps of a trained model only what differs from its base, in 8 bits: the layers that were not
//! frozen, and the head.
//!
//! ```text
//! cargo run --release --package treffer-train --example overlay -- \
//!     TRAINED/model.safetensors 6 OUT/overlay.safetensors [SCALE SHIFT]
//! ```
//!
//! A matrix gets 8-bit integers with a scale for each row, as the integer pass makes of it
//! anyway, so that its scores do not change. SCALE and SHIFT calibrate the logits: each becomes
//! `SCALE * logit + SHIFT`.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [trained, frozen, out, calibration @ ..] = arguments.as_slice() else {
        return Err("usage: overlay MODEL FROZEN_LAYERS OUT [SCALE SHIFT]".into());
    };
    let frozen: usize = frozen.parse()?;
    let (scale, shift) = match calibration {
        [] => (1.0, 0.0),
        [scale, shift] => (scale.parse()?, shift.parse()?),
        _ => return Err("a calibration has a SCALE and a SHIFT".into()),
    };
    let bytes = std::fs::read(trained)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let mut kept: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, view) in file.iter() {
        let name = name.strip_prefix("bert.").unwrap_or(name);
        if !is_trained(name, frozen) {
            continue;
        }
        if view.dtype() != Dtype::F32 {
            return Err(format!("tensor `{name}` is {:?}, not f32", view.dtype()).into());
        }
        let values = view
            .data()
            .as_chunks()
            .0
            .iter()
            .copied()
            .map(f32::from_le_bytes);
        let values: Vec<f32> = match name {
            "classifier.weight" => values.map(|x| x * scale).collect(),
            "classifier.bias" => values.map(|x| x * scale + shift).collect(),
            _ => values.collect(),
        };
        let floats = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let shape = view.shape().to_vec();
        match shape[..] {
            [_, width] if name != "classifier.weight" => {
                let (integers, scales) = quantize(&values, width);
                kept.push((name.to_owned(), Dtype::I8, shape, integers));
                let rows = vec![scales.len()];
                kept.push((format!("{name}.scale"), Dtype::F32, rows, floats(&scales)));
            }
            _ => kept.push((name.to_owned(), Dtype::F32, shape, floats(&values))),
        }
    }
    let views = kept
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((
                name.as_str(),
                TensorView::new(*dtype, shape.clone(), bytes)?,
            ))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize_to_file(views, Some(about), Path::new(out))?;
    println!("{} tensors in {out}", kept.len());
    Ok(())
}

/// Whether a tensor differs from the base's.
fn is_trained(name: &str, frozen: usize) -> bool {
    if name.starts_with("embeddings.") {
        return false;
    }
    let Some(rest) = name.strip_prefix("encoder.layer.") else {
        return true;
    };
    let layer = rest
        .split('.')
        .next()
        .and_then(|layer| layer.parse::<usize>().ok());
    layer.is_some_and(|layer| layer >= frozen)
}

/// Rows of 8-bit integers, and a scale for each.
fn quantize(values: &[f32], width: usize) -> (Vec<u8>, Vec<f32>) {
    let mut integers = Vec::with_capacity(values.len());
    let mut scales = Vec::new();
    for row in values.chunks_exact(width) {
        let most = row.iter().fold(0f32, |most, x| most.max(x.abs()));
        let scale = if most > 0.0 { most / 127.0 } else { 1.0 };
        integers.extend(
            row.iter()
                .map(|x| ((x / scale).round_ties_even() as i8).cast_unsigned()),
        );
        scales.push(scale);
    }
    (integers, scales)
}
