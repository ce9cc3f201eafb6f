//! Queries that are odd: each gets a right result or a clear error.

use crate::fixtures::{indexed, indexed_in_three_stages};
use crate::util::Place;

#[test]
fn an_empty_query_is_refused() {
    let here = indexed_in_three_stages();
    here.treffer("search index ''")
        .fails_with("the query is empty");
    here.treffer("search index '  \t '")
        .fails_with("the query is empty");
}

#[test]
fn an_empty_query_of_a_file_is_reported_and_the_others_answered() {
    let here = indexed();
    here.write("queries.tsv", "q1\t\nq2\tcold\n");
    let ran = here
        .treffer("search index --queries queries.tsv --format trec")
        .succeeds();
    assert!(ran.stdout.starts_with("q2 Q0 freezer 1 "), "{ran}");
    ran.says("skipped: queries.tsv:1: ")
        .says("note: 1 bad query record skipped");
}

#[test]
fn stop_words_alone_find_nothing_by_bm25_and_something_by_meaning() {
    indexed()
        .treffer("search index 'the of and'")
        .finds_nothing()
        .says_nothing();
    indexed_in_three_stages()
        .treffer("search index 'the of and'")
        .succeeds()
        .says_nothing();
}

#[test]
fn a_query_of_ten_thousand_words_is_answered() {
    let here = indexed_in_three_stages();
    let query = "cold lab fridge ".repeat(3334);
    let ran = here
        .treffer(&format!("search index '{query}' --format json"))
        .succeeds()
        .says_nothing();
    assert_eq!(ran.ids().len(), 10);
}

#[test]
fn emoji_and_right_to_left_text_are_only_text() {
    let here = indexed_in_three_stages();
    here.write(
        "odd.jsonl",
        "{\"_id\": \"rtl\", \"text\": \"מקרר שקט 🧊\"}\n{\"_id\": \"x\", \"text\": \"cold\"}\n",
    );
    here.treffer("index odd odd.jsonl --config three.toml")
        .succeeds();
    assert_eq!(
        here.treffer("search odd 'מקרר' --stages bm25 --format json")
            .succeeds()
            .ids(),
        ["rtl"]
    );
    here.treffer("search odd '🧊'").succeeds().says_nothing();
    here.treffer("search index 'ثلاجة هادئة 😀'")
        .succeeds()
        .says_nothing();
}

#[test]
fn nul_and_control_characters_reach_neither_terminal_nor_parser() {
    let here = indexed_in_three_stages();
    here.write(
        "queries.jsonl",
        "{\"_id\": \"q\", \"text\": \"cold\\u0000 \\u001b[31mfridge\"}\n",
    );
    let ran = here
        .treffer("search index --queries queries.jsonl")
        .succeeds()
        .says_nothing();
    assert!(
        ran.stdout.chars().all(|c| c == '\n' || !c.is_control()),
        "{ran}"
    );
    here.write("nul.tsv", "q\tcold\0fridge\n");
    here.treffer("search index --queries nul.tsv --format json")
        .succeeds();
}

#[test]
fn what_other_engines_take_for_syntax_is_text() {
    let here = indexed();
    let plain = here
        .treffer("search index 'cold fridge' --format json")
        .succeeds()
        .ids();
    for query in [
        "+cold -fridge",
        "\"cold\" AND (fridge",
        "title:cold fridge^3",
        "cold* fridge~",
        "[cold TO fridge}",
    ] {
        assert_eq!(
            here.treffer(&format!("search index '{query}' --format json"))
                .succeeds()
                .ids(),
            plain,
            "{query}"
        );
    }
}

#[test]
fn a_query_that_begins_with_a_dash_is_given_after_two() {
    let here: Place = indexed();
    here.treffer("search index -- -cold").succeeds();
}
