//! Every metric against trec_eval, query by query, on synthetic judgments and a run with
//! ties, negative grades, missing queries and invalid lines. `golden/make.py` makes the files
//! and names the version of trec_eval.

#![allow(clippy::unwrap_used, reason = "the files are the test's own")]

use std::collections::BTreeMap;

use treffer_eval::{Evaluation, Metric, Run, RunEntry, write_run};
use treffer_types::Qrels;

const QRELS: &str = include_str!("golden/qrels.txt");
const RUN: &str = include_str!("golden/run.txt");
const EXPECTED: &str = include_str!("golden/expected.tsv");

fn qrels() -> Qrels {
    let mut qrels = Qrels::default();
    for line in QRELS.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let judged = qrels.0.entry(columns[0].to_owned()).or_default();
        judged.insert(columns[2].to_owned(), columns[3].parse().unwrap());
    }
    qrels
}

/// The lines that are a result: the first of each document and query.
fn read(text: &str) -> Run {
    let mut run = Run::default();
    for line in text.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let &[query, _, doc, _, score, _] = columns.as_slice() else {
            continue;
        };
        let entries = run.0.entry(query.to_owned()).or_default();
        let is_new = entries.iter().all(|entry| entry.doc != doc);
        match score.parse::<f64>() {
            Ok(score) if is_new && score.is_finite() => entries.push(RunEntry {
                doc: doc.to_owned(),
                score,
            }),
            _ => {}
        }
    }
    run.sort_as_trec_eval();
    run
}

/// By metric and query.
fn expected() -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut expected: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for line in EXPECTED.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let values = expected.entry(columns[0].to_owned()).or_default();
        values.insert(columns[1].to_owned(), columns[2].parse().unwrap());
    }
    expected
}

fn check(run: &Run) {
    for (name, expected) in expected() {
        let metric: Metric = name.parse().unwrap();
        assert_eq!(metric.to_string(), name);
        let evaluation = Evaluation::new(run, &qrels(), &[metric]).unwrap();
        assert!(evaluation.queries.keys().eq(expected.keys()), "{name}");
        for (query, expected) in expected {
            let value = evaluation.queries[&query][0];
            let gap = (value - expected).abs();
            assert!(
                gap < 1e-12,
                "{name} of {query}: {value}, trec_eval {expected}"
            );
        }
    }
}

#[test]
fn every_value_is_that_of_trec_eval() {
    check(&read(RUN));
}

#[test]
fn writing_and_reading_a_run_does_not_change_its_values() {
    let mut bytes = Vec::new();
    write_run(&mut bytes, &read(RUN), "made-up").unwrap();
    check(&read(&String::from_utf8(bytes).unwrap()));
}
