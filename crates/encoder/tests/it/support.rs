//! Model folders of `data/golden`, copies of them to spoil, and a tolerance.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use treffer_encoder::{CpuBackend, Device, InstructionSet, arithmetic};
use treffer_types::{ModelFolder, ModelSpec};

/// How far two floats may lie apart.
pub(crate) struct Tolerance(pub(crate) f32);

/// What a different order of f32 additions may change.
pub(crate) const ROUNDING: Tolerance = Tolerance(1e-5);

/// What 8-bit weights and activations may change in the tiny models, whose random
/// weights have no grid and whose few columns average little.
const QUANTIZED: Tolerance = Tolerance(0.08);

/// Every way of running a model here, and how exact it is.
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
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            let apart = (found - expected).abs();
            assert!(
                apart <= self.0,
                "{what} at {place}: {found} is not {expected}"
            );
        }
    }
}

/// What `make.py` wrote beside each model.
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

/// A copy of a golden folder that a test may spoil; gone when the first is dropped.
pub(crate) fn copy(name: &str) -> (tempfile::TempDir, ModelFolder) {
    let (folder, _) = golden(name);
    let directory = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&folder.path).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            std::fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
        }
    }
    let path = directory.path().to_owned();
    (directory, ModelFolder { path, ..folder })
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
