//! Queries that a profile was tuned on do not measure it.

use crate::tune::{TUNE, add_german_profile, judged};

#[test]
fn queries_that_are_also_the_test_are_reported() {
    let here = judged(0.0, 1.0);
    here.write("test.tsv", "q0\td0\t1\nq3\td3\t1\nother\td3\t1\n");
    here.treffer(&format!("{TUNE} --dry-run --held-out test.tsv"))
        .succeeds()
        .says("warning: 2 of the 20 queries that choose are also in test.tsv")
        .says("warning: 1 query of test.tsv without a text in queries.tsv: not compared");
    here.write("test.tsv", "other\td3\t1\n");
    let ran = here
        .treffer(&format!("{TUNE} --dry-run --held-out test.tsv"))
        .succeeds();
    assert!(!ran.stderr.contains("also in"), "{ran}");
}

#[test]
fn queries_of_the_test_are_compared_by_text() {
    let here = judged(0.0, 1.0);
    // Ids alone say nothing: q0 is another query there, and t1 one of those that choose.
    here.write("test-queries.tsv", "q0\tunique1\nt1\tUnique3\n");
    here.write("test.tsv", "q0\td1\t1\nt1\td3\t1\n");
    let ran = here
        .treffer(&format!(
            "{TUNE} --dry-run --held-out test.tsv --held-out-queries test-queries.tsv"
        ))
        .succeeds()
        .says("warning: 1 of the 20 queries that choose are also in test.tsv");
    assert!(!ran.stderr.contains("not compared"), "{ran}");
    here.treffer(&format!(
        "{TUNE} --dry-run --held-out-queries test-queries.tsv"
    ))
    .fails_with("--held-out");
}

#[test]
fn measuring_on_the_queries_that_tuned_is_reported() {
    let here = judged(0.0, 1.0);
    let eval = |words: &str| {
        let files = "--qrels qrels.tsv --format json --metrics nDCG@10";
        here.treffer(&format!("eval index {files} {words}"))
            .succeeds()
    };
    let is_warned_of = |words: &str| {
        let ran = eval(words);
        let warnings = ran.json()["warnings"].as_array().unwrap().len();
        let is_warned_of = ran.stderr.contains("its figures flatter it");
        assert_eq!(warnings, usize::from(is_warned_of), "{ran}");
        is_warned_of
    };
    assert!(
        !is_warned_of("--queries queries.tsv"),
        "nothing is tuned yet"
    );
    here.treffer(TUNE).succeeds().prints("wrote ");
    eval("--queries queries.tsv")
        .says("warning: profile `default` was tuned on 20 of these 20 queries (queries.tsv, 20");
    // Another name and other cases do not make other queries; other words do.
    here.write("some.tsv", "q0\tUNIQUE0 \nq3\tunique3\nq6\tunique7\n");
    eval("--queries some.tsv").says("tuned on 2 of these 3 queries");
    here.write("others.tsv", "q0\tunique1\nq3\tunique4\n");
    assert!(
        !is_warned_of("--queries others.tsv"),
        "ids alone say nothing"
    );
    // What was not tuned is not flattered.
    assert!(!is_warned_of("--queries queries.tsv --stages bm25"));
    assert!(!is_warned_of("--queries queries.tsv --weights 0.95,0.05,0"));
    // Tuning again compares with what these queries chose.
    here.treffer(&format!("{TUNE} --dry-run"))
        .succeeds()
        .says("warning: profile `default` was tuned on 20 of these 20 queries");
}

#[test]
fn a_tuned_profile_that_does_not_record_its_queries_is_reported() {
    let here = judged(0.0, 1.0);
    here.treffer(TUNE).succeeds().prints("wrote ");
    let settings = here.read("index/treffer.toml");
    let (before, rest) = settings.split_once(", query_fingerprints = \"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    here.write("index/treffer.toml", format!("{before}{after}"));
    here.treffer(&format!("eval{}", TUNE.trim_start_matches("tune")))
        .succeeds()
        .says("warning: profile `default` does not record the 20 queries of queries.tsv");
    here.write(
        "index/treffer.toml",
        settings.replace("query_fingerprints = \"", "query_fingerprints = \"x"),
    );
    here.treffer("info index").fails_with("eight hexadecimal");
}

#[test]
fn a_profile_of_a_language_that_was_tuned_on_its_queries_is_reported() {
    let here = judged(0.0, 1.0);
    add_german_profile(&here, "bm25_depth = 20\ncross_depth = 0\n");
    let query = |at: usize| format!("q{at}\tWo ist das Gerät unique{at} und wie kalt ist es?\n");
    let german: String = (0..60).step_by(3).map(query).collect();
    here.write("german.tsv", &german);
    here.treffer("tune index --profile german --queries german.tsv --qrels qrels.tsv --force")
        .succeeds()
        .prints("to profile `german`");
    let eval = |queries: &str| {
        here.treffer(&format!("eval index --queries {queries} --qrels qrels.tsv"))
            .succeeds()
    };
    eval("german.tsv").says(
        "warning: profile `german` was tuned on 20 of the 20 queries that it is used for (german.tsv, 20",
    );
    // Of these, only one is asked in German.
    let english = here.read("queries.tsv");
    let (_, others) = english.split_once('\n').unwrap();
    here.write("both.tsv", query(0) + others);
    eval("both.tsv").says("profile `german` was tuned on 1 of the 1 query that it is used for");
    let ran = eval("queries.tsv");
    assert!(!ran.stderr.contains("tuned on"), "{ran}");
}

/// A search runs what the index has.
#[test]
fn stages_that_were_left_out_and_still_retrieve_are_named() {
    let here = judged(0.0, 1.0);
    here.treffer(&format!(
        "{TUNE} --dry-run --set cross_depth=8 --stages bm25,cross"
    ))
    .succeeds()
    .says("also runs dense, which was left out here")
    .says("--stages bm25,cross");
    let ran = here.treffer(&format!("{TUNE} --dry-run")).succeeds();
    assert!(!ran.stderr.contains("also runs"), "{ran}");
}
