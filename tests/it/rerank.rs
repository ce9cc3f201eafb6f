//! `treffer rerank`: runs of any program, reranked with the cross-encoder.

use crate::fixtures::{documents, indexed, indexed_in_three_stages, place};
use crate::util::Place;

/// A folder with a three-stage index and what its stages ranked, in `runs`.
fn with_runs() -> Place {
    let here = indexed_in_three_stages();
    here.write("qrels.tsv", "q1\td1\t1\nq2\td2\t1\nq3\td3\t1\n");
    here.treffer(
        "eval index --queries queries.tsv --qrels qrels.tsv --run-dir runs --set cross_order=\"bm25\"",
    )
    .succeeds();
    here
}

/// Query and document of every line, in order.
fn pairs(run: &str) -> Vec<(&str, &str)> {
    let pair = |line| -> (&str, &str) {
        let columns: Vec<&str> = str::split(line, ' ').collect();
        (columns[0], columns[2])
    };
    run.lines().map(pair).collect()
}

const RERANK: &str = "rerank index runs/bm25.trec --queries queries.tsv";

#[test]
fn what_is_read_comes_in_the_order_of_the_stage_that_read_it() {
    let here = with_runs();
    let ran = here.treffer(&format!("{RERANK} --depth 8")).succeeds();
    let ran = ran.says("note: scored 24 documents for 3 queries");
    let (before, cross) = (here.read("runs/bm25.trec"), here.read("runs/cross.trec"));
    let (before, after) = (pairs(&before), pairs(&ran.stdout));
    assert_eq!(before.len(), after.len());
    for query in ["q1", "q2", "q3"] {
        let of = |pairs: &[(&str, &str)]| -> Vec<String> {
            let docs = pairs.iter().filter(|pair| pair.0 == query);
            docs.map(|pair| pair.1.to_owned()).collect()
        };
        let (before, after, cross) = (of(&before), of(&after), of(&pairs(&cross)));
        assert_eq!(after[..8], cross[..8], "{query}");
        assert_eq!(after[8..], before[8..], "{query}");
    }
}

#[test]
fn what_the_index_does_not_hold_is_reported_by_line_and_left_out() {
    let here = indexed_in_three_stages();
    here.write(
        "mine.trec",
        "q1 Q0 d1 1 3 x\nq1 Q0 gone 2 2 x\nq1 Q0 d2 3 1 x\nq9 Q0 d1 1 1 x\n",
    );
    let command = "rerank index mine.trec --queries queries.tsv --output new.trec --tag us";
    let ran = here.treffer(command).succeeds();
    assert_eq!(ran.stdout, "");
    ran.says("skipped: mine.trec:2: document `gone` is not in the index")
        .says("note: 1 document of mine.trec not in the index: left out")
        .says("note: 1 query of mine.trec not in queries.tsv: left out")
        .says("note: 2 queries of queries.tsv not in mine.trec")
        .says("note: scored 2 documents for 1 query")
        .says("wrote 1 query to new.trec");
    let new = here.read("new.trec");
    let mut docs = pairs(&new);
    docs.sort();
    assert_eq!(docs, [("q1", "d1"), ("q1", "d2")]);
    assert!(new.lines().all(|line| line.ends_with(" us")), "{new}");
}

#[test]
fn a_run_of_unknown_documents_finds_nothing() {
    let here = indexed_in_three_stages();
    let lines: String = (1..=12)
        .map(|n| format!("q1 Q0 no{n} {n} -{n} x\n"))
        .collect();
    here.write("mine.trec", lines);
    let ran = here.treffer("rerank index mine.trec --queries queries.tsv");
    let ran = ran
        .finds_nothing()
        .says("mine.trec:10: document `no10`")
        .says("note: 12 documents of mine.trec not in the index");
    assert!(!ran.stderr.contains("no11"), "{ran}");
}

#[test]
fn an_id_that_cannot_be_written_is_refused_before_anything_is_read() {
    let here = place();
    here.write("six.jsonl", documents(6).replace("\"d3\"", "\"d 3\""));
    here.write("queries.tsv", "q1\tcold\n");
    here.treffer("index index six.jsonl --config three.toml")
        .succeeds();
    let line = |doc: &str| format!("q1\tQ0\t{doc}\t1\t1\tx\n");
    let rerank = "rerank index mine.trec --queries queries.tsv";
    here.write("mine.trec", line("d1") + &line("d 3"));
    let ran = here
        .treffer(rerank)
        .fails_with("could not write a run with the document id `d 3`");
    assert!(!ran.stderr.contains("scored"), "{ran}");
    // What is not in the index is not written either.
    here.write("mine.trec", line("d1") + &line("d 9"));
    here.treffer(rerank)
        .succeeds()
        .says("document `d 9` is not in the index");
}

#[test]
fn what_cannot_be_reranked_says_why() {
    let here = indexed_in_three_stages();
    here.write("mine.trec", "other Q0 d1 1 3 x\n");
    let rerank = "rerank index mine.trec --queries";
    here.treffer(&format!("{rerank} queries.tsv"))
        .fails_with("no query of the run has a text");
    here.treffer("rerank index gone.trec --queries queries.tsv")
        .fails_with("could not read the run in gone.trec");
    here.treffer(&format!("{rerank} queries.tsv --depth 0"))
        .fails_with("--depth");
    let here = indexed();
    here.write("mine.trec", "q1 Q0 fridge 1 3 x\n");
    here.write("queries.tsv", "q1\tcold\n");
    here.treffer(&format!("{rerank} queries.tsv"))
        .fails_with("this index has no cross stage");
}
