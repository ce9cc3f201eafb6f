//! What is repaired of an index whose documents are sound, and what is said of the rest.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use treffer_disk::BLOCK_BYTES;
use treffer_engine::build::{RepairReport, repair};
use treffer_engine::check::check;
use treffer_engine::manifest::Manifest;
use treffer_testkit::Random;
use treffer_types::{Document, NoProgress};

use crate::support::{Place, config, document};
use crate::updates::{damage_part, found};
use crate::vectors::near;

fn repaired(place: &Place) -> RepairReport {
    repair(&place.dir(), &place.fakes, None, &NoProgress).unwrap()
}

/// The folder of a part of a segment.
fn folder(place: &Place, segment: usize, part: &str) -> PathBuf {
    let manifest = Manifest::read(&place.dir()).unwrap();
    manifest.segments[segment]
        .folder(&place.dir(), part)
        .unwrap()
}

/// The names of the parts that were made anew.
fn names(report: &RepairReport) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let names = report.repaired.iter().map(name);
    let parts = names.map(|name| name.split('-').next().unwrap().to_owned());
    parts.collect()
}

/// Enough vectors for a graph, each given.
fn of_given_vectors() -> Place {
    let mut random = Random::new(3);
    let documents: Vec<Document> = (0..2100)
        .map(|n| {
            let mut document = document(&format!("d{n}"), "text");
            let vector: Vec<u64> = (0..4).map(|_| 1 + random.below(1000)).collect();
            document.metadata.insert("vec".into(), json!(vector));
            document
        })
        .collect();
    let mut place = Place::with_corpus(&documents);
    place.config = config(&["dense.model=none", "dense.vectors=vec", "dense.dimension=4"]);
    place.build().unwrap();
    place
}

#[test]
fn a_graph_is_made_again_over_vectors_that_were_given() {
    let place = of_given_vectors();
    let expected = near(&place.open(), &[1.0, 2.0, 1.0, 3.0]);
    for is_removed in [false, true] {
        let path = folder(&place, 0, "dense").join("graph.links");
        if is_removed {
            fs::remove_file(&path).unwrap();
        } else {
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 4;
            fs::write(&path, bytes).unwrap();
        }
        assert!(!check(&place.dir()).unwrap().damage.is_empty());
        let report = repaired(&place);
        assert_eq!(names(&report), ["dense"], "{report:?}");
        assert!(report.checked.damage.is_empty(), "{report:?}");
        assert!(report.warnings.is_empty(), "{report:?}");
        assert_eq!(near(&place.open(), &[1.0, 2.0, 1.0, 3.0]), expected);
    }
}

#[test]
fn vectors_that_were_given_are_lost_and_the_rest_is_repaired() {
    let place = of_given_vectors();
    damage_part(&folder(&place, 0, "dense"));
    damage_part(&folder(&place, 0, "bm25"));
    let report = repaired(&place);
    assert_eq!(names(&report), ["bm25"], "{report:?}");
    let [warning] = report.warnings.as_slice() else {
        panic!("{report:?}");
    };
    assert!(
        warning.contains("dense could not be made anew") && warning.contains("--replace"),
        "{warning}"
    );
    let of_dense = |path: &PathBuf| path.starts_with(folder(&place, 0, "dense"));
    assert!(!report.checked.damage.is_empty());
    assert!(report.checked.damage.iter().all(|one| of_dense(&one.path)));
    // Nothing more can be done, and nothing is committed.
    let generation = Manifest::read(&place.dir()).unwrap().generation;
    assert!(repaired(&place).repaired.is_empty());
    assert_eq!(Manifest::read(&place.dir()).unwrap().generation, generation);
}

#[test]
fn what_goes_wrong_with_one_part_leaves_the_others_to_be_repaired() {
    let mut place = Place::with_corpus(&[document("a", "red apple"), document("b", "green pear")]);
    place.config = config(&["fields.price=integer"]);
    place.build().unwrap();
    place.add(&[document("c", "blue plum")], None, false);
    let before = found(&place.open(), "green apple plum");
    for (segment, part) in [(0, "bm25"), (0, "dense"), (1, "columns"), (1, "dense")] {
        damage_part(&folder(&place, segment, part));
    }
    // A bi-encoder that is not that of the index.
    let embedder = place.fakes.embedder.clone();
    place.fakes.embedder = embedder.clone().named("other");
    let report = repaired(&place);
    assert_eq!(names(&report), ["bm25", "columns"], "{report:?}");
    assert_eq!(report.warnings.len(), 2, "{report:?}");
    assert!(report.warnings.iter().all(|one| one.contains("`other`")));
    assert!(!report.checked.damage.is_empty());
    place.fakes.embedder = embedder;
    let report = repaired(&place);
    assert_eq!(names(&report), ["dense", "dense"], "{report:?}");
    assert!(report.checked.damage.is_empty() && report.warnings.is_empty());
    assert_eq!(found(&place.open(), "green apple plum"), before);
}

#[test]
fn vectors_are_shifted_by_languages_that_are_repaired_with_them() {
    let mut place = Place::with_corpus(&[
        document("en", "The window of the house is on the other side."),
        document(
            "de",
            "Das Fenster von dem Haus ist auf der anderen Seite und nicht hier.",
        ),
    ]);
    place.config = config(&["dense.language_shift=1.0"]);
    place.build().unwrap();
    let before = found(&place.open(), "house Haus");
    for part in ["bm25", "dense"] {
        damage_part(&folder(&place, 0, part));
    }
    let report = repaired(&place);
    assert_eq!(names(&report), ["bm25", "dense"], "{report:?}");
    assert!(report.checked.damage.is_empty() && report.warnings.is_empty());
    assert_eq!(found(&place.open(), "house Haus"), before);
}

/// An index of a document with a compound, whose parts a list has and no document.
fn with_listed_words(further: &str) -> Place {
    let mut place = Place::with_corpus(&[document("a", "Kühlschrank"), document("b", "blau")]);
    let list = place.folder.path().join("list.txt");
    fs::write(&list, format!("kühl\nSchrank\n{further}")).unwrap();
    let words = format!("bm25.words={}", list.display());
    place.config = config(&["bm25.analyzer=german", &words]);
    (place.config.dense, place.config.cross) = (None, None);
    place.build().unwrap();
    assert_eq!(found(&place.open(), "Schrank").len(), 1);
    place
}

#[test]
fn listed_words_are_taken_from_another_segment_or_reported_as_lost() {
    let place = with_listed_words("");
    place.add(&[document("c", "rot")], None, false);
    let before = found(&place.open(), "Schrank");
    damage_part(&folder(&place, 0, "bm25"));
    let report = repaired(&place);
    assert_eq!(names(&report), ["bm25"], "{report:?}");
    assert!(report.checked.damage.is_empty() && report.warnings.is_empty());
    assert_eq!(found(&place.open(), "Schrank"), before);

    let place = with_listed_words("");
    damage_part(&folder(&place, 0, "bm25"));
    let report = repaired(&place);
    assert_eq!(names(&report), ["bm25"], "{report:?}");
    assert!(report.checked.damage.is_empty());
    let [warning] = report.warnings.as_slice() else {
        panic!("{report:?}");
    };
    assert!(warning.contains("`bm25.words`"), "{warning}");
}

/// Some 200 KB of words, so that opening does not read them all.
fn many_words() -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    let word = |n: usize| {
        let letters = [n, n / 26, n / 676, n / 17_576].map(letter);
        format!("Xylo{}\n", String::from_iter(letters))
    };
    (0..20_000).map(word).collect()
}

#[test]
fn listed_words_are_taken_from_the_damaged_part_if_they_are_sound() {
    for (file, is_kept) in [("pieces.words", true), ("listed.words", false)] {
        let place = with_listed_words(&many_words());
        let before = found(&place.open(), "Schrank");
        let path = folder(&place, 0, "bm25").join(file);
        let mut bytes = fs::read(&path).unwrap();
        assert!(bytes.len() > 2 * BLOCK_BYTES, "{file}");
        bytes[BLOCK_BYTES + 100] ^= 4;
        fs::write(&path, bytes).unwrap();
        let report = repaired(&place);
        assert_eq!(names(&report), ["bm25"], "{report:?}");
        assert!(report.checked.damage.is_empty(), "{report:?}");
        assert_eq!(report.warnings.is_empty(), is_kept, "{report:?}");
        assert_eq!(found(&place.open(), "Schrank") == before, is_kept, "{file}");
    }
}
