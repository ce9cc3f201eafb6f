//! `treffer judge`: judgments that say who made them, and who warns of it.

use crate::fixtures::{documents, indexed, indexed_in_three_stages, place, tiny_model};
use crate::util::Place;

const JUDGE: &str = "judge index --queries queries.tsv --output pseudo.qrels";
/// The tiny model's logits lie around 0.
const SPREAD: &str = "--thresholds 0.3,0.5,0.6";

fn judged() -> Place {
    let here = indexed_in_three_stages();
    here.treffer(&format!("{JUDGE} --depth 8 {SPREAD}"))
        .succeeds();
    here
}

#[test]
fn every_document_that_was_read_has_a_line_with_the_model_in_it() {
    let here = judged();
    let text = here.read("pseudo.qrels");
    assert_eq!(text.lines().count(), 3 * 8, "{text}");
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[query, judge, doc, grade] = columns.as_slice() else {
            panic!("{line}");
        };
        assert!(
            ["q1", "q2", "q3"].contains(&query) && doc.starts_with('d'),
            "{line}"
        );
        assert_eq!(judge, "judge:tiny-bert-cross", "{line}");
        assert!((0..=3).contains(&grade.parse::<i32>().unwrap()), "{line}");
    }
}

#[test]
fn ids_with_blanks_are_judged_and_read_again() {
    let here = place();
    let corpus = documents(20).replace("\"d3\"", "\"my docs/d 3.txt\"");
    here.write("twenty.jsonl", corpus.replace("\"d5\"", "\"d\\t5\""));
    here.write("queries.tsv", "q 1\tunique3 unique5\nq2\tunique4\n");
    here.treffer("index index twenty.jsonl --config three.toml")
        .succeeds();
    here.treffer(&format!("{JUDGE} --depth 20 {SPREAD}"))
        .succeeds()
        .says("skipped: could not write the judgments with the document id `d\t5`")
        .says(" left out\n")
        .says("note: ids hold blanks, as that of `");
    let text = here.read("pseudo.qrels");
    let has = |query: &str, doc: &str| {
        let pair = [query, doc];
        text.lines().any(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            columns.len() == 4 && [columns[0], columns[2]] == pair
        })
    };
    assert!(
        has("q 1", "my docs/d 3.txt") && has("q2", "my docs/d 3.txt"),
        "{text}"
    );
    let ran = here
        .treffer("eval index --queries queries.tsv --qrels pseudo.qrels")
        .succeeds();
    for wrong in ["skipped", "not in the index", "left out"] {
        assert!(!ran.stderr.contains(wrong), "{ran}");
    }
}

#[test]
fn what_was_written_is_reported_by_grade() {
    let here = indexed_in_three_stages();
    here.treffer(&format!("{JUDGE} --depth 8 --thresholds 0.000001"))
        .succeeds()
        .says("wrote 24 judgments by tiny-bert-cross to pseudo.qrels: 0 of grade 0, 24 of grade 1");
    here.treffer("judge index --queries queries.tsv --depth 8 --thresholds 0.999999")
        .succeeds()
        .says("24 of grade 0, 0 of grade 1")
        .says("note: 3 queries without a relevant document")
        .prints("q1\tjudge:tiny-bert-cross\td");
}

/// The tiny model of three classes, by grades and by a label.
#[test]
fn a_model_that_gives_grades_is_followed() {
    let here = indexed_in_three_stages();
    let model = tiny_model("tiny-bert-cross-3class");
    let build = format!(
        "index graded sixty.jsonl --config three.toml --set cross.model={}",
        model.display()
    );
    here.treffer(&build)
        .fails_with("LABEL_0")
        .says("cross.grades");
    here.treffer(&format!("{build} --set cross.grades=[0,1,2]"))
        .succeeds();
    let judge = "judge graded --queries queries.tsv --replace --output pseudo.qrels --depth 20";
    here.treffer(judge).succeeds().says("of grade 2");
    let grades = |text: &str| -> std::collections::BTreeSet<String> {
        let grade = |line: &str| line.rsplit('\t').next().unwrap().to_owned();
        text.lines().map(grade).collect()
    };
    let found = grades(&here.read("pseudo.qrels"));
    assert!(found.len() > 1, "{found:?}");
    here.treffer(&format!("{judge} --thresholds 0.5"))
        .succeeds()
        .says("of grade 1");
    assert!(!grades(&here.read("pseudo.qrels")).contains("2"));
    here.treffer(&format!("{build} --replace --set cross.label=LABEL_1"))
        .succeeds();
    here.treffer(judge).succeeds().says("of grade 3");
}

#[test]
fn eval_tune_and_compare_warn_of_a_model_that_judged() {
    let here = judged();
    let warning = "warning: these judgments are the model `tiny-bert-cross`'s, not people's";
    let of = "--queries queries.tsv --qrels pseudo.qrels";
    here.treffer(&format!("eval index {of} --run-dir runs"))
        .succeeds()
        .says(warning);
    here.treffer(&format!("tune index {of} --folds 2 --step 0.5 --dry-run"))
        .succeeds()
        .says(warning);
    here.treffer("compare runs/bm25.trec runs/dense.trec --qrels pseudo.qrels")
        .succeeds()
        .says(warning);
    // A person's judgments of the same say nothing of the kind.
    here.write(
        "pseudo.qrels",
        here.read("pseudo.qrels")
            .replace("judge:tiny-bert-cross", "0"),
    );
    let ran = here.treffer(&format!("eval index {of}")).succeeds();
    assert!(!ran.stderr.contains("warning"), "{ran}");
}

#[test]
fn the_same_queries_are_judged_the_same() {
    let here = judged();
    let again = format!("judge index --queries queries.tsv --depth 8 {SPREAD} --threads 1");
    assert_eq!(
        here.treffer(&again).succeeds().stdout,
        here.read("pseudo.qrels")
    );
}

#[test]
fn a_file_that_is_there_stays_unless_it_may_go() {
    let here = indexed_in_three_stages();
    here.write("pseudo.qrels", "precious");
    here.treffer(JUDGE)
        .fails_with("pseudo.qrels exists already; pass --replace");
    assert_eq!(here.read("pseudo.qrels"), "precious");
    here.treffer(&format!("{JUDGE} --depth 2 --replace"))
        .succeeds();
    assert_eq!(here.read("pseudo.qrels").lines().count(), 6);
}

#[test]
fn a_dry_run_writes_nothing() {
    let here = indexed_in_three_stages();
    here.treffer(&format!("{JUDGE} --depth 8 --dry-run"))
        .succeeds()
        .says("would have tiny-bert-cross judge up to 8 documents for each of 3 queries");
    assert!(!here.has("pseudo.qrels"));
}

#[test]
fn what_cannot_judge_says_why() {
    let here = indexed();
    here.write("queries.tsv", "q1\tcold\n");
    here.treffer(JUDGE)
        .fails_with("has no cross-encoder to judge with");
    let here = indexed_in_three_stages();
    here.treffer(&format!("{JUDGE} --thresholds 0.9,0.5"))
        .fails_with("each above the one before");
    here.treffer(&format!("{JUDGE} --depth 0"))
        .fails_with("--depth");
    here.treffer("judge index --queries gone.tsv")
        .fails_with("could not read the queries in gone.tsv");
    here.treffer("judge index --queries queries.tsv --replace")
        .fails_with("--output");
    assert!(!here.has("pseudo.qrels"));
}
