//! Incomplete, damaged or mismatched folders are an error that names the file, never a panic.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use treffer_encoder::{BiEncoder, CrossEncoder, Device, Error, LateEncoder, fingerprint};
use treffer_types::{ModelFolder, ModelRole, PairScorer};

use crate::support::{REFERENCE, chain, copy};

/// The error of loading the folder by its role.
fn error_of(folder: &ModelFolder) -> Error {
    load(folder).expect_err("the folder is damaged")
}

fn load(folder: &ModelFolder) -> Result<(), Error> {
    match folder.spec.role {
        ModelRole::BiEncoder => BiEncoder::load(folder, Device::CPU).map(drop),
        ModelRole::CrossEncoder => CrossEncoder::load(folder, Device::CPU).map(drop),
        ModelRole::LateInteraction => LateEncoder::load(folder, Device::CPU).map(drop),
    }
}

#[test]
fn a_folder_without_weights_says_which_names_are_read() {
    let (directory, folder) = copy("tiny-bert-bi");
    fs::remove_file(directory.path().join("model.safetensors")).unwrap();
    let message = error_of(&folder).to_string();
    assert!(
        message.contains("model.safetensors, model.onnx, model.e5s1"),
        "{message}"
    );

    fs::write(directory.path().join("pytorch_model.bin"), b"pickle").unwrap();
    let message = error_of(&folder).to_string();
    assert!(message.contains("safe_serialization=True"), "{message}");
}

#[test]
fn two_weights_files_are_an_error() {
    let (directory, folder) = copy("tiny-bert-bi");
    fs::write(directory.path().join("model.onnx"), b"").unwrap();
    let message = error_of(&folder).to_string();
    assert!(
        message.contains("model.safetensors, model.onnx; keep one"),
        "{message}"
    );
}

#[test]
fn a_missing_file_is_named() {
    for name in ["tokenizer.json", "config.json"] {
        let (directory, folder) = copy("tiny-bert-bi");
        fs::remove_file(directory.path().join(name)).unwrap();
        let message = error_of(&folder).to_string();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_file_that_is_not_the_pinned_one_is_refused_with_both_hashes() {
    let (directory, mut folder) = copy("tiny-bert-bi");
    fs::write(directory.path().join("extra.json"), b"abc").unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    folder
        .sha256
        .insert("extra.json".to_owned(), abc.to_owned());
    load(&folder).unwrap();

    for name in [
        "extra.json",
        "model.safetensors",
        "tokenizer.json",
        "config.json",
    ] {
        let mut pinned = folder.clone();
        let wrong = "00".repeat(32);
        pinned.sha256.insert(name.to_owned(), wrong.clone());
        for error in [error_of(&pinned), fingerprint(&pinned).unwrap_err()] {
            let message = error.to_string();
            for part in [name, &wrong, "treffer model pull tiny-bert-bi --force"] {
                assert!(message.contains(part), "{part} is not in: {message}");
            }
        }
    }
    folder
        .sha256
        .insert("missing.json".to_owned(), abc.to_owned());
    assert!(error_of(&folder).to_string().contains("missing.json"));
}

#[test]
fn a_model_is_not_loaded_as_the_other_kind() {
    let (_directory, folder) = copy("tiny-bert-bi");
    let error = CrossEncoder::load(&folder, Device::CPU)
        .err()
        .expect("it is a bi-encoder");
    let message = error.to_string();
    assert!(
        message.contains("is a bi-encoder, but a cross-encoder is needed"),
        "{message}"
    );
}

#[test]
fn a_maximal_length_beyond_the_positions_is_refused() {
    let (_directory, mut folder) = copy("tiny-bert-cross");
    folder.spec.max_length = 41;
    assert!(error_of(&folder).to_string().contains("only 40 tokens"));
    folder.spec.max_length = 4;
    assert!(error_of(&folder).to_string().contains("too short"));
}

#[test]
fn weights_of_another_model_are_refused_by_tensor() {
    let (directory, folder) = copy("tiny-bert-cross");
    edit_config(directory.path(), "num_hidden_layers", 3.into());
    let message = error_of(&folder).to_string();
    assert!(
        message.contains("encoder.layer.2.attention.self.query.weight"),
        "{message}"
    );
    edit_config(directory.path(), "num_hidden_layers", 2.into());
    edit_config(directory.path(), "intermediate_size", 47.into());
    let message = error_of(&folder).to_string();
    assert!(
        message.contains("[48, 32]") && message.contains("[47, 32]"),
        "{message}"
    );
    edit_config(directory.path(), "intermediate_size", 48.into());
    edit_config(
        directory.path(),
        "id2label",
        serde_json::json!({"0": "no", "1": "yes"}),
    );
    let message = error_of(&folder).to_string();
    assert!(message.contains("`id2label`"), "{message}");
}

#[test]
fn a_bi_encoder_without_a_head_is_not_a_cross_encoder() {
    let (_directory, mut folder) = copy("tiny-bert-bi");
    folder.spec.role = ModelRole::CrossEncoder;
    assert!(error_of(&folder).to_string().contains("classifier.weight"));
}

fn edit_config(folder: &Path, key: &str, value: serde_json::Value) {
    let path = folder.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn a_truncated_file_is_an_error_that_names_it() {
    for (model, file) in FILES {
        let (directory, folder) = copy(model);
        let path = directory.path().join(file);
        let whole = fs::read(&path).unwrap();
        for length in [0, 1, 7, 8, 100, whole.len() / 2, whole.len() - 2] {
            fs::write(&path, &whole[..length]).unwrap();
            let message = chain(&error_of(&folder));
            assert!(
                message.contains(file),
                "{model}/{file} at {length}: {message}"
            );
        }
    }
}

const FILES: [(&str, &str); 5] = [
    ("tiny-bert-bi", "model.safetensors"),
    ("tiny-onnx-cross", "model.onnx"),
    ("tiny-e5s1-bi", "model.e5s1"),
    ("tiny-bert-cross", "tokenizer.json"),
    ("tiny-bert-cross", "config.json"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Flipped bytes may leave a readable model, which then gives finite scores or an
    /// error; nothing may panic.
    #[test]
    fn flipped_bytes_never_panic(
        which in 0..FILES.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 1u8..), 1..4),
    ) {
        let (model, file) = FILES[which];
        let (directory, folder) = copy(model);
        let path = directory.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        for (index, near_the_front, bits) in flips {
            // Most of the structure is in the small headers.
            let range = if near_the_front { bytes.len().min(2000) } else { bytes.len() };
            bytes[index.index(range)] ^= bits;
        }
        fs::write(&path, bytes).unwrap();
        if folder.spec.role == ModelRole::BiEncoder {
            let _ = BiEncoder::load(&folder, Device::CPU);
        } else if let Ok(model) = CrossEncoder::load(&folder, Device::CPU)
            && let Ok(scores) = model.score_pairs("how cold?", &["the lab fridge", ""])
        {
            prop_assert!(scores.iter().all(|score| score.score.is_finite()));
        }
    }
}

/// Integers made of it would hide it.
#[test]
fn a_weight_that_is_no_number_is_an_error_on_every_device() {
    let (directory, folder) = copy("tiny-bert-bi");
    let path = directory.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    for (name, value) in [
        ("encoder.layer.0.attention.output.dense.weight", f32::NAN),
        ("encoder.layer.1.output.dense.bias", f32::INFINITY),
        ("embeddings.word_embeddings.weight", f32::NEG_INFINITY),
    ] {
        let tensor = header
            .as_object()
            .unwrap()
            .iter()
            .find(|(key, _)| key.ends_with(name));
        let start = tensor.unwrap().1["data_offsets"][0].as_u64().unwrap() as usize;
        let mut damaged = bytes.clone();
        let at = 8 + length + start + 4 * 5;
        damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
        fs::write(&path, damaged).unwrap();
        for device in [Device::CPU, REFERENCE] {
            let error = BiEncoder::load(&folder, device).err();
            let message = chain(&error.expect("it is damaged"));
            assert!(
                message.contains(name) && message.contains("not finite"),
                "{message}"
            );
        }
    }
}
