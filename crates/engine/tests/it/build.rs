//! Builds: what they keep, what they report, and that nothing is lost or left over
//! however they end.

use std::fs::{self, File};
use std::sync::Arc;

use treffer_engine::build::PassageCounts;
use treffer_engine::config::DEFAULT_PROFILE;
use treffer_engine::manifest::{LOCK, LOCK_CONTENT};
use treffer_engine::models::ModelSource;
use treffer_engine::profile::Profile;
use treffer_engine::settings_file::change_profile;
use treffer_engine::{Device, Engine, Error};
use treffer_testkit::{RecordingProgress, random_corpus};
use treffer_types::{BoxError, Embedder, NoProgress, PairScorer};

use crate::support::{BM25, Place, chain, document, files_below, ids, raw, search, snapshot};

fn fridges() -> Place {
    Place::with_corpus(&[
        document("fridge", "a laboratory refrigerator with a cold box"),
        document("coat", "a winter coat for cold days"),
        document("desk", "a desk of oak"),
    ])
}

#[test]
fn an_index_is_built_opened_and_searched() {
    let place = fridges();
    let report = place.build().unwrap();
    assert_eq!((report.documents, report.problems), (3, 0));
    assert_eq!((report.passages_cut, report.tokens_cut), (0, 0));
    assert_eq!((report.passages.passages, report.passages.most), (3, 1));
    let steps: Vec<&str> = report.steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, ["read", "encode", "commit"]);

    let index = place.open();
    assert_eq!(index.n_docs(), 3);
    assert_eq!(index.manifest().generation, 1);
    assert_eq!(report.bytes, index.manifest().n_bytes());
    let profile = index.settings().profile(DEFAULT_PROFILE).unwrap();
    let result = search(&index, profile, "cold refrigerator");
    assert_eq!(ids(&result)[..2], ["fridge", "coat"]);
    assert_eq!(result.hits[0].rank, 1);
    assert_eq!(
        result.hits[0].text,
        "a laboratory refrigerator with a cold box"
    );
    assert!(
        index
            .settings()
            .profile("none")
            .unwrap_err()
            .to_string()
            .contains("default")
    );
}

#[test]
fn the_manifest_seals_every_file_of_the_segment() {
    let place = Place::built(&random_corpus(1, 20));
    let index = place.open();
    let parts = &index.manifest().segments[0].parts;
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["bm25", "dense", "store"]);
    for (name, record) in parts {
        let sealed = treffer_disk::Sealed::open(&place.segment().join(name)).unwrap();
        assert_eq!(sealed.record(), *record);
    }
    let sealed: usize = parts.values().map(|record| record.files).sum();
    // Beside what is sealed lie the checksums of each part.
    assert_eq!(files_below(&place.segment()).len(), sealed + parts.len());
}

#[test]
fn bad_records_are_reported_with_path_and_line_and_the_rest_is_kept() {
    let mut place = Place::empty();
    place.add_input(
        "first.jsonl",
        b"{\"_id\":\"a\",\"text\":\"one\"}\nnot json\n{\"_id\":\"b\",\"text\":\"\"}\n{\"_id\":\"a\",\"text\":\"again\"}\n",
    );
    place.add_input(
        "second.jsonl",
        b"{\"_id\":\"c\",\"text\":\"three\"}\n\xff\xfe\n{\"_id\":\"a\",\"text\":\"elsewhere\"}\n{\"text\":\"no id\"}\n",
    );
    let mut problems = Vec::new();
    let report = place.build_with(&NoProgress, &mut problems).unwrap();
    assert_eq!((report.documents, report.problems), (2, 6));
    let expected = [
        ("first.jsonl:2:", "JSON"),
        ("first.jsonl:3:", "empty"),
        ("first.jsonl:4:", "duplicate id `a`"),
        ("second.jsonl:2:", "UTF-8"),
        ("second.jsonl:3:", "duplicate id `a`"),
        ("second.jsonl:4:", "id is missing"),
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, (place, reason)) in problems.iter().zip(expected) {
        assert!(
            problem.contains(place) && problem.contains(reason),
            "{problem}"
        );
    }
    let index = place.open();
    let result = search(&index, &Profile::default(), "one three");
    let mut found = ids(&result);
    found.sort();
    assert_eq!(found, ["a", "c"]);
    assert!(
        result.hits.iter().any(|hit| hit.text == "one"),
        "the first of two is kept"
    );
}

#[test]
fn a_strict_build_ends_at_the_first_bad_record_and_leaves_nothing() {
    let mut place = fridges();
    place.strict = true;
    place.add_input("bad.jsonl", b"\n{\"_id\":\"a\"}\n");
    let mut problems = Vec::new();
    let error = place.build_with(&NoProgress, &mut problems).unwrap_err();
    assert!(matches!(error, Error::Strict(_)), "{error}");
    assert!(error.to_string().contains("bad.jsonl:2"), "{error}");
    assert!(!place.dir().exists());
    assert!(matches!(place.survey(&mut problems), Err(Error::Strict(_))));
}

#[test]
fn a_corpus_without_documents_is_an_error_and_leaves_nothing() {
    for (content, n_problems) in [(&b""[..], 0), (b"not json\n[]\n", 2)] {
        let mut place = Place::empty();
        place.add_input("corpus.jsonl", content);
        for error in [
            place.build().unwrap_err(),
            place.survey(&mut Vec::new()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::EmptyCorpus { problems, .. } if problems == n_problems));
        }
        assert!(!place.dir().exists());
    }
}

#[test]
fn an_input_that_is_not_there_is_an_error_and_leaves_nothing() {
    let mut place = fridges();
    place.inputs.push(place.folder.path().join("none.jsonl"));
    let error = place.build().unwrap_err();
    assert!(chain(&error).contains("none.jsonl"), "{}", chain(&error));
    assert!(!place.dir().exists());
}

#[test]
fn a_document_of_a_million_words_is_indexed_beside_others() {
    let mut long: String = (0..999_999).map(|n| format!("w{} ", n % 5000)).collect();
    long.push_str("needle");
    let place = Place::with_corpus(&[
        document("short", "w1 w2"),
        document("long", &long),
        document("last", "w3"),
    ]);
    let report = place.build().unwrap();
    assert_eq!((report.documents, report.problems), (3, 0));
    assert_eq!((report.passages_cut, report.tokens_cut), (0, 0));
    let PassageCounts {
        passages,
        documents_split,
        most,
        ..
    } = report.passages;
    assert_eq!((passages, documents_split), (most + 2, 1));
    // All but some tens of words of each are new.
    assert!((1_000_000 / 256..1_000_000 / 200).contains(&most), "{most}");
    let index = place.open();
    let result = search(&index, &Profile::default(), "needle");
    let hit = result
        .hits
        .iter()
        .find(|hit| hit.id == "long")
        .expect("the long document");
    assert!(raw(hit, BM25).is_some_and(|score| score > 0.0));
    assert_eq!(hit.text.len(), long.len());
    let passage = &hit.passages[0];
    assert_eq!((passage.of, passage.tokens_cut), (most, Some(0)));
    assert_eq!(search(&index, &Profile::default(), "w3").hits[0].id, "last");
}

#[test]
fn an_index_that_is_there_is_replaced_only_when_asked() {
    let mut place = Place::built(&random_corpus(1, 30));
    let before = snapshot(&place.dir());
    place.set_corpus(&random_corpus(2, 7));
    for error in [
        place.build().unwrap_err(),
        place.survey(&mut Vec::new()).unwrap_err(),
    ] {
        assert!(
            matches!(error, Error::IndexExists { documents: 30, .. }),
            "{error}"
        );
    }
    assert_eq!(snapshot(&place.dir()), before);

    let old = place.open();
    let found_before = search(&old, &Profile::default(), "w1 w5 w9");
    place.replace = true;
    place.build().unwrap();
    let new = place.open();
    assert_eq!((new.n_docs(), new.manifest().generation), (7, 2));
    assert!(!place.segment().exists(), "the old segment is gone");
    assert!(place.dir().join("segment-2").is_dir());
    let found_after = search(&old, &Profile::default(), "w1 w5 w9");
    assert_eq!(
        found_before.hits, found_after.hits,
        "an open index keeps what it opened"
    );
}

#[test]
fn a_cancelled_build_leaves_no_trace() {
    let documents = random_corpus(3, 100);
    let complete = RecordingProgress::new();
    Place::with_corpus(&documents)
        .build_with(&complete, &mut Vec::new())
        .unwrap();
    assert!(
        complete.steps().iter().all(|step| step.ended),
        "{:?}",
        complete.steps()
    );
    let steps: Vec<String> = complete.steps().into_iter().map(|step| step.name).collect();
    assert!(steps[0].starts_with("reading ") && steps[1..] == ["encoding"]);

    let place = Place::with_corpus(&documents);
    for n in 0..complete.advances() {
        let progress = RecordingProgress::cancelling_after(n);
        match place.build_with(&progress, &mut Vec::new()) {
            Err(Error::Cancelled) => assert!(!place.dir().exists(), "after {n}"),
            Err(error) => panic!("after {n}: {}", chain(&error)),
            Ok(_) => panic!("after {n} of {}: not cancelled", complete.advances()),
        }
    }
    place.build().unwrap();
    assert_eq!(place.open().n_docs(), 100);
}

#[test]
fn a_cancelled_replacement_leaves_the_old_index_as_it_was() {
    let mut place = Place::built(&random_corpus(3, 40));
    let before = snapshot(&place.dir());
    place.replace = true;
    place.set_corpus(&random_corpus(4, 100));
    for n in [0, 1, 50, 99, 100, 101, 102] {
        let progress = RecordingProgress::cancelling_after(n);
        let error = place.build_with(&progress, &mut Vec::new()).unwrap_err();
        assert!(
            matches!(error, Error::Cancelled),
            "after {n}: {}",
            chain(&error)
        );
        assert_eq!(snapshot(&place.dir()), before, "after {n}");
    }
    assert_eq!(place.open().n_docs(), 40);
}

#[test]
fn a_folder_that_was_there_before_stays_after_a_failure() {
    let place = fridges();
    fs::create_dir(place.dir()).unwrap();
    let progress = RecordingProgress::cancelling_after(1);
    place.build_with(&progress, &mut Vec::new()).unwrap_err();
    assert!(place.dir().is_dir());
    let left: Vec<_> = fs::read_dir(place.dir()).unwrap().flatten().collect();
    assert!(
        left.iter().all(|entry| entry.file_name() == LOCK),
        "{left:?}"
    );
    place.build().unwrap();
    assert_eq!(place.open().n_docs(), 3);
}

#[test]
fn somebody_elses_folder_or_file_is_not_built_into() {
    let mut place = fridges();
    for replace in [false, true] {
        place.replace = replace;
        fs::create_dir_all(place.dir()).unwrap();
        fs::write(place.dir().join("letter.txt"), "hello").unwrap();
        for error in [
            place.build().unwrap_err(),
            place.survey(&mut Vec::new()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::ForeignFolder { .. }), "{error}");
        }
        assert_eq!(files_below(&place.dir()), [place.dir().join("letter.txt")]);
        fs::remove_dir_all(place.dir()).unwrap();
        // Names of ours do not make a folder ours.
        for (name, content) in [
            ("manifest.json", "{\"name\": \"a web app\"}"),
            ("segment-photos/a.jpg", "a photo"),
            ("treffer.toml", "mine = 1"),
            ("writer.lock", ""),
        ] {
            let path = place.dir().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let before = snapshot(&place.dir());
        let error = place.build().unwrap_err();
        assert!(matches!(error, Error::ForeignFolder { .. }), "{error}");
        assert_eq!(snapshot(&place.dir()), before);
        fs::remove_dir_all(place.dir()).unwrap();
        fs::write(place.dir(), "a file").unwrap();
        let message = chain(&place.build().unwrap_err());
        assert!(message.contains("index"), "{message}");
        assert_eq!(fs::read_to_string(place.dir()).unwrap(), "a file");
        fs::remove_file(place.dir()).unwrap();
    }
}

#[test]
fn what_a_killed_build_left_behind_is_cleared_away() {
    let place = fridges();
    for left_over in [".building-1", ".building-7", "segment-1", "segment-9"] {
        fs::create_dir_all(place.dir().join(left_over).join("store")).unwrap();
        fs::write(
            place.dir().join(left_over).join("store").join("junk"),
            "junk",
        )
        .unwrap();
    }
    fs::write(place.dir().join(LOCK), LOCK_CONTENT).unwrap();
    place.build().unwrap();
    assert_eq!(place.open().n_docs(), 3);
    let folders: Vec<_> = fs::read_dir(place.dir()).unwrap().flatten().collect();
    assert_eq!(
        folders.iter().filter(|entry| entry.path().is_dir()).count(),
        1
    );
}

#[test]
fn a_second_writer_is_refused() {
    let mut place = fridges();
    place.build().unwrap();
    place.replace = true;
    let lock = File::options()
        .write(true)
        .open(place.dir().join(LOCK))
        .unwrap();
    lock.lock().unwrap();
    let before = snapshot(&place.dir());
    assert!(matches!(place.build(), Err(Error::Locked { .. })));
    let saved = change_profile(
        &place.dir(),
        place.open().manifest().generation,
        "mine",
        || Ok(Profile::default()),
    );
    assert!(matches!(saved, Err(Error::Locked { .. })));
    assert_eq!(snapshot(&place.dir()), before);
    assert_eq!(place.open().n_docs(), 3, "searching meanwhile is safe");
    lock.unlock().unwrap();
    place.build().unwrap();
    change_profile(
        &place.dir(),
        place.open().manifest().generation,
        "mine",
        || Ok(Profile::default()),
    )
    .unwrap();
    assert_eq!(place.open().settings().profiles.len(), 2);
}

/// Models whose loading takes so long that another process begins a build.
struct Overtaken<'a>(&'a Place);

impl ModelSource for Overtaken<'_> {
    fn embedder(&self, name: &str, device: Device) -> Result<Arc<dyn Embedder>, BoxError> {
        assert!(matches!(self.0.build(), Err(Error::Locked { .. })));
        self.0.fakes.embedder(name, device)
    }

    fn pair_scorer(&self, name: &str, device: Device) -> Result<Arc<dyn PairScorer>, BoxError> {
        self.0.fakes.pair_scorer(name, device)
    }
}

#[test]
fn no_other_build_can_begin_while_models_load() {
    let mut place = fridges();
    place
        .build_from(&Overtaken(&place), &NoProgress, &mut Vec::new())
        .unwrap();
    place.replace = true;
    place
        .build_from(&Overtaken(&place), &NoProgress, &mut Vec::new())
        .unwrap();
    assert_eq!(place.open().manifest().generation, 2);
}

#[test]
fn a_model_that_cannot_be_had_is_named_and_leaves_nothing() {
    let place = fridges();
    let source = treffer_engine::models::NoModels;
    let error = place
        .build_from(&source, &NoProgress, &mut Vec::new())
        .unwrap_err();
    assert_eq!(
        chain(&error),
        "could not load the model `fake-embedder`: this program loads no models"
    );
    assert!(!place.dir().exists());
}

#[test]
fn a_survey_counts_as_a_build_does_and_writes_nothing() {
    let mut place = Place::empty();
    place.add_input(
        "first.jsonl",
        b"{\"_id\":\"a\",\"text\":\"one\"}\nnot json\n{\"_id\":\"a\",\"text\":\"again\"}\n",
    );
    place.add_input(
        "second.jsonl",
        b"{\"_id\":\"a\",\"text\":\"x\"}\n{\"_id\":\"b\",\"text\":\"y\"}",
    );
    let (mut surveyed, mut built) = (Vec::new(), Vec::new());
    let survey = place.survey(&mut surveyed).unwrap();
    assert!(!place.dir().exists());
    let report = place.build_with(&NoProgress, &mut built).unwrap();
    assert_eq!(
        (survey.documents, survey.problems),
        (report.documents, report.problems)
    );
    assert_eq!(surveyed, built);
}

#[test]
fn an_index_of_bm25_alone_needs_no_models() {
    let mut place = fridges();
    (place.config.dense, place.config.cross) = (None, None);
    let source = treffer_engine::models::NoModels;
    place
        .build_from(&source, &NoProgress, &mut Vec::new())
        .unwrap();
    let options = treffer_engine::OpenOptions::default();
    let index = Engine::open(&place.dir(), &options, &source).unwrap();
    assert_eq!(ids(&search(&index, &Profile::default(), "coat")), ["coat"]);
}
