//! Documents as JSON lines, CSV and TSV, in any encoding. The first byte chooses.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use treffer_corpus::{DocumentReader, Format, ReadOptions, Record};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let format = [Format::Jsonl, Format::Csv, Format::Tsv][usize::from(choice & 3) % 3];
    let is_table = format != Format::Jsonl;
    let encoding = match choice >> 6 {
        0 => None,
        1 => Some("shift_jis".parse().unwrap()),
        2 => Some("utf-16be".parse().unwrap()),
        _ => Some("windows-1252".parse().unwrap()),
    };
    let options = ReadOptions {
        has_header: !(is_table && choice & 4 > 0),
        encoding,
        // So small that records reach it.
        max_record_bytes: if choice & 8 > 0 { 64 } else { 1 << 20 },
        vector: (choice & 16 > 0).then(|| "vector".to_owned()),
        ..ReadOptions::default()
    };
    let reader = Cursor::new(bytes.to_vec());
    let Ok(reader) = DocumentReader::from_reader(reader, Path::new("in"), format, &options) else {
        return;
    };
    let mut last = 0;
    for record in reader {
        let line = match record.expect("memory can be read") {
            Record::Document {
                document,
                vector,
                origin,
            } => {
                assert!(vector.iter().flatten().all(|value| value.is_finite()));
                assert_eq!(document.id.trim(), document.id);
                assert!(!document.id.is_empty());
                assert!(!(document.title.trim().is_empty() && document.text.trim().is_empty()));
                origin.line
            }
            Record::Problem(problem) => {
                assert!(!problem.to_string().is_empty());
                problem.line
            }
        };
        let line = line.expect("a record of a stream has a line");
        assert!(line > last, "records are in the order of lines");
        last = line;
    }
});
