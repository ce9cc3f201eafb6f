//! Tokenizers that are missing, made of a vocabulary, or hostile.

use std::fs;

use serde_json::{Value, json};
use treffer_encoder::{BiEncoder, CrossEncoder, Device, Error};
use treffer_types::Embedder;

use crate::support::{chain, copy, edit};

const TEXTS: [&str; 3] = [
    "The LAB fridge is 5 °C cold.",
    "",
    "Gefrierfach \u{5e9} [SEP] kühl",
];

#[test]
fn a_vocabulary_gives_the_same_vectors_as_the_tokenizer() {
    let (directory, folder) = copy("tiny-bert-bi");
    let path = directory.path();
    let vectors = || {
        let model = BiEncoder::load(&folder, Device::CPU).unwrap();
        model.embed_passages(&TEXTS).unwrap()
    };
    let expected = vectors();
    let tokenizer = fs::read(path.join("tokenizer.json")).unwrap();
    let tokenizer: Value = serde_json::from_slice(&tokenizer).unwrap();
    let vocabulary = tokenizer["model"]["vocab"].as_object().unwrap();
    let mut pieces: Vec<(u64, &String)> = vocabulary
        .iter()
        .map(|(piece, id)| (id.as_u64().unwrap(), piece))
        .collect();
    pieces.sort_unstable();
    let lines: String = pieces
        .iter()
        .map(|(_, piece)| format!("{piece}\n"))
        .collect();
    fs::write(path.join("vocab.txt"), lines).unwrap();
    fs::remove_file(path.join("tokenizer.json")).unwrap();
    assert_eq!(vectors(), expected);

    // Its settings are part of the model.
    let plain = treffer_encoder::fingerprint(&folder).unwrap();
    fs::write(
        path.join("tokenizer_config.json"),
        r#"{"do_lower_case": false}"#,
    )
    .unwrap();
    assert_ne!(vectors(), expected);
    assert_ne!(treffer_encoder::fingerprint(&folder).unwrap(), plain);
    fs::write(
        path.join("tokenizer_config.json"),
        r#"{"sep_token": "[END]"}"#,
    )
    .unwrap();
    let message = BiEncoder::load(&folder, Device::CPU)
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("[END]"), "{message}");
}

#[test]
fn a_folder_with_another_vocabulary_is_refused_with_what_to_do() {
    let (directory, folder) = copy("tiny-xlmr-cross");
    let path = directory.path();
    fs::remove_file(path.join("tokenizer.json")).unwrap();
    for file in ["vocab.txt", "vocab.json", "sentencepiece.bpe.model"] {
        fs::write(path.join(file), "").unwrap();
        let error = CrossEncoder::load(&folder, Device::CPU).err().unwrap();
        let message = error.to_string();
        for part in ["tokenizer.json", file, "save_pretrained"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

/// Each of these made the library panic or exhaust the memory.
#[test]
fn a_hostile_tokenizer_is_an_error() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 8] = [
        ("a special token beyond the vocabulary", |tokenizer| {
            let special = &mut tokenizer["post_processor"]["special_tokens"]["[CLS]"];
            special["ids"] = json!([91]);
        }),
        ("a character map of three bytes", |tokenizer| {
            tokenizer["normalizer"] =
                json!({ "type": "Precompiled", "precompiled_charsmap": "AAAA" });
        }),
        ("a character map of four gigabytes", |tokenizer| {
            tokenizer["normalizer"] =
                json!({ "type": "Precompiled", "precompiled_charsmap": "/////w==" });
        }),
        ("an empty character map", |tokenizer| {
            tokenizer["normalizer"] =
                json!({ "type": "Precompiled", "precompiled_charsmap": "AAAAAA==" });
        }),
        ("pieces of no length", |tokenizer| {
            tokenizer["pre_tokenizer"] = json!({ "type": "FixedLength", "length": 0 });
        }),
        ("a template with an unknown token", |tokenizer| {
            let special = &mut tokenizer["post_processor"]["special_tokens"];
            special.as_object_mut().unwrap().remove("[CLS]");
        }),
        ("replacements that multiply", |tokenizer| {
            let replace =
                json!({ "type": "Replace", "pattern": { "Regex": "." }, "content": "aaaa" });
            tokenizer["normalizer"] =
                json!({ "type": "Sequence", "normalizers": vec![replace; 40] });
        }),
        ("a template of nothing but special tokens", |tokenizer| {
            let special = tokenizer["post_processor"]["single"][0].clone();
            let single = tokenizer["post_processor"]["single"]
                .as_array_mut()
                .unwrap();
            single.extend(std::iter::repeat_n(special, 100));
        }),
    ];
    for (what, change) in changes {
        let (directory, folder) = copy("tiny-bert-bi");
        edit(directory.path().join("tokenizer.json"), change);
        let result = BiEncoder::load(&folder, Device::CPU);
        let error = result.and_then(|model| {
            let vectors = model.embed_passages(&TEXTS);
            vectors.map_err(|error| *error.downcast::<Error>().unwrap())
        });
        let message = chain(&error.expect_err(what));
        assert!(message.contains("token"), "{what}: {message}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_is_refused() {
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        let (directory, folder) = copy("tiny-bert-bi");
        let path = directory.path().join(file);
        let _ = fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let error = BiEncoder::load(&folder, Device::CPU).err().unwrap();
        let message = chain(&error);
        assert!(
            message.contains("regular file") && message.contains(file),
            "{message}"
        );
    }
}

/// Nothing would be left of a text without words.
#[test]
fn a_tokenizer_without_special_tokens_is_refused() {
    let (directory, folder) = copy("tiny-bert-bi");
    edit(directory.path().join("tokenizer.json"), |tokenizer| {
        tokenizer["post_processor"] = Value::Null;
    });
    let error = BiEncoder::load(&folder, Device::CPU).err().unwrap();
    let message = chain(&error);
    assert!(message.contains("adds no special token"), "{message}");
}
