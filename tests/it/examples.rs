//! The worked examples of `data/seed-examples`: those that hold go on holding. What needs
//! the real models is in `golden`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use treffer_fusion::{Normalizer, System, combine};

use crate::fixtures::BM25_ONLY;
use crate::util::{Place, run_of};

/// A query, and documents with their ids and grades.
pub(crate) struct Example {
    pub(crate) id: String,
    pub(crate) query: String,
    pub(crate) documents: Vec<(String, i64, String)>,
}

impl Example {
    /// Whether every document has a higher score than each one of a lower grade. Equal scores
    /// are not in order, and a document without a score is below every other.
    pub(crate) fn holds(&self, score: impl Fn(&str) -> Option<f64>) -> bool {
        self.documents.iter().all(|(better, high, _)| {
            let mut lower = self.documents.iter().filter(|(_, low, _)| low < high);
            lower.all(|(worse, ..)| score(better) > score(worse))
        })
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/seed-examples")
        .join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// Texts by id, of documents or queries.
fn texts(name: &str) -> HashMap<String, String> {
    let text = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| record[name].as_str().unwrap().to_owned();
        (field("_id"), field("text"))
    };
    read(name).lines().map(text).collect()
}

pub(crate) fn examples() -> Vec<Example> {
    let (queries, documents) = (texts("queries.jsonl"), texts("corpus.jsonl"));
    let mut examples: Vec<Example> = Vec::new();
    for line in read("qrels/test.tsv").lines().skip(1) {
        let [query, document, grade] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        if examples.last().is_none_or(|last| last.id != query) {
            examples.push(Example {
                id: query.to_owned(),
                query: queries[query].clone(),
                documents: Vec::new(),
            });
        }
        let document = (
            document.to_owned(),
            grade.parse().unwrap(),
            documents[document].clone(),
        );
        examples.last_mut().unwrap().documents.push(document);
    }
    // Nothing is left over: every query has its order, every document its example.
    assert_eq!(examples.len(), queries.len());
    let n_judged: usize = examples.iter().map(|one| one.documents.len()).sum();
    assert_eq!(n_judged, documents.len());
    examples
}

/// Sees that those named hold, by what `holds` says of each.
#[track_caller]
pub(crate) fn hold(names: &[&str], mut holds: impl FnMut(&Example) -> bool) {
    let examples = examples();
    let named = |name: &&str| {
        let mut all = examples.iter();
        all.find(|one| one.id == *name).unwrap()
    };
    let broken: Vec<&str> = names
        .iter()
        .filter(|name| !holds(named(name)))
        .copied()
        .collect();
    assert_eq!(broken, [""; 0], "examples that no longer hold");
}

#[test]
fn examples_that_bm25_gets_right_hold() {
    let config = BM25_ONLY.replace("\"english\"", "\"german\"\nnegation = true");
    // Passages of words, since there is no model to count tokens.
    let passages = "\n[passages]\ntokens = 128\nbm25 = \"passage\"\n";
    let here = Place::with(&[("bm25.toml", &(config + passages))]);
    let corpus = path("corpus.jsonl");
    here.treffer(&format!(
        "index index '{}' --config bm25.toml",
        corpus.display()
    ))
    .succeeds()
    .says("indexed 41 documents");
    let queries = path("queries.jsonl");
    let searched = here
        .treffer(&format!(
            "search index --queries '{}' --explain --top-k 1000 --format json",
            queries.display()
        ))
        .succeeds();
    let mut scores: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for line in searched.json_lines() {
        let of = scores
            .entry(line["query"]["id"].as_str().unwrap().to_owned())
            .or_default();
        for hit in line["hits"].as_array().unwrap() {
            let raw = hit["stages"]["bm25"]["raw"].as_f64().unwrap();
            of.insert(hit["id"].as_str().unwrap().to_owned(), raw);
        }
    }
    hold(
        &[
            "units",
            "easy-negative",
            "negation",
            "norm",
            "norm-unproven",
            "duplicate",
            "sentiment",
            "passage",
            "long-document",
        ],
        |example| example.holds(|document| scores[&example.id].get(document).copied()),
    );
}

/// 0.2 * 0.75 + 0.3 * 0.82 + 0.5 * 0.89, by the function that fuses and by the program.
#[test]
fn three_scores_are_fused_to_0_841() {
    let names = ["bm25", "dense", "cross"];
    let scores = names.map(|name| {
        let run = run_of(&read(&format!("runs/{name}.trec")));
        let entries = &run.0["hybrid"];
        assert_eq!(entries.len(), 1);
        [Some(entries[0].score)]
    });
    assert_eq!(scores, [[Some(0.75)], [Some(0.82)], [Some(0.89)]]);
    let shares = [0.2, 0.3, 0.5];
    // The scores lie on the common scale already.
    let normalizer = Normalizer::Bounds {
        low: 0.0,
        high: 1.0,
    };
    let systems: Vec<System<'_>> = scores
        .iter()
        .zip(shares)
        .map(|(scores, share)| System {
            scores,
            normalizer,
            share,
        })
        .collect();
    let fused = combine(&systems);
    assert_eq!(fused.len(), 1);
    assert!((fused[0].score - 0.841).abs() < 1e-12, "{fused:?}");

    let runs = names.map(|name| format!("'{}'", path(&format!("runs/{name}.trec")).display()));
    let ran = Place::empty()
        .treffer(&format!(
            "fuse {} --weights 0.2,0.3,0.5 --normalizer bounds:0:1",
            runs.join(" ")
        ))
        .succeeds();
    let printed = run_of(&ran.stdout).0["hybrid"][0].score;
    assert!((printed - 0.841).abs() < 1e-6, "{printed}");
}
