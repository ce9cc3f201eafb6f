//! Queries in every format. The first byte chooses.

#![no_main]

use std::collections::HashSet;
use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use treffer_corpus::{QueryFormat, QueryOptions, TopicField, queries_from_reader};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let format = QueryFormat::ALL[usize::from(choice & 7) % QueryFormat::ALL.len()];
    let options = QueryOptions {
        // By the content, or as plain lines.
        format: (choice & 8 == 0).then_some(format),
        topic_fields: (choice & 24 == 16 && format == QueryFormat::Trec)
            .then(|| TopicField::ALL.to_vec()),
        ..QueryOptions::default()
    };
    let mut n_problems = 0;
    let reader = Cursor::new(bytes.to_vec());
    let queries = queries_from_reader(reader, Path::new("in.txt"), &options, &mut |problem| {
        assert!(problem.line.is_some());
        n_problems += 1;
    });
    let Ok(queries) = queries else {
        return;
    };
    let ids: HashSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
    assert_eq!(ids.len(), queries.len(), "ids are unique");
    for query in &queries {
        assert_eq!(query.id.trim(), query.id);
        assert!(!query.id.is_empty() && !query.text.trim().is_empty());
    }
});
