//! Runs: bad lines, trec_eval's order, and written files that keep the order.

use proptest::prelude::*;

use super::*;

fn read(text: &[u8]) -> (Run, Vec<String>) {
    let (run, problems) = read_run(text, Path::new("foreign.trec")).unwrap();
    (run, problems.iter().map(Problem::to_string).collect())
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
fn bad_lines_are_reported_and_the_rest_is_kept() {
    let (run, problems) = read(
        b"q1 Q0 a 1 2.5 tag\n\
          q1 Q0 b 2 NaN tag\n\
          \n\
          q1 Q0 c 3 1.5\n\
          q1\tQ0\td\t4\t3.5\ttag\r\n\
          q1 Q0 a 5 9.5 tag\n\
          q2 Q0 a 1 1e3 tag\n\
          q1 Q0 e 6 much tag\n\
          q1 Q0 f 7 inf tag\n\
          q1 Q0 \xff 8 1.0 tag\n\
          q1 Q0 g 9 -1 tag",
    );
    assert_eq!(docs(&run, "q1"), ["d", "a", "g"]);
    assert_eq!(docs(&run, "q2"), ["a"]);
    assert_eq!(run.0["q1"][1].score, 2.5);
    assert_eq!(
        problems,
        [
            "foreign.trec:2: the score `NaN` of document `b` is not a finite number",
            "foreign.trec:4: 5 columns where a run has 6: query, Q0, document, rank, score, tag",
            "foreign.trec:6: document `a` of query `q1` already stands on line 1, which is kept",
            "foreign.trec:8: the score `much` of document `e` is not a finite number",
            "foreign.trec:9: the score `inf` of document `f` is not a finite number",
            "foreign.trec:10: not UTF-8: invalid utf-8 sequence of 1 bytes from index 6",
        ]
    );
}

#[test]
fn a_run_is_read_in_the_order_of_trec_eval_not_of_the_file() {
    let (run, problems) = read(
        "q Q0 b 1 1.0 t\nq Q0 a 2 1.0 t\nq Q0 ab 3 1.0000000001 t\nq Q0 z 4 0.5 t\nq Q0 ä 5 1 t\n"
            .as_bytes(),
    );
    assert_eq!(docs(&run, "q"), ["ä", "b", "ab", "a", "z"]);
    assert_eq!(problems, [""; 0]);
}

#[test]
fn a_failing_reader_is_an_error_that_names_the_line() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let reader = std::io::BufReader::new(std::io::Read::chain(&b"q Q0 a 1 1 t\n"[..], Broken));
    let error = read_run(reader, Path::new("foreign.trec")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not read the run foreign.trec, line 2"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn an_empty_file_is_an_empty_run() {
    assert_eq!(read(b""), (Run::default(), vec![]));
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
        let (back, problems) = read(written(&run).as_bytes());
        prop_assert!(problems.is_empty());
        prop_assert_eq!(docs(&back, "q"), docs(&run, "q"));
    }
}
