//! Which queries are averaged, and which are reported as missing.

use super::*;
use crate::run::RunEntry;

fn qrels() -> Qrels {
    let judged = |docs: &[(&str, i32)]| {
        docs.iter()
            .map(|(doc, grade)| ((*doc).to_owned(), *grade))
            .collect()
    };
    Qrels(BTreeMap::from([
        ("q1".to_owned(), judged(&[("a", 1), ("b", 0)])),
        ("q2".to_owned(), judged(&[("a", 0)])),
        ("q3".to_owned(), judged(&[("c", 2)])),
        ("q4".to_owned(), judged(&[("x", -1), ("y", 1)])),
    ]))
}

fn run() -> Run {
    let ranking = |query: &str, docs: &[&str]| {
        let entry = |doc: &&str| RunEntry {
            doc: (*doc).to_owned(),
            score: 0.0,
        };
        (query.to_owned(), docs.iter().map(entry).collect())
    };
    Run::from_rankings([
        ranking("q1", &["zz", "b", "a"]),
        ranking("q2", &["a"]),
        ranking("q4", &["x", "y"]),
        ranking("q5", &["x"]),
    ])
}

fn metrics(names: &[&str]) -> Vec<Metric> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// The numbers are those of ir_measures 0.4.3 for the same judgments and run.
#[test]
fn every_judged_query_counts_and_no_other() {
    let names = [
        "nDCG@10",
        "MRR",
        "MAP",
        "Recall@100",
        "P@10",
        "Judged@10",
        "NumRet",
        "NumRel",
    ];
    let evaluation = Evaluation::new(&run(), &qrels(), &metrics(&names)).unwrap();
    let expected = [
        0.2827324383928644,
        0.625 / 3.0,
        0.625 / 3.0,
        0.5,
        0.05,
        2.0 / 3.0,
        6.0,
    ];
    for ((name, value), expected) in names.iter().zip(evaluation.summary()).zip(expected) {
        assert!(
            (value - expected).abs() < 1e-12,
            "{name}: {value} against {expected}"
        );
    }
    // ir_measures leaves a query without results out of NumRel; the judgments have 3.
    assert_eq!(evaluation.summary()[7], 3.0);
    assert_eq!(evaluation.queries["q3"][..7], [0.0; 7]);
}

#[test]
fn values_come_in_the_order_of_query_ids() {
    let evaluation = Evaluation::new(&run(), &qrels(), &metrics(&["MRR", "P@2"])).unwrap();
    assert_eq!(
        evaluation.values(&metrics(&["P@2"])[0]),
        Some(vec![0.0, 0.0, 0.0, 0.5])
    );
    assert_eq!(evaluation.values(&metrics(&["P@3"])[0]), None);
}

#[test]
fn an_evaluation_can_be_restricted_to_some_queries() {
    let evaluation = Evaluation::new(&run(), &qrels(), &metrics(&["MRR"])).unwrap();
    let some = evaluation
        .restricted_to(|query| query == "q1" || query == "q4")
        .unwrap();
    assert_eq!(some.summary(), [(1.0 / 3.0 + 0.5) / 2.0]);
    assert_eq!(evaluation.restricted_to(|_| false), None);
}

#[test]
fn empty_judgments_are_an_error() {
    let error = Evaluation::new(&run(), &Qrels::default(), &metrics(&["MRR"])).unwrap_err();
    assert!(matches!(error, Error::NoQueries));
}

#[test]
fn queries_missing_on_either_side_are_listed() {
    let mut run = run();
    run.0.insert("q3".to_owned(), Vec::new());
    let coverage = Coverage::new(&run, &qrels());
    let ids = |ids: &[&str]| {
        ids.iter()
            .map(|id| (*id).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(coverage.evaluated, ids(&["q1", "q2", "q3", "q4"]));
    assert_eq!(coverage.without_results, ids(&["q3"]));
    assert_eq!(coverage.without_relevant, ids(&["q2"]));
    assert_eq!(coverage.without_judgments, ids(&["q5"]));
}

#[test]
fn unknown_judged_documents_are_listed_once() {
    let qrels = qrels();
    let unknown = unknown_documents(&qrels, |doc| doc == "a" || doc == "y");
    assert_eq!(unknown, BTreeSet::from(["b", "c", "x"]));
}
