//! Filters, facets and sorting, in several segments with deleted documents; and what is wrong with
//! a request is said. Filtered searches are compared with unfiltered ones in [`unfiltered`].

mod evaluated;
mod fields;
mod unfiltered;

use serde_json::{Value as Json, json};
use treffer_corpus::{Problem, ReadOptions};
use treffer_engine::api::{FacetRequest, SearchOptions};
use treffer_engine::build::{
    AddRequest, DeleteReport, DeleteRequest, WriteReport, add, compact, delete,
};
use treffer_engine::check::check;
use treffer_engine::profile::{Mode, Profile};
use treffer_engine::search::Searcher;
use treffer_engine::{Engine, Error};
use treffer_testkit::Random;
use treffer_types::{Document, NoProgress, Query};

use crate::support::{BM25, Place, chain, config, depths, document, everything, ids};

const FIELDS: [&str; 4] = [
    "fields.tag=keyword",
    "fields.price=float",
    "fields.published=date",
    "fields.size.width=integer",
];

/// A place whose index has [`FIELDS`], with `overrides`, of documents that are added in as many
/// parts as there are.
fn place(parts: &[Vec<Document>], overrides: &[&str]) -> Place {
    let overrides: Vec<&str> = FIELDS.iter().chain(overrides).copied().collect();
    let mut place = Place::empty();
    place.config = config(&overrides);
    for (at, documents) in parts.iter().enumerate() {
        if at == 0 {
            set_corpus(&mut place, documents);
            place.build().unwrap();
        } else {
            add_to(&mut place, documents).unwrap();
        }
    }
    place
}

fn set_corpus(place: &mut Place, documents: &[Document]) {
    place.inputs.clear();
    let lines = documents.iter().map(|document| {
        let mut record = document.metadata.clone();
        record.insert("_id".into(), document.id.as_str().into());
        record.insert("title".into(), document.title.as_str().into());
        record.insert("text".into(), document.text.as_str().into());
        format!("{}\n", Json::Object(record))
    });
    place.add_input("corpus.jsonl", lines.collect::<String>().as_bytes());
}

fn add_to(place: &mut Place, documents: &[Document]) -> Result<(WriteReport, Vec<String>), Error> {
    set_corpus(place, documents);
    let request = AddRequest {
        dir: &place.dir(),
        inputs: &place.inputs,
        vectors: None,
        reading: &ReadOptions::default(),
        strict: place.strict,
        commit_every: None,
        device: None,
        merges: false,
    };
    let mut problems = Vec::new();
    let mut on_problem = |problem: &Problem| problems.push(problem.to_string());
    let report = add(&request, &place.fakes, &NoProgress, &mut on_problem)?;
    Ok((report, problems))
}

fn delete_from(place: &Place, ids: &[String], filter: Option<&str>) -> Result<DeleteReport, Error> {
    let request = DeleteRequest {
        dir: &place.dir(),
        ids,
        filter: filter.map(str::to_owned),
        merges: false,
    };
    delete(&request, &NoProgress)
}

fn with(id: &str, text: &str, metadata: Json) -> Document {
    let Json::Object(metadata) = metadata else {
        panic!("{metadata} is no object")
    };
    Document {
        metadata,
        ..document(id, text)
    }
}

/// Five fridges in two segments; of the sixth, which was deleted, nothing is to be seen.
fn fridges() -> Place {
    let first = vec![
        with(
            "a",
            "quiet fridge",
            json!({"tag": ["Kirsch", "lab"], "price": 900, "published": "2020-03-01"}),
        ),
        with(
            "b",
            "quiet small fridge",
            json!({"tag": "Liebherr", "price": 300.5, "size": {"width": 60}}),
        ),
        with("gone", "quiet fridge", json!({"tag": "Kirsch", "price": 1})),
    ];
    let second = vec![
        with(
            "c",
            "loud fridge",
            json!({"tag": "Kirsch", "published": "2021-05-01"}),
        ),
        with(
            "d",
            "warm oven",
            json!({"tag": "Kirsch", "price": 300.5, "size": {"width": 80}}),
        ),
        with("e", "quiet oven", json!({})),
    ];
    let place = place(&[first, second], &[]);
    delete_from(&place, &["gone".to_owned()], None).unwrap();
    place
}

fn filtered(filter: &str) -> SearchOptions {
    SearchOptions {
        filter: Some(filter.to_owned()),
        ..everything()
    }
}

fn matching(engine: &Engine, filter: &str) -> Vec<String> {
    let listed = engine.browse(&filtered(filter)).unwrap();
    ids(&listed).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_filter_is_of_all_segments_without_what_is_deleted() {
    let place = fridges();
    let engine = place.open();
    assert_eq!(engine.manifest().segments.len(), 2);
    for (filter, expected) in [
        ("tag:Kirsch", &["a", "c", "d"][..]),
        ("tag:Kirsch AND NOT tag:lab", &["c", "d"]),
        ("price:300.5 OR size.width:>=70", &["b", "d"]),
        ("published:[2020 TO 2020]", &["a"]),
        ("NOT tag:*", &["e"]),
        ("price:<10", &[]),
    ] {
        assert_eq!(matching(&engine, filter), expected, "{filter}");
    }
    assert_eq!(engine.all_documents().len(), 5);
}

#[test]
fn as_many_hits_are_found_as_match() {
    let place = fridges();
    let engine = place.open();
    // One of three documents with the words is far down, and dense finds all.
    let profile = Profile {
        depths: depths(1, 1, 1),
        ..Profile::default()
    };
    let searcher = |filter: &str| Searcher::new(&engine, &profile, &filtered(filter)).unwrap();
    let query = Query::text("quiet small fridge");
    for id in ["a", "b", "c", "d", "e"] {
        let filter = match id {
            "a" => "tag:lab",
            "b" => "tag:Liebherr",
            "c" => "published:2021",
            "d" => "size.width:80",
            _ => "NOT tag:*",
        };
        let found = searcher(filter).search(&query).unwrap();
        assert_eq!(ids(&found), [id], "{filter}");
        assert_eq!((found.matched, found.note), (Some(1), None));
    }
}

#[test]
fn a_filter_that_holds_for_nothing_is_an_empty_answer_that_says_why() {
    let place = fridges();
    let engine = place.open();
    for mode in [
        Mode::Hybrid,
        Mode::Exhaustive,
        Mode::Cascade,
        Mode::TwoStage,
    ] {
        let profile = Profile {
            mode,
            ..Profile::default()
        };
        let searcher = Searcher::new(&engine, &profile, &filtered("tag:kirsch")).unwrap();
        let found = searcher.search(&Query::text("quiet fridge")).unwrap();
        assert_eq!((found.hits.len(), found.matched), (0, Some(0)), "{mode}");
        assert_eq!(
            found.note.unwrap(),
            "the filter holds for no document; `tag` is nowhere `kirsch`, but `Kirsch`: capitals count"
        );
    }
    let note = |filter: &str| engine.browse(&filtered(filter)).unwrap().note.unwrap();
    assert_eq!(note("price:<10"), "the filter holds for no document");
    // `Kirsch` is there as it was asked for, but not together with the other.
    assert_eq!(
        note("tag:Kirsch AND price:<10"),
        "the filter holds for no document"
    );
}

#[test]
fn what_is_wrong_with_a_filter_is_pointed_at() {
    let place = fridges();
    let engine = place.open();
    let message = |filter: &str| chain(&engine.browse(&filtered(filter)).unwrap_err());
    assert_eq!(
        message("tag:Kirsch AND pirce:3"),
        "the filter is wrong at character 16: there is no field `pirce` to filter by; did you mean \
         `price`?\n    tag:Kirsch AND pirce:3\n                   ^^^^^"
    );
    assert_eq!(
        message("price:cheap"),
        "the filter is wrong at character 7: the field `price` is of type float, and `cheap` is \
         none: write a number such as 2.5\n    price:cheap\n          ^^^^^"
    );
    assert!(
        message("tag:(a OR").contains("\n    tag:(a OR\n"),
        "{}",
        message("tag:(a OR")
    );
    assert!(message("").starts_with("the filter is wrong at character 1"));
    let options = filtered("pirce:3");
    let searched = Searcher::new(&engine, &Profile::default(), &options);
    assert!(matches!(searched.err(), Some(Error::Filter { .. })));

    let other = Place::built(&[document("a", "no fields here")]);
    let refused = other.open().browse(&filtered("tag:a")).unwrap_err();
    assert!(
        chain(&refused).contains("the index has no fields"),
        "{refused}"
    );
}

#[test]
fn an_unknown_field_is_neither_counted_nor_sorted_by() {
    let place = fridges();
    let engine = place.open();
    let sorted = SearchOptions {
        sort: Some("-pirce".into()),
        ..everything()
    };
    let message = engine.browse(&sorted).unwrap_err().to_string();
    assert_eq!(
        message,
        "there is no field `pirce` to sort by; did you mean `price`?"
    );
    let counted = SearchOptions {
        facets: vec![FacetRequest::of("colour")],
        ..everything()
    };
    let message = engine.browse(&counted).unwrap_err().to_string();
    assert_eq!(
        message,
        "there is no field `colour` to count the values of; the fields are price, published, \
         size.width, tag"
    );
}

#[test]
fn facets_count_all_that_the_filter_holds_for_whatever_is_found() {
    let place = fridges();
    let engine = place.open();
    let options = SearchOptions {
        facets: vec![
            FacetRequest::of("tag"),
            FacetRequest {
                field: "price".into(),
                top: 1,
            },
        ],
        top_k: 1,
        ..filtered("NOT published:2021")
    };
    let searcher = Searcher::new(&engine, &Profile::default(), &options).unwrap();
    let found = searcher.search(&Query::text("quiet")).unwrap();
    assert_eq!((found.hits.len(), found.matched), (1, Some(4)));
    let facets = serde_json::to_value(&found.facets).unwrap();
    assert_eq!(
        facets,
        json!([
            {
                "field": "tag",
                "values": [
                    {"value": "Kirsch", "count": 2},
                    {"value": "Liebherr", "count": 1},
                    {"value": "lab", "count": 1},
                ],
                "n_values": 3, "n_present": 3, "n_missing": 1,
            },
            {
                "field": "price",
                "values": [{"value": 300.5, "count": 2}],
                "n_values": 2, "n_present": 3, "n_missing": 1,
            },
        ])
    );
    let of_all = SearchOptions {
        facets: vec![FacetRequest::of("published")],
        ..everything()
    };
    let listed = engine.browse(&of_all).unwrap();
    assert_eq!((listed.matched, listed.facets[0].n_present), (Some(5), 2));
}

#[test]
fn documents_are_sorted_by_a_field_and_those_without_a_value_are_last() {
    let place = fridges();
    let engine = place.open();
    let sorted = |by: &str| SearchOptions {
        sort: Some(by.into()),
        ..everything()
    };
    let listed = |by: &str| engine.browse(&sorted(by)).unwrap();
    assert_eq!(ids(&listed("price")), ["b", "d", "a", "c", "e"]);
    assert_eq!(ids(&listed("-price")), ["a", "b", "d", "c", "e"]);
    assert_eq!(ids(&listed("published")), ["a", "c", "b", "d", "e"]);
    let values: Vec<Option<Json>> = listed("-price")
        .hits
        .into_iter()
        .map(|hit| hit.sort_value)
        .collect();
    assert_eq!(
        values[..4],
        [
            Some(json!(900.0)),
            Some(json!(300.5)),
            Some(json!(300.5)),
            None
        ]
    );

    // With a query, what was found; of equal ones, the one with the higher score first.
    let bm25 = SearchOptions {
        stages: Some(vec![BM25]),
        ..sorted("-price")
    };
    let searcher = Searcher::new(&engine, &Profile::default(), &bm25).unwrap();
    let found = searcher
        .search(&Query::text("warm oven small fridge"))
        .unwrap();
    assert_eq!(ids(&found), ["a", "d", "b", "e", "c"]);
    let ranks: Vec<u32> = found.hits.iter().map(|hit| hit.rank).collect();
    assert_eq!(ranks, [1, 2, 3, 4, 5]);
    let first = SearchOptions { top_k: 2, ..bm25 };
    let searcher = Searcher::new(&engine, &Profile::default(), &first).unwrap();
    let found = searcher
        .search(&Query::text("warm oven small fridge"))
        .unwrap();
    assert_eq!(ids(&found), ["a", "d"]);
}

#[test]
fn documents_are_deleted_by_a_filter() {
    let place = fridges();
    assert!(delete_from(&place, &[], Some("pirce:1")).is_err());
    assert_eq!(place.open().n_docs(), 5);
    let report = delete_from(&place, &["e".to_owned()], Some("tag:Kirsch")).unwrap();
    assert_eq!((report.deleted, report.documents), (4, 1));
    assert_eq!(matching(&place.open(), "tag:* OR NOT tag:*"), ["b"]);
    let report = delete_from(&place, &[], Some("tag:Kirsch")).unwrap();
    assert_eq!((report.deleted, report.documents), (0, 1));
}

#[test]
fn merged_segments_keep_their_fields() {
    let place = fridges();
    let before = place.open();
    compact(&place.dir(), &NoProgress).unwrap();
    let after = place.open();
    assert_eq!(after.manifest().segments.len(), 1);
    for filter in [
        "tag:Kirsch",
        "price:>300",
        "NOT size.width:*",
        "published:>=2021",
    ] {
        assert_eq!(
            matching(&after, filter),
            matching(&before, filter),
            "{filter}"
        );
    }
    let damage = check(&place.dir()).unwrap().damage;
    assert_eq!(damage, []);
}
