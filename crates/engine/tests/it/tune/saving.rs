//! What is tuned is kept, and nothing else is touched.

use std::path::Path;

use treffer_engine::manifest::Manifest;

use super::*;

pub(super) fn provenance() -> Provenance {
    Provenance {
        queries: "queries.jsonl".into(),
        filter: None,
        now: None,
        qrels: "test.tsv".into(),
        n_queries: 24,
        metric: "nDCG@10".into(),
        folds: 4,
        seed: 7,
        out_of_fold: 0.5,
        before: 0.25,
        gain_interval: [0.125, 0.375],
        date: "2026-01-31".into(),
        cross_fingerprint: "abc".into(),
        query_fingerprints: QueryFingerprints::of(["how cold", "how warm"]),
    }
}

fn save_profile(dir: &Path, name: &str, profile: &Profile) -> Result<(), Error> {
    let generation = Manifest::read(dir)?.generation;
    change_profile(dir, generation, name, || Ok(profile.clone()))
}

#[test]
fn a_saved_profile_is_used_next_and_nothing_else_changes() {
    let (place, _) = place();
    save_profile(&place.dir(), "mine", &profile("1,0,0")).unwrap();
    let text = fs::read_to_string(place.settings()).unwrap();
    let commented = text
        .replace("k1 =", "# short documents\nk1 =")
        .replace(
            "\n[profiles.default.weights]",
            "\n# by hand, as we like it\n[profiles.default.weights]",
        )
        .replace(
            "bm25_depth = 200",
            "# a depth\nbm25_depth = 200 # enough for us",
        )
        .replace("[profiles.default]", "# the usual one\n[profiles.default]");
    fs::write(place.settings(), commented).unwrap();
    let before = place.open().settings().clone();
    assert_eq!(before.profiles["mine"], profile("1,0,0"));

    let tuned = Profile {
        weights: "0.1,0.2,0.7".parse().unwrap(),
        tuned: Some(provenance()),
        ..before.profiles["default"].clone()
    };
    save_profile(&place.dir(), "default", &tuned).unwrap();
    let after = place.open().settings().clone();
    assert_eq!(after.profiles["default"], tuned);
    assert_eq!(after.profiles["mine"], before.profiles["mine"]);
    let text = fs::read_to_string(place.settings()).unwrap();
    for comment in [
        "# short documents",
        "# a depth",
        "# enough for us",
        "# the usual one",
        "# by hand",
    ] {
        assert!(text.contains(comment), "{comment}:\n{text}");
    }

    let again = Profile {
        weights: "0.5,0.5,0".parse().unwrap(),
        tuned: None,
        ..tuned
    };
    save_profile(&place.dir(), "default", &again).unwrap();
    assert_eq!(place.open().settings().profiles["default"], again);
    save_profile(&place.dir(), "default", &again).unwrap();
    let text_again = fs::read_to_string(place.settings()).unwrap();
    save_profile(&place.dir(), "default", &again).unwrap();
    assert_eq!(fs::read_to_string(place.settings()).unwrap(), text_again);
}

#[test]
fn profiles_can_be_saved_however_the_settings_are_written() {
    let (place, _) = place();
    let settings = place.open().settings().clone();
    let tuned = Profile {
        tuned: Some(provenance()),
        ..profile("0.3,0.3,0.4")
    };
    for text in [
        "generation = 1\ndevice = \"cpu\"\nbm25 = { k1 = 0.9, b = 0.4 }\nprofiles = { default = { cross_depth = 3 } }\n",
        "generation = 1\ndevice = \"cpu\"\nbm25 = { k1 = 0.9, b = 0.4 }\nprofiles.default.cross_depth = 3\n",
        "generation = 1\ndevice = \"cpu\"\nbm25 = { k1 = 0.9, b = 0.4 }\n[profiles]\ndefault = { cross_depth = 3 }\n",
        "generation = 1\ndevice = \"cpu\"\nbm25 = { k1 = 0.9, b = 0.4 }\n[profiles]\n",
    ] {
        for name in ["default", "new", "with.dot and space"] {
            fs::write(place.settings(), text).unwrap();
            save_profile(&place.dir(), name, &tuned).unwrap();
            let read = place.open().settings().clone();
            assert_eq!(read.profiles[name], tuned, "{name} in {text}");
            assert_eq!(read.bm25, settings.bm25);
        }
    }
    for broken in ["profiles = 3\n", "= 3\n", "unknown = 1\n"] {
        fs::write(place.settings(), broken).unwrap();
        let error = save_profile(&place.dir(), "new", &tuned).unwrap_err();
        assert!(error.to_string().contains("treffer.toml"), "{error}");
        assert_eq!(fs::read_to_string(place.settings()).unwrap(), broken);
    }
}

#[test]
fn a_profile_is_not_saved_into_an_index_that_was_replaced() {
    let (place, _) = place();
    let made = std::cell::Cell::new(false);
    let changed = change_profile(&place.dir(), 7, "new", || {
        made.set(true);
        Ok(Profile::default())
    });
    let error = changed.unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
    assert!(error.hint().is_some() && !made.get());
}

#[test]
fn a_profile_is_not_saved_where_there_is_no_index() {
    let place = Place::empty();
    let folder = place.folder.path();
    for dir in [folder.to_path_buf(), place.dir()] {
        let error = save_profile(&dir, "new", &Profile::default()).unwrap_err();
        assert!(matches!(error, Error::NoIndex { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}
