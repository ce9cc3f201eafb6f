//! The model folders of `data/golden`, copies of them to damage, and tolerances.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use treffer_encoder::{CpuBackend, Device, InstructionSet, arithmetic};
use treffer_types::{ModelFolder, ModelSpec};

/// Maximal absolute difference of two floats.
pub(crate) struct Tolerance(pub(crate) f32);

/// The effect of another order of f32 additions.
pub(crate) const ROUNDING: Tolerance = Tolerance(1e-5);

/// The effect of 8-bit weights and activations in the tiny models, which is large: their
/// random weights were never quantized, and few columns average out little of the error.
const QUANTIZED: Tolerance = Tolerance(0.08);

/// Every way to run a model on this machine, and its tolerance.
pub(crate) fn forwards() -> Vec<(Device, Tolerance)> {
    let quantized = InstructionSet::ALL
        .into_iter()
        .map(|set| Device::Cpu(CpuBackend::Quantized(set)))
        .filter(|device| arithmetic(*device).is_ok())
        .map(|device| (device, QUANTIZED));
    std::iter::once((REFERENCE, ROUNDING))
        .chain(quantized)
        .collect()
}

/// In f32, through candle.
pub(crate) const REFERENCE: Device = Device::Cpu(CpuBackend::Candle);

impl Tolerance {
    #[track_caller]
    pub(crate) fn check(&self, found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let apart = (found - expected).abs();
            assert!(
                apart <= self.0,
                "{what} at {index}: {found} is not {expected}"
            );
        }
    }
}

/// The file that `make.py` wrote for each model.
#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) spec: ModelSpec,
    #[serde(default)]
    pub(crate) queries: Vec<GoldenText>,
    #[serde(default)]
    pub(crate) passages: Vec<GoldenText>,
    #[serde(default)]
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) pairs: Vec<GoldenPair>,
}

#[derive(Deserialize)]
pub(crate) struct GoldenText {
    pub(crate) text: String,
    pub(crate) vector: Vec<f32>,
    pub(crate) tokens_cut: u32,
}

#[derive(Deserialize)]
pub(crate) struct GoldenPair {
    pub(crate) passage: String,
    pub(crate) logit: f32,
    pub(crate) tokens_cut: u32,
}

pub(crate) fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../data/golden")
        .join(name)
}

pub(crate) fn golden(name: &str) -> (ModelFolder, Golden) {
    let path = golden_path(name);
    let json = std::fs::read(path.join("golden.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&json).unwrap();
    let folder = ModelFolder {
        path,
        spec: golden.spec.clone(),
        sha256: Default::default(),
    };
    (folder, golden)
}

/// A copy of a golden folder that a test may damage; deleted when the `TempDir` is dropped.
pub(crate) fn copy(name: &str) -> (tempfile::TempDir, ModelFolder) {
    let (folder, _) = golden(name);
    let directory = tempfile::tempdir().unwrap();
    copy_files(&folder.path, directory.path());
    let path = directory.path().to_owned();
    (directory, ModelFolder { path, ..folder })
}

/// The same of a golden folder without a spec of its own.
pub(crate) fn copy_folder(name: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    copy_files(&golden_path(name), directory.path());
    let path = directory.path().to_owned();
    (directory, path)
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        } else {
            std::fs::create_dir(&to).unwrap();
            copy_files(&entry.path(), &to);
        }
    }
}

/// Changes a JSON file in place.
pub(crate) fn edit(path: PathBuf, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

/// Name, shape and values of every tensor in a file of safetensors in f32.
pub(crate) fn read_tensors(path: &Path) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, data) = bytes[8..].split_at(length);
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(header).unwrap();
    let tensors = header
        .into_iter()
        .filter(|(name, _)| name != "__metadata__");
    let read = |(name, about): (String, serde_json::Value)| {
        let shape = serde_json::from_value(about["shape"].clone()).unwrap();
        let [from, to]: [usize; 2] = serde_json::from_value(about["data_offsets"].clone()).unwrap();
        let values = data[from..to].as_chunks().0.iter();
        (
            name,
            shape,
            values.map(|&b| f32::from_le_bytes(b)).collect(),
        )
    };
    tensors.map(read).collect()
}

/// Writes tensors, given by name, shape and values, as safetensors.
pub(crate) fn write_tensors(path: PathBuf, tensors: &[(&str, &[usize], &[f32])]) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let about = serde_json::json!({
            "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()],
        });
        header.insert((*name).to_owned(), about);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
