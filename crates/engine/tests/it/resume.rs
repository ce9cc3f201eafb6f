//! A build that was interrupted goes on as it was begun, or says why not.

use treffer_engine::Error;
use treffer_types::Document;

use crate::support::{Place, chain, config, document, snapshot};
use crate::updates::assert_like_new;

const DOCUMENTS: usize = 10;

fn documents() -> Vec<Document> {
    (0..DOCUMENTS)
        .map(|n| document(&format!("d{n}"), &format!("word{n} common")))
        .collect()
}

/// A place whose build was interrupted after four documents, and can go on.
fn interrupted(overrides: &[&str]) -> Place {
    let mut place = Place::with_corpus(&documents());
    place.config = config(overrides);
    place.commit_every = Some(4);
    place.strict = true;
    // A bad record in the middle ends the first run.
    let good = std::fs::read(&place.inputs[0]).unwrap();
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let bad = [&lines[..6].concat()[..], b"{\n", &lines[6..].concat()].concat();
    std::fs::write(&place.inputs[0], bad).unwrap();
    place.build().unwrap_err();
    std::fs::write(&place.inputs[0], good).unwrap();
    let engine = place.open();
    assert!(engine.manifest().unfinished && engine.n_docs() == 4);
    place
}

#[test]
fn it_goes_on_after_its_last_commit() {
    let mut place = interrupted(&[]);
    let encoded = place.fakes.n_embedded();
    let report = place.build().unwrap();
    assert_eq!((report.documents, report.resumed), (10, 4));
    assert_eq!(place.fakes.n_embedded() - encoded, 6);
    assert!(!place.open().manifest().unfinished);
    place.commit_every = None;
    assert_like_new(&place, &documents(), &["word3 word7", "common"]);
}

#[test]
fn settings_that_would_be_ignored_are_refused() {
    let fields = "fields.price=integer";
    let mut place = interrupted(&[fields]);
    let before = snapshot(&place.dir());
    let stage = [
        "field_stages.cheap.field=price",
        "field_stages.cheap.transform=saturation",
        "field_stages.cheap.pivot=100",
    ];
    for (name, others) in [
        ("`profiles`", &["profiles.default.ef_search=903"][..]),
        ("`profiles`", &["profiles.second={ef_search=903}"]),
        ("`device`", &["device=cpu:candle"]),
        ("`field_stages`", &stage),
    ] {
        place.config = config(&[&[fields], others].concat());
        let refused = place.build().unwrap_err();
        let message = chain(&refused);
        assert!(matches!(refused, Error::Request(_)), "{message}");
        assert!(
            message.contains(name) && message.contains("--replace"),
            "{message}"
        );
        let survey = place.survey(&mut Vec::new()).unwrap_err();
        assert_eq!(chain(&survey), message);
        assert_eq!(snapshot(&place.dir()), before);
    }
    place.config = config(&[fields]);
    let report = place.build().unwrap();
    assert_eq!((report.resumed, report.added), (4, 6));
    assert!(!place.open().manifest().unfinished);
}

/// They are those of the index, whatever it was begun with.
#[test]
fn settings_that_were_edited_meanwhile_stay() {
    let place = interrupted(&["profiles.default.ef_search=901"]);
    let text = std::fs::read_to_string(place.settings()).unwrap();
    let edited = text.replace("ef_search = 901", "ef_search = 902");
    assert_ne!(edited, text);
    std::fs::write(place.settings(), &edited).unwrap();
    place.build().unwrap();
    assert_eq!(std::fs::read_to_string(place.settings()).unwrap(), edited);
}

#[test]
fn a_survey_of_an_interrupted_build_says_what_there_is_to_index() {
    let mut place = interrupted(&[]);
    let before = snapshot(&place.dir());
    let survey = place.survey(&mut Vec::new()).unwrap();
    assert_eq!(survey.documents as usize, DOCUMENTS);
    assert_eq!(snapshot(&place.dir()), before);
    place.build().unwrap();
    let refused = place.survey(&mut Vec::new()).unwrap_err();
    assert!(matches!(refused, Error::IndexExists { .. }), "{refused}");
    place.replace = true;
    let refused = place.survey(&mut Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("--commit-every"), "{refused}");
}
