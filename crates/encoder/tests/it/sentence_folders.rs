//! What a folder of Sentence Transformers says is followed or refused by name.

use std::fs;
use std::path::Path;

use serde_json::json;
use treffer_encoder::{BiEncoder, Device, describe, describe_embedder, fingerprint};
use treffer_types::{Embedder, EmbedderSettings, ModelFolder, ModelSpec, Pooling};

use crate::support::{Tolerance, chain, copy, edit, forwards, golden, write_tensors};

const SENTENCE: &str = "config_sentence_transformers.json";

fn write(folder: &Path, name: &str, value: &serde_json::Value) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.to_string()).unwrap();
}

/// The model as its files describe it.
fn described(folder: &Path) -> ModelFolder {
    ModelFolder {
        path: folder.to_owned(),
        spec: describe(folder, None).unwrap(),
        sha256: Default::default(),
    }
}

fn load(folder: &ModelFolder) -> BiEncoder {
    BiEncoder::load(folder, Device::CPU).unwrap()
}

fn query_vector(folder: &Path, text: &str) -> Vec<f32> {
    let model = load(&described(folder));
    model.embed_queries(&[text]).unwrap().remove(0).vector
}

#[test]
fn the_default_prompt_is_put_before_every_text() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    let prompts =
        json!({ "prompts": { "retrieval": "cold: " }, "default_prompt_name": "retrieval" });
    write(path, SENTENCE, &prompts);
    let spec = describe(path, None).unwrap();
    assert_eq!(
        (&*spec.query_prefix, &*spec.passage_prefix),
        ("cold: ", "cold: ")
    );
    write(
        path,
        SENTENCE,
        &json!({ "prompts": { "retrieval": "cold: " } }),
    );
    let message = describe(path, None).unwrap_err().to_string();
    assert!(
        message.contains("`retrieval`") && message.contains("query_prefix"),
        "{message}"
    );
    write(path, SENTENCE, &json!({ "prompts": {} }));
    let plain = query_vector(path, "ice");
    write(path, SENTENCE, &prompts);
    assert_ne!(query_vector(path, "ice"), plain);
}

#[test]
fn settings_replace_what_the_folder_says_and_what_it_lacks() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    let settings = EmbedderSettings {
        query_prefix: Some(String::new()),
        passage_prefix: Some("quiet: ".to_owned()),
        pooling: Some(Pooling::Max),
    };
    let spec = describe_embedder(path, &settings).unwrap();
    assert_eq!(
        (&*spec.query_prefix, &*spec.passage_prefix),
        ("", "quiet: ")
    );
    assert_eq!(spec.pooling, Pooling::Max);
    fs::remove_file(path.join("modules.json")).unwrap();
    let message = describe_embedder(path, &EmbedderSettings::default())
        .unwrap_err()
        .to_string();
    assert!(message.contains("`pooling`"), "{message}");
    assert_eq!(
        describe_embedder(path, &settings).unwrap().pooling,
        Pooling::Max
    );
}

#[test]
fn texts_are_lowered_where_the_folder_says_so() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    edit(path.join("tokenizer.json"), |tokenizer| {
        tokenizer["normalizer"]["lowercase"] = false.into();
    });
    let same = || query_vector(path, "THE LAB") == query_vector(path, "the lab");
    assert!(!same());
    let cased = fingerprint(&described(path)).unwrap();
    write(
        path,
        "sentence_bert_config.json",
        &json!({ "max_seq_length": 32, "do_lower_case": true }),
    );
    assert!(same());
    assert_ne!(fingerprint(&described(path)).unwrap(), cased);
}

#[test]
fn a_tokenizer_config_that_contradicts_the_tokenizer_is_refused() {
    let (directory, folder) = copy("tiny-bert-bi");
    let path = directory.path();
    write(
        path,
        "tokenizer_config.json",
        &json!({ "do_lower_case": true, "strip_accents": null }),
    );
    load(&folder);
    write(
        path,
        "tokenizer_config.json",
        &json!({ "truncation_side": "left" }),
    );
    let error = BiEncoder::load(&folder, Device::CPU).err().unwrap();
    assert!(error.to_string().contains("truncation_side"), "{error}");
    for (key, value) in [
        ("do_lower_case", false),
        ("strip_accents", false),
        ("tokenize_chinese_chars", false),
    ] {
        write(path, "tokenizer_config.json", &json!({ key: value }));
        let message = BiEncoder::load(&folder, Device::CPU)
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn the_tokens_of_a_prompt_can_be_left_out_of_the_pooling() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    let with = query_vector(path, "ice door");
    edit(path.join("1_Pooling/config.json"), |config| {
        config["include_prompt"] = false.into();
    });
    let folder = described(path);
    assert!(folder.spec.details.prefix_not_pooled);
    let without = query_vector(path, "ice door");
    assert_ne!(with, without);
    // Of a text that merges with its prompt, and of none, there is still something to pool.
    for text in ["", "s", "##ing"] {
        query_vector(path, text);
    }
    for pooling in Pooling::ALL {
        let mut folder = folder.clone();
        folder.spec.pooling = pooling;
        let vectors: Vec<Vec<f32>> = forwards()
            .into_iter()
            .map(|(device, _)| BiEncoder::load(&folder, device).unwrap())
            .map(|model| {
                model
                    .embed_queries(&["how cold?"])
                    .unwrap()
                    .remove(0)
                    .vector
            })
            .collect();
        for vector in &vectors[1..] {
            Tolerance(0.12).check(vector, &vectors[0], &format!("{pooling}"));
        }
    }
}

#[test]
fn a_prefix_that_fills_the_model_is_refused() {
    let (_directory, mut folder) = copy("tiny-bert-bi");
    folder.spec.passage_prefix = "cold ".repeat(40);
    let message = BiEncoder::load(&folder, Device::CPU)
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("passage_prefix"), "{message}");
}

/// Every pooling on every device; the square root changes the length only.
#[test]
fn all_poolings_give_their_own_vectors() {
    let (mut folder, _) = golden("tiny-bert-bi");
    let mut seen: Vec<Vec<f32>> = Vec::new();
    for pooling in Pooling::ALL {
        folder.spec.pooling = pooling;
        let model = load(&folder);
        let vector = model
            .embed_queries(&["how cold is the lab?"])
            .unwrap()
            .remove(0)
            .vector;
        let same = seen.iter().any(|other| {
            let apart = other.iter().zip(&vector).map(|(a, b)| (a - b).abs());
            apart.fold(0.0, f32::max) < 1e-6
        });
        assert_eq!(same, pooling == Pooling::MeanSqrtLen, "{pooling}");
        seen.push(vector);
    }
}

/// `modules.json` with a layer of this kind in the folder `2_Layer`.
fn with_layer(path: &Path, kind: &str, then_normalize: bool) {
    let module = |path: &str, kind: &str| json!({ "path": path, "type": format!("sentence_transformers.models.{kind}") });
    let mut modules = vec![
        module("", "Transformer"),
        module("1_Pooling", "Pooling"),
        module("2_Layer", kind),
    ];
    if then_normalize {
        modules.push(module("3_Normalize", "Normalize"));
    }
    write(path, "modules.json", &modules.into());
    fs::create_dir_all(path.join("2_Layer")).unwrap();
}

#[test]
fn a_dense_layer_is_applied_after_the_pooling() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    let plain = query_vector(path, "cold");
    with_layer(path, "Dense", true);
    // Takes the first eight values, in reverse and twice as large, and changes their signs.
    let (inputs, outputs) = (32, 8);
    let mut weight = vec![0.0; inputs * outputs];
    for output in 0..outputs {
        weight[output * inputs + outputs - 1 - output] = -2.0;
    }
    let config = |activation: &str, bias| {
        json!({
            "in_features": inputs, "out_features": outputs, "bias": bias,
            "activation_function": format!("torch.nn.modules.{activation}"),
        })
    };
    write(
        path,
        "2_Layer/config.json",
        &config("linear.Identity", false),
    );
    let file = path.join("2_Layer/model.safetensors");
    write_tensors(
        file.clone(),
        &[("linear.weight", &[outputs, inputs], &weight)],
    );
    let folder = described(path);
    let model = load(&folder);
    assert_eq!(model.dimension(), outputs);
    let found = query_vector(path, "cold");
    let expected: Vec<f32> = plain[..outputs].iter().rev().map(|value| -value).collect();
    let length = expected
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt();
    let expected: Vec<f32> = expected.iter().map(|value| value / length).collect();
    Tolerance(1e-5).check(&found, &expected, "a dense layer");

    let before = fingerprint(&folder).unwrap();
    weight[0] = 1.0;
    write_tensors(
        file,
        &[
            ("linear.weight", &[outputs, inputs], &weight),
            ("linear.bias", &[outputs], &[0.5; 8]),
        ],
    );
    write(
        path,
        "2_Layer/config.json",
        &config("activation.Tanh", true),
    );
    assert_ne!(fingerprint(&described(path)).unwrap(), before);
    load(&described(path));

    let refused = |words: &[&str]| {
        let error = BiEncoder::load(&folder, Device::CPU).err().unwrap();
        let message = chain(&error);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    write(
        path,
        "2_Layer/config.json",
        &config("activation.Softmax", true),
    );
    refused(&["activation_function", "Softmax"]);
    let mut wrong = config("activation.Tanh", true);
    wrong["in_features"] = 768.into();
    write(path, "2_Layer/config.json", &wrong);
    refused(&["in_features", "768"]);
    fs::remove_file(path.join("2_Layer/model.safetensors")).unwrap();
    fs::write(path.join("2_Layer/pytorch_model.bin"), "pickle").unwrap();
    refused(&["2_Layer", "safe_serialization"]);
}

#[test]
fn a_layer_norm_and_an_unknown_layer() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    with_layer(path, "LayerNorm", false);
    write(path, "2_Layer/config.json", &json!({ "dimension": 32 }));
    write_tensors(
        path.join("2_Layer/model.safetensors"),
        &[
            ("norm.weight", &[32], &[1.0; 32]),
            ("norm.bias", &[32], &[0.0; 32]),
        ],
    );
    let vector = query_vector(path, "cold");
    assert!(vector.iter().sum::<f32>().abs() < 1e-4, "its mean is 0");
    with_layer(path, "WeightedLayerPooling", false);
    let message = describe(path, None).unwrap_err().to_string();
    assert!(message.contains("WeightedLayerPooling"), "{message}");
}

#[test]
fn a_model_for_the_dot_product_must_normalize() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    write(
        path,
        SENTENCE,
        &json!({ "prompts": {}, "similarity_fn_name": "dot" }),
    );
    describe(path, None).unwrap();
    edit(path.join("modules.json"), |modules| {
        modules.as_array_mut().unwrap().pop();
    });
    let message = describe(path, None).unwrap_err().to_string();
    assert!(
        message.contains("similarity_fn_name") && message.contains("cosine"),
        "{message}"
    );
}

fn max_length(path: &Path) -> usize {
    describe(path, None).unwrap().max_length
}

#[test]
fn the_length_is_that_of_sentence_transformers() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    let lengths = |sentence: serde_json::Value, tokenizer: serde_json::Value| {
        write(path, "sentence_bert_config.json", &sentence);
        write(path, "tokenizer_config.json", &tokenizer);
        max_length(path)
    };
    let of_tokenizer = json!({ "model_max_length": 16 });
    assert_eq!(
        lengths(json!({ "max_seq_length": 24 }), of_tokenizer.clone()),
        24
    );
    assert_eq!(lengths(json!({ "max_seq_length": null }), of_tokenizer), 16);
    // Both keys in one file.
    let both = json!({ "max_seq_length": 24, "model_max_length": 20 });
    assert_eq!(lengths(both.clone(), json!({})), 20);
    assert_eq!(lengths(json!({}), both), 20);
    assert_eq!(lengths(json!({}), json!({})), 40);
    assert_eq!(lengths(json!({ "max_seq_length": 512 }), json!({})), 40);
}

#[test]
fn other_settings_of_the_transformer_are_refused_by_name() {
    let (directory, _) = copy("tiny-bert-bi");
    let path = directory.path();
    let harmless = json!({
        "max_seq_length": 24, "model_args": { "torch_dtype": "float16" }, "tokenizer_args": {},
        "transformer_task": "feature-extraction",
    });
    write(path, "sentence_bert_config.json", &harmless);
    assert_eq!(max_length(path), 24);
    let of_another_role = json!({ "transformer_task": "sequence-classification" });
    write(path, "sentence_bert_config.json", &of_another_role);
    let message = describe(path, None).unwrap_err().to_string();
    assert!(message.contains("transformer_task"), "{message}");
    let (cross, _) = copy("tiny-bert-cross");
    write(cross.path(), "sentence_bert_config.json", &of_another_role);
    write(
        cross.path(),
        "modules.json",
        &json!([{ "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer" }]),
    );
    write(
        cross.path(),
        SENTENCE,
        &json!({ "model_type": "CrossEncoder" }),
    );
    describe(cross.path(), None).unwrap();
    write(
        path,
        "sentence_bert_config.json",
        &json!({ "tokenizer_name_or_path": "other" }),
    );
    let message = describe(path, None).unwrap_err().to_string();
    assert!(message.contains("tokenizer_name_or_path"), "{message}");
}

#[test]
fn a_camembert_is_a_roberta() {
    let (directory, mut folder) = copy("tiny-xlmr-cross");
    edit(directory.path().join("config.json"), |config| {
        config["model_type"] = "camembert".into();
    });
    folder.spec = ModelSpec { ..folder.spec };
    treffer_encoder::CrossEncoder::load(&folder, Device::CPU).unwrap();
}
