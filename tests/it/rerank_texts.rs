//! `treffer rerank` without an index: texts that come with their query, line by line.

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};
use treffer::StandardModels;
use treffer::engine::models::ModelSource;
use treffer_types::Device;

use crate::fixtures::{indexed_in_three_stages, tiny_model};
use crate::util::Place;

/// The command with a tiny model.
fn rerank() -> String {
    format!("rerank --model {}", tiny_model("tiny-bert-cross").display())
}

const LINE: &str = r#"{"id": 7, "query": "cold fridge", "texts": ["an oven", {"id": "f", "title": "Fridge", "text": "cold"}, "cold"]}"#;

#[test]
fn scores_are_those_of_the_library() {
    let texts: Vec<String> = (1..40)
        .map(|n| "cold fridge with 280 liters, ".repeat(n))
        .collect();
    let line = json!({"query": "quiet lab fridge", "texts": texts}).to_string();
    let ran = Place::empty()
        .treffer_reading(&rerank(), line.as_bytes())
        .succeeds();
    let answer = ran.json();
    let models = StandardModels::from_default_cache().unwrap();
    let name = tiny_model("tiny-bert-cross").display().to_string();
    let scorer = models.pair_scorer(&name, Device::CPU).unwrap();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let own = scorer.score_pairs("quiet lab fridge", &texts).unwrap();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), own.len());
    let mut last = f32::INFINITY;
    for text in results {
        let own = own[text["index"].as_u64().unwrap() as usize];
        let score = text["score"].as_f64().unwrap() as f32;
        assert_eq!(score, own.score);
        assert_eq!(text["tokens_cut"], own.tokens_cut);
        let probability = 1.0 / (1.0 + (-f64::from(score)).exp());
        assert!((text["probability"].as_f64().unwrap() - probability).abs() < 1e-12);
        assert!(score <= last, "{ran}");
        last = score;
    }
    // The longest text does not fit, and that is said.
    assert!(own.iter().any(|score| score.tokens_cut > 0));
    ran.says("did not fit the model");
}

#[test]
fn each_line_is_answered_in_its_place_and_bad_ones_are_reported() {
    let lines = format!(
        "{LINE}\nnonsense\n\n{{\"query\": \"\", \"texts\": []}}\n{{\"query\": \"q\", \"documents\": [], \"top_k\": 1}}\n{LINE}"
    );
    let here = Place::empty();
    let words = format!("{} -k 2 --problems bad.txt", rerank());
    let ran = here.treffer_reading(&words, lines.as_bytes()).succeeds();
    let answers = ran.json_lines();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[0]["id"], "7");
    assert_eq!(answers[0]["results"].as_array().unwrap().len(), 2);
    assert_eq!(answers[1], json!({"query": "q", "results": []}));
    let of_object = |result: &&Value| result["index"] == 1;
    let results = answers[0]["results"].as_array().unwrap();
    if let Some(result) = results.iter().find(of_object) {
        assert_eq!(result["id"], "f");
    }
    ran.says("skipped: standard input:2: not valid JSON")
        .says("skipped: standard input:4: the query is missing or blank")
        .says("note: 2 bad lines skipped")
        .says("note: scored 6 texts for 3 queries");
    assert_eq!(here.read("bad.txt").lines().count(), 2);

    here.write("texts.jsonl", &lines);
    here.compress("texts.jsonl");
    let words = format!("{} -k 2 --texts texts.jsonl.gz", rerank());
    let of_file = here
        .treffer(&words)
        .succeeds()
        .says("texts.jsonl.gz:2: not");
    assert_eq!(of_file.json_lines(), answers);
}

#[test]
fn an_answer_comes_before_the_next_line_is_asked_for() {
    let mut child = Place::empty().command(&rerank()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for n in 0..3 {
        writeln!(
            stdin,
            "{{\"id\": \"{n}\", \"query\": \"cold\", \"texts\": [\"ice\"]}}"
        )
        .unwrap();
        stdin.flush().unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], n.to_string());
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Place::empty().command(&rerank()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // The program ends while it is being fed.
    while writeln!(stdin, "{LINE}").is_ok() {}
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_two_forms_are_not_mixed() {
    let here = indexed_in_three_stages();
    here.treffer("rerank index").fails_with("--queries");
    here.treffer("rerank index run.trec --queries queries.tsv --model other")
        .fails_with("cannot be used with '--model");
    here.treffer("rerank index run.trec --queries queries.tsv --top-k 3")
        .fails_with("cannot be used with '--top-k");
    here.treffer("rerank --depth 3").fails_with("<DIR>");
    here.treffer("rerank --query-format lines")
        .fails_with("--query-format needs an index");
    here.treffer("rerank --texts gone.jsonl")
        .fails_with("could not read the texts in gone.jsonl");
    here.treffer(&format!("{} -k 0", rerank())).fails_with("-k");
    here.treffer("rerank --model nobody").fails_with("nobody");
    let ran = here.treffer_reading(&rerank(), b"\n").finds_nothing();
    ran.says("scored 0 texts");
}
