//! Vectors that records and queries bring.

mod files;

use serde_json::json;
use treffer_engine::api::SearchRequest;
use treffer_engine::build::compact;
use treffer_engine::check::check;
use treffer_engine::{Engine, Error};
use treffer_types::{Document, NoProgress, Query};

use crate::support::{DENSE, Place, chain, config, document};

const NO_MODEL: [&str; 3] = ["dense.model=none", "dense.vectors=vec", "dense.dimension=3"];

fn with_vector(id: &str, text: &str, vector: serde_json::Value) -> Document {
    let mut document = document(id, text);
    document.metadata.insert("vec".into(), vector);
    document
}

fn place(overrides: &[&str], documents: &[Document]) -> Place {
    let mut place = Place::with_corpus(documents);
    place.config = config(overrides);
    place
}

/// The ids of the hits of the dense stage for a vector, best first.
pub(crate) fn near(engine: &Engine, vector: &[f32]) -> Vec<String> {
    let mut request = SearchRequest {
        query: Query {
            vector: Some(vector.to_vec()),
            ..Query::text("nothing")
        },
        options: Default::default(),
    };
    request.options.stages = Some(vec![DENSE]);
    let response = engine.search(&request).unwrap();
    response.hits.into_iter().map(|hit| hit.id).collect()
}

fn three() -> Vec<Document> {
    vec![
        with_vector("x", "one", json!([2.0, 0, 0])),
        with_vector("y", "two", json!([0, 0.1, 0])),
        document("none", "three"),
    ]
}

#[test]
fn vectors_of_records_need_no_model() {
    let place = place(&NO_MODEL, &three());
    place.build().unwrap();
    assert_eq!(place.fakes.n_embedded(), 0);
    let engine = place.open();
    assert_eq!(near(&engine, &[1.0, 0.5, 0.0]), ["x", "y"]);
    assert_eq!(near(&engine, &[0.0, 7.0, 0.1]), ["y", "x"]);
    assert!(check(&place.dir()).unwrap().damage.is_empty());
    // The field is no metadata: the vector is kept once.
    let response = engine.search(&SearchRequest::text("one"));
    let message = chain(&response.expect_err("a text is no vector"));
    assert!(message.contains("a vector has to be given"), "{message}");
    compact(&place.dir(), &NoProgress).unwrap();
    assert_eq!(near(&place.open(), &[1.0, 0.5, 0.0]), ["x", "y"]);
}

#[test]
fn records_without_a_vector_are_encoded_if_there_is_a_model() {
    let mut unlike = vec![0.0; 64];
    unlike[5] = 3.0;
    let documents = [
        with_vector("given", "red apple", json!(unlike)),
        document("encoded", "green pear"),
    ];
    let place = place(&["dense.vectors=vec"], &documents);
    place.build().unwrap();
    assert_eq!(place.fakes.n_embedded(), 1);
    let engine = place.open();
    assert_eq!(near(&engine, &unlike)[0], "given");
    let mut request = SearchRequest::text("green pear");
    request.options.stages = Some(vec![DENSE]);
    assert_eq!(engine.search(&request).unwrap().hits[0].id, "encoded");
}

#[test]
fn a_vector_that_cannot_be_used_is_a_bad_record() {
    let documents = [
        with_vector("good", "one", json!([1, 0, 0])),
        with_vector("short", "two", json!([1, 0])),
        with_vector("zero", "three", json!([0, 0, 0])),
        with_vector("text", "four", json!("1,0,0")),
        with_vector("mixed", "five", json!([1, "a", 0])),
        with_vector("huge", "six", json!([1e300, 0, 0])),
    ];
    let place = place(&NO_MODEL, &documents);
    let mut problems = Vec::new();
    let report = place.build_with(&NoProgress, &mut problems).unwrap();
    assert_eq!((report.documents, report.problems), (1, 5));
    for (problem, why) in problems.iter().zip([
        "corpus.jsonl:2: its vector cannot be used: it has 2 values, those of the index have 3",
        "corpus.jsonl:3: its vector cannot be used: it has no direction",
        "corpus.jsonl:4: its vector cannot be used: it is no array",
        "corpus.jsonl:5: its vector cannot be used: a value is no number",
        "corpus.jsonl:6: its vector cannot be used: a value is too large",
    ]) {
        assert!(problem.contains(why), "{problem}");
    }
    let mut request = SearchRequest::text("one");
    request.query.vector = Some(vec![1.0, 0.0]);
    request.options.stages = Some(vec![DENSE]);
    let message = chain(&place.open().search(&request).expect_err("it is too short"));
    assert!(
        message.contains("has 2 values, those of the index have 3"),
        "{message}"
    );
}

#[test]
fn another_vector_makes_another_document() {
    let place = place(&NO_MODEL, &three());
    place.build().unwrap();
    let again = place.add(&three(), None, false);
    assert_eq!((again.updated, again.unchanged), (0, 3));
    let report = place.add(&[with_vector("x", "one", json!([0, 0, 1]))], None, false);
    assert_eq!((report.updated, report.unchanged), (1, 0));
    assert_eq!(near(&place.open(), &[0.0, 0.0, 1.0])[0], "x");
}

#[test]
fn a_record_that_brings_no_vector_any_more_is_encoded() {
    let mut unlike = vec![0.0; 64];
    unlike[5] = 3.0;
    let given = || with_vector("given", "red apple", json!(unlike));
    let documents = [given(), document("encoded", "green pear")];
    let place = place(&["dense.vectors=vec"], &documents);
    place.build().unwrap();
    let again = place.add(&documents, None, false);
    assert_eq!((again.updated, again.unchanged), (0, 2));
    let bare = [
        document("given", "red apple"),
        document("encoded", "green pear"),
    ];
    let report = place.add(&bare, None, false);
    assert_eq!((report.updated, report.unchanged), (1, 1));
    let by_text = |place: &Place, text: &str| {
        let mut request = SearchRequest::text(text);
        request.options.stages = Some(vec![DENSE]);
        let hits = place.open().search(&request).unwrap().hits;
        let found = hits.into_iter().map(|hit| (hit.id, hit.score.to_string()));
        found.collect::<Vec<_>>()
    };
    let new = self::place(&["dense.vectors=vec"], &bare);
    new.build().unwrap();
    for text in ["red apple", "pear"] {
        assert_eq!(by_text(&place, text), by_text(&new, text));
    }
    let again = place.add(&bare, None, false);
    assert_eq!((again.updated, again.unchanged), (0, 2));
    // What else changes is no reason to keep it.
    place.add(&[given()], None, false);
    let mut priced = document("given", "red apple");
    priced.metadata.insert("price".into(), 3.into());
    let report = place.add(&[priced], None, false);
    assert_eq!(report.updated, 1);
    assert_eq!(by_text(&place, "red apple"), by_text(&new, "red apple"));
}

#[test]
fn a_given_vector_of_several_passages_goes_with_it() {
    let text: String = (0..6)
        .map(|n| format!("Sentence {n} has some words of its own. "))
        .collect();
    let text = text.trim_end();
    let mut unlike = vec![0.0; 64];
    unlike[5] = 3.0;
    let overrides = [
        "dense.vectors=vec",
        "passages.tokens=16",
        "passages.overlap=4",
    ];
    let given = [with_vector("a", text, json!(unlike))];
    let place = place(&overrides, &given);
    place.build().unwrap();
    assert_eq!(place.fakes.n_embedded(), 0);
    let bare = [document("a", text)];
    let report = place.add(&bare, None, false);
    assert_eq!(report.updated, 1);
    let n = place.fakes.n_embedded();
    assert!(n > 1, "{n} passages");
    let again = place.add(&bare, None, false);
    assert_eq!((again.unchanged, place.fakes.n_embedded()), (1, n));
    assert!(check(&place.dir()).unwrap().damage.is_empty());
}

#[test]
fn documents_without_a_vector_are_told_where_no_model_makes_one() {
    let place = place(&NO_MODEL, &three());
    let report = place.build().unwrap();
    assert_eq!(
        report.warnings,
        ["1 document without a vector is not in the stage `dense`"]
    );
    // `y` does not bring its vector any more, and is as one that is built anew.
    let bare = [document("y", "two"), document("none", "three")];
    let report = place.add(&bare, None, false);
    assert_eq!((report.updated, report.unchanged), (1, 1));
    assert_eq!(
        report.warnings,
        ["2 documents without a vector are not in the stage `dense`"]
    );
    assert_eq!(near(&place.open(), &[1.0, 0.5, 0.0]), ["x"]);
    let report = place.add(&[with_vector("y", "two", json!([0, 1, 0]))], None, false);
    assert_eq!(report.warnings, [""; 0]);
    assert_eq!(near(&place.open(), &[1.0, 0.5, 0.0]), ["x", "y"]);
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    for (overrides, why) in [
        (
            &["dense.model=none", "dense.vectors=v"][..],
            "dense.dimension",
        ),
        (&["dense.dimension=3"], "dense.dimension"),
        (&["dense.vectors="], "dense.vectors"),
        (
            &[
                "dense.model=none",
                "dense.vectors=v",
                "dense.dimension=3",
                "dense.language_shift=1.0",
            ],
            "language_shift",
        ),
    ] {
        let all = [&["bm25.analyzer=plain"], overrides].concat();
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        let base = treffer_engine::config::Base::Preset("english");
        let refused = treffer_engine::config::Config::load(base, &all);
        let error: Error = refused.expect_err("it is refused");
        let message = chain(&error);
        assert!(message.contains(why), "{message}");
    }
}
