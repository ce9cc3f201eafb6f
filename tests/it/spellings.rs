//! Words that people write in several ways, through the whole program.

use crate::fixtures::BM25_ONLY;
use crate::util::Place;

/// An index of these texts, named by letters from `a` on, made with `analyzer` and `set`.
fn index_of(texts: &[&str], analyzer: &str, set: &str) -> Place {
    let documents = texts.iter().zip('a'..).map(|(text, id)| {
        let document = serde_json::json!({"_id": id.to_string(), "text": text});
        format!("{document}\n")
    });
    let here = Place::with(&[
        ("corpus.jsonl", &documents.collect::<String>()),
        ("bm25.toml", &BM25_ONLY.replace("english", analyzer)),
    ]);
    here.treffer(&format!(
        "index index corpus.jsonl --config bm25.toml {set}"
    ))
    .succeeds();
    here
}

#[track_caller]
fn finds(here: &Place, query: &str, expected: &[&str]) {
    let found = here
        .treffer(&format!("search index '{query}' --format json"))
        .succeeds();
    assert_eq!(found.ids(), expected, "{query}");
}

#[test]
fn part_numbers_norms_and_units_meet_in_every_spelling() {
    let here = index_of(
        &[
            "Modell LABO-288 nach DIN 13277, 280L, 1.5mm, 1,234 Stück, Wi-Fi",
            "Modell LABO289 nach DIN 13271, 15 mm, 300 Liter",
        ],
        "german",
        "",
    );
    for query in [
        "LABO288", "DIN13277", "280", "280 L", "1234", "wifi", "1,5 mm", "13277",
    ] {
        finds(&here, query, &["a"]);
    }
    for query in ["LABO 289", "DIN13271", "DIN-13271", "300l", "15 Millimeter"] {
        let found = here.treffer(&format!("search index '{query}' --format json"));
        assert_eq!(found.succeeds().ids()[0], "b", "{query}");
    }
    // The terms of the form that counted.
    here.treffer("explain index 'DIN13277' a")
        .succeeds()
        .prints("din13277");
}

#[test]
fn characters_that_look_alike_are_one() {
    let here = index_of(
        &[
            "The ﬁnancial eﬃciency of ﬂuid pumps",
            "ＡＢＣ１２３ ｶﾞｲﾄﾞ",
            "25 m² and H₂O",
            "東京の冷蔵庫",
        ],
        "english",
        "",
    );
    for (query, document) in [
        ("financial", "a"),
        ("efficiency", "a"),
        ("ABC123", "b"),
        ("ガイド", "b"),
        ("m2", "c"),
        ("H2O", "c"),
        ("冷蔵庫", "d"),
        ("東", "d"),
    ] {
        finds(&here, query, &[document]);
    }
}

#[test]
fn accents_are_folded_unless_the_configuration_keeps_them() {
    let texts = ["café", "cafe"];
    finds(&index_of(&texts, "english", ""), "café", &["a", "b"]);
    let kept = index_of(&texts, "english", "--set bm25.fold_accents=false");
    finds(&kept, "café", &["a"]);
    kept.treffer("info index")
        .succeeds()
        .prints("english analyzer, accents kept, title");
    finds(&index_of(&texts, "plain", ""), "café", &["a"]);
}

#[test]
fn a_list_of_words_is_part_of_the_index_that_it_is_built_with() {
    let here = index_of(
        &["Kühlschrankgriff", "Kühlschranktür", "Kühlschrank"],
        "german",
        "",
    );
    // A word that stands nowhere alone; those of three letters are known.
    here.treffer("search index Griff").finds_nothing();
    finds(&here, "Tür", &["b"]);
    here.write("words.txt", "Griff\nzwei Wörter\n");
    here.treffer(
        "index index corpus.jsonl --config bm25.toml --replace --set bm25.words=words.txt",
    )
    .succeeds()
    .says("skipped: words.txt:2: no word: one word of letters is expected on a line")
    .says("1 bad record skipped");
    std::fs::remove_file(here.path("words.txt")).unwrap();
    finds(&here, "Griff", &["a"]);
    finds(&here, "Kühlschrankgriff", &["a", "b", "c"]);
    here.treffer("check index").succeeds();
    here.write("words.txt", "zwei Wörter\n");
    here.treffer("index other corpus.jsonl --config bm25.toml --strict --set bm25.words=words.txt")
        .fails_with("words.txt:1");
    here.treffer("index other corpus.jsonl --config bm25.toml --set bm25.words=none.txt")
        .fails_with("none.txt");
}
