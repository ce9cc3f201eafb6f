//! Models of late interaction as ColBERT and PyLate save them, against PyLate
//! (`data/golden/make_late.py`), and folders that do not say enough or say it wrongly.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use treffer_encoder::{Device, LateEncoder, describe, describe_late, fingerprint};
use treffer_types::{ModelFolder, ModelRole, ModelSpec, TokenEmbedder, TokenEmbedding};

use crate::support::{
    REFERENCE, Tolerance, chain, copy_folder, edit, forwards, golden_path, read_tensors,
    write_tensors,
};

const LAYOUTS: [&str; 2] = ["tiny-colbert", "tiny-pylate"];
const PYLATE: &str = "config_sentence_transformers.json";
const COLBERT: &str = "artifact.metadata";

/// What `make_late.py` wrote for each model.
#[derive(Deserialize)]
struct Golden {
    queries: Vec<Text>,
    passages: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    vectors: Vec<Vec<f32>>,
    tokens_cut: u32,
}

fn folder(path: &Path) -> ModelFolder {
    ModelFolder {
        path: path.to_owned(),
        spec: describe(path, None).unwrap(),
        sha256: Default::default(),
    }
}

fn load(path: &Path, device: Device) -> LateEncoder {
    LateEncoder::load(&folder(path), device).unwrap()
}

fn texts(rows: &[Text]) -> Vec<&str> {
    rows.iter().map(|row| row.text.as_str()).collect()
}

#[test]
fn both_layouts_agree_with_pylate() {
    for name in LAYOUTS {
        let path = golden_path(name);
        let json = fs::read(path.join("golden.json")).unwrap();
        let golden: Golden = serde_json::from_slice(&json).unwrap();
        for (device, tolerance) in forwards() {
            let model = load(&path, device);
            let check = |rows: &[Text], found: Vec<TokenEmbedding>| {
                assert!(!rows.is_empty());
                for (row, found) in rows.iter().zip(found) {
                    let what = format!("{name} {device}: {:?}", row.text);
                    assert_eq!(model.width(), row.vectors[0].len(), "{what}");
                    assert_eq!(found.tokens_cut, row.tokens_cut, "{what}");
                    // Projections of few values average out less.
                    let tolerance = Tolerance(2.5 * tolerance.0);
                    tolerance.check(&found.vectors, &row.vectors.concat(), &what);
                }
            };
            let (queries, passages) = (texts(&golden.queries), texts(&golden.passages));
            check(&golden.queries, model.embed_queries(&queries).unwrap());
            check(&golden.passages, model.embed_passages(&passages).unwrap());
        }
    }
}

#[test]
fn batches_threads_and_instruction_sets_do_not_matter() {
    let texts = [
        "how cold is it?",
        "",
        "ice door shelf the lab fridge warm warm",
        "freezer",
    ];
    for name in LAYOUTS {
        let mut seen = Vec::new();
        for (device, _) in forwards() {
            let model = load(&golden_path(name), device);
            let together = model.embed_queries(&texts).unwrap();
            for (text, together) in texts.iter().zip(&together) {
                let alone = model.embed_queries(&[text]).unwrap();
                assert_eq!(alone, std::slice::from_ref(together));
            }
            if device != REFERENCE {
                seen.push(together);
            }
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
    }
}

#[test]
fn the_role_is_told_by_the_files_and_the_room_is_what_markers_leave() {
    for (name, room) in [("tiny-colbert", 20 - 3), ("tiny-pylate", 24 - 3)] {
        let path = golden_path(name);
        let spec = describe(&path, None).unwrap();
        assert_eq!(spec.role, ModelRole::LateInteraction);
        assert_eq!(spec, describe_late(&path).unwrap());
        assert_eq!(load(&path, Device::CPU).passage_room().unwrap(), room);
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ModelSpec>(&text).unwrap(), spec);
    }
}

fn tokens(model: &LateEncoder, query: &str) -> usize {
    model.embed_queries(&[query]).unwrap()[0].vectors.len() / model.width()
}

#[test]
fn what_the_configuration_says_is_followed() {
    let (directory, path) = copy_folder("tiny-pylate");
    let path = path.as_path();
    let config = |key: &str, value: Value| edit(path.join(PYLATE), |file| file[key] = value);
    let before = fingerprint(&folder(path)).unwrap();
    let attended = load(path, REFERENCE).embed_queries(&["ice"]).unwrap();
    config("attend_to_expansion_tokens", false.into());
    let unattended = load(path, REFERENCE).embed_queries(&["ice"]).unwrap();
    assert_eq!(attended[0].vectors.len(), unattended[0].vectors.len());
    assert_ne!(attended, unattended);
    assert_ne!(fingerprint(&folder(path)).unwrap(), before);
    config("do_query_expansion", false.into());
    let alone = load(path, REFERENCE);
    // Two special tokens, the marker and the word, as if none attended to what is not there.
    assert_eq!(tokens(&alone, "ice"), 4);
    let found = alone.embed_queries(&["ice"]).unwrap().remove(0).vectors;
    Tolerance(1e-5).check(
        &found,
        &unattended[0].vectors[..found.len()],
        "without expansion",
    );
    config("query_prefix", "".into());
    assert_eq!(tokens(&load(path, REFERENCE), "ice"), 3);
    let model = load(path, REFERENCE);
    let with = model.embed_passages(&["the ice . the"]).unwrap();
    config("skiplist_words", json!([]));
    let without = load(path, REFERENCE)
        .embed_passages(&["the ice . the"])
        .unwrap();
    assert_eq!(with[0].vectors.len() / model.width(), 4);
    assert_eq!(without[0].vectors.len() / model.width(), 7);
    // Where nothing is left, the first token is.
    config("skiplist_words", json!(["[CLS]", "[SEP]", "[D] "]));
    let empty = load(path, REFERENCE).embed_passages(&[""]).unwrap();
    assert_eq!(empty[0].vectors.len(), model.width());
    drop(directory);

    let (_directory, path) = copy_folder("tiny-colbert");
    edit(path.join(COLBERT), |file| {
        file["mask_punctuation"] = false.into();
    });
    let model = load(&path, Device::CPU);
    let found = model.embed_passages(&["ice . door ."]).unwrap();
    assert_eq!(found[0].vectors.len() / model.width(), 7);
}

/// Why the folder cannot be described or loaded.
fn refusal(path: &Path) -> String {
    let spec = match describe_late(path) {
        Err(error) => return chain(&error),
        Ok(spec) => spec,
    };
    let folder = ModelFolder {
        path: path.to_owned(),
        spec,
        sha256: Default::default(),
    };
    let loaded = LateEncoder::load(&folder, Device::CPU);
    chain(&loaded.err().expect("it should be refused"))
}

#[track_caller]
fn refused(name: &str, words: &[&str], change: impl FnOnce(&Path)) {
    let (_directory, path) = copy_folder(name);
    change(&path);
    let message = refusal(&path);
    for word in words {
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn a_folder_without_projection_is_refused() {
    refused(
        "tiny-bert-bi",
        &["Pooling", "Dense layers on its tokens"],
        |_| {},
    );
    refused("tiny-bert-cross", &["no projection", "HF_ColBERT"], |_| {});
    refused("tiny-pylate", &["no dense layer"], |path| {
        edit(path.join("modules.json"), |file| {
            file.as_array_mut().unwrap().truncate(1);
        });
    });
    refused("tiny-colbert", &["no artifact.metadata"], |path| {
        fs::remove_file(path.join(COLBERT)).unwrap();
    });
    refused("tiny-colbert", &["linear.weight"], |path| {
        let file = path.join("model.safetensors");
        let tensors = read_tensors(&file);
        let kept: Vec<(&str, &[usize], &[f32])> = tensors
            .iter()
            .filter(|(name, ..)| name != "linear.weight")
            .map(|(name, shape, values)| (&**name, &**shape, &**values))
            .collect();
        write_tensors(file, &kept);
    });
    refused("tiny-pylate", &["2_Dense", "model.safetensors"], |path| {
        fs::remove_file(path.join("2_Dense/model.safetensors")).unwrap();
    });
}

#[test]
fn a_projection_of_another_width_is_refused() {
    refused("tiny-colbert", &["`dim` is 24", "16"], |path| {
        edit(path.join(COLBERT), |file| file["dim"] = 24.into());
    });
    refused("tiny-pylate", &["in_features", "64", "32"], |path| {
        edit(path.join("1_Dense/config.json"), |file| {
            file["in_features"] = 64.into();
        });
    });
    refused(
        "tiny-pylate",
        &["linear.weight", "[9, 24]", "[8, 24]"],
        |path| {
            edit(path.join("2_Dense/config.json"), |file| {
                file["out_features"] = 9.into();
            });
        },
    );
    refused("tiny-pylate", &["use_residual"], |path| {
        edit(path.join("2_Dense/config.json"), |file| {
            file["use_residual"] = true.into();
        });
    });
}

#[test]
fn unknown_values_are_refused_by_name() {
    for (key, value, words) in [
        ("similarity", json!("l2"), ["similarity", "cosine"]),
        ("interaction", json!("flipr"), ["interaction", "colbert"]),
        (
            "query_token_id",
            json!("[unused7]"),
            ["query marker", "[unused7]"],
        ),
        (
            "doc_token_id",
            json!("[unused7]"),
            ["passage marker", "[unused7]"],
        ),
        ("query_maxlen", json!("long"), [COLBERT, "long"]),
        ("query_maxlen", json!(41), ["query_length", "40"]),
        ("query_maxlen", json!(3), ["query_length", "so small"]),
        ("doc_maxlen", json!(41), ["max_length", "40"]),
    ] {
        refused("tiny-colbert", &words, |path| {
            edit(path.join(COLBERT), |file| file[key] = value);
        });
    }
    for (key, value, words) in [
        (
            "similarity_fn_name",
            json!("cosine"),
            ["similarity_fn_name", "MaxSim"],
        ),
        ("prompts", json!({"query": "search: "}), ["prompt", "query"]),
        ("truncate_dim", json!(4), ["truncate_dim", "4"]),
        (
            "model_type",
            json!("SparseEncoder"),
            ["SparseEncoder", "ColBERT"],
        ),
        ("document_prefix", json!("[X] "), ["passage marker", "[X]"]),
        (
            "skiplist_words",
            json!(["ice door"]),
            ["skiplist_words", "ice door"],
        ),
        ("skiplist_words", json!(7), [PYLATE, "7"]),
        ("query_length", json!(-1), [PYLATE, "-1"]),
    ] {
        refused("tiny-pylate", &words, |path| {
            edit(path.join(PYLATE), |file| file[key] = value);
        });
    }
    refused(
        "tiny-pylate",
        &["modules.json", "`pylate.models.Other`"],
        |path| {
            edit(path.join("modules.json"), |file| {
                file[2]["type"] = "pylate.models.Other".into();
            });
        },
    );
    refused("tiny-pylate", &["../x", "no folder within"], |path| {
        edit(path.join("modules.json"), |file| {
            file[2]["path"] = "../x".into();
        });
    });
    refused("tiny-pylate", &["modernbert", "model_type"], |path| {
        edit(path.join("config.json"), |file| {
            file["model_type"] = "modernbert".into();
        });
    });
    refused("tiny-pylate", &["mask token", "[HOLE]"], |path| {
        edit(path.join("tokenizer_config.json"), |file| {
            file["mask_token"] = "[HOLE]".into();
        });
    });
}

#[test]
fn truncated_files_are_refused_with_their_path() {
    for (name, file) in [
        ("tiny-colbert", COLBERT),
        ("tiny-colbert", "model.safetensors"),
        ("tiny-colbert", "tokenizer.json"),
        ("tiny-pylate", PYLATE),
        ("tiny-pylate", "modules.json"),
        ("tiny-pylate", "1_Dense/model.safetensors"),
        ("tiny-pylate", "1_Dense/config.json"),
    ] {
        refused(name, &[file], |path| {
            let bytes = fs::read(path.join(file)).unwrap();
            fs::write(path.join(file), &bytes[..bytes.len() / 2]).unwrap();
        });
    }
}

/// Vectors and what they stand for, one for one; places are where the parts of the text are.
#[test]
fn every_vector_has_its_token_and_its_place() {
    let texts = [
        "the lab fridge, is 5 c cold.",
        "DIN 13277, not: Laborkühlschrank ohne ÄÖ Gefrierfach?",
        "",
        "ice \u{1f600} \u{5e9}\u{5dc} \u{130}ce \0 door",
        "warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm \
         warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm",
    ];
    let mut folders: Vec<ModelFolder> = LAYOUTS
        .iter()
        .map(|name| folder(&golden_path(name)))
        .collect();
    // With a prefix, and lowered before it is tokenized.
    let mut prefixed = crate::support::golden("tiny-bert-bi").0;
    prefixed.spec.role = ModelRole::LateInteraction;
    folders.push(prefixed.clone());
    prefixed.spec.details.lower_case = true;
    folders.push(prefixed);
    for folder in folders {
        let model = LateEncoder::load(&folder, Device::CPU).unwrap();
        for text in texts {
            let queries = (model.query_tokens(text), model.embed_queries(&[text]));
            let passages = (model.passage_tokens(text), model.embed_passages(&[text]));
            for (tokens, embeddings) in [queries, passages] {
                let tokens = tokens.unwrap();
                let vectors = embeddings.unwrap()[0].vectors.len() / model.width();
                assert_eq!(tokens.len(), vectors, "{text:?}");
                assert_eq!((&*tokens[0].text, tokens[0].place), ("[CLS]", None));
                let mut last = 0;
                for token in &tokens {
                    if let Some((from, to)) = token.place {
                        assert_eq!(text.get(from as usize..to as usize), Some(&*token.text));
                        assert!(from <= to && to >= last, "{text:?} {tokens:?}");
                        last = to;
                    }
                }
            }
        }
        let tokens = model.passage_tokens("Ice door").unwrap();
        let of_text: Vec<(&str, (u32, u32))> = (tokens.iter())
            .filter_map(|token| Some((&*token.text, token.place?)))
            .collect();
        assert_eq!(of_text, [("Ice", (0, 3)), ("door", (4, 8))]);
        let added = if folder.spec.passage_prefix.is_empty() {
            3
        } else {
            4
        };
        assert_eq!(tokens.len() - of_text.len(), added, "{tokens:?}");
    }
    let model = load(&golden_path("tiny-colbert"), Device::CPU);
    let names: Vec<String> = model
        .query_tokens("ice")
        .unwrap()
        .into_iter()
        .map(|one| one.text)
        .collect();
    assert_eq!(names[..4], ["[CLS]", "[unused0]", "ice", "[SEP]"]);
    assert!(names[4..].iter().all(|name| name == "[MASK]") && names.len() == 14);
}
