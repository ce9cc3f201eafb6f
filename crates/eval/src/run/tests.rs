//! Runs: trec_eval's order, and written files that keep the order.

use proptest::prelude::*;

use super::*;

/// The lines of a run as `trec_eval` takes them.
fn read(text: &str) -> Run {
    let mut run = Run::default();
    for line in text.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(columns.len(), 6, "{line}");
        run.0
            .entry(columns[0].to_owned())
            .or_default()
            .push(RunEntry {
                doc: columns[2].to_owned(),
                score: columns[4].parse().unwrap(),
            });
    }
    run.sort_as_trec_eval();
    run
}

fn written(run: &Run) -> String {
    let mut bytes = Vec::new();
    write_run(&mut bytes, run, "treffer").unwrap();
    String::from_utf8(bytes).unwrap()
}

fn ranking(query: &str, entries: &[(&str, f64)]) -> Run {
    let entry = |(doc, score): &(&str, f64)| RunEntry {
        doc: (*doc).to_owned(),
        score: *score,
    };
    Run::from_rankings([(query.to_owned(), entries.iter().map(entry).collect())])
}

fn docs<'a>(run: &'a Run, query: &str) -> Vec<&'a str> {
    run.ranking(query).collect()
}

#[test]
fn a_run_is_ordered_as_by_trec_eval_not_as_the_file() {
    let run = read(
        "q Q0 b 1 1.0 t\nq Q0 a 2 1.0 t\nq Q0 ab 3 1.0000000001 t\nq Q0 z 4 0.5 t\nq Q0 ä 5 1 t\n",
    );
    assert_eq!(docs(&run, "q"), ["ä", "b", "ab", "a", "z"]);
}

#[test]
fn zero_and_negative_zero_are_a_tie() {
    for scores in [("0.0", "-0.0"), ("-0.0", "0.0"), ("-1e-60", "0")] {
        let run = read(&format!(
            "q Q0 a 1 {} t\nq Q0 b 2 {} t\n",
            scores.0, scores.1
        ));
        assert_eq!(docs(&run, "q"), ["b", "a"], "{scores:?}");
    }
}

#[test]
fn a_query_among_the_documents_can_be_left_out() {
    let mut run = read("a Q0 a 1 2 t\na Q0 b 2 1 t\nb Q0 a 1 1 t\n");
    assert_eq!(run.exclude_self(), 1);
    assert_eq!((docs(&run, "a"), docs(&run, "b")), (vec!["b"], vec!["a"]));
}

#[test]
fn equal_scores_are_lowered_just_enough() {
    let run = ranking(
        "q",
        &[("a", 2.5), ("b", 2.5), ("c", 0.125), ("d", 0.0), ("e", 0.0)],
    );
    assert_eq!(
        written(&run),
        "q Q0 a 1 2.5 treffer\n\
         q Q0 b 2 2.4999998 treffer\n\
         q Q0 c 3 0.125 treffer\n\
         q Q0 d 4 0.0 treffer\n\
         q Q0 e 5 -1e-45 treffer\n"
    );
}

#[test]
fn ids_that_would_break_the_columns_are_refused() {
    for (run, tag, reason) in [
        (ranking("q 1", &[("a", 1.0)]), "t", "query id `q 1`"),
        (ranking("q", &[("a\tb", 1.0)]), "t", "document id `a\tb`"),
        (ranking("q", &[("", 1.0)]), "t", "document id ``"),
        (ranking("q", &[("a", 1.0)]), "my run", "tag `my run`"),
    ] {
        let message = write_run(Vec::new(), &run, tag).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

proptest! {
    #[test]
    fn a_written_run_is_read_in_the_same_order(
        scores in prop::collection::vec(
            prop_oneof![
                (-3..3_i32).prop_map(f64::from),
                -1.0..1.0_f64,
                any::<f64>(),
                Just(f64::NAN),
                Just(f64::MAX),
                Just(f64::NEG_INFINITY),
            ],
            0..40,
        ),
        ids in prop::collection::hash_set("[a-zA-Z0-9]{1,3}", 40),
        is_ranked: bool,
    ) {
        let mut scores = scores;
        if is_ranked {
            scores.sort_by(|a, b| b.total_cmp(a));
        }
        let entries: Vec<(&str, f64)> =
            ids.iter().map(String::as_str).zip(scores.iter().copied()).collect();
        let run = ranking("q", &entries);
        let back = read(&written(&run));
        prop_assert_eq!(docs(&back, "q"), docs(&run, "q"));
    }
}
