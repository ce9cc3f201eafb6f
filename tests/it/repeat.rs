//! The same index, query and profile give the same bytes, every time.

use crate::fixtures::indexed_in_three_stages;

const QUERY: &str = "search index --queries queries.tsv --format json --explain -k 20";

#[test]
fn three_runs_give_the_same_bytes() {
    let here = indexed_in_three_stages();
    let first = here.treffer(QUERY).succeeds().stdout;
    for _ in 0..2 {
        assert_eq!(here.treffer(QUERY).succeeds().stdout, first);
    }
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let here = indexed_in_three_stages();
    let one = here
        .treffer(&format!("{QUERY} --threads 1"))
        .succeeds()
        .stdout;
    let two = here
        .treffer(&format!("{QUERY} --threads 2"))
        .succeeds()
        .stdout;
    assert_eq!(one, two);
    here.treffer(&format!("{QUERY} --threads 0"))
        .fails_with("invalid value '0' for '--threads <N>'");
}

#[test]
fn two_builds_give_the_same_bytes_whatever_their_threads() {
    let here = indexed_in_three_stages();
    let first = here.treffer(QUERY).succeeds().stdout;
    here.treffer("index index sixty.jsonl --config three.toml --replace --threads 1")
        .succeeds();
    assert_eq!(here.treffer(QUERY).succeeds().stdout, first);
}

#[test]
fn a_query_gives_the_same_alone_and_in_a_file() {
    let here = indexed_in_three_stages();
    let all = here.treffer(QUERY).succeeds().json_lines();
    let alone = here
        .treffer("search index 'freezer without ice' --format json --explain -k 20")
        .succeeds()
        .json();
    assert_eq!(all[1]["hits"], alone["hits"]);
}
