//! `treffer eval`: figures checked by hand, rows, tags, runs.

use serde_json::{Value, json};
use treffer_eval::{Evaluation, Metric};

use crate::fixtures::{indexed, indexed_in_three_stages};
use crate::util::{Place, run_of};

/// `cold` finds the freezer before the fridge, of which the fridge is relevant;
/// `oven` finds the oven.
fn judged() -> Place {
    let here = indexed();
    here.write(
        "queries.jsonl",
        "{\"_id\": \"cold\", \"text\": \"cold\", \"tags\": [\"word\", \"cold\"]}
{\"_id\": \"oven\", \"text\": \"oven\", \"tags\": [\"word\"]}\n",
    );
    here.write(
        "qrels.tsv",
        "query-id\tcorpus-id\tscore\ncold\tfridge\t1\noven\toven\t2\n",
    );
    here
}

fn judged_in_three_stages() -> Place {
    let here = indexed_in_three_stages();
    here.write(
        "qrels.tsv",
        "query-id\tcorpus-id\tscore\nq1\td3\t2\nq1\td8\t1\nq2\td5\t1\nq3\td9\t1\n",
    );
    here
}

const EVAL: &str = "eval index --queries queries.jsonl --qrels qrels.tsv";
const EVAL_TSV: &str = "eval index --queries queries.tsv --qrels qrels.tsv";

#[track_caller]
fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn the_figures_are_those_computed_by_hand() {
    let value = judged()
        .treffer(&format!("{EVAL} --format json"))
        .succeeds()
        .says_nothing()
        .json();
    let rows = value["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["name"], "bm25");
    let metrics = &rows[0]["metrics"];
    // Found at rank 2 for one query and at rank 1 for the other.
    close(&metrics["nDCG@10"], (1.0 / 3_f64.log2() + 1.0) / 2.0);
    close(&metrics["MRR@10"], (0.5 + 1.0) / 2.0);
    close(&metrics["MAP"], (0.5 + 1.0) / 2.0);
    close(&metrics["Recall@100"], 1.0);
    close(&metrics["P@10"], 0.1);
    assert_eq!(
        (&rows[0]["judged_hits"], &rows[0]["hits"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(value["queries"], 2);
}

#[test]
fn the_table_has_a_row_per_stage_and_fusion() {
    let ran = judged_in_three_stages()
        .treffer(EVAL_TSV)
        .succeeds()
        .says_nothing();
    let words = |line: &str| line.split_whitespace().next().unwrap_or("").to_owned();
    let names: Vec<String> = ran
        .stdout
        .lines()
        .skip(1)
        .map(words)
        .take_while(|w| !w.is_empty())
        .collect();
    assert_eq!(
        names,
        ["row", "bm25", "dense", "cross", "bm25+dense", "hybrid"],
        "{ran}"
    );
    ran.prints("3 queries")
        .prints("\nrow         nDCG@10  MRR@10     MAP  Recall@100    P@10  judged hits\n")
        .prints("ms per query");
}

#[test]
fn metrics_can_be_chosen_and_unknown_ones_name_the_nearest() {
    let here = judged();
    let value = here
        .treffer(&format!("{EVAL} --metrics P@1,nDCG@3 --format json"))
        .succeeds()
        .json();
    let names: Vec<&String> = value["rows"][0]["metrics"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(names, ["P@1", "nDCG@3"]);
    here.treffer(&format!("{EVAL} --metrics nDGC@10"))
        .fails_with("did you mean `nDCG");
}

#[test]
fn tags_break_the_figures_down() {
    let here = judged();
    let value = here
        .treffer(&format!("{EVAL} --by-tag --format json"))
        .succeeds()
        .json();
    let tags = &value["rows"][0]["by_tag"];
    assert_eq!(
        (&tags["word"]["queries"], &tags["cold"]["queries"]),
        (&json!(2), &json!(1))
    );
    close(&tags["cold"]["metrics"]["MRR@10"], 0.5);
    here.treffer(&format!("{EVAL} --by-tag"))
        .succeeds()
        .prints("nDCG@10 by tag")
        .prints("0.6309");
}

#[test]
fn queries_without_tags_have_no_breakdown() {
    let here = judged();
    here.write(
        "queries.jsonl",
        "{\"_id\": \"cold\", \"text\": \"cold\"}\n{\"_id\": \"oven\", \"text\": \"oven\"}\n",
    );
    here.treffer(&format!("{EVAL} --by-tag"))
        .succeeds()
        .says("note: no query has a tag");
}

#[test]
fn runs_are_written_that_hold_the_measured_order() {
    let here = judged_in_three_stages();
    let value = here
        .treffer(&format!("{EVAL_TSV} --run-dir runs --format json"))
        .succeeds()
        .json();
    let ndcg: Metric = "nDCG@10".parse().unwrap();
    let options = treffer_corpus::JudgmentOptions::default();
    let mut fail = |problem: &treffer_corpus::Problem| panic!("{problem}");
    let path = here.path("qrels.tsv");
    let judgments = treffer_corpus::read_judgments(&path, &options, &mut fail).unwrap();
    for row in value["rows"].as_array().unwrap() {
        let name = format!("runs/{}.trec", row["name"].as_str().unwrap());
        let text = here.read(&name);
        let run = run_of(&text);
        let evaluation = Evaluation::new(&run, &judgments.qrels, &[ndcg]).unwrap();
        close(&row["metrics"]["nDCG@10"], evaluation.summary()[0]);
        let mut by_score = run.clone();
        by_score.sort_as_trec_eval();
        assert_eq!(run, by_score, "{name}: the order is not that of the scores");
    }
}

#[test]
fn a_dry_run_measures_and_writes_no_runs() {
    let here = judged();
    here.treffer(&format!("{EVAL} --run-dir runs --dry-run"))
        .succeeds()
        .says("would write 1 run to runs");
    assert!(!here.has("runs"));
}

#[test]
fn a_limit_keeps_the_first_queries() {
    let here = judged();
    let value = here
        .treffer(&format!("{EVAL} --limit 1 --format json"))
        .succeeds()
        .json();
    assert_eq!(value["queries"], 1);
    close(&value["rows"][0]["metrics"]["MRR@10"], 0.5);
    here.treffer(&format!("{EVAL} --limit 0"))
        .fails_with("limit");
}

#[test]
fn bm25_is_measured_without_the_models_being_there() {
    let here = crate::fixtures::place();
    crate::util::copy_folder(
        &crate::fixtures::tiny_model("tiny-bert-bi"),
        &here.path("bi"),
    );
    here.treffer("index index corpus.jsonl --config three.toml --set dense.model=./bi")
        .succeeds();
    std::fs::remove_dir_all(here.path("bi")).unwrap();
    here.write("queries.tsv", "cold\tcold\n");
    here.write("qrels.tsv", "cold\tfreezer\t1\n");
    here.treffer(EVAL_TSV)
        .fails_with("could not load the model");
    let value = here
        .treffer(&format!("{EVAL_TSV} --stages bm25 --format json"))
        .succeeds()
        .json();
    close(&value["rows"][0]["metrics"]["nDCG@10"], 1.0);
}

#[test]
fn what_does_not_fit_together_is_reported_and_counted() {
    let here = judged();
    let mut qrels = here.read("qrels.tsv");
    qrels += "oven\tgone\t1\noven\talso gone\t0\nnobody\tfridge\t1\n";
    here.write("qrels.tsv", qrels);
    let mut queries = here.read("queries.jsonl");
    queries += "{\"_id\": \"unjudged\", \"text\": \"warm\"}\n";
    here.write("queries.jsonl", queries);
    let ran = here.treffer(&format!("{EVAL} --format json")).succeeds();
    let expected = json!({
        "queries_not_judged": 1,
        "judged_not_given": 1,
        "queries_without_relevant": 0,
        "documents_unknown": 2,
    });
    assert_eq!(ran.json()["mismatches"], expected);
    // The relevant document that is gone holds the recall of its query down to a half.
    close(&ran.json()["rows"][0]["metrics"]["Recall@100"], 0.75);
    ran.says("note: 1 query given without judgments: left out")
        .says("note: 1 query judged but not given: left out")
        .says("note: 2 judged documents not in the index");
}

#[test]
fn queries_without_a_relevant_document_count_as_zero() {
    let here = judged();
    here.write("qrels.tsv", "cold\tfridge\t0\noven\toven\t1\n");
    let ran = here.treffer(&format!("{EVAL} --format json")).succeeds();
    close(&ran.json()["rows"][0]["metrics"]["nDCG@10"], 0.5);
    ran.says("note: 1 query without a relevant document: counted as 0");
}

#[test]
fn qrels_of_other_queries_are_an_error() {
    let here = judged();
    here.write("qrels.tsv", "other\tfridge\t1\n");
    here.treffer(EVAL)
        .fails_with("no query is judged: 2 queries and ");
}

#[test]
fn bad_judgments_are_reported_and_skipped() {
    let here = judged();
    here.write("qrels.tsv", "cold\tfridge\t1\noven\toven\tvery\n");
    here.treffer(EVAL)
        .succeeds()
        .says("skipped: qrels.tsv:2: the grade `very` is not an integer")
        .says("note: 1 bad judgment record skipped");
}

#[test]
fn missing_files_are_named() {
    let here = judged();
    here.treffer("eval index --queries none.jsonl --qrels qrels.tsv")
        .fails_with("could not read the queries in none.jsonl");
    here.treffer("eval index --queries queries.jsonl --qrels none.tsv")
        .fails_with("could not read the judgments in none.tsv");
}
