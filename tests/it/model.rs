//! `treffer model`: the registry and its cache, without a network.

use serde_json::{Value, json};

use crate::fixtures::tiny_model;
use crate::util::Place;

#[test]
fn the_list_has_every_model_with_license_and_state() {
    let ran = Place::empty()
        .treffer("model list")
        .succeeds()
        .says_nothing();
    let first: Vec<&str> = ran
        .stdout
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(
        first,
        ["name", "role", "license", "download", "state", "about"]
    );
    for name in [
        "bge-small-en-v1.5",
        "all-MiniLM-L6-v2",
        "multilingual-e5-small",
        "ms-marco-MiniLM-L-12-v2",
        "treffer-mini-de-en",
    ] {
        let line = ran
            .stdout
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap();
        assert!(
            line.contains("not pulled") && (line.contains("MIT") || line.contains("Apache-2.0")),
            "{line}"
        );
    }
    ran.prints("\ncache: ");
}

#[test]
fn the_list_is_also_json() {
    let value = Place::empty()
        .treffer("model list --format json")
        .succeeds()
        .json();
    let bge = entry(&value, "bge-small-en-v1.5");
    assert_eq!(bge["spec"]["role"], "bi-encoder");
    assert_eq!(bge["folder"], Value::Null);
    assert_eq!(bge["sha256"]["model.onnx"].as_str().unwrap().len(), 64);
}

#[track_caller]
fn entry<'a>(list: &'a Value, name: &str) -> &'a Value {
    let models = list["models"].as_array().unwrap();
    models
        .iter()
        .find(|model| model["spec"]["name"] == name)
        .unwrap()
}

#[test]
fn the_cache_is_the_folder_that_is_named() {
    let here = Place::empty();
    let cache = |words: &str| here.treffer(words).succeeds().json()["cache"].clone();
    assert_eq!(cache("model list --format json --models mine"), "mine");
    assert_eq!(
        cache("model list --format json"),
        here.path("models").to_str().unwrap()
    );
}

#[test]
fn an_unknown_model_names_the_nearest() {
    let here = Place::empty();
    for command in ["pull", "pull --dry-run", "path", "verify"] {
        here.treffer(&format!("model {command} bge-smal-en-v1.5"))
            .fails_with("unknown model `bge-smal-en-v1.5`")
            .says("did you mean `bge-small-en-v1.5`?");
    }
}

#[test]
fn a_dry_run_says_what_would_be_fetched() {
    let here = Place::empty();
    here.treffer("model pull all-MiniLM-L6-v2 hf:some/model --dry-run")
        .succeeds()
        .says("all-MiniLM-L6-v2: would fetch ")
        .says("MiB")
        .says("hf:some/model: would fetch some/model at main from the model hub");
    assert!(!here.has("models"));
}

#[test]
fn pulling_offline_is_one_error_that_says_what_to_do() {
    Place::empty()
        .treffer("model pull bge-small-en-v1.5")
        .fails_with("could not get model `bge-small-en-v1.5`: it is not in the cache at ")
        .says("offline")
        .says("give the path of a folder")
        .says("TREFFER_MODELS");
}

#[test]
fn an_index_that_needs_a_model_says_the_same_offline() {
    let here = crate::fixtures::place();
    here.treffer("index index corpus.jsonl --preset german")
        .fails_with("could not load the model `multilingual-e5-small`")
        .says("caused by: could not get model `multilingual-e5-small`")
        .says("give the path of a folder");
    assert!(!here.has("index"));
}

#[test]
fn the_path_of_a_model_that_is_not_there_says_how_to_get_it() {
    let here = Place::empty();
    here.treffer("model path bge-small-en-v1.5")
        .fails_with("bge-small-en-v1.5 is not in the cache")
        .says("treffer model pull bge-small-en-v1.5");
    here.treffer("model path hf:some/model")
        .fails_with("hf:some/model");
}

#[test]
fn a_folder_is_its_own_path_and_cannot_be_pulled() {
    let here = Place::empty();
    let folder = tiny_model("tiny-bert-bi");
    let ran = here
        .treffer(&format!("model path '{}'", folder.display()))
        .succeeds();
    assert_eq!(ran.stdout.trim_end(), folder.to_str().unwrap());
    here.treffer(&format!("model pull '{}'", folder.display()))
        .fails_with("is a folder already");
    here.treffer("model path ./none")
        .fails_with("model folder ./none does not exist");
}

/// A hub model in the cache as a pull leaves it: two files of five bytes, `right`
/// and, in place of `wrong`, `wrung`.
fn half_right(here: &Place) {
    let pin = |sha256: &str| json!({ "size": 5, "sha256": sha256 });
    let record = json!({
        "repo": "some/model",
        "revision": "main",
        "commit": "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        "files": {
            "right": pin("27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9"),
            "wrong": pin("8810ad581e59f2bc3928b261707a71308f7e139eb04820366dc4d5c18d980225"),
        },
    });
    // The digits are of the sha256 of `some/model@main`.
    let folder = "models/some--model-d3d00bd042ef";
    here.write(&format!("{folder}/right"), "right");
    here.write(&format!("{folder}/wrong"), "wrung");
    here.write(&format!("{folder}/pins.json"), record.to_string());
}

#[test]
fn a_damaged_file_of_a_model_is_found_out() {
    let here = Place::empty();
    half_right(&here);
    here.treffer("model path hf:some/model")
        .succeeds()
        .prints("some--model-d3d00bd042ef\n");
    let ran = here.treffer("model verify hf:some/model");
    assert!(
        ran.stdout
            .starts_with("hf:some/model/right: ok\nhf:some/model/wrong: differs: sha256 is "),
        "{ran}"
    );
    ran.says(
        "error: damaged: hf:some/model; fetch anew with `treffer model pull --force hf:some/model`",
    );
    here.write("models/some--model-d3d00bd042ef/wrong", "wrong");
    here.treffer("model verify hf:some/model")
        .succeeds()
        .says_nothing();
}

#[test]
fn an_empty_cache_has_nothing_to_verify() {
    let here = Place::empty();
    here.treffer("model verify")
        .finds_nothing()
        .says("no model was pulled");
    here.treffer("model verify bge-small-en-v1.5")
        .fails_with("pull it first");
}
