//! What becomes of the values of records: columns, and their types.

use std::fs;

use serde_json::json;
use treffer_corpus::ReadOptions;
use treffer_engine::Error;
use treffer_engine::api::{ExplainRequest, SearchOptions};
use treffer_engine::build::{infer_fields, repair};
use treffer_engine::check::check;
use treffer_engine::explain::Outcome;
use treffer_engine::fields::{FieldCount, FieldType, field_counts};
use treffer_types::{NoProgress, Query};

use crate::support::Place;

use super::{add_to, filtered, fridges, matching, place, set_corpus, with};

#[test]
fn fields_are_listed_with_what_they_hold() {
    let place = fridges();
    let engine = place.open();
    let counts = field_counts(&place.dir(), engine.manifest()).unwrap();
    let count = |name: &str, field_type, documents| FieldCount {
        name: name.into(),
        field_type,
        documents,
    };
    assert_eq!(
        counts,
        [
            count("price", FieldType::Float, 3),
            count("published", FieldType::Date, 2),
            count("size.width", FieldType::Integer, 2),
            count("tag", FieldType::Keyword, 4),
        ]
    );
}

#[test]
fn damage_to_columns_is_found() {
    let place = fridges();
    let files = crate::support::files_below(&place.segment().join("columns"));
    assert!(!files.is_empty());
    for file in files {
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&file, bad).unwrap();
        let damage = check(&place.dir()).unwrap().damage;
        assert!(
            damage.iter().any(|one| one.path == file),
            "{}: {damage:?}",
            file.display()
        );
        fs::write(&file, good).unwrap();
    }
    fs::remove_dir_all(place.segment().join("columns")).unwrap();
    assert!(place.refusal().contains("columns"), "{}", place.refusal());
}

#[test]
fn damaged_columns_are_made_again() {
    let place = fridges();
    let file = place.segment().join("columns").join("column-3");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(!check(&place.dir()).unwrap().damage.is_empty());
    let report = repair(&place.dir(), &place.fakes, None, &NoProgress).unwrap();
    assert_eq!((report.repaired.len(), report.checked.damage), (1, vec![]));
    assert_eq!(matching(&place.open(), "tag:Kirsch"), ["a", "c", "d"]);
    assert_eq!(matching(&place.open(), "tag:Liebherr"), ["b"]);
}

#[test]
fn a_value_of_another_type_is_reported_and_its_document_kept() {
    let wrong = [
        with("x", "a fridge", json!({"price": "cheap", "tag": "Kirsch"})),
        with(
            "y",
            "a fridge",
            json!({"size": {"width": ["60", 60.5, "wide"]}, "price": 7}),
        ),
    ];
    let mut place = place(&[], &[]);
    set_corpus(&mut place, &wrong);
    let mut survey_problems = Vec::new();
    let survey = place.survey(&mut survey_problems).unwrap();
    let mut problems = Vec::new();
    let report = place.build_with(&NoProgress, &mut problems).unwrap();
    assert_eq!(problems, survey_problems);
    assert_eq!(
        (report.documents, report.problems, report.fields_left_out),
        (2, 0, 2)
    );
    assert_eq!(
        (survey.documents, survey.problems, survey.fields_left_out),
        (2, 0, 2)
    );
    let path = place.inputs[0].display();
    assert_eq!(
        problems,
        [
            format!(
                "{path}:1: the field `price` is of type float, and \"cheap\" is none; the value is \
                 left out of filters, facets and sorting"
            ),
            format!(
                "{path}:2: the field `size.width` is of type integer, and 60.5 is none; the value \
                 is left out of filters, facets and sorting"
            ),
        ]
    );
    assert_eq!(matching(&place.open(), "NOT price:*"), ["x"]);
    assert_eq!(matching(&place.open(), "size.width:60"), ["y"]);

    // A later batch in which the field has changed its type.
    let (report, problems) =
        add_to(&mut place, &[with("z", "an oven", json!({"price": true}))]).unwrap();
    assert_eq!(
        (report.added, report.problems, report.fields_left_out),
        (1, 0, 1)
    );
    assert!(
        problems[0].contains("`price` is of type float, and true is none"),
        "{problems:?}"
    );

    place.strict = true;
    let refused = add_to(
        &mut place,
        &[
            with("zz", "an oven", json!({"price": []})),
            wrong[0].clone(),
            with("zzz", "one", json!({"price": "none"})),
        ],
    );
    assert!(matches!(refused, Err(Error::Strict(_))));
    assert_eq!(place.open().n_docs(), 3);
}

#[test]
fn new_metadata_take_the_place_of_the_old() {
    let mut place = fridges();
    let changed = with("a", "quiet fridge", json!({"tag": "Kirsch", "price": 5}));
    let (report, _) = add_to(&mut place, &[changed]).unwrap();
    assert_eq!((report.updated, report.added), (1, 0));
    let engine = place.open();
    assert_eq!(matching(&engine, "price:<10"), ["a"]);
    assert_eq!(matching(&engine, "tag:lab"), [""; 0]);
}

#[test]
fn an_explanation_says_that_a_document_is_filtered_out() {
    let place = fridges();
    let engine = place.open();
    let explain = |filter: &str, set: &str| {
        let request = ExplainRequest {
            query: Query::text("quiet fridge"),
            doc: "a".into(),
            options: SearchOptions {
                set: vec![set.into()],
                top_k: 10,
                ..filtered(filter)
            },
            steps: 4,
        };
        engine.explain(&request).unwrap()
    };
    for set in ["mode=hybrid", "mode=exhaustive"] {
        let out = explain("tag:Liebherr", set);
        assert_eq!(out.outcome, Outcome::FilteredOut, "{set}");
        assert!(out.by_weights.is_none());
        let inside = explain("tag:Kirsch", set);
        assert_eq!(inside.outcome, Outcome::Found, "{set}");
        assert_eq!(inside.n_candidates, 3, "{set}");
    }
}

#[test]
fn fields_are_inferred_from_the_first_documents() {
    let mut place = Place::empty();
    let first = with("a", "x", json!({"brand": "Kirsch", "size": {"width": 60}}));
    let second = with("b", "x", json!({"brand": "Liebherr", "price": 2.5}));
    set_corpus(&mut place, &[first, second]);
    let infer = |most: usize| {
        infer_fields(&place.inputs, &ReadOptions::default(), most, &NoProgress).unwrap()
    };
    let all = infer(10);
    assert_eq!(all.documents, 2);
    let names: Vec<(&str, FieldType)> = all.schema.iter().collect();
    assert_eq!(
        names,
        [
            ("brand", FieldType::Keyword),
            ("price", FieldType::Float),
            ("size.width", FieldType::Integer)
        ]
    );
    assert_eq!(
        infer(1).schema.names().collect::<Vec<_>>(),
        ["brand", "size.width"]
    );
    let refused = infer_fields(&["-".into()], &ReadOptions::default(), 1, &NoProgress);
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("standard input can be read only once"),
        "{message}"
    );
}
