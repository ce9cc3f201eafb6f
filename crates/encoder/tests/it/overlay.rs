//! Tensors that take the place of some of a model's, in f32 or as 8-bit integers with scales.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use treffer_encoder::{CrossEncoder, Error, fingerprint};
use treffer_types::{ModelFolder, PairScorer};

use crate::support::{copy, forwards, read_tensors, write_tensors};

const QUERY: &str = "how cold is the lab fridge?";
const PASSAGES: [&str; 3] = ["the lab fridge is 5 c cold.", "warm ice", "freezer"];
/// One matrix and one vector of the model.
const MATRIX: &str = "encoder.layer.1.intermediate.dense.weight";
const VECTOR: &str = "encoder.layer.0.output.LayerNorm.bias";

/// Name, type, shape and bytes of a tensor.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn write(folder: &Path, tensors: &[Stored]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.join("overlay.safetensors"), bytes).unwrap();
}

fn floats(name: &str, shape: &[usize], values: &[f32]) -> Stored {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    (name.to_owned(), Dtype::F32, shape.to_vec(), bytes.collect())
}

/// A matrix of small integers, and scales of its rows.
fn integers(name: &str, shape: &[usize]) -> (Vec<i8>, Vec<f32>, [Stored; 2]) {
    let count: usize = shape.iter().product();
    let values: Vec<i8> = (0..count).map(|at| (at * 37 % 251) as i8).collect();
    let scales: Vec<f32> = (0..shape[0]).map(|row| 0.001 * (row + 1) as f32).collect();
    let bytes = values.iter().map(|value| value.cast_unsigned()).collect();
    let stored = [
        (name.to_owned(), Dtype::I8, shape.to_vec(), bytes),
        floats(&format!("{name}.scale"), &[scales.len()], &scales),
    ];
    (values, scales, stored)
}

fn error_of(folder: &ModelFolder) -> String {
    match CrossEncoder::load(folder, crate::support::REFERENCE) {
        Err(error @ Error::Weights { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was loaded"),
    }
}

#[test]
fn an_overlay_is_as_good_as_weights_that_hold_its_values() {
    let (under, folder) = copy("tiny-bert-cross");
    let (plain, merged) = copy("tiny-bert-cross");
    let path = plain.path().join("model.safetensors");
    let mut tensors = read_tensors(&path);
    let prefix = "bert.";
    let before = fingerprint(&folder).unwrap();
    let mut overlay = Vec::new();
    for (name, shape, values) in &mut tensors {
        if *name == format!("{prefix}{MATRIX}") {
            let (whole, scales, stored) = integers(name, shape);
            for (at, value) in values.iter_mut().enumerate() {
                *value = f32::from(whole[at]) * scales[at / shape[1]];
            }
            overlay.extend(stored);
        } else if *name == format!("{prefix}{VECTOR}") || name == "classifier.bias" {
            values.iter_mut().for_each(|value| *value += 0.25);
            overlay.push(floats(name, shape, values));
        }
    }
    assert_eq!(overlay.len(), 4);
    write(under.path(), &overlay);
    let tensors: Vec<(&str, &[usize], &[f32])> = tensors
        .iter()
        .map(|(name, shape, values)| (name.as_str(), shape.as_slice(), values.as_slice()))
        .collect();
    write_tensors(path, &tensors);
    for (device, _) in forwards() {
        let [expected, found] = [&merged, &folder].map(|folder| {
            let model = CrossEncoder::load(folder, device).unwrap();
            assert_eq!(*model.fingerprint(), fingerprint(folder).unwrap());
            model.score_pairs(QUERY, &PASSAGES).unwrap()
        });
        assert_eq!(expected, found);
    }
    assert_ne!(fingerprint(&folder).unwrap(), before);
}

#[test]
fn a_damaged_overlay_is_refused_with_its_path() {
    let (directory, folder) = copy("tiny-bert-cross");
    let (_, _, stored) = integers("bert.pooler.dense.weight", &[4, 4]);
    let [matrix, scales] = stored;
    let few = floats(&scales.0, &[3], &[0.1; 3]);
    write(directory.path(), &[matrix.clone(), few]);
    let error = error_of(&folder);
    assert!(error.contains("4 rows of 4 and 3 scales"), "{error}");
    assert!(error.contains("overlay.safetensors"), "{error}");
    let mut vector = matrix;
    vector.2 = vec![16];
    write(directory.path(), &[vector, scales]);
    assert!(error_of(&folder).contains("is no matrix"));
    std::fs::write(directory.path().join("overlay.safetensors"), b"short").unwrap();
    error_of(&folder);
}
