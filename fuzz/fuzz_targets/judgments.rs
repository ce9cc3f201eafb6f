//! Judgments in every format. The first byte chooses.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use treffer_corpus::{JudgmentFormat, JudgmentOptions, judgments_from_reader};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let options = JudgmentOptions {
        format: [
            None,
            Some(JudgmentFormat::Trec),
            Some(JudgmentFormat::Beir),
            Some(JudgmentFormat::Csv),
        ][usize::from(choice & 3)],
        ..JudgmentOptions::default()
    };
    let mut n_problems = 0;
    let reader = Cursor::new(bytes.to_vec());
    let judgments = judgments_from_reader(reader, Path::new("in"), &options, &mut |problem| {
        assert!(problem.line.is_some());
        n_problems += 1;
    });
    let Ok(judgments) = judgments else {
        return;
    };
    let n_lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(judgments.qrels.n_judgments() + n_problems <= n_lines);
    for (query, judged) in &judgments.qrels.0 {
        assert!(!judged.is_empty(), "a query is there with its judgments");
        for id in judged.keys().chain([query]) {
            assert_eq!(id.trim(), id);
            assert!(!id.is_empty());
        }
    }
});
