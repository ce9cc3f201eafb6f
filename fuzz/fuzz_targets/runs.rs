//! Runs.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use treffer_corpus::run_from_reader;

fuzz_target!(|bytes: &[u8]| {
    let reader = Cursor::new(bytes.to_vec());
    let mut last = 0;
    let rankings = run_from_reader(reader, Path::new("in"), None, &mut |problem| {
        let line = problem.line.expect("a line of a run has a number");
        assert!(line > last, "problems are in the order of lines");
        last = line;
    });
    let Ok(rankings) = rankings else {
        return;
    };
    for (query, documents) in &rankings {
        assert!(!documents.is_empty() && query.trim() == query && !query.is_empty());
        assert!(documents.is_sorted_by(|a, b| a.line < b.line));
        for document in documents {
            assert!(document.score.is_finite() && !document.doc.is_empty());
        }
    }
});
