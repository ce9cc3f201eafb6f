//! Duplicates: what is found whatever the model says, and that neighbors find what comparing
//! everything with everything finds.

use std::collections::BTreeSet;

use treffer_engine::api::{DuplicatesReport, DuplicatesRequest, Identity, NumberRule};
use treffer_engine::duplicates::duplicates;
use treffer_engine::{Engine, Error};
use treffer_testkit::{RecordingProgress, random_corpus};
use treffer_types::{Document, Embedder, NoProgress};

use crate::support::{Place, config, document};

fn found(place: &Place, request: &DuplicatesRequest) -> Result<DuplicatesReport, Error> {
    duplicates(&place.open(), request, &place.fakes, &NoProgress)
}

/// Ids of the documents of each cluster.
fn clusters(report: &DuplicatesReport) -> Vec<Vec<&str>> {
    report
        .clusters
        .iter()
        .map(|cluster| cluster.documents.iter().map(|d| d.id.as_str()).collect())
        .collect()
}

/// Through the graph, however small the index.
fn through_the_graph(documents: &[Document]) -> Place {
    let mut place = Place::with_corpus(documents);
    place.config = config(&["profiles.default.exact_below=0"]);
    place.build().unwrap();
    place
}

const TOO_STRICT: DuplicatesRequest = DuplicatesRequest {
    depth: 1,
    similarity: 1.0,
    overlap: 1.0,
    numbers: NumberRule::Any,
    cross: Some(1.0),
};

#[test]
fn identical_documents_are_found_whatever_is_asked() {
    let mut documents = random_corpus(4, 60);
    for n in 0..25 {
        documents.push(document(
            &format!("same{n}"),
            "cold  lab fridge, 280 liters",
        ));
    }
    for n in 0..3 {
        documents.push(document(&format!("also{n}"), "warm oven"));
    }
    for place in [Place::built(&documents), through_the_graph(&documents)] {
        let report = found(&place, &TOO_STRICT).unwrap();
        let clusters = clusters(&report);
        assert_eq!(clusters.len(), 2, "{clusters:?}");
        assert_eq!((clusters[0].len(), clusters[1].len()), (25, 3));
        let pairs = &report.clusters[0].pairs;
        assert_eq!(pairs.len(), 24);
        assert!(pairs.iter().all(|pair| pair.a == "same0"
            && pair.identical == Some(Identity::Document)
            && pair.similarity == 1.0));
    }
}

#[test]
fn the_same_text_under_another_title_is_always_a_candidate() {
    let titled = |id: &str, title: &str| Document {
        title: title.into(),
        ..document(id, "enters into force tomorrow")
    };
    let documents = [
        titled("a", "a word of its own that is far from every other"),
        titled("b", "completely different things stand here before it"),
        titled("c", "section 7"),
        titled("d", "section 8"),
        document("e", "nothing like it"),
    ];
    let request = DuplicatesRequest {
        similarity: 1.0,
        ..DuplicatesRequest::default()
    };
    let report = found(&Place::built(&documents), &request).unwrap();
    assert_eq!(clusters(&report), [["a", "b", "c", "d"]]);
    let pairs = &report.clusters[0].pairs;
    assert!(
        pairs
            .iter()
            .all(|pair| pair.identical == Some(Identity::Text))
    );
}

#[test]
fn pairs_whose_numbers_differ_are_shown_apart() {
    let documents = [
        document("a", "The quiet lab fridge of 280 liters meets DIN 13277"),
        document("b", "The quiet lab fridge of 280 liters meets DIN 13271"),
        document("c", "The quiet lab fridge of 280L meets DIN-13277"),
        document("d", "Sourdough needs salt, patience and a hot oven"),
    ];
    let place = Place::built(&documents);
    let mut request = DuplicatesRequest {
        similarity: 0.5,
        ..DuplicatesRequest::default()
    };
    let report = found(&place, &request).unwrap();
    assert_eq!(clusters(&report), [["a", "c"]]);
    let differing: BTreeSet<(&str, &str)> = report
        .differing
        .iter()
        .map(|pair| (pair.a.as_str(), pair.b.as_str()))
        .collect();
    assert_eq!(differing, BTreeSet::from([("a", "b"), ("b", "c")]));
    let pair = report.differing.iter().find(|pair| pair.a == "a").unwrap();
    assert_eq!(pair.only_a, ["DIN 13277"]);
    assert_eq!(pair.only_b, ["DIN 13271"]);
    request.numbers = NumberRule::Ignore;
    let report = found(&place, &request).unwrap();
    assert_eq!(clusters(&report), [["a", "b", "c"]]);
    assert!(report.differing.is_empty());
}

#[test]
fn a_number_that_only_one_has_is_no_contradiction_unless_asked_for() {
    let documents = [
        document("a", "quiet lab fridge with a lock and an alarm for the lab"),
        document(
            "b",
            "quiet lab fridge with a lock and an alarm for the lab, 74 kg",
        ),
    ];
    let place = Place::built(&documents);
    let mut request = DuplicatesRequest {
        similarity: 0.5,
        ..DuplicatesRequest::default()
    };
    let report = found(&place, &request).unwrap();
    assert_eq!(clusters(&report), [["a", "b"]]);
    assert_eq!(report.clusters[0].pairs[0].only_b, ["74 kg"]);
    request.numbers = NumberRule::Any;
    let report = found(&place, &request).unwrap();
    assert_eq!((report.clusters.len(), report.differing.len()), (0, 1));
}

#[test]
fn the_cross_encoder_must_agree_both_ways_if_asked() {
    // For the fake, all words of `a` are in `b`, and few of `b` in `a`.
    let documents = [
        document("a", "cold fridge cold fridge"),
        document(
            "b",
            "cold fridge cold fridge cold fridge cold fridge door shelf lamp lock",
        ),
    ];
    let place = Place::built(&documents);
    let mut request = DuplicatesRequest {
        similarity: 0.3,
        ..DuplicatesRequest::default()
    };
    assert_eq!(found(&place, &request).unwrap().clusters.len(), 1);
    request.cross = Some(0.0);
    let report = found(&place, &request).unwrap();
    let cross = report.clusters[0].pairs[0].cross.unwrap();
    assert!(
        cross.ab.value() > 5.0 && cross.ba.value() < 0.0,
        "{cross:?}"
    );
    request.cross = Some(0.5);
    assert!(found(&place, &request).unwrap().clusters.is_empty());
    let read = place.fakes.take_read();
    assert_eq!(read.len(), 4, "{read:?}");
}

#[test]
fn neighbors_find_what_comparing_all_pairs_finds() {
    const LEAST: f64 = 0.85;
    let mut documents = random_corpus(17, 150);
    // Half of each of some documents again, so that there is something to find.
    for n in 0..40 {
        let text = &documents[n].text;
        let words: Vec<&str> = text.split(' ').collect();
        let most = words[..words.len() * 4 / 5 + 1].join(" ");
        documents.push(document(&format!("part{n}"), &most));
    }
    let request = DuplicatesRequest {
        depth: documents.len(),
        similarity: LEAST,
        numbers: NumberRule::Ignore,
        ..DuplicatesRequest::default()
    };
    let place = Place::built(&documents);
    let report = found(&place, &request).unwrap();
    let pairs: BTreeSet<(&str, &str)> = report
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.pairs)
        // The same text under another title is found whatever its similarity.
        .filter(|pair| pair.similarity >= LEAST)
        .map(|pair| (pair.a.as_str(), pair.b.as_str()))
        .collect();
    let texts: Vec<String> = documents.iter().map(Document::full_text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = place.fakes.embedder.embed_passages(&texts).unwrap();
    let mut expected = BTreeSet::new();
    for (i, a) in documents.iter().enumerate() {
        for (j, b) in documents.iter().enumerate().skip(i + 1) {
            let products = vectors[i].vector.iter().zip(&vectors[j].vector);
            let cosine: f64 = products.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            let similarity = (cosine - report.baseline) / (1.0 - report.baseline);
            assert!((similarity - LEAST).abs() > 1e-6, "too close to tell");
            if similarity >= LEAST {
                expected.insert((a.id.as_str(), b.id.as_str()));
            }
        }
    }
    assert!(expected.len() > 20, "{}", expected.len());
    let missing_or_wrong: Vec<_> = pairs.symmetric_difference(&expected).collect();
    assert!(missing_or_wrong.is_empty(), "{missing_or_wrong:?}");
    // The graph finds nearly all of them with few neighbors.
    let few = DuplicatesRequest {
        depth: 10,
        ..request
    };
    let by_graph = found(&through_the_graph(&documents), &few).unwrap();
    let found = by_graph.clusters.iter().flat_map(|cluster| &cluster.pairs);
    let n_found = found.filter(|pair| pair.similarity >= LEAST).count();
    assert!(
        n_found * 10 >= expected.len() * 9,
        "{n_found} of {}",
        expected.len()
    );
}

#[test]
fn threads_change_nothing() {
    let documents = random_corpus(23, 200);
    let request = DuplicatesRequest {
        similarity: 0.3,
        // Every word of this corpus has one.
        numbers: NumberRule::Ignore,
        cross: Some(0.01),
        ..DuplicatesRequest::default()
    };
    let place = through_the_graph(&documents);
    let in_threads = |n| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build();
        pool.unwrap().install(|| found(&place, &request).unwrap())
    };
    let one = in_threads(1);
    assert!(!one.clusters.is_empty());
    assert_eq!(one, in_threads(4));
}

#[test]
fn one_document_or_none_has_no_duplicate() {
    let report = found(
        &Place::built(&[document("a", "alone")]),
        &DuplicatesRequest::default(),
    );
    let report = report.unwrap();
    assert_eq!((report.n_documents, report.n_candidates), (1, 0));
    assert!(report.clusters.is_empty() && report.differing.is_empty());
}

#[test]
fn what_cannot_be_done_says_why() {
    let documents = [document("a", "one"), document("b", "two")];
    let refused =
        |place: &Place, request: DuplicatesRequest| found(place, &request).unwrap_err().to_string();
    let place = Place::built(&documents);
    let request = DuplicatesRequest::default();
    let with = |change: fn(&mut DuplicatesRequest)| {
        let mut request = request;
        change(&mut request);
        refused(&place, request)
    };
    assert!(with(|request| request.depth = 0).contains("depth is 0"));
    for similarity in [0.0, 1.01, f64::NAN, -1.0] {
        let request = DuplicatesRequest {
            similarity,
            ..request
        };
        assert!(refused(&place, request).contains("least similarity"));
    }
    assert!(with(|request| request.overlap = 1.5).contains("least overlap is 1.5"));
    assert!(with(|request| request.cross = Some(f64::NAN)).contains("cross-encoder is NaN"));

    let mut bm25 = Place::with_corpus(&documents);
    bm25.config.dense = None;
    bm25.config.cross = None;
    bm25.build().unwrap();
    assert!(refused(&bm25, request).contains("dense.model"));
    let mut no_cross = Place::with_corpus(&documents);
    no_cross.config.cross = None;
    no_cross.build().unwrap();
    let asks = DuplicatesRequest {
        cross: Some(0.5),
        ..request
    };
    assert!(refused(&no_cross, asks).contains("cross.model"));

    let engine: Engine = place.open();
    let progress = RecordingProgress::cancelling_after(0);
    let stopped = duplicates(&engine, &request, &place.fakes, &progress);
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

#[test]
fn documents_after_a_split_one_have_their_own_words() {
    let long = "one of many short sentences. ".repeat(60);
    let documents = [
        document("long", &long),
        document("a", "the cold fridge of the lab has a lamp and a lock"),
        document("b", "the cold fridge of the lab has a lamp and a door"),
    ];
    let mut place = Place::with_corpus(&documents);
    place.config = config(&[
        "passages.tokens=32",
        "passages.overlap=8",
        "passages.bm25=passage",
    ]);
    place.build().unwrap();
    let request = DuplicatesRequest {
        similarity: 0.3,
        overlap: 0.5,
        ..DuplicatesRequest::default()
    };
    for deletes in [false, true] {
        if deletes {
            place.delete(&["long"], false);
        }
        let report = found(&place, &request).unwrap();
        assert_eq!(clusters(&report), [["a", "b"]]);
        // Of 10 and 10 words, 9 are in both.
        let overlap = report.clusters[0].pairs[0].overlap;
        assert!((overlap - 9.0 / 11.0).abs() < 1e-9, "{overlap}");
    }
}

#[test]
fn copies_take_no_place_among_the_neighbors() {
    let mut documents = vec![
        document("x", "cold fridge door lamp"),
        document("z", "cold fridge door lock"),
    ];
    for n in 0..30 {
        documents.push(document(&format!("y{n}"), "cold fridge door lamp lock"));
    }
    documents.extend(random_corpus(8, 40));
    let request = DuplicatesRequest {
        depth: 2,
        similarity: 0.3,
        ..DuplicatesRequest::default()
    };
    for place in [Place::built(&documents), through_the_graph(&documents)] {
        let report = found(&place, &request).unwrap();
        let mut pairs = report.clusters.iter().flat_map(|cluster| &cluster.pairs);
        let is_it = |a: &str, b: &str| (a, b) == ("x", "z") || (a, b) == ("z", "x");
        assert!(
            pairs.any(|pair| is_it(&pair.a, &pair.b)),
            "{:?}",
            report.clusters
        );
    }
}
