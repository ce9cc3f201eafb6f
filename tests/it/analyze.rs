//! `treffer analyze`: every step from text to terms.

use crate::fixtures::{BM25_ONLY, indexed};
use crate::util::Place;

#[test]
fn the_table_shows_every_step() {
    Place::empty()
        .treffer("analyze 'Die Kühlschränke LABO-288 sind für das Labor' --analyzer mixed")
        .succeeds()
        .says_nothing()
        .prints("language     German (of 7 words, 3 German and 0 English function words")
        .prints("analyzed as  German\n")
        .prints("characters   die kühlschränke labo-288 sind für das labor\n")
        .prints("runs         die | kühlschränke | labo | 288 | sind | für | das | labor\n")
        .prints("length       4\n")
        .prints("die                0  (dropped)\n")
        .prints("kühlschränke       1  kuhlschrank             kuhlschrank\n")
        .prints("labo-288           2  labo 288 labo288        labo + 288, or labo288\n");
}

#[test]
fn what_is_unsure_is_shown_in_both_languages() {
    Place::empty()
        .treffer("analyze Anlagen --analyzer mixed")
        .succeeds()
        .prints(
            "language     unsure (of 1 words, 0 German and 0 English function words, margin 0.00",
        )
        .prints("analyzed as  German and English\n")
        .prints("anlag anlagen")
        .prints("anlag, or anlagen");
}

#[test]
fn compounds_are_cut_into_words_of_an_index() {
    let corpus = r#"{"_id": "a", "text": "Labor"}
{"_id": "b", "text": "Kühlschrank"}
"#;
    let config = BM25_ONLY.replace("english", "german");
    let here = Place::with(&[("corpus.jsonl", corpus), ("german.toml", &config)]);
    here.treffer("index index corpus.jsonl --config german.toml")
        .succeeds();
    here.treffer("analyze Laborkühlschrank --index index")
        .succeeds()
        .prints("laborkuhlschrank +labor +kuhlschrank")
        .prints("labor + kuhlschrank, or laborkuhlschrank");
    let json = here
        .treffer("analyze 'der Laborkühlschrank' --index index --format json")
        .succeeds()
        .json();
    assert_eq!(json["words"][0]["dropped"], true);
    let word = &json["words"][1];
    assert_eq!(word["written"], "laborkühlschrank");
    assert_eq!(word["indexed"][1]["role"], "piece");
    assert_eq!(word["asked"][0]["cut_from"], "laborkuhlschrank");
    assert_eq!(json["detection"]["language"], "de");
}

#[test]
fn an_index_has_its_own_analyzer() {
    let here = indexed();
    here.treffer("analyze 'the fridges' --index index")
        .succeeds()
        .prints("analyzed as  English\n")
        .prints("fridg");
    here.treffer("analyze 'the fridges' --index index --analyzer german")
        .fails_with("cannot be used with");
    here.treffer("analyze 'the fridges' --analyzer klingon")
        .fails_with("klingon");
    here.treffer("analyze '' --analyzer plain")
        .succeeds()
        .prints("length       0\n");
}

#[test]
fn a_list_of_words_cuts_compounds_without_an_index() {
    let here = Place::with(&[
        ("words.txt", "# doors\nTür\nKühlschrank\n"),
        ("bad.txt", "Tür\ntwo words\n280\nder\n"),
    ]);
    here.treffer("analyze Kühlschranktür --analyzer german --set bm25.words=words.txt")
        .succeeds()
        .says_nothing()
        .prints("kuhlschranktur +kuhlschrank +tur")
        .prints("kuhlschrank + tur, or kuhlschranktur");
    here.treffer("analyze Tür --analyzer german --set bm25.words=bad.txt")
        .succeeds()
        .says("skipped: bad.txt:2: no word: one word of letters is expected on a line")
        .says("skipped: bad.txt:3: no word: it has other letters")
        .says("skipped: bad.txt:4: no word: it is a stop word")
        .says("3 bad lines of bad.txt skipped");
    here.treffer("analyze Tür --analyzer english --set bm25.words=words.txt")
        .fails_with("use `german` or `mixed`");
}
