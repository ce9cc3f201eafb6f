//! `treffer tune`: writes what is a gain, and nothing else.

use std::fs::File;

use serde_json::Value;

use crate::fixtures::{documents, place, three_stages};
use crate::util::Place;

pub(crate) const TUNE: &str = "tune index --queries queries.tsv --qrels qrels.tsv";

/// An index on which BM25 is always right and a random bi-encoder seldom is: each
/// query is the word that only its document holds.
pub(crate) fn judged(bm25: f64, dense: f64) -> Place {
    let here = place();
    here.write("corpus.jsonl", documents(60));
    let weights = format!("bm25 = {bm25:?}, dense = {dense:?}, cross = 0.0");
    let config = three_stages().replace("bm25 = 0.4, dense = 0.3, cross = 0.3", &weights);
    here.write(
        "two.toml",
        config.replace("cross_depth = 8", "cross_depth = 0"),
    );
    here.treffer("index index corpus.jsonl --config two.toml")
        .succeeds();
    let lines = |line: fn(usize) -> String| (0..60).step_by(3).map(line).collect::<String>();
    here.write("queries.tsv", lines(|at| format!("q{at}\tunique{at}\n")));
    here.write("qrels.tsv", lines(|at| format!("q{at}\td{at}\t1\n")));
    here
}

/// Adds the profile `german`, to which the default one leaves queries in German.
pub(crate) fn add_german_profile(here: &Place, keys: &str) {
    here.edit(
        "index/treffer.toml",
        "mode = ",
        "by_language = { de = \"german\" }\nmode = ",
    );
    let settings = here.read("index/treffer.toml");
    here.write(
        "index/treffer.toml",
        format!("{settings}\n[profiles.german]\n{keys}"),
    );
}

/// The files of the index but for the kept scores, which every run may write.
fn files(here: &Place) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut files = here.files("index");
    files.retain(|path, _| !path.iter().any(|part| part == "tuning-cache"));
    files
}

fn weights(here: &Place, profile: &str) -> Value {
    here.treffer("info index --format json").succeeds().json()["settings"]["profiles"][profile]["weights"].clone()
}

#[test]
fn a_gain_is_written_with_where_it_comes_from() {
    let here = judged(0.0, 1.0);
    here.treffer(TUNE)
        .succeeds()
        .prints("wrote ")
        .prints("to profile `default` of index");
    assert!(weights(&here, "default")["bm25"].as_f64().unwrap() > 0.0);
    let settings = here.read("index/treffer.toml");
    for part in [
        "queries = \"queries.tsv\"",
        "qrels = \"qrels.tsv\"",
        "n_queries = 20",
        "metric = \"nDCG@10\"",
        "folds = 5",
        "date = \"20",
    ] {
        assert!(settings.contains(part), "no {part} in\n{settings}");
    }
    here.treffer("search index unique3 -k 1")
        .succeeds()
        .prints(" d3 ");
    here.treffer("info index")
        .succeeds()
        .prints("tuned 20")
        .prints("on 20 queries of queries.tsv: nDCG@10");
}

#[test]
fn what_is_no_gain_is_left_alone() {
    let here = judged(1.0, 0.0);
    let before = files(&here);
    here.treffer(TUNE)
        .succeeds()
        .prints("profile `default` left alone");
    assert_eq!(files(&here), before);
}

#[test]
fn force_writes_what_is_no_gain() {
    let here = judged(1.0, 0.0);
    here.treffer(&format!("{TUNE} --force"))
        .succeeds()
        .prints("wrote ");
    assert!(here.read("index/treffer.toml").contains("n_queries = 20"));
}

#[test]
fn a_dry_run_reports_and_writes_nothing() {
    let here = judged(0.0, 1.0);
    let before = files(&here);
    here.treffer(&format!("{TUNE} --dry-run"))
        .succeeds()
        .prints("would write ");
    assert_eq!(files(&here), before);
}

#[test]
fn another_profile_can_take_the_winner() {
    let here = judged(0.0, 1.0);
    here.treffer(&format!("{TUNE} --save-as mine"))
        .succeeds()
        .prints("to profile `mine`");
    assert_eq!(weights(&here, "default")["dense"], 1.0);
    assert!(weights(&here, "mine")["bm25"].as_f64().unwrap() > 0.0);
    here.treffer("search index unique3 --profile mine -k 1")
        .succeeds()
        .prints(" d3 ");
}

#[test]
fn what_is_set_for_a_run_does_not_stay() {
    let here = judged(0.0, 1.0);
    add_german_profile(&here, "");
    here.treffer(TUNE).fails_with("set by_language={}");
    let profile = |name: &str| {
        let info = here.treffer("info index --format json").succeeds().json();
        info["settings"]["profiles"][name].clone()
    };
    let before = profile("default");
    let tune = format!("{TUNE} --set by_language={{}}");
    // Whoever follows the advice changes nothing else.
    let ran = here.treffer(&format!("{tune} --dry-run")).succeeds();
    assert!(!ran.stderr.contains("for this run"), "{ran}");
    let changed = format!("{tune} --set dense_depth=15 --set exact_below=7 --weights 0.05,0.95,0");
    for more in ["", "--search full --step 0.1"] {
        here.treffer(&format!("{changed} --force {more}"))
            .succeeds()
            .says("warning: what is compared here as the current profile is `default` with")
            .prints("wrote ");
        let after = profile("default");
        assert_ne!(after["weights"], before["weights"]);
        assert_eq!(after["by_language"], before["by_language"]);
        assert_eq!(after["exact_below"], before["exact_below"]);
        if more.is_empty() {
            assert_eq!(after["dense_depth"], before["dense_depth"]);
        }
    }
    // A profile of another name begins as the run has it.
    here.treffer(&format!("{changed} --save-as mine --force"))
        .succeeds();
    assert_eq!(profile("mine")["dense_depth"], 15);
}

#[test]
fn comments_and_other_keys_of_the_settings_survive() {
    let here = judged(0.0, 1.0);
    here.edit("index/treffer.toml", "k1 = ", "# short documents\nk1 = ");
    here.edit("index/treffer.toml", "mode = ", "# both retrieve\nmode = ");
    here.treffer(TUNE).succeeds().prints("wrote ");
    let settings = here.read("index/treffer.toml");
    assert!(
        settings.contains("# short documents\nk1 = 0.9")
            && settings.contains("# both retrieve\nmode = "),
        "{settings}"
    );
}

#[test]
fn tuning_twice_replaces_the_provenance() {
    let here = judged(0.0, 1.0);
    here.treffer(TUNE).succeeds();
    here.treffer(&format!("{TUNE} --force --folds 4"))
        .succeeds();
    let settings = here.read("index/treffer.toml");
    assert_eq!(settings.matches("folds = ").count(), 1, "{settings}");
    assert!(settings.contains("folds = 4"), "{settings}");
}

#[test]
fn the_report_compares_the_winner_with_the_rest() {
    let ran = judged(0.0, 1.0)
        .treffer(&format!("{TUNE} --dry-run"))
        .succeeds();
    ran.prints("21 weightings of bm25, dense on 20 queries, 5 folds")
        .prints("bm25 alone ")
        .prints("dense alone ")
        .prints("equal weights ")
        .prints("rrf (k 60) ")
        .prints("current profile ")
        .prints("tuned, out of fold ")
        .prints("chosen by the folds: ")
        .prints("95 % interval")
        .prints("so many queries would show a gain of ");
}

#[test]
fn scores_are_gathered_once() {
    let here = judged(0.0, 1.0);
    let tune = || here.treffer(&format!("{TUNE} --dry-run")).succeeds();
    let first = tune().says("with scores gathered now");
    let again = tune().says("with cached scores of an earlier run");
    assert_eq!(first.stdout, again.stdout);
    here.treffer(&format!("{TUNE} --dry-run --no-cache"))
        .succeeds()
        .says("with scores gathered now");
}

#[test]
fn compressed_queries_and_judgments_tune_as_plain_ones_do() {
    let here = judged(0.0, 1.0);
    here.compress("queries.tsv");
    here.compress("qrels.tsv");
    let tune = |queries, qrels| {
        let words = format!("tune index --queries {queries} --qrels {qrels}");
        here.treffer(&format!("{words} --dry-run --format json"))
            .succeeds()
            .stdout
    };
    assert_eq!(
        tune("queries.tsv.gz", "qrels.tsv.zst"),
        tune("queries.tsv", "qrels.tsv")
    );
    here.treffer(&format!("{TUNE} --dry-run --held-out qrels.tsv.gz"))
        .succeeds()
        .says("are also in qrels.tsv.gz");
}

#[test]
fn a_full_search_says_what_depths_cost_and_keeps_a_budget() {
    let here = judged(0.0, 1.0);
    let full = format!("{TUNE} --search full --step 0.1");
    here.treffer(&format!("{full} --dry-run"))
        .succeeds()
        .prints(" choices of bm25, dense on 20 queries")
        .prints("ms per query");
    here.treffer(&format!("{full} --budget-ms 100000"))
        .succeeds()
        .prints("wrote ");
    let json = here
        .treffer(&format!(
            "{full} --dry-run --format json --budget-ms 100000"
        ))
        .succeeds()
        .json();
    assert_eq!(json["search"], "full");
    assert_eq!(json["depths"].as_array().unwrap().len(), 9);
    assert_eq!(json["per_query"].as_array().unwrap().len(), 20);
    here.treffer(&format!("{full} --budget-ms 0.0000001"))
        .fails_with("no choice is within the budget");
    here.treffer(&format!("{TUNE} --budget-ms 5"))
        .fails_with("--search full");
}

#[test]
fn the_report_is_also_json() {
    let value = judged(0.0, 1.0)
        .treffer(&format!("{TUNE} --dry-run --format json --step 0.1"))
        .succeeds()
        .json();
    assert_eq!(
        (value["queries"].as_u64(), value["measured"].as_u64()),
        (Some(20), Some(11))
    );
    assert_eq!(value["written"], false);
    assert!(value["best"]["out_of_fold"].as_f64() > value["current"]["mean"].as_f64());
    assert!(value["gain"]["interval"][0].as_f64().unwrap() > 0.0);
}

#[test]
fn the_report_is_printed_also_where_the_winner_cannot_be_written() {
    let here = judged(0.0, 1.0);
    let lock = File::options()
        .write(true)
        .open(here.path("index/writer.lock"))
        .unwrap();
    lock.lock().unwrap();
    let before = files(&here);
    let ran = here.treffer(TUNE);
    assert_eq!(ran.code(), Some(2), "{ran}");
    ran.prints("current profile ")
        .prints("could not write ")
        .says("error: another process is writing the index in index");
    assert_eq!(files(&here), before);
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let here = judged(0.0, 1.0);
    let report = |threads| {
        here.treffer(&format!(
            "{TUNE} --dry-run --format json --threads {threads}"
        ))
        .succeeds()
        .stdout
    };
    assert_eq!(report(1), report(2));
}

#[test]
fn queries_without_relevant_documents_count_and_are_reported() {
    let here = judged(0.0, 1.0);
    let qrels = here.read("qrels.tsv");
    here.write("qrels.tsv", qrels.replacen("\t1\n", "\t0\n", 1));
    here.treffer(&format!("{TUNE} --dry-run"))
        .succeeds()
        .says("note: 1 query without a relevant document: counted as 0")
        .prints(" on 20 queries, ");
    here.write("qrels.tsv", qrels.replace("\t1\n", "\t0\n"));
    here.treffer(TUNE)
        .succeeds()
        .says("note: 20 queries without a relevant document: counted as 0")
        .says("warning: no query has a relevant document, so every choice is worth the same")
        .prints("profile `default` left alone");
}

#[test]
fn unusual_grades_are_reported_and_count_as_they_stand() {
    let here = judged(0.0, 1.0);
    let tune = || {
        let ran = here.treffer(&format!("{TUNE} --dry-run --format json"));
        let ran = ran.succeeds();
        (ran.json()["best"].clone(), ran)
    };
    let (plain, _) = tune();
    // A gain against itself, whatever its size; what is not relevant gains nothing.
    let qrels = here.read("qrels.tsv").replacen("\t1\n", "\t16\n", 1);
    here.write("qrels.tsv", qrels + "q0\td1\t-1\n");
    let (unusual, ran) = tune();
    assert_eq!(unusual, plain);
    ran.says("note: 1 judgment with a grade below 0: not relevant, as 0 is")
        .says("note: 1 judgment with a grade above 15: used as they are");
}

#[test]
fn what_cannot_be_tuned_says_why() {
    let here = judged(0.0, 1.0);
    here.treffer(&format!("{TUNE} --limit 1"))
        .fails_with("there is one judged query, and what it chooses cannot be measured");
    here.treffer(&format!("{TUNE} --limit 4"))
        .fails_with("could not split 4 queries into 5 folds");
    here.treffer(&format!("{TUNE} --folds 21"))
        .fails_with("could not split 20 queries into 21 folds");
    here.treffer(&format!("{TUNE} --folds 1"))
        .fails_with("at least 2 folds");
    here.treffer(&format!("{TUNE} --step 0.3"))
        .fails_with("--step is 0.3; it must divide 1");
    here.treffer(&format!("{TUNE} --stages bm25"))
        .fails_with("needs at least two of them");
    here.treffer(&format!("{TUNE} --metric nDGC@10"))
        .fails_with("did you mean");
    here.treffer(&format!("{TUNE} --profile deep"))
        .fails_with("there is no profile `deep`");
}

#[test]
fn the_prior_is_said_and_can_be_chosen() {
    let here = judged(0.3, 0.7);
    let prior = |option: &str| {
        let command = format!("{TUNE} --dry-run --format json {option}");
        here.treffer(&command).succeeds().json()["prior"].clone()
    };
    // No preset has the models of the tests.
    assert_eq!(prior("")["origin"], "profile");
    assert_eq!(prior("")["weights"]["dense"], 0.7);
    assert_eq!(prior("--prior equal")["origin"], "equal");
    assert_eq!(prior("--prior equal")["weights"]["bm25"], 0.5);
    assert_eq!(prior("--prior none"), Value::Null);
    here.treffer(&format!("{TUNE} --dry-run"))
        .succeeds()
        .prints("prior: 0.3,0.7,0, of the profile, which was never tuned (nDCG@10 ");
    // A profile that was tuned is no prior for the next tuning.
    here.treffer(&format!("{TUNE} --force")).succeeds();
    assert_eq!(prior("")["origin"], "equal");
}
