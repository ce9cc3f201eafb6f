//! `treffer compare`: figures by hand, what is missing, and runs that are bad.

use serde_json::json;

use crate::util::{Place, Ran};

const COMPARE: &str = "compare a.trec b.trec --qrels qrels.txt";

/// Twelve queries with one relevant document: `a` has it at rank 2, `b` at rank 1 for
/// the first nine, at rank 2 for the next two, and not at all for the last.
fn place() -> Place {
    let (mut a, mut b, mut qrels) = (String::new(), String::new(), String::new());
    for query in 1..=12 {
        a += &format!("q{query} Q0 other 1 2.5 a\nq{query} Q0 right 2 1.5 a\n");
        b += &match query {
            1..=9 => format!("q{query} Q0 right 1 0.9 b\nq{query} Q0 other 2 0.1 b\n"),
            10..=11 => format!("q{query} Q0 other 1 0.9 b\nq{query} Q0 right 2 0.1 b\n"),
            _ => format!("q{query} Q0 other 1 0.9 b\n"),
        };
        qrels += &format!("q{query} 0 right 1\n");
    }
    Place::with(&[("a.trec", &a), ("b.trec", &b), ("qrels.txt", &qrels)])
}

fn first(ran: &Ran) -> serde_json::Value {
    ran.json()["comparisons"][0].clone()
}

#[test]
fn the_figures_are_those_computed_by_hand() {
    let ran = place()
        .treffer(&format!("{COMPARE} --metrics MRR --format json"))
        .succeeds()
        .says_nothing();
    let found = first(&ran);
    // 0.5 for all against 9 times 1, twice 0.5 and once 0.
    assert_eq!(
        (&found["baseline"], &found["mean"]),
        (&json!(0.5), &json!(10.0 / 12.0))
    );
    assert_eq!(
        (&found["wins"], &found["ties"], &found["losses"]),
        (&json!(9), &json!(2), &json!(1))
    );
    // Ten differences of a half, nine up and one down: 2 * (1 + 10) of 1024 signs.
    assert_eq!(found["p_value"], json!(22.0 / 1024.0));
    assert_eq!(found["holm_p"], found["p_value"]);
    let [low, high] = [&found["interval"][0], &found["interval"][1]].map(|v| v.as_f64().unwrap());
    assert!(0.1 < low && low < 1.0 / 3.0 && 1.0 / 3.0 < high && high <= 0.5);
    // Deviation 0.3257; (2.2010 + 0.8755) * 0.3257 / sqrt(12)
    let detectable = found["power"]["detectable"].as_f64().unwrap();
    assert!((detectable - 0.2892).abs() < 1e-3, "{detectable}");
}

#[test]
fn the_table_says_it_for_people() {
    place()
        .treffer(&format!("{COMPARE} --metric MRR"))
        .succeeds()
        .prints("12 queries; baseline a.trec\n")
        .prints("run     metric  baseline    mean  difference       95 % interval       p  wins  ties  losses\n")
        .prints("b.trec  MRR       0.5000  0.8333     +0.3333")
        .prints("b.trec by MRR: 12 queries like these show a difference of 0.289")
        .prints("\nlargest differences  baseline     run  difference\n")
        .prints("\nq12                    0.5000  0.0000     -0.5000\n");
}

#[test]
fn every_query_can_be_listed() {
    let here = place();
    let ran = here
        .treffer(&format!(
            "{COMPARE} --metrics MRR --per-query --format json"
        ))
        .succeeds();
    let queries = first(&ran)["per_query"].clone();
    assert_eq!(queries.as_array().unwrap().len(), 12);
    assert_eq!(
        queries[11],
        json!({ "query": "q12", "baseline": 0.5, "run": 0.0, "difference": -0.5 })
    );
    here.treffer(&format!("{COMPARE} --per-query"))
        .succeeds()
        .prints("\nq11  ");
}

#[test]
fn several_tests_are_corrected_for_their_number() {
    let here = place();
    let ran = here
        .treffer("compare a.trec b.trec a.trec --qrels qrels.txt --metrics MRR,P@1 --format json")
        .succeeds();
    let value = ran.json();
    let rows = value["comparisons"].as_array().unwrap();
    let of = |row: usize, key: &str| rows[row][key].as_f64().unwrap();
    assert_eq!(rows.len(), 4);
    // The two smallest of four, P@1 (nine wins: 2 of 512) and MRR, then a against itself.
    assert_eq!(
        (of(0, "p_value"), of(1, "p_value")),
        (22.0 / 1024.0, 2.0 / 512.0)
    );
    assert_eq!(
        (of(0, "holm_p"), of(1, "holm_p")),
        (3.0 * 22.0 / 1024.0, 4.0 * 2.0 / 512.0)
    );
    assert_eq!((of(2, "p_value"), of(2, "holm_p")), (1.0, 1.0));
    here.treffer("compare a.trec b.trec a.trec --qrels qrels.txt")
        .succeeds()
        .prints("Holm's p is corrected for all 2 tests")
        .prints("a.trec by nDCG@10: no difference on any of 12 queries");
}

#[test]
fn the_same_seed_gives_the_same_output() {
    let here = place();
    let run = |seed| {
        here.treffer(&format!("{COMPARE} --seed {seed} --format json"))
            .succeeds()
            .stdout
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn what_only_one_run_has_counts_as_zero_for_the_other_and_is_reported() {
    let here = place();
    here.write(
        "b.trec",
        "q1 Q0 right 1 0.9 b\nnew Q0 right 1 0.9 b\nunjudged Q0 right 1 0.9 b\n",
    );
    let qrels = here.read("qrels.txt") + "new 0 right 1\nnobody 0 right 1\n";
    here.write("qrels.txt", qrels);
    let ran = here
        .treffer(&format!("{COMPARE} --metrics MRR --format json"))
        .succeeds();
    let value = ran.json();
    assert_eq!(
        (&value["queries"], &value["judged_in_no_run"]),
        (&json!(13), &json!(1))
    );
    let found = &value["comparisons"][0];
    assert_eq!(found["mean"], json!(2.0 / 13.0));
    assert_eq!(
        (&found["only_in_baseline"], &found["only_in_run"]),
        (&json!(11), &json!(1))
    );
    assert_eq!(found["not_judged"], 1);
    ran.says("note: 1 query judged but in none of the runs: left out")
        .says("note: 11 queries in a.trec only: counted as 0 for b.trec")
        .says("note: 1 query in b.trec only: counted as 0 for a.trec")
        .says("note: 1 query in b.trec without judgments: left out");
}

#[test]
fn compressed_runs_and_judgments_are_read_as_plain_ones_are() {
    let here = place();
    for name in ["a.trec", "b.trec", "qrels.txt"] {
        here.compress(name);
    }
    let figures = |words: &str| {
        let ran = here.treffer(&format!("{words} --format json")).succeeds();
        let mut found = first(&ran);
        found["run"].take(); // its name is another one
        found
    };
    let plain = figures(COMPARE);
    assert_eq!(
        figures("compare a.trec.gz b.trec.zst --qrels qrels.txt.gz"),
        plain
    );
    assert_eq!(
        figures("compare a.trec.zst b.trec.gz --qrels qrels.txt.zst"),
        plain
    );
}

#[test]
fn a_compressed_run_that_is_damaged_is_an_error_that_names_it() {
    let here = place();
    here.compress("b.trec");
    let whole = std::fs::read(here.path("b.trec.gz")).unwrap();
    here.write("cut.trec.gz", &whole[..whole.len() / 2]);
    here.write("plain.trec.zst", here.read("b.trec"));
    here.treffer("compare a.trec cut.trec.gz --qrels qrels.txt")
        .fails_with("could not read the run in cut.trec.gz");
    here.treffer("compare a.trec plain.trec.zst --qrels qrels.txt")
        .fails_with("its name says zstd, but its content is something else");
}

#[test]
fn bad_lines_of_a_run_are_reported_and_left_out() {
    let here = place();
    let lines = here.read("b.trec")
        + "q1 Q0 worst 3 NaN b\nq1 Q0 worse 3 inf b\nq1 Q0 right 4 9 b\nq1 Q0 short\n";
    let clean = here
        .treffer(&format!("{COMPARE} --format json"))
        .succeeds()
        .stdout;
    here.write("b.trec", lines);
    let ran = here.treffer(&format!("{COMPARE} --format json")).succeeds();
    assert_eq!(ran.stdout, clean);
    ran.says("skipped: b.trec:24: the score `NaN` of document `worst` is not a finite number")
        .says("skipped: b.trec:25: the score `inf`")
        .says("skipped: b.trec:26: document `right` of query `q1` already stands on line 1")
        .says("skipped: b.trec:27: columns found: 3, expected: 6")
        .says("note: 4 bad lines of b.trec skipped");
}

#[test]
fn equal_scores_are_ordered_as_trec_eval_orders_them() {
    let here = place();
    let equal = |text: String| text.replace("0.9", "1").replace("0.1", "1");
    here.write("b.trec", equal(here.read("b.trec")));
    let ran = here
        .treffer(&format!("{COMPARE} --metrics MRR --format json"))
        .succeeds();
    // `right` comes before `other`, larger id first.
    assert_eq!(first(&ran)["mean"], json!(11.0 / 12.0));
}

#[test]
fn unusual_grades_have_a_meaning_and_are_reported() {
    let here = place();
    let qrels = here.read("qrels.txt");
    here.write(
        "qrels.txt",
        qrels.replace("q1 0 right 1", "q1 0 right 2000000000") + "q2 0 other -3\n",
    );
    let ran = here
        .treffer(&format!("{COMPARE} --metrics nDCG@10,MRR --format json"))
        .succeeds();
    // A gain against itself, whatever its size; a negative grade is no gain.
    let ndcg = first(&ran)["mean"].as_f64().unwrap();
    assert!(
        (ndcg - (9.0 + 2.0 / 3_f64.log2()) / 12.0).abs() < 1e-12,
        "{ndcg}"
    );
    ran.says("note: 1 judgment with a grade below 0: not relevant, as 0 is")
        .says("note: 1 judgment with a grade above 15: used as they are");
}

#[test]
fn few_queries_are_said_to_show_nothing() {
    let here = place();
    here.write("qrels.txt", "q1 0 right 1\nq2 0 right 1\nq12 0 right 1\n");
    here.treffer(COMPARE)
        .succeeds()
        .prints("3 queries are too few for any difference to be significant");
    here.write("qrels.txt", "q1 0 right 1\n");
    here.treffer(COMPARE)
        .succeeds()
        .prints("1 query; baseline a.trec");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let here = place();
    here.write("empty.trec", "");
    here.write("others.txt", "x 0 right 1\n");
    here.treffer("compare a.trec gone.trec --qrels qrels.txt")
        .fails_with("could not read the run in gone.trec");
    here.treffer("compare a.trec empty.trec --qrels qrels.txt")
        .fails_with("there are no results in empty.trec");
    here.treffer("compare a.trec b.trec --qrels gone.txt")
        .fails_with("could not read the judgments in gone.txt");
    here.treffer("compare a.trec b.trec --qrels others.txt")
        .fails_with("no query of the runs is judged");
    here.treffer("compare a.trec --qrels qrels.txt")
        .fails_with("<RUN>...");
    here.treffer(&format!("{COMPARE} --metrics nDGC@10"))
        .fails_with("did you mean");
}
