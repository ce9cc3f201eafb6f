//! How good and bad runs are read.

use std::io::{BufReader, Cursor, Read};

use super::*;

fn read(bytes: &[u8]) -> (Rankings, Vec<String>) {
    let mut problems = Vec::new();
    let mut keep = |problem: &Problem| problems.push(problem.to_string());
    let reader = Cursor::new(bytes.to_vec());
    let rankings = run_from_reader(reader, Path::new("foreign.trec"), None, &mut keep);
    (rankings.unwrap(), problems)
}

fn docs<'a>(rankings: &'a Rankings, query: &str) -> Vec<&'a str> {
    let documents = rankings[query].iter();
    documents.map(|document| document.doc.as_str()).collect()
}

#[test]
fn bad_lines_are_reported_and_the_rest_is_kept() {
    let (run, problems) = read(
        b"q1 Q0 a 1 2.5 tag\n\
          q1 Q0 b 2 NaN tag\n\
          \n\
          q1 Q0 c 3 1.5\n\
          q1\tQ0 d\t4\t3.5\ttag\r\n\
          q1 Q0 a 5 9.5 tag\n\
          q2 Q0 a 1 1e3 tag\n\
          q1 Q0 e 6 much tag\n\
          q1 Q0 f 7 inf tag\n\
          q1 Q0 \xff 8 1.0 tag\n\
          q 3\tQ0\ta doc\t1\t1\ttag\n\
          q1 Q0 g 9 -1 tag",
    );
    assert_eq!(docs(&run, "q1"), ["a", "d", "g"]);
    assert_eq!(docs(&run, "q2"), ["a"]);
    assert_eq!(docs(&run, "q 3"), ["a doc"]);
    assert_eq!((run["q1"][0].score, run["q1"][2].line), (2.5, 12));
    assert_eq!(
        problems,
        [
            "foreign.trec:2: the score `NaN` of document `b` is not a finite number",
            "foreign.trec:4: columns found: 5, expected: 6 (query, Q0, document, rank, score, tag)",
            "foreign.trec:6: document `a` of query `q1` already stands on line 1, which is kept",
            "foreign.trec:8: the score `much` of document `e` is not a finite number",
            "foreign.trec:9: the score `inf` of document `f` is not a finite number",
            "foreign.trec:10: not valid UTF-8 (from byte 7 of the record); convert the file to UTF-8",
        ]
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_query() {
    let text = "\u{feff}q1 Q0 a 1 2 t\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [text.as_bytes(), &utf16] {
        let (run, problems) = read(bytes);
        assert_eq!(docs(&run, "q1"), ["a"]);
        assert_eq!(problems, [""; 0]);
    }
}

#[test]
fn both_zeros_are_one_score() {
    let (run, _) = read(b"q Q0 a 1 0.0 t\nq Q0 b 2 -0.0 t\n");
    let bits: Vec<u64> = run["q"]
        .iter()
        .map(|document| document.score.to_bits())
        .collect();
    assert_eq!(bits, [0, 0]);
}

#[test]
fn a_line_beyond_the_limit_is_not_held_in_memory() {
    let endless = std::io::repeat(b'x').take(64 << 20);
    let reader = BufReader::new(endless.chain(&b"\nq Q0 a 1 1 t\n"[..]));
    let mut problems = Vec::new();
    let mut keep = |problem: &Problem| problems.push(problem.to_string());
    let run = run_from_reader(reader, Path::new("in"), None, &mut keep).unwrap();
    assert_eq!(docs(&run, "q"), ["a"]);
    assert_eq!(
        problems,
        ["in:1: longer than 1048576 bytes, the limit for one record"]
    );
}

#[test]
fn a_failing_reader_is_an_error_that_names_the_line() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let reader = BufReader::new((&b"q Q0 a 1 1 t\n"[..]).chain(Broken));
    let error = run_from_reader(reader, Path::new("in"), None, &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "could not read in beyond line 1");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn an_empty_file_is_an_empty_run() {
    assert_eq!(read(b""), (Rankings::new(), vec![]));
}
