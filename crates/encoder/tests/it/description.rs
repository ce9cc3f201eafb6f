//! Deriving a spec from the files of a folder.

use std::path::Path;

use treffer_encoder::{BiEncoder, Device, Error, describe};
use treffer_types::{ModelFolder, ModelRole, Pooling};

use crate::support::{copy, golden_path};

#[test]
fn a_sentence_transformers_folder_has_a_full_spec() {
    let spec = describe(&golden_path("tiny-bert-bi"), None).unwrap();
    assert_eq!(spec.name, "tiny-bert-bi");
    assert_eq!(spec.role, ModelRole::BiEncoder);
    assert_eq!(spec.pooling, Pooling::Mean);
    assert_eq!(spec.query_prefix, "query: ");
    assert_eq!(spec.passage_prefix, "passage: ");
    assert_eq!(spec.max_length, 32);
    assert_eq!(spec.license, "unknown");
}

#[test]
fn a_classifier_is_a_cross_encoder_with_the_length_of_its_positions() {
    let spec = describe(&golden_path("tiny-bert-cross"), None).unwrap();
    assert_eq!((spec.role, spec.max_length), (ModelRole::CrossEncoder, 40));
    // RoBERTa does not use the two positions up to the padding token.
    let spec = describe(&golden_path("tiny-xlmr-cross"), None).unwrap();
    assert_eq!((spec.role, spec.max_length), (ModelRole::CrossEncoder, 38));
}

#[test]
fn a_described_folder_can_be_loaded() {
    let path = golden_path("tiny-bert-bi");
    let folder = ModelFolder {
        spec: describe(&path, None).unwrap(),
        path,
        sha256: Default::default(),
    };
    assert!(BiEncoder::load(&folder, Device::CPU).is_ok());
}

#[test]
fn a_bare_encoder_needs_an_explicit_role() {
    let path = golden_path("tiny-e5s1-bi");
    let error = describe(&path, None).unwrap_err();
    assert!(matches!(error, Error::UnknownRole { .. }));
    assert!(error.to_string().contains("name the role"), "{error}");
    // Its pooling is still unknown, and is not guessed.
    let error = describe(&path, Some(ModelRole::BiEncoder)).unwrap_err();
    assert!(error.to_string().contains("pooling"), "{error}");
    let spec = describe(&path, Some(ModelRole::CrossEncoder)).unwrap();
    assert_eq!(spec.role, ModelRole::CrossEncoder);
}

#[test]
fn a_length_without_limit_is_the_length_of_the_positions() {
    let (directory, folder) = copy("tiny-bert-cross");
    let file = directory.path().join("tokenizer_config.json");
    std::fs::write(
        &file,
        r#"{"model_max_length": 1000000000000000019884624838656}"#,
    )
    .unwrap();
    assert_eq!(describe(&folder.path, None).unwrap().max_length, 40);
    std::fs::write(&file, r#"{"model_max_length": 24}"#).unwrap();
    assert_eq!(describe(&folder.path, None).unwrap().max_length, 24);
}

#[test]
fn unsupported_modules_and_poolings_are_refused_by_name() {
    let (directory, folder) = copy("tiny-bert-cross");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let refused = |word: &str| {
        let error = describe(&folder.path, None).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    for kind in ["models.LSTM", "models.Dense", "models.Normalize"] {
        let kind = format!("sentence_transformers.{kind}");
        write(
            "modules.json",
            &format!(r#"[{{"path": "2", "type": "{kind}"}}]"#),
        );
        refused(&format!("`{kind}`"));
    }
    write(
        "modules.json",
        r#"[{"path": "", "type": "mine.Transformer"}]"#,
    );
    refused("`mine.Transformer`");
    write(
        "modules.json",
        r#"[{"path": "0_T", "type": "sentence_transformers.models.Transformer"}]"#,
    );
    refused("`0_T`");
    write(
        "modules.json",
        r#"[{"path": "../pool", "type": "sentence_transformers.models.Pooling"}]"#,
    );
    refused("`../pool`");
    write(
        "modules.json",
        r#"[{"path": "pool", "type": "sentence_transformers.models.Pooling"}]"#,
    );
    refused("pool");
    std::fs::create_dir(directory.path().join("pool")).unwrap();
    write(
        "pool/config.json",
        r#"{"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}"#,
    );
    refused("pooling_mode_cls_token, pooling_mode_max_tokens");
    write("pool/config.json", r#"{"pooling_mode_mean_tokens": false}"#);
    refused("its pooling is []");
    write("pool/config.json", r#"{"pooling_mode": "other"}"#);
    refused("pooling_mode_other");
    write("pool/config.json", r#"{"pooling_mode": ["cls", "mean"]}"#);
    refused("pooling_mode_cls, pooling_mode_mean");
    write("pool/config.json", r#"{"embedding_dimension": 384}"#);
    refused("embedding_dimension");
    write(
        "pool/config.json",
        r#"{"pooling_mode_cls_token": true, "word_embedding_dimension": 384}"#,
    );
    refused("word_embedding_dimension");
    for (config, pooling) in [
        (r#"{"pooling_mode_cls_token": true}"#, Pooling::Cls),
        (r#"{"pooling_mode_max_tokens": true}"#, Pooling::Max),
        (r#"{"pooling_mode_lasttoken": true}"#, Pooling::LastToken),
        (
            r#"{"pooling_mode_weightedmean_tokens": true}"#,
            Pooling::WeightedMean,
        ),
        (
            r#"{"pooling_mode_mean_sqrt_len_tokens": true}"#,
            Pooling::MeanSqrtLen,
        ),
        (
            r#"{"pooling_mode": "mean_sqrt_len_tokens"}"#,
            Pooling::MeanSqrtLen,
        ),
        (r#"{"pooling_mode": "mean"}"#, Pooling::Mean),
        (
            r#"{"pooling_mode": ["lasttoken"], "embedding_dimension": 32, "include_prompt": true}"#,
            Pooling::LastToken,
        ),
        ("{}", Pooling::Mean),
    ] {
        write("pool/config.json", config);
        assert_eq!(describe(&folder.path, None).unwrap().pooling, pooling);
    }
}

#[test]
fn a_missing_folder_is_named() {
    let error = describe(Path::new("no/such/folder"), None).unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}
