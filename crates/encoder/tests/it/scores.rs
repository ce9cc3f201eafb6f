//! What the scores of a cross-encoder with several classes are.

use std::path::Path;

use treffer_encoder::{CrossEncoder, describe, describe_scorer, fingerprint};
use treffer_types::{Grade, ModelFolder, PairScorer, ScorerSettings, Scoring};

use crate::support::{REFERENCE, copy, edit, read_tensors, write_tensors};

const QUERY: &str = "how cold is the lab fridge?";
const PASSAGES: [&str; 3] = ["the lab fridge is 5 c cold.", "warm ice", "freezer"];

fn set_labels(folder: &Path, labels: &[&str]) {
    edit(folder.join("config.json"), |config| {
        let labels = labels.iter().enumerate();
        let labels: serde_json::Map<_, _> = labels
            .map(|(class, label)| (class.to_string(), (*label).into()))
            .collect();
        config["id2label"] = labels.into();
    });
}

fn model(folder: &Path, settings: &ScorerSettings) -> Result<ModelFolder, String> {
    Ok(ModelFolder {
        path: folder.to_owned(),
        spec: describe_scorer(folder, settings).map_err(|error| error.to_string())?,
        sha256: Default::default(),
    })
}

fn label(label: &str) -> ScorerSettings {
    ScorerSettings {
        label: Some(label.to_owned()),
        grades: None,
    }
}

fn grades(grades: &[Grade]) -> ScorerSettings {
    ScorerSettings {
        label: None,
        grades: Some(grades.to_vec()),
    }
}

fn scores(folder: &Path, settings: &ScorerSettings) -> Vec<f32> {
    let folder = model(folder, settings).unwrap();
    let model = CrossEncoder::load(&folder, REFERENCE).unwrap();
    // The loaded model says the same, and its fingerprint is that of the folder.
    assert_eq!(model.spec().details.scoring, folder.spec.details.scoring);
    assert_eq!(*model.fingerprint(), fingerprint(&folder).unwrap());
    let scores = model.score_pairs(QUERY, &PASSAGES).unwrap();
    scores.iter().map(|score| score.score).collect()
}

/// Adds a class to the head of the model in `folder`, whose logit is always 0, as the first.
fn with_second_class(folder: &Path) {
    let path = folder.join("model.safetensors");
    let mut tensors = read_tensors(&path);
    for (name, shape, values) in &mut tensors {
        if name.starts_with("classifier.") {
            shape[0] = 2;
            let zeros = vec![0.0; values.len()];
            values.splice(0..0, zeros);
        }
    }
    let tensors: Vec<(&str, &[usize], &[f32])> = tensors
        .iter()
        .map(|(name, shape, values)| (name.as_str(), shape.as_slice(), values.as_slice()))
        .collect();
    write_tensors(path, &tensors);
}

#[test]
fn two_opposite_classes_give_the_logit_of_one_wherever_it_stands() {
    let (directory, _) = copy("tiny-bert-cross");
    let path = directory.path();
    let one = scores(path, &ScorerSettings::default());
    with_second_class(path);
    for (labels, sign) in [
        (["not_relevant", "relevant"], 1.0),
        (["relevant", "irrelevant"], -1.0),
    ] {
        set_labels(path, &labels);
        let two = scores(path, &ScorerSettings::default());
        for (two, one) in two.iter().zip(&one) {
            assert!((two - sign * one).abs() < 1e-5, "{labels:?}: {two} {one}");
        }
    }
}

#[test]
fn three_classes_are_graded_only_if_something_says_so() {
    let (directory, _) = copy("tiny-bert-cross-3class");
    let path = directory.path();
    let message = model(path, &ScorerSettings::default()).unwrap_err();
    assert!(
        message.contains("LABEL_0") && message.contains("grades"),
        "{message}"
    );
    let expected = scores(path, &grades(&[0, 1, 2]));
    set_labels(path, &["0", "1", "2"]);
    assert_eq!(scores(path, &ScorerSettings::default()), expected);
    set_labels(path, &["2", "1", "0"]);
    let reversed = scores(path, &ScorerSettings::default());
    for (reversed, expected) in reversed.iter().zip(&expected) {
        assert!(
            (reversed + expected - 2.0).abs() < 1e-5,
            "{reversed} {expected}"
        );
    }
    let message = model(path, &grades(&[0, 1])).unwrap_err();
    assert!(message.contains("2 values"), "{message}");
}

#[test]
fn entailment_counts_if_it_is_named() {
    let (directory, _) = copy("tiny-bert-cross-3class");
    let path = directory.path();
    let names = ["contradiction", "entailment", "neutral"];
    set_labels(path, &names);
    let message = model(path, &ScorerSettings::default()).unwrap_err();
    assert!(
        message.contains("`entailment`") && message.contains("`label`"),
        "{message}"
    );
    // The probabilities of all classes add up to 1.
    let all = names.map(|name| scores(path, &label(name)));
    for pair in 0..PASSAGES.len() {
        let sum: f64 = all
            .iter()
            .map(|scores| Scoring::Logit.share(scores[pair]))
            .sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
    let fingerprints = names.map(|name| fingerprint(&model(path, &label(name)).unwrap()).unwrap());
    assert!(fingerprints[0] != fingerprints[1] && fingerprints[1] != fingerprints[2]);
}

#[test]
fn a_description_and_a_bare_spec_are_loaded_alike() {
    let (directory, mut folder) = copy("tiny-bert-cross-3class");
    set_labels(directory.path(), &["0", "1", "2"]);
    let described = describe(directory.path(), None).unwrap();
    assert_eq!(described.details.scoring, Scoring::Grades(vec![0, 1, 2]));
    // A spec that says nothing, as one from the registry.
    folder.spec.details.scoring = Scoring::Logit;
    let model = CrossEncoder::load(&folder, REFERENCE).unwrap();
    assert_eq!(model.spec().details.scoring, described.details.scoring);
    edit(directory.path().join("config.json"), |config| {
        config.as_object_mut().unwrap().remove("id2label");
    });
    let message = CrossEncoder::load(&folder, REFERENCE)
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("3 classes"), "{message}");
}

#[test]
fn texts_are_lowered_where_the_folder_says_so() {
    let (directory, _) = copy("tiny-bert-cross");
    let path = directory.path();
    edit(path.join("tokenizer.json"), |tokenizer| {
        tokenizer["normalizer"]["lowercase"] = false.into();
    });
    let is_lowered = || {
        let folder = model(path, &ScorerSettings::default()).unwrap();
        let model = CrossEncoder::load(&folder, REFERENCE).unwrap();
        let scores = model.score_pairs(QUERY, &["THE LAB FRIDGE", "the lab fridge"]);
        let scores = scores.unwrap();
        scores[0].score == scores[1].score
    };
    assert!(!is_lowered());
    let settings = r#"{"max_seq_length": 32, "do_lower_case": true}"#;
    std::fs::write(path.join("sentence_bert_config.json"), settings).unwrap();
    assert!(is_lowered());
}
