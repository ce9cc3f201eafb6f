//! Documents and queries in several languages, through the whole program.

use crate::fixtures::BM25_ONLY;
use crate::util::Place;

const CORPUS: &str = r#"{"_id": "de", "text": "Die Anlagen sind für das Labor."}
{"_id": "en", "text": "The refrigerators are for people who die in the laboratory."}
{"_id": "code", "text": "LABO-288"}
"#;

fn place(corpus: &str) -> Place {
    Place::with(&[
        ("corpus.jsonl", corpus),
        ("mixed.toml", &BM25_ONLY.replace("english", "mixed")),
        ("english.toml", BM25_ONLY),
    ])
}

#[track_caller]
fn finds(here: &Place, query: &str, expected: &[&str]) {
    let found = here.treffer(&format!("search index '{query}' --format json"));
    assert_eq!(found.succeeds().ids(), expected, "{query}");
}

#[test]
fn each_document_and_query_is_read_in_its_own_language() {
    let here = place(CORPUS);
    here.treffer("index index corpus.jsonl --config mixed.toml")
        .succeeds();
    finds(&here, "Welche Anlage ist für das Labor?", &["de"]);
    finds(&here, "who needs a refrigerator", &["en"]);
    // A word of English, a stop word of German; the query may be either.
    finds(&here, "die", &["en"]);
    finds(&here, "Anlage", &["de"]);
    finds(&here, "LABO288", &["code"]);
    here.treffer("info index")
        .succeeds()
        .prints("languages        1 German, 1 English, 1 unsure\n")
        .prints("mixed analyzer");
    let info = here.treffer("info index --format json").succeeds().json();
    assert_eq!(info["languages"]["unsure"], 1);
    here.treffer("check index").succeeds();
}

#[test]
fn languages_are_known_with_every_analyzer() {
    let here = place(CORPUS);
    here.treffer("index index corpus.jsonl --config english.toml")
        .succeeds();
    here.treffer("info index")
        .succeeds()
        .prints("languages        1 German, 1 English, 1 unsure\n");
}

#[test]
fn a_field_of_the_records_names_the_language() {
    let here = place(
        r#"{"_id": "a", "text": "Anlagen", "lang": "de-AT"}
{"_id": "b", "text": "Anlagen", "lang": "en"}
{"_id": "c", "text": "Anlagen", "lang": "fr"}
{"_id": "d", "text": "Anlagen LABO-288", "lang": null}
"#,
    );
    here.treffer("index index corpus.jsonl --config mixed.toml --set language.field=lang")
        .succeeds();
    here.treffer("info index")
        .succeeds()
        .prints("languages        1 German, 1 English, 1 other, 1 unsure\n");
}

#[test]
fn a_value_that_is_no_language_is_reported_and_the_language_detected() {
    let here = place(
        r#"{"_id": "a", "text": "Die Anlagen sind für das Labor.", "lang": "Deutsch (AT)"}
{"_id": "b", "text": "The refrigerators are for the laboratory.", "lang": 7}
"#,
    );
    here.treffer("index index corpus.jsonl --config mixed.toml --set language.field=lang")
        .succeeds()
        .says("`lang` is no language tag in 2 records, as in a: \"Deutsch (AT)\"");
    here.treffer("info index")
        .succeeds()
        .prints("languages        1 German, 1 English\n");
    here.treffer("index other corpus.jsonl --config mixed.toml --set language.feild=lang")
        .fails_with("did you mean `language.field`?");
}
