//! What is wrong with an index is said, with the file and what to do; it never panics.

mod segments;

use std::fs;
use std::path::Path;

use treffer_engine::Error;
use treffer_engine::check::check;
use treffer_engine::manifest::{LOCK_CONTENT, MANIFEST, Manifest};
use treffer_engine::models::NoModels;
use treffer_engine::profile::{Mode, Profile};
use treffer_engine::search::Searcher;
use treffer_engine::settings_file::change_profile;
use treffer_engine::{Engine, OpenOptions};
use treffer_testkit::{random_corpus, random_queries};
use treffer_types::{Embedder, PairScorer, StageName};

use crate::support::{Fakes, Place, chain, config, depths, everything, files_below, ids, search};

/// Every file of the segment.
fn every_file(place: &Place) -> Vec<std::path::PathBuf> {
    files_below(&place.segment())
}

/// An index of every kind of file.
fn with_every_stage() -> Place {
    let mut place = Place::with_corpus(&random_corpus(1, 50));
    place.config = config(&["late.model=fake-token-embedder", "late.dimension=16"]);
    place.build().unwrap();
    place
}

/// What an index answers, to the byte; or why not.
fn answers(place: &Place) -> Result<String, Error> {
    let index = place.try_open()?;
    let mut text = String::new();
    for mode in [Mode::Hybrid, Mode::Cascade] {
        for exact_below in [0, 4096] {
            let profile = Profile {
                mode,
                exact_below,
                ef_search: 30,
                depths: depths(20, 20, 5),
                ..Profile::default()
            };
            let searcher = Searcher::new(&index, &profile, &everything())?;
            for query in random_queries(1, 3) {
                let hits = searcher.search(&query)?.hits;
                text.push_str(&serde_json::to_string(&hits).unwrap());
            }
        }
    }
    Ok(text)
}

/// A damaged file is either noticed before anything of it is believed, or what was changed
/// is not touched; and a check always finds it and names it.
fn is_noticed_or_harmless(place: &Place, path: &Path, whole: &str) -> Result<(), String> {
    match answers(place) {
        Ok(found) if found == whole => {}
        Ok(_) => return Err("another answer was given".into()),
        Err(error) => {
            let message = chain(&error);
            if error.hint().is_none_or(|hint| !hint.contains("--replace")) {
                return Err(format!("no hint leads out of: {message}"));
            }
        }
    }
    let damage = check(&place.dir()).map_err(|error| chain(&error))?.damage;
    // A folder whose checksums are damaged is named as a whole.
    let is_named = |found: &Path| path == found || path.parent() == Some(found);
    if damage.iter().any(|one| is_named(&one.path)) {
        return Ok(());
    }
    Err(format!("a check finds {damage:?}"))
}

#[test]
fn a_flipped_byte_is_noticed_in_every_file() {
    let place = with_every_stage();
    let whole = answers(&place).unwrap();
    assert_eq!(check(&place.dir()).unwrap().damage, []);
    for path in every_file(&place) {
        let good = fs::read(&path).unwrap();
        let last = good.len().saturating_sub(1);
        for at in [0, 1, last / 3, last / 2, last] {
            let mut bad = good.clone();
            let Some(byte) = bad.get_mut(at) else {
                continue;
            };
            *byte ^= 0x10;
            fs::write(&path, &bad).unwrap();
            is_noticed_or_harmless(&place, &path, &whole)
                .unwrap_or_else(|found| panic!("{}, byte {at}: {found}", path.display()));
        }
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(answers(&place).unwrap(), whole);
}

#[test]
fn a_cut_a_lengthened_and_a_missing_file_are_noticed() {
    let place = with_every_stage();
    let whole = answers(&place).unwrap();
    for path in every_file(&place) {
        let good = fs::read(&path).unwrap();
        let mut longer = good.clone();
        longer.push(0);
        let cut = [0, good.len() / 2, good.len().saturating_sub(1)];
        let cut = cut.into_iter().filter(|length| *length < good.len());
        for bad in cut.map(|length| &good[..length]).chain([longer.as_slice()]) {
            fs::write(&path, bad).unwrap();
            is_noticed_or_harmless(&place, &path, &whole)
                .unwrap_or_else(|found| panic!("{}, {} bytes: {found}", path.display(), bad.len()));
        }
        fs::remove_file(&path).unwrap();
        is_noticed_or_harmless(&place, &path, &whole).unwrap();
        fs::write(&path, &good).unwrap();
    }
    fs::rename(place.segment(), place.dir().join("elsewhere")).unwrap();
    assert!(
        place.refusal().contains("is missing"),
        "{}",
        place.refusal()
    );
}

#[test]
fn a_damaged_manifest_is_noticed() {
    let place = Place::built(&random_corpus(1, 20));
    let path = place.dir().join(MANIFEST);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        for bad in [bad.as_slice(), &good[..at]] {
            fs::write(&path, bad).unwrap();
            assert!(
                matches!(place.try_open(), Err(Error::Damaged { .. })),
                "byte {at}"
            );
        }
    }
    fs::remove_file(&path).unwrap();
    assert!(
        place.refusal().contains("never completed"),
        "{}",
        place.refusal()
    );
}

#[test]
fn the_hint_of_damage_leads_out_of_it() {
    let mut place = Place::built(&random_corpus(1, 20));
    fs::write(place.dir().join(MANIFEST), "{}").unwrap();
    let error = place.try_open().err().unwrap();
    assert!(error.hint().unwrap().contains("--replace"));
    assert!(
        matches!(place.build(), Err(Error::Damaged { .. })),
        "not without being asked"
    );
    place.replace = true;
    place.build().unwrap();
    assert_eq!(place.open().n_docs(), 20);
}

#[test]
fn what_replaces_a_damaged_index_is_later_than_all_that_is_left_of_it() {
    let mut place = Place::built(&random_corpus(1, 20));
    place.replace = true;
    place.build().unwrap();
    place.build().unwrap();
    let built = |place: &Place| {
        let engine = place.open();
        assert_eq!(engine.n_docs(), 20);
        assert_eq!(engine.settings_note(), None);
        engine.manifest().generation
    };
    assert_eq!(built(&place), 3);
    let damage = |place: &Place| fs::write(place.dir().join(MANIFEST), "{}").unwrap();
    // Settings alone tell of it.
    fs::remove_dir_all(place.dir().join("segment-3")).unwrap();
    damage(&place);
    place.build().unwrap();
    assert_eq!(built(&place), 4);
    // A part that was written anew, and deleted documents.
    for (name, generation) in [
        ("segment-4/bm25-7/old", 8),
        ("deleted-11", 12),
        (".building-14/old", 15),
        ("segment-99999999999999999999/old", 16),
        ("letter-40", 17),
    ] {
        let path = place.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        damage(&place);
        place.build().unwrap();
        assert_eq!(built(&place), generation, "{name}");
    }
}

#[test]
fn a_foreign_file_is_ignored() {
    let place = Place::built(&random_corpus(1, 20));
    fs::write(place.segment().join("letter.txt"), "hello").unwrap();
    fs::write(place.dir().join("letter.txt"), "hello").unwrap();
    assert_eq!(place.open().n_docs(), 20);
}

#[test]
fn folders_without_an_index_are_told_apart() {
    let place = Place::empty();
    assert!(place.refusal().contains("does not exist"));
    fs::create_dir(place.dir()).unwrap();
    assert!(place.refusal().contains("is empty"));
    fs::write(place.dir().join("letter.txt"), "hello").unwrap();
    assert!(place.refusal().contains("other files"));
    fs::write(place.dir().join("writer.lock"), LOCK_CONTENT).unwrap();
    assert!(place.refusal().contains("never completed"));
    assert!(
        place
            .try_open()
            .err()
            .unwrap()
            .hint()
            .unwrap()
            .contains("treffer index")
    );
}

#[test]
fn another_format_is_refused_with_both_numbers() {
    let mut place = Place::built(&random_corpus(1, 20));
    let manifest = Manifest::read(&place.dir()).unwrap();
    Manifest {
        format: 99,
        ..manifest
    }
    .write(&place.dir())
    .unwrap();
    let message = place.refusal();
    assert!(
        message.contains("format 99") && message.contains("format 5"),
        "{message}"
    );
    assert!(matches!(
        place.build(),
        Err(Error::Format {
            found: 99,
            expected: 5,
            ..
        })
    ));
    place.replace = true;
    place.build().unwrap();
    place.open();
}

/// Opens with `from` replaced by `to` in the settings.
fn with_settings(from: &str, to: &str) -> String {
    let place = Place::built(&random_corpus(1, 20));
    let text = fs::read_to_string(place.settings()).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(place.settings(), text.replacen(from, to, 1)).unwrap();
    let message = place.refusal();
    assert!(
        message.contains("treffer.toml"),
        "the file is named: {message}"
    );
    message
}

#[test]
fn wrong_settings_are_refused_with_file_and_key() {
    for (from, to, parts) in [
        ("k1 =", "k9 =", &["unknown key `bm25.k9`", "`bm25.k1`"][..]),
        (
            "cross_depth =",
            "cross_deepth =",
            &["profiles.default.cross_deepth", "cross_depth`?"],
        ),
        ("k1 = 0.9", "k1 = -0.9", &["k1", "-0.9"]),
        ("b = 0.4", "b = 1.4", &["`b`", "1.4"]),
        (
            "ef_search = 400",
            "ef_search = 10",
            &["ef_search is 10", "dense_depth 200"],
        ),
        ("cross = 0.5", "cross = 0.6", &["weights", "1.1"]),
        ("cross = 0.5", "cross = -0.5", &["weights", "-0.5"]),
        (
            "mode = \"hybrid\"",
            "mode = \"hybird\"",
            &["mode", "hybird"],
        ),
        ("k1 = 0.9", "k1 = \"much\"", &["k1", "much"]),
        ("k1 = 0.9", "", &["k1"]),
        ("k1 = 0.9", "k1 = = 0.9", &["TOML"]),
        ("bm25_depth = 200", "bm25_depth = 0", &["bm25_depth is 0"]),
    ] {
        let message = with_settings(from, to);
        let is_syntax = parts == ["TOML"];
        assert!(is_syntax || !message.contains('\n'), "one line: {message}");
        for part in parts {
            assert!(
                message.contains(part),
                "`{to}` should name {part}: {message}"
            );
        }
    }
}

#[test]
fn settings_of_another_build_do_not_apply() {
    let mut place = Place::built(&random_corpus(1, 20));
    let built = place.open().settings().clone();
    let text = fs::read_to_string(place.settings()).unwrap();
    place.config = config(&["bm25.k1=1.7"]);
    place.replace = true;
    place.build().unwrap();
    let replaced = place.open();
    assert_eq!(replaced.settings().bm25.k1, 1.7);
    assert_eq!(replaced.settings_note(), None);

    fs::write(place.settings(), &text).unwrap();
    let with_old_file = place.open();
    assert_eq!(with_old_file.settings(), replaced.settings());
    let note = with_old_file.settings_note().unwrap();
    assert!(
        note.contains("generation 1") && note.contains("generation 2"),
        "{note}"
    );

    fs::remove_file(place.settings()).unwrap();
    let without_file = place.open();
    assert_eq!(without_file.settings(), replaced.settings());
    let note = without_file.settings_note().unwrap();
    assert!(note.contains("there is no"), "{note}");

    let later = text.replace("generation = 1", "generation = 3");
    assert_ne!(later, text);
    fs::write(place.settings(), later).unwrap();
    let message = place.refusal();
    assert!(
        message.contains("generation 3") && message.contains("generation 2"),
        "{message}"
    );
    fs::write(place.settings(), text.replace("generation = 1\n", "")).unwrap();
    assert!(place.refusal().contains("no key `generation`"));
    assert_eq!(built.generation, 1);
}

#[test]
fn changing_a_profile_writes_the_settings_that_apply() {
    let mut place = Place::built(&random_corpus(1, 20));
    let text = fs::read_to_string(place.settings()).unwrap();
    place.config = config(&["bm25.k1=1.7"]);
    place.replace = true;
    place.build().unwrap();
    fs::write(place.settings(), &text).unwrap();
    change_profile(&place.dir(), 2, "mine", || Ok(Profile::default())).unwrap();
    let engine = place.open();
    assert_eq!(engine.settings_note(), None);
    assert_eq!(engine.settings().bm25.k1, 1.7);
    assert!(engine.settings().profiles.contains_key("mine"));
}

fn refusal_with(change: impl FnOnce(&mut Fakes)) -> String {
    let mut place = Place::built(&random_corpus(1, 20));
    change(&mut place.fakes);
    let error = place.try_open().err().expect("another model is refused");
    assert!(
        matches!(error, Error::ModelMismatch { .. }),
        "{}",
        chain(&error)
    );
    error.to_string()
}

fn check_parts(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn another_bi_encoder_is_refused_with_both_values() {
    let message = refusal_with(|fakes| fakes.embedder = fakes.embedder.clone().named("other"));
    check_parts(
        &message,
        &["bi-encoder", "name", "`fake-embedder`", "`other`"],
    );
    let message = refusal_with(|fakes| fakes.embedder = fakes.embedder.clone().reading(77));
    check_parts(&message, &["maximal length 256", "has 77"]);
    let message = refusal_with(|fakes| {
        let built = fakes.embedder.fingerprint().to_string();
        fakes.embedder = fakes
            .embedder
            .clone()
            .with_fingerprint(&built.replace('0', "1"));
    });
    let built = Fakes::default().embedder.fingerprint().to_string();
    check_parts(&message, &["fingerprint", &built, &built.replace('0', "1")]);
    for (what, query_prefix, passage_prefix) in [
        ("query prefix", "query: ", ""),
        ("passage prefix", "", "passage: "),
    ] {
        let message = refusal_with(|fakes| {
            let mut spec = fakes.embedder.spec().clone();
            (spec.query_prefix, spec.passage_prefix) = (query_prefix.into(), passage_prefix.into());
            fakes.embedder = treffer_testkit::FakeEmbedder::with_spec(spec);
        });
        check_parts(
            &message,
            &[what, "``", &format!("`{query_prefix}{passage_prefix}`")],
        );
    }
}

#[test]
fn another_cross_encoder_is_refused_with_both_values() {
    let message = refusal_with(|fakes| fakes.scorer = fakes.scorer.clone().named("other"));
    check_parts(
        &message,
        &["cross-encoder", "name", "`fake-scorer`", "`other`"],
    );
    let message = refusal_with(|fakes| fakes.scorer = fakes.scorer.clone().reading(77));
    check_parts(&message, &["maximal length 256", "has 77"]);
    let message = refusal_with(|fakes| {
        fakes.scorer = fakes.scorer.clone().with_fingerprint("abc");
    });
    let built = Fakes::default().scorer.fingerprint().to_string();
    check_parts(&message, &["fingerprint", &built, "abc"]);
}

#[test]
fn a_model_of_an_unused_stage_is_not_asked_for() {
    let mut place = Place::built(&random_corpus(1, 20));
    let bm25 = OpenOptions {
        stages: Some(vec![StageName::BM25]),
        ..OpenOptions::default()
    };
    let index = Engine::open(&place.dir(), &bm25, &NoModels).unwrap();
    assert_eq!(index.stages(), [StageName::BM25]);
    assert!(!ids(&search(&index, &Profile::default(), "w0")).is_empty());

    place.fakes.scorer = place.fakes.scorer.clone().named("other");
    let first_stages = OpenOptions {
        stages: Some(vec![StageName::DENSE, StageName::BM25]),
        ..OpenOptions::default()
    };
    let index = Engine::open(&place.dir(), &first_stages, &place.fakes).unwrap();
    assert_eq!(index.stages(), [StageName::BM25, StageName::DENSE]);
    assert!(matches!(
        Engine::open(&place.dir(), &OpenOptions::default(), &NoModels),
        Err(Error::Model { .. })
    ));
}

#[test]
fn a_stage_that_the_index_does_not_have_is_an_error() {
    let mut place = Place::with_corpus(&random_corpus(1, 20));
    place.config.cross = None;
    place.build().unwrap();
    let options = OpenOptions {
        stages: Some(vec![StageName::CROSS]),
        ..OpenOptions::default()
    };
    let error = Engine::open(&place.dir(), &options, &place.fakes)
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("no cross stage; it was built with bm25, dense"),
        "{error}"
    );
}
