//! Small random models and sequences, for the tests of several modules.

use std::path::{Path, PathBuf};

use treffer_types::{ModelFolder, ModelSpec};

use crate::base::base_folder;
use crate::random::Stream;
use crate::shape::{Activation, Family, Layout, Output, Shape};
use crate::transformer::{Model, Pack};

/// Two layers of width 16 with 4 heads, and what is given.
pub(crate) fn shape(family: Family, activation: Activation, classes: usize) -> Shape {
    Shape {
        family,
        vocabulary: 91,
        hidden: 16,
        layers: 2,
        heads: 4,
        inner: 24,
        positions: 40,
        segments: if family == Family::Roberta { 1 } else { 2 },
        classes,
        activation,
        eps: 1e-5,
    }
}

/// Larger weights than at initialization, so that mistakes show in the output.
pub(crate) fn model(shape: Shape, output: Output, seed: u64) -> Model {
    let layout = Layout::new(&shape, output);
    let stream = Stream::new(seed);
    let mut parameters = vec![0.0; layout.len];
    for tensor in &layout.tensors {
        let middle = f32::from(u8::from(tensor.name.ends_with("LayerNorm.weight")));
        let spread = match tensor.dims.as_slice() {
            [_, columns] => 1.5 / (*columns as f64).sqrt(),
            _ => 0.3,
        };
        for at in tensor.at.clone() {
            parameters[at] = middle + (spread * stream.of(1).normal(at as u64)) as f32;
        }
    }
    let words = (0..shape.vocabulary * shape.hidden)
        .map(|at| (0.4 * stream.of(2).normal(at as u64)) as f32)
        .collect();
    Model {
        shape,
        output,
        layout,
        words,
        parameters,
    }
}

/// Sequences of these lengths.
pub(crate) fn pack(shape: &Shape, lengths: &[usize]) -> Pack {
    let stream = Stream::new(11);
    let mut pack = Pack {
        starts: vec![0],
        ..Pack::default()
    };
    for (number, &length) in (0u64..).zip(lengths) {
        let of = stream.of(number);
        for at in 0..length {
            let id = of.bits(at as u64) % shape.vocabulary as u64;
            pack.ids.push(id as u32);
            let in_passage = 2 * at > length && shape.segments > 1;
            pack.segments.push(u32::from(in_passage));
            pack.positions.push(at as u32 + 2);
        }
        pack.starts.push(pack.ids.len());
        pack.keys.push(7 + number);
    }
    pack
}

/// A folder of `data/golden`.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../data/golden")
        .join(name)
}

/// That folder as a model, and what is known of it.
pub(crate) fn golden_model(name: &str) -> (ModelFolder, serde_json::Value) {
    let path = golden(name);
    let json = std::fs::read(path.join("golden.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let spec: ModelSpec = serde_json::from_value(json["spec"].clone()).unwrap();
    let folder = ModelFolder {
        spec,
        ..base_folder(name, path)
    };
    (folder, json)
}
