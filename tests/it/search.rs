//! `treffer search`: forms of output, stages, weights, profiles.

use serde_json::{Value, json};

use crate::fixtures::{indexed, indexed_in_three_stages};
use crate::util::Place;

#[test]
fn hits_are_printed_best_first() {
    let ran = indexed()
        .treffer("search index cold")
        .succeeds()
        .says_nothing();
    let ids: Vec<&str> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(ids, ["freezer", "fridge"]);
}

#[test]
fn nothing_found_is_said_and_is_exit_code_one() {
    let here = indexed();
    here.treffer("search index zebra")
        .finds_nothing()
        .prints("nothing found")
        .says_nothing();
    assert_eq!(
        here.treffer("search index zebra --format trec")
            .finds_nothing()
            .stdout,
        ""
    );
}

#[test]
fn json_is_one_object_per_query() {
    let here = indexed();
    here.write("queries.tsv", "q1\tcold\nq2\tzebra\nq3\toven\n");
    let lines = here
        .treffer("search index --queries queries.tsv --format json")
        .succeeds()
        .json_lines();
    let ids: Vec<&Value> = lines.iter().map(|line| &line["query"]["id"]).collect();
    assert_eq!(ids, ["q1", "q2", "q3"]);
    assert_eq!(lines[0]["query"]["text"], "cold");
    assert_eq!(lines[0]["n_candidates"], 2);
    assert_eq!(lines[0]["hits"][0]["id"], "freezer");
    assert_eq!(lines[0]["hits"][0]["rank"], 1);
    assert_eq!(lines[0]["hits"][0]["text"], "cold cold freezer");
    assert_eq!(lines[1]["hits"], Value::Array(Vec::new()));
    assert_eq!(keys(&lines[0]), ["query", "n_candidates", "stages", "hits"]);
    assert_eq!(
        keys(&lines[0]["hits"][0]),
        ["rank", "id", "score", "passages", "title", "text"]
    );
    let passage = &lines[0]["hits"][0]["passages"][0];
    assert_eq!(passage["place"], json!([0, 17]));
    assert_eq!(passage["highlights"], json!([[0, 4], [5, 9]]));
}

#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn a_run_has_the_columns_of_trec() {
    let here = indexed();
    here.write("queries.jsonl", "{\"_id\": \"q7\", \"text\": \"cold\"}\n");
    let run = here
        .treffer("search index --queries queries.jsonl --format trec")
        .succeeds()
        .stdout;
    let columns: Vec<Vec<&str>> = run
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let kept: Vec<_> = columns
        .iter()
        .map(|c| (c[0], c[1], c[2], c[3], c[5]))
        .collect();
    assert_eq!(
        kept,
        [
            ("q7", "Q0", "freezer", "1", "treffer"),
            ("q7", "Q0", "fridge", "2", "treffer")
        ]
    );
    assert!(columns[0][4].parse::<f64>().unwrap() > columns[1][4].parse::<f64>().unwrap());
}

#[test]
fn plain_lines_are_queries_with_their_numbers_as_ids() {
    let here = indexed();
    here.write("queries.txt", "cold\n\noven\n");
    let ran = here
        .treffer("search index --queries queries.txt --format trec")
        .succeeds();
    assert!(
        ran.stdout
            .lines()
            .last()
            .unwrap()
            .starts_with("3 Q0 oven 1 "),
        "{ran}"
    );
}

#[test]
fn top_k_limits_the_hits() {
    let here = indexed();
    assert_eq!(
        here.treffer("search index cold --format json -k 1")
            .succeeds()
            .ids(),
        ["freezer"]
    );
    here.treffer("search index cold --top-k 0")
        .fails_with("invalid value '0' for '--top-k <N>'");
}

#[test]
fn an_explanation_adds_up_to_the_score() {
    let here = indexed_in_three_stages();
    let value = here
        .treffer("search index 'cold lab fridge' --explain --format json")
        .succeeds()
        .json();
    for hit in value["hits"].as_array().unwrap() {
        let stages = hit["stages"].as_object().unwrap();
        assert_eq!(
            stages.keys().collect::<Vec<_>>(),
            ["bm25", "dense", "cross"]
        );
        let sum: f64 = stages
            .values()
            .map(|stage| stage["weighted"].as_f64().unwrap())
            .sum();
        assert!((sum - hit["score"].as_f64().unwrap()).abs() < 1e-9, "{hit}");
    }
    let first = &value["hits"][0];
    assert!(
        first["stages"]["cross"]["raw"].is_number()
            && first["passages"][0]["scores"]["cross"].is_number(),
        "{first}"
    );
}

#[test]
fn an_explanation_is_a_table_of_stages() {
    let here = indexed_in_three_stages();
    let ran = here
        .treffer("search index 'cold lab fridge' --explain -k 2")
        .succeeds()
        .says_nothing();
    let head = "             stage      raw  normalized  weighted  rank\n";
    let head: Vec<&str> = head.split_whitespace().collect();
    let is_head = |line: &&str| line.split_whitespace().eq(head.iter().copied());
    assert_eq!(ran.stdout.lines().filter(is_head).count(), 2, "{ran}");
    assert!(
        ran.stdout.lines().all(|line| line.chars().count() <= 130),
        "{ran}"
    );
    ran.prints("             bm25 ")
        .prints("             dense ")
        .prints("             cross ")
        .prints("passage 1 of 1 (bytes 0-");
}

#[test]
fn times_are_shown_only_when_asked_for() {
    let here = indexed_in_three_stages();
    let query = "search index 'cold fridge' --format json";
    let without = here.treffer(query).succeeds().json();
    assert_eq!(
        keys(&without["stages"][0]),
        ["stage", "candidates_in", "candidates_out", "scored"]
    );
    let with = here
        .treffer(&format!("{query} --timings"))
        .succeeds()
        .json();
    assert!(with["stages"][0]["ms"].as_f64().unwrap() >= 0.0);
    here.treffer("search index 'cold fridge' --timings")
        .succeeds()
        .prints("candidates before")
        .prints("\ncross ");
}

#[test]
fn stages_report_what_they_did() {
    let here = indexed_in_three_stages();
    let value = here
        .treffer("search index 'cold fridge' --format json")
        .succeeds()
        .json();
    let stages = value["stages"].as_array().unwrap();
    let names: Vec<&Value> = stages.iter().map(|stage| &stage["stage"]).collect();
    assert_eq!(names, ["bm25", "dense", "bm25", "cross"]);
    assert_eq!(stages[3]["scored"], 8, "the cross-encoder's depth");
    assert_eq!(stages[3]["candidates_out"], value["n_candidates"]);
}

#[test]
fn a_search_can_stop_at_any_stage() {
    let here = indexed_in_three_stages();
    for (stages, names) in [
        ("bm25", vec!["bm25"]),
        ("bm25,dense", vec!["bm25", "dense", "bm25"]),
    ] {
        let value = here
            .treffer(&format!(
                "search index cold --stages {stages} --format json"
            ))
            .succeeds()
            .json();
        let ran = value["stages"].as_array().unwrap();
        assert!(
            ran.iter().map(|stage| &stage["stage"]).eq(names.iter()),
            "{value}"
        );
    }
}

#[test]
fn an_unknown_stage_names_those_of_the_index() {
    indexed()
        .treffer("search index cold --stages bm25,vector")
        .fails_with("vector")
        .says("no vector stage; it was built with bm25");
}

#[test]
fn a_stage_that_the_index_lacks_is_named() {
    indexed()
        .treffer("search index cold --stages bm25,dense")
        .fails_with("no dense stage");
}

#[test]
fn the_cross_encoder_alone_has_nothing_to_read() {
    let here = indexed_in_three_stages();
    here.write("qrels.tsv", "q1\td1\t1\n");
    for command in [
        "search index cold",
        "explain index cold d1",
        "eval index --queries queries.tsv --qrels qrels.tsv",
    ] {
        here.treffer(&format!("{command} --stages cross"))
            .fails_with("no stage is left that retrieves candidates")
            .says("name one of bm25, dense too, or use mode");
    }
}

#[test]
fn cuda_is_an_error_where_it_is_not_built_in() {
    let here = indexed_in_three_stages();
    let ran = here.treffer("search index cold --device cuda");
    if cfg!(not(feature = "cuda")) {
        ran.fails_with("could not load the model")
            .says("this build lacks the `cuda` feature");
    }
    here.treffer("search index cold --device gpu")
        .fails_with("devices are cpu, cuda and cuda:N");
}

#[test]
fn query_and_file_of_queries_exclude_each_other() {
    let here: Place = indexed();
    here.treffer("search index").fails_with("required");
    here.treffer("search index cold --queries q.tsv")
        .fails_with("cannot be used with");
    here.treffer("search index --queries none.tsv")
        .fails_with("could not read the queries in none.tsv");
    here.write("empty.tsv", "");
    here.treffer("search index --queries empty.tsv")
        .fails_with("there are no queries in empty.tsv");
}

#[test]
fn a_deadline_that_cuts_nothing_changes_nothing() {
    let here = crate::fixtures::indexed_in_three_stages();
    let all = here
        .treffer("search index 'cold lab fridge' --format json")
        .succeeds()
        .says_nothing()
        .json();
    let cross = |value: &serde_json::Value| {
        let stages = value["stages"].as_array().unwrap().clone();
        stages
            .into_iter()
            .find(|stage| stage["stage"] == "cross")
            .unwrap()
    };
    assert!(cross(&all).get("cut_by_deadline").is_none());
    let ample = here
        .treffer("search index 'cold lab fridge' --format json --set deadline_ms=3600000")
        .succeeds()
        .says_nothing()
        .json();
    assert_eq!(ample, all);
    here.treffer("search index cold --set deadline_ms=0")
        .fails_with("deadline_ms is 0");
}

#[test]
fn a_deadline_can_stand_in_the_settings() {
    let here = crate::fixtures::indexed_in_three_stages();
    here.edit(
        "index/treffer.toml",
        "cross_depth = 8",
        "cross_depth = 8\ndeadline_ms = 3600000",
    );
    here.treffer("search index cold").succeeds().says_nothing();
    here.edit("index/treffer.toml", "deadline_ms", "deadline_sm");
    here.treffer("search index cold")
        .fails_with("did you mean `profiles.default.deadline_ms`");
}
