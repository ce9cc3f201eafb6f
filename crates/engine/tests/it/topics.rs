//! Queries and judgments put together, and what does not fit.

use std::collections::BTreeMap;

use treffer_engine::Engine;
use treffer_engine::Error;
use treffer_engine::evaluate::evaluate;
use treffer_engine::profile::Profile;
use treffer_engine::topics::{Mismatches, Topics};
use treffer_testkit::random_corpus;
use treffer_types::{NoProgress, Qrels, Query};

use crate::support::{Place, query};

fn index() -> (Place, Engine) {
    let place = Place::built(&random_corpus(1, 20));
    let index = place.open();
    (place, index)
}

pub(crate) fn qrels(judgments: &[(&str, &str, i32)]) -> Qrels {
    let mut qrels = Qrels::default();
    for (query, doc, grade) in judgments {
        qrels
            .0
            .entry(query.to_string())
            .or_insert_with(BTreeMap::new)
            .insert(doc.to_string(), *grade);
    }
    qrels
}

fn queries(ids: &[&str]) -> Vec<Query> {
    ids.iter().map(|id| query(id, "w0 w1")).collect()
}

#[test]
fn what_does_not_fit_is_counted() {
    let (_place, index) = index();
    let qrels = qrels(&[
        ("a", "d1", 1),
        ("a", "nowhere", 2),
        ("b", "d2", 0),
        ("b", "nowhere", -1),
        ("b", "neither", 0),
        ("not-given", "lost", 1),
    ]);
    let topics = Topics::new(
        &index,
        queries(&["not-judged", "b", "a", "nor-this"]),
        qrels,
        None,
    )
    .unwrap();
    let ids: Vec<&str> = topics
        .queries
        .iter()
        .map(|query| query.id.as_str())
        .collect();
    assert_eq!(ids, ["b", "a"], "in the order given");
    assert_eq!(topics.qrels.n_judgments(), 5);
    let expected = Mismatches {
        queries_not_judged: 2,
        judged_not_given: 1,
        queries_without_relevant: 1,
        documents_unknown: 2,
    };
    assert_eq!(topics.mismatches, expected);
}

#[test]
fn a_limit_keeps_the_first_judged_queries() {
    let (_place, index) = index();
    let qrels = qrels(&[("a", "d1", 1), ("b", "d2", 1), ("c", "nowhere", 0)]);
    let given = queries(&["x", "b", "c", "a"]);
    let topics = Topics::new(&index, given.clone(), qrels.clone(), Some(1)).unwrap();
    assert_eq!(topics.queries.len(), 1);
    assert_eq!(topics.queries[0].id, "b");
    assert_eq!(topics.qrels.0.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(
        topics.mismatches.documents_unknown, 0,
        "only what is kept is compared"
    );
    let topics = Topics::new(&index, given.clone(), qrels.clone(), Some(100)).unwrap();
    assert_eq!(topics.queries.len(), 3);
    assert!(Topics::new(&index, given, qrels, Some(0)).is_err());
}

#[test]
fn no_common_query_is_an_error_that_gives_both_numbers() {
    let (_place, index) = index();
    let qrels = qrels(&[("a", "d1", 1)]);
    let error = Topics::new(&index, queries(&["x", "y"]), qrels, None).unwrap_err();
    assert!(
        error.to_string().contains("2 queries and judgments for 1"),
        "{error}"
    );
}

#[test]
fn a_query_id_given_twice_is_an_error() {
    let (_place, index) = index();
    let qrels = qrels(&[("a", "d1", 1)]);
    let error = Topics::new(&index, queries(&["a", "a"]), qrels, None).unwrap_err();
    assert!(
        matches!(error, Error::Request(_)) && error.to_string().contains('a'),
        "{error}"
    );
}

#[test]
fn a_query_without_relevant_documents_counts_as_zero() {
    let (_place, index) = index();
    let qrels = qrels(&[("a", "d1", 1), ("b", "d2", 0)]);
    let topics = Topics::new(&index, queries(&["a", "b"]), qrels, None).unwrap();
    let metrics = ["R@1000".parse().unwrap()];
    let profile = Profile::default();
    let report = evaluate(&index, &profile, None, &topics, &metrics, &NoProgress).unwrap();
    let hybrid = report.rows.last().unwrap();
    assert_eq!(
        hybrid.evaluation.queries["a"],
        [1.0],
        "hybrid finds all 20 documents"
    );
    assert_eq!(hybrid.evaluation.queries["b"], [0.0]);
    assert_eq!(hybrid.evaluation.summary(), [0.5]);
    assert_eq!(hybrid.judged.1, 20);
}
