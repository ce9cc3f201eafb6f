//! Queries that bring their texts along.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use treffer_corpus::{PairOptions, PairReader};

fuzz_target!(|bytes: &[u8]| {
    let reader = Cursor::new(bytes.to_vec());
    let options = PairOptions::default();
    let Ok(reader) = PairReader::from_reader(reader, Path::new("in"), &options) else {
        return;
    };
    let mut last = 0;
    for line in reader.map_while(Result::ok) {
        match line {
            Ok(pairs) => {
                assert!(!pairs.query.trim().is_empty() && pairs.top_k != Some(0));
                let ids = pairs.texts.iter().filter_map(|text| text.id.as_ref());
                assert!(ids.chain(&pairs.id).all(|id| !id.trim().is_empty()));
            }
            Err(problem) => {
                let line = problem.line.expect("a line has a number");
                assert!(line > last, "problems are in the order of lines");
                last = line;
            }
        }
    }
});
