//! Late interaction that retrieves by itself: against scoring everything, and what becomes of its
//! lists when documents come and go.

use std::collections::HashSet;
use std::fs;

use treffer_engine::api::SearchRequest;
use treffer_engine::build::{compact, repair};
use treffer_engine::check::check;
use treffer_engine::manifest::Manifest;
use treffer_engine::{Engine, Error};
use treffer_late::{LateIndex, LateWriter};
use treffer_testkit::{random_corpus, random_queries};
use treffer_types::{Document, NoProgress, StageName};

use crate::support::{Place, chain, config, everything, raw};

const LATE: StageName = StageName::LATE;
const MODEL: &str = "late.model=fake-token-embedder";
/// Enough for lists.
const N: usize = 600;

fn place(overrides: &[&str], documents: &[Document]) -> Place {
    let mut place = Place::with_corpus(documents);
    place.config = config(&[&[MODEL], overrides].concat());
    place.build().unwrap();
    place
}

fn request(text: &str, stages: &[StageName], set: &[&str]) -> SearchRequest {
    let mut request = SearchRequest::text(text);
    request.options = everything();
    request.options.stages = Some(stages.to_vec());
    request.options.set = set.iter().map(ToString::to_string).collect();
    request
}

/// The documents found with their scores of late interaction, to the bit.
fn found(engine: &Engine, request: &SearchRequest) -> Vec<(String, u32)> {
    let response = engine.search(request).unwrap();
    let hits = response.hits.iter();
    hits.map(|hit| (hit.id.clone(), raw(hit, LATE).unwrap().to_bits()))
        .collect()
}

/// The 20 best of all documents.
fn exhaustive(engine: &Engine, text: &str) -> Vec<(String, u32)> {
    let mut all = found(engine, &request(text, &[LATE], &["mode=exhaustive"]));
    all.truncate(20);
    all
}

/// With lists that leave little out.
const RETRIEVING: [&str; 3] = ["late_depth=20", "late_candidates=500", "late_probes=64"];

#[test]
fn with_a_depth_it_finds_the_best_of_the_whole_index() {
    let documents = random_corpus(11, N);
    for storage in ["late.storage=int8", "late.storage=residual2"] {
        let place = place(&[storage], &documents);
        place.delete(&[&documents[5].id, &documents[77].id], false);
        let engine = place.open();
        for query in random_queries(11, 4) {
            let alone = request(&query.text, &[LATE], &RETRIEVING);
            let expected = exhaustive(&engine, &query.text);
            assert_eq!(found(&engine, &alone), expected);
            // Beside others, it adds what they missed, and every candidate has its score.
            let set = [&RETRIEVING[..], &["bm25_depth=3", "dense_depth=3"]].concat();
            let stages = [StageName::BM25, StageName::DENSE, LATE];
            let both: HashSet<_> = found(&engine, &request(&query.text, &stages, &set))
                .into_iter()
                .collect();
            assert!(expected.iter().all(|one| both.contains(one)));
            let without = request(&query.text, &stages, &set[3..]);
            assert!(found(&engine, &without).len() <= 6);
        }
    }
}

#[test]
fn fewer_candidates_find_fewer_and_as_many_as_asked() {
    let documents = random_corpus(12, N);
    let place = place(&[], &documents);
    let engine = place.open();
    let mut shares = Vec::new();
    for set in [
        ["late_depth=20", "late_candidates=20", "late_probes=1"],
        ["late_depth=20", "late_candidates=150", "late_probes=32"],
    ] {
        let mut share = 0.0;
        for query in random_queries(12, 10) {
            let expected: HashSet<_> = exhaustive(&engine, &query.text).into_iter().collect();
            let found = found(&engine, &request(&query.text, &[LATE], &set));
            assert_eq!(found.len(), 20);
            share += found.iter().filter(|one| expected.contains(one)).count() as f64 / 200.0;
        }
        shares.push(share);
    }
    assert!(shares[0] < shares[1] && shares[1] > 0.8, "{shares:?}");
}

#[test]
fn as_the_first_of_two_stages_it_needs_a_depth() {
    let documents = random_corpus(13, 30);
    let place = place(&[], &documents);
    let engine = place.open();
    let text = &random_queries(13, 1)[0].text;
    let stages = [LATE, StageName::CROSS];
    let set = ["mode=two-stage", "first_stage=late"];
    let refused = |request: &SearchRequest| -> String {
        let error: Error = engine.search(request).expect_err("it cannot be");
        chain(&error)
    };
    assert!(refused(&request(text, &stages, &set)).contains("set late_depth"));
    let with_depth = [&set[..], &["late_depth=7"]].concat();
    assert_eq!(
        found(&engine, &request(text, &stages, &with_depth)).len(),
        7
    );
    for (key, why) in [
        ("late_candidates=6", "below late_depth 7"),
        ("late_probes=0", "at least 1"),
    ] {
        let set = [&with_depth[..], &[key]].concat();
        assert!(refused(&request(text, &stages, &set)).contains(why));
    }
    let alone = refused(&request(text, &[LATE], &[]));
    assert!(alone.contains("set late_depth above 0"), "{alone}");
}

/// Puts token vectors in the place of a segment's that have no lists, as an earlier version did not
/// write any.
fn remove_lists(place: &Place) {
    let mut manifest = Manifest::read(&place.dir()).unwrap();
    let segment = place.dir().join(&manifest.segments[0].name);
    let (old, new) = (segment.join("late"), segment.join("new"));
    let index = LateIndex::open_folder(&old).unwrap();
    let compression = manifest.blueprint.late.as_ref().unwrap().compression;
    let width = index.width().unwrap();
    let writer = LateWriter::create(&new, width, &compression, index.learned()).unwrap();
    let mut writer = writer.lists_from(usize::MAX);
    writer.copy_from(&index, |passage| passage).unwrap();
    let seal = writer.finish(&NoProgress).unwrap();
    drop(index);
    fs::remove_dir_all(&old).unwrap();
    fs::rename(&new, &old).unwrap();
    manifest.segments[0].parts.insert("late".to_owned(), seal);
    manifest.write(&place.dir()).unwrap();
}

#[test]
fn an_index_without_lists_is_scanned_until_it_is_compacted() {
    let documents = random_corpus(14, N);
    let place = place(&[], &documents);
    let text = &random_queries(14, 1)[0].text;
    let expected = exhaustive(&place.open(), text);
    remove_lists(&place);
    let checked = check(&place.dir()).unwrap();
    assert_eq!((checked.unlisted, checked.damage.len()), (N, 0));
    // Nothing is left out, however little is to be looked at.
    let little = ["late_depth=20", "late_candidates=20", "late_probes=1"];
    let little = request(text, &[LATE], &little);
    assert_eq!(found(&place.open(), &little), expected);

    let report = compact(&place.dir(), &NoProgress).unwrap();
    assert_eq!((report.segments, report.unlisted), (1, N));
    assert_eq!(check(&place.dir()).unwrap().unlisted, 0);
    assert_eq!(exhaustive(&place.open(), text), expected);
    assert_eq!(
        found(&place.open(), &request(text, &[LATE], &RETRIEVING)),
        expected
    );
    let again = compact(&place.dir(), &NoProgress).unwrap();
    assert_eq!((again.unlisted, place.fakes.n_token_embedded()), (0, N));
}

#[test]
fn damaged_lists_are_made_again_without_a_model() {
    let documents = random_corpus(15, N);
    let place = place(&[], &documents);
    let text = &random_queries(15, 1)[0].text;
    let expected = found(&place.open(), &request(text, &[LATE], &RETRIEVING));
    for (file, at) in [("lists", 3), ("lists", 70), ("list-centroids", 100)] {
        let manifest = Manifest::read(&place.dir()).unwrap();
        let segment = &manifest.segments[0];
        let folder = segment.folder(&place.dir(), "late").unwrap();
        let path = folder.join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 4;
        fs::write(&path, bytes).unwrap();
        let report = repair(&place.dir(), &place.fakes, None, &NoProgress).unwrap();
        assert_eq!(report.repaired.len(), 1, "{report:?}");
        assert!(report.checked.damage.is_empty(), "{report:?}");
        assert_eq!(
            found(&place.open(), &request(text, &[LATE], &RETRIEVING)),
            expected
        );
    }
    assert_eq!(place.fakes.n_token_embedded(), N);
}
