//! `treffer fuse`: runs of any programs, fused by the code that fuses stages.

use crate::fixtures::indexed_in_three_stages;
use crate::util::{Place, Ran, run_of};

fn place() -> Place {
    Place::with(&[
        (
            "a.trec",
            "q1 Q0 x 1 30 a\nq1 Q0 y 2 20 a\nq1 Q0 z 3 10 a\nq2 Q0 x 1 1 a\n",
        ),
        (
            "b.trec",
            "q1 Q0 z 1 0.9 b\nq1 Q0 y 2 0.8 b\nq1 Q0 w 3 0.1 b\n",
        ),
    ])
}

/// Documents and scores of a query, best first.
fn fused(ran: &Ran, query: &str) -> Vec<(String, f64)> {
    let entries = run_of(&ran.stdout).0.remove(query).unwrap();
    entries
        .into_iter()
        .map(|entry| (entry.doc, entry.score))
        .collect()
}

#[track_caller]
fn is(found: &[(String, f64)], expected: &[(&str, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((doc, score), (name, value)) in found.iter().zip(expected) {
        assert!(doc == name && (score - value).abs() < 1e-6, "{found:?}");
    }
}

#[test]
fn min_max_and_equal_weights_are_what_is_meant_without_flags() {
    let ran = place().treffer("fuse a.trec b.trec").succeeds();
    is(
        &fused(&ran, "q1"),
        &[
            ("y", (0.5 + 0.875) / 2.0),
            ("x", 0.5),
            ("z", 0.5),
            ("w", 0.0),
        ],
    );
    // One document alone: nothing is known of how good it is.
    is(&fused(&ran, "q2"), &[("x", 0.25)]);
    ran.says("note: 1 query not in b.trec: fused from the other runs");
}

#[test]
fn weights_count_in_their_proportion() {
    let here = place();
    let ran = here
        .treffer("fuse a.trec b.trec --weights 0.1,0.9")
        .succeeds();
    is(
        &fused(&ran, "q1"),
        &[
            ("z", 0.9),
            ("y", 0.1 * 0.5 + 0.9 * 0.875),
            ("x", 0.1),
            ("w", 0.0),
        ],
    );
    let again = here.treffer("fuse a.trec b.trec --weights 1,9").succeeds();
    assert_eq!(ran.stdout, again.stdout);
}

#[test]
fn reciprocal_ranks_are_summed_as_in_the_paper() {
    let here = place();
    let ran = here.treffer("fuse a.trec b.trec --rrf").succeeds();
    let term = |rank: f64| 1.0 / (60.0 + rank);
    is(
        &fused(&ran, "q1"),
        &[
            ("z", term(3.0) + term(1.0)),
            ("y", term(2.0) + term(2.0)),
            ("x", term(1.0)),
            ("w", term(3.0)),
        ],
    );
    let ran = here.treffer("fuse a.trec b.trec --rrf --k 0").succeeds();
    is(
        &fused(&ran, "q1"),
        &[("z", 4.0 / 3.0), ("x", 1.0), ("y", 1.0), ("w", 1.0 / 3.0)],
    );
}

#[test]
fn each_run_can_have_its_own_normalizer() {
    let ran = place()
        .treffer("fuse a.trec b.trec --normalizer theoretical-min:0 --normalizer bounds:-1:1")
        .succeeds();
    is(
        &fused(&ran, "q1"),
        &[
            ("y", (2.0 / 3.0 + 0.9) / 2.0),
            ("z", (1.0 / 3.0 + 0.95) / 2.0),
            ("x", 0.5),
            ("w", 0.55 / 2.0),
        ],
    );
}

#[test]
fn depth_and_top_k_cut_before_and_after() {
    let here = place();
    let ran = here.treffer("fuse a.trec b.trec --depth 1").succeeds();
    is(&fused(&ran, "q1"), &[("x", 0.25), ("z", 0.25)]);
    let ran = here.treffer("fuse a.trec b.trec --top-k 1").succeeds();
    is(&fused(&ran, "q1"), &[("y", (0.5 + 0.875) / 2.0)]);
}

#[test]
fn the_run_can_be_written_to_a_file_with_a_tag() {
    let here = place();
    let printed = here
        .treffer("fuse a.trec b.trec --tag mine")
        .succeeds()
        .stdout;
    let ran = here
        .treffer("fuse a.trec b.trec --tag mine --output new.trec")
        .succeeds();
    assert_eq!((ran.stdout.as_str(), here.read("new.trec")), ("", printed));
    assert!(
        here.read("new.trec")
            .lines()
            .all(|line| line.ends_with(" mine"))
    );
    ran.says("wrote 2 queries to new.trec");
}

/// The fusion of the stages' own runs is the engine's fusion, document by document.
#[test]
fn runs_of_the_stages_are_fused_as_the_engine_fuses_them() {
    let here = indexed_in_three_stages();
    here.write(
        "qrels.tsv",
        "query-id\tcorpus-id\tscore\nq1\td3\t2\nq2\td5\t1\nq3\td9\t1\n",
    );
    // Every stage scores every document, so that no run lacks one.
    let all = "--set mode=exhaustive --set cross_depth=60 --weights 0.3,0.5,0.2";
    here.treffer(&format!(
        "eval index --queries queries.tsv --qrels qrels.tsv --run-dir runs {all}"
    ))
    .succeeds();
    // BM25 ranks only what it finds; its zeros are the worst there is, as in the engine.
    let ran = here
        .treffer("fuse runs/bm25.trec runs/dense.trec runs/cross.trec --weights 0.3,0.5,0.2 --normalizer theoretical-min:0 --normalizer min-max --normalizer min-max")
        .succeeds();
    let engine = run_of(&here.read("runs/hybrid.trec"));
    let fused = run_of(&ran.stdout);
    for (query, expected) in &engine.0 {
        let found = &fused.0[query];
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.doc, expected.doc, "{query}");
            assert!((found.score - expected.score).abs() < 1e-5, "{query}");
        }
    }
}

#[test]
fn compressed_runs_are_fused_as_plain_ones_are_also_from_standard_input() {
    let here = place();
    here.compress("a.trec");
    here.compress("b.trec");
    let plain = here.treffer("fuse a.trec b.trec").succeeds().stdout;
    let packed = here.treffer("fuse a.trec.gz b.trec.zst").succeeds().stdout;
    assert_eq!(packed, plain);
    let input = std::fs::read(here.path("a.trec.zst")).unwrap();
    let piped = here.treffer_reading("fuse - b.trec.gz", &input).succeeds();
    assert_eq!(piped.stdout, plain);
}

#[test]
fn bad_lines_are_reported_and_left_out() {
    let here = place();
    let clean = here.treffer("fuse a.trec b.trec").succeeds().stdout;
    let bad = "q1 Q0 v 1 NaN a\nq1 Q0 u 1 -inf a\nq1 Q0 x 9 0.1 a\n";
    here.write("a.trec", here.read("a.trec") + bad);
    let ran = here.treffer("fuse a.trec b.trec").succeeds();
    assert_eq!(ran.stdout, clean);
    ran.says("skipped: a.trec:5: the score `NaN` of document `v` is not a finite number")
        .says("skipped: a.trec:6: the score `-inf`")
        .says(
            "skipped: a.trec:7: document `x` of query `q1` already stands on line 1, which is kept",
        )
        .says("note: 3 bad lines of a.trec skipped");
}

#[test]
fn many_bad_lines_are_counted_rather_than_listed() {
    let here = place();
    here.write("a.trec", here.read("a.trec") + &"bad\n".repeat(50));
    let ran = here.treffer("fuse a.trec b.trec").succeeds();
    assert_eq!(ran.stderr.matches("skipped: ").count(), 10);
    ran.says("note: 50 bad lines of a.trec skipped");
}

#[test]
fn equal_scores_say_nothing_and_ties_go_by_id() {
    let here = place();
    here.write("flat.trec", "q1 Q0 z 1 5 f\nq1 Q0 y 2 5 f\nq1 Q0 x 3 5 f\n");
    let ran = here.treffer("fuse flat.trec").succeeds();
    is(&fused(&ran, "q1"), &[("x", 0.5), ("y", 0.5), ("z", 0.5)]);
    let ran = here
        .treffer("fuse flat.trec a.trec --weights 9,1")
        .succeeds();
    let order: Vec<String> = fused(&ran, "q1").into_iter().map(|(doc, _)| doc).collect();
    assert_eq!(order, ["x", "y", "z"]);
}

#[test]
fn what_cannot_be_fused_says_why() {
    let here = place();
    here.write("empty.trec", "\n");
    for (words, reason) in [
        (
            "fuse a.trec gone.trec",
            "could not read the run in gone.trec",
        ),
        (
            "fuse a.trec empty.trec",
            "there are no results in empty.trec",
        ),
        (
            "fuse a.trec b.trec --weights 1",
            "--weights has 1 weight for 2 runs",
        ),
        (
            "fuse a.trec b.trec --weights 1,-1",
            "could not use --weights",
        ),
        (
            "fuse a.trec b.trec --weights 0,0",
            "could not use --weights",
        ),
        (
            "fuse a.trec b.trec --normalizer minmax",
            "unknown normalizer `minmax`",
        ),
        (
            "fuse a.trec b.trec a.trec --normalizer min-max --normalizer z-score",
            "--normalizer is given 2 times for 3 runs",
        ),
        (
            "fuse a.trec b.trec --normalizer z-score --rrf",
            "cannot be used with",
        ),
        ("fuse a.trec b.trec --k 10", "--rrf"),
        ("fuse a.trec --tag 'two words'", "tag `two words`"),
        (
            "fuse a.trec --output no/such/folder",
            "there is no folder no/such",
        ),
    ] {
        here.treffer(words).fails_with(reason);
    }
}
