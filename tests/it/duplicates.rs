//! `treffer duplicates`: what is typed and what is printed.

use crate::fixtures::{indexed, place};
use crate::util::Place;

/// Sixty-odd words, so that a model with random weights finds little else alike.
fn with_duplicates() -> Place {
    let here = place();
    here.write(
        "corpus.jsonl",
        r#"{"_id": "a", "title": "Fridge", "text": "cold quiet fridge, 280 liters, DIN 13277"}
{"_id": "b", "title": "Fridge", "text": "cold quiet  fridge, 280 liters, DIN 13277"}
{"_id": "c", "title": "Fridge", "text": "cold quiet fridge, 280 liters, DIN 13271"}
{"_id": "d", "title": "Oven", "text": "warm loud oven for bread"}
"#,
    );
    here.treffer("index index corpus.jsonl --config three.toml")
        .succeeds();
    here
}

#[test]
fn identical_documents_and_those_that_differ_in_numbers_are_shown() {
    let here = with_duplicates();
    here.treffer("duplicates index --similarity 0.01 --overlap 0.3")
        .succeeds()
        .says_nothing()
        .prints("1 cluster of 2 documents among 4 documents\n\ncluster 1: 2 documents\n  a  Fridge\n  b  Fridge\n")
        .prints("identical\n")
        .prints("differs in numbers: 1 similar pair, no duplicates\n")
        // The first of the identical documents stands for both.
        .prints("DIN 13277")
        .prints("DIN 13271");
    let words = "duplicates index --similarity 0.01 --overlap 0.3 --format json";
    let lines = here.treffer(words).succeeds().json_lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["type"], "summary");
    assert_eq!(lines[0]["n_documents"], 4);
    assert_eq!(lines[1]["type"], "cluster");
    assert_eq!(lines[1]["documents"][1]["id"], "b");
    assert_eq!(lines[1]["pairs"][0]["identical"], "document");
    assert_eq!(lines[2]["type"], "differs-in-numbers");
    assert_eq!(lines[2]["only_b"][0], "DIN 13271");
    // Another number of threads, the same bytes.
    let one = here.treffer(&format!("--threads 1 {words}"));
    let four = here.treffer(&format!("--threads 4 {words}"));
    assert_eq!(one.stdout, four.stdout);
}

#[test]
fn the_cross_encoder_is_asked_only_if_wanted() {
    let here = with_duplicates();
    let words = "duplicates index --similarity 0.01 --numbers ignore";
    let without = here.treffer(words).succeeds();
    assert!(!without.stdout.contains("cross"), "{without}");
    here.treffer(&format!("{words} --confirm cross --cross 0"))
        .succeeds()
        .prints("cross a>b");
    here.treffer(&format!("{words} --cross 0.3"))
        .fails_with("--cross needs --confirm cross");
}

#[test]
fn where_nothing_is_found_it_is_said() {
    let here = with_duplicates();
    here.write("one.jsonl", r#"{"_id": "a", "text": "alone"}"#);
    here.treffer("index one one.jsonl --config three.toml")
        .succeeds();
    here.treffer("duplicates one")
        .finds_nothing()
        .prints("no duplicates among 1 document\n");
    for bad in [
        "--similarity 0",
        "--similarity 2",
        "--overlap 1.5",
        "--depth 0",
    ] {
        here.treffer(&format!("duplicates index {bad}"))
            .fails_with("error: ");
    }
    indexed()
        .treffer("duplicates index")
        .fails_with("this index has none; build it with a bi-encoder");
}
