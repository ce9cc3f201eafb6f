//! Saved folders as the encoder loads them.

use treffer_encoder::parts::Parts;
use treffer_encoder::{BiEncoder, CpuBackend, CrossEncoder, Device, describe};
use treffer_types::{Embedder, ModelFolder, ModelRole, NoProgress, PairScorer, Pooling};

use super::*;
use crate::base::base_folder;
use crate::machine::Machine;
use crate::shape::Activation;
use crate::testing::{golden, model, shape};

const QUERY: &str = "how cold is the lab fridge?";
const PASSAGES: [&str; 3] = [
    "the lab fridge is 5 c cold.",
    "warm door",
    "not a quiet freezer, but a loud one with a shelf and ice",
];

/// The small files of a base of this shape, of which only the configuration matters.
fn base(folder: &Path, model: &Model, kind: &str, activation: &str) {
    let shape = &model.shape;
    let config = json!({
        "model_type": kind,
        "architectures": ["SomethingElse"],
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "embedding_size": shape.hidden,
        "num_hidden_layers": 12,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.segments,
        "hidden_act": activation,
        "layer_norm_eps": shape.eps,
        "pad_token_id": u8::from(shape.family == Family::Roberta),
        "torch_dtype": "float16",
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let tokenizer = golden("tiny-bert-cross").join("tokenizer.json");
    fs::copy(tokenizer, folder.join("tokenizer.json")).unwrap();
}

fn saved(model: &Model, kind: &str, activation: &str) -> (tempfile::TempDir, ModelFolder) {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("base"), place.path().join("out"));
    fs::create_dir(&from).unwrap();
    base(&from, model, kind, activation);
    SmallFiles::of(&base_folder("base", from), model, 24, Vec::new())
        .unwrap()
        .save(&to, model)
        .unwrap();
    let mut folder = base_folder("saved", to);
    folder.spec.role = ModelRole::CrossEncoder;
    folder.spec.max_length = 24;
    (place, folder)
}

#[test]
fn a_saved_model_of_each_family_scores_in_the_encoder_as_here() {
    let cases = [
        (Family::Bert, "bert", Activation::Gelu, "gelu"),
        (Family::Roberta, "roberta", Activation::GeluTanh, "gelu_new"),
        (Family::Roberta, "xlm-roberta", Activation::Gelu, "gelu"),
        (Family::Electra, "electra", Activation::Relu, "relu"),
    ];
    for (family, kind, activation, name) in cases {
        let model = model(shape(family, activation, 1), Output::Logits, 3);
        let (_place, folder) = saved(&model, kind, name);
        let encoder = CrossEncoder::load(&folder, Device::Cpu(CpuBackend::Candle)).unwrap();
        let expected = encoder.score_pairs(QUERY, &PASSAGES).unwrap();
        let parts = Parts::open(&folder, 24).unwrap();
        let query = parts.query(QUERY).unwrap();
        let tokens = PASSAGES
            .iter()
            .map(|passage| parts.pair(&query, passage).unwrap())
            .collect();
        let mut machine = Machine::new(&model, &crate::Options::default());
        let found = machine.run(&model, &[(0, tokens)], &NoProgress).unwrap();
        let found = &found[0];
        for (found, expected) in found.iter().zip(expected) {
            let apart = (found - expected.score).abs();
            assert!(apart < 1e-5, "{kind}: {found} is not {}", expected.score);
        }
        assert!((found[0] - found[1]).abs() > 1e-3, "{kind}: {found:?}");
    }
}

#[test]
fn what_was_saved_is_loaded_again_bit_for_bit() {
    let model = model(shape(Family::Bert, Activation::Gelu, 3), Output::Logits, 4);
    let (_place, folder) = saved(&model, "bert", "gelu");
    // As a base, whose labels nobody asks for.
    let folder = base_folder("saved", folder.path);
    let mut parts = Parts::open(&folder, 24).unwrap();
    assert!(crate::base::load(&mut parts, Output::Logits, None, 1).unwrap() == model);
}

#[test]
fn the_configuration_says_what_the_model_is_now() {
    let model = model(shape(Family::Bert, Activation::Gelu, 1), Output::Logits, 4);
    let (_place, folder) = saved(&model, "bert", "gelu");
    let config = object(&folder.path.join("config.json")).unwrap().unwrap();
    assert_eq!(
        config["architectures"],
        json!(["BertForSequenceClassification"])
    );
    assert_eq!(config["num_hidden_layers"], json!(2));
    assert_eq!(config["id2label"], json!({"0": "LABEL_0"}));
    assert_eq!(config["torch_dtype"], "float32");
    let identity = "torch.nn.modules.linear.Identity";
    assert_eq!(config["sentence_transformers"]["activation_fn"], identity);
    let tokenizer = object(&folder.path.join(TOKENIZER_CONFIG))
        .unwrap()
        .unwrap();
    assert_eq!(tokenizer["model_max_length"], 24);
    assert_eq!(tokenizer["cls_token"], "[CLS]");
}

#[test]
fn a_saved_bi_encoder_embeds_in_the_encoder_as_here() {
    let cases = [
        (Family::Bert, "bert", Output::MeanVector, Pooling::Mean),
        (
            Family::Roberta,
            "xlm-roberta",
            Output::FirstVector,
            Pooling::Cls,
        ),
    ];
    for (family, kind, output, pooling) in cases {
        let model = model(shape(family, Activation::Gelu, 1), output, 3);
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("base"), place.path().join("out"));
        fs::create_dir(&from).unwrap();
        base(&from, &model, kind, "gelu");
        let mut folder = base_folder("base", from);
        (folder.spec.pooling, folder.spec.query_prefix) = (pooling, "lab ".to_owned());
        SmallFiles::of(&folder, &model, 24, Vec::new())
            .unwrap()
            .save(&to, &model)
            .unwrap();
        let folder = ModelFolder {
            spec: describe(&to, None).unwrap(),
            ..base_folder("saved", to)
        };
        assert_eq!(
            (
                folder.spec.pooling,
                folder.spec.query_prefix.as_str(),
                folder.spec.max_length
            ),
            (pooling, "lab ", 24)
        );
        let encoder = BiEncoder::load(&folder, Device::Cpu(CpuBackend::Candle)).unwrap();
        let mut machine = Machine::new(&model, &crate::Options::default());
        let parts = Parts::open(&folder, 24).unwrap();
        let mut check = |prefix: &str, text: &str, expected: &[f32]| {
            let tokens = vec![parts.single(prefix, text).unwrap()];
            let found = machine.run(&model, &[(0, tokens)], &NoProgress).unwrap();
            for (found, expected) in found[0].iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{kind}: {found} {expected}"
                );
            }
            assert_eq!(found[0].len(), expected.len());
        };
        let query = &encoder.embed_queries(&[QUERY]).unwrap()[0];
        check("lab ", QUERY, &query.vector);
        for passage in PASSAGES {
            let embedded = &encoder.embed_passages(&[passage]).unwrap()[0];
            check("", passage, &embedded.vector);
        }
    }
}
