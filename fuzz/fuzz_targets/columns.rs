//! A column of arbitrary bytes under a valid seal: one field, of the type that the first byte
//! says, with as many documents as the second says.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use treffer_columns::{ColumnWriter, Columns, FieldSchema, FieldType, Filter, FixedBitSet, SortBy};
use treffer_types::{DocId, Document};

const TYPES: [FieldType; 5] = [
    FieldType::Keyword,
    FieldType::Integer,
    FieldType::Float,
    FieldType::Date,
    FieldType::Boolean,
];

fuzz_target!(|input: &[u8]| {
    let [choice, n_docs, column @ ..] = input else {
        return;
    };
    let field_type = TYPES[usize::from(*choice) % TYPES.len()];
    let schema: FieldSchema = [("f", field_type)].into_iter().collect();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let dir = folder.path();
    let mut writer = ColumnWriter::create(dir, &schema).expect("the folder is empty");
    for _ in 0..*n_docs {
        writer.push(&Document::default()).expect("there is room");
    }
    writer.finish().expect("it can be written");
    fs::write(dir.join("column-0"), column).expect("it can be written");
    treffer_disk::seal(dir).expect("it can be sealed");
    let Ok(columns) = Columns::open(dir) else {
        return;
    };
    let mut is_whole = true;
    columns.verify(&mut |_, _| is_whole = false);
    let mut all = FixedBitSet::with_capacity(columns.len());
    all.toggle_range(..);
    for doc in 0..u32::from(*n_docs) {
        assert!(columns.values(DocId(doc), "f").is_ok() || !is_whole);
        let _ = columns.number(DocId(doc), "f");
    }
    assert!(columns.facets("f", &all, None).is_ok() || !is_whole);
    for by in ["f", "-f"] {
        let by: SortBy = by.parse().expect("every text is one");
        assert!(columns.sorted(&by, &all, 3).is_ok() || !is_whole);
    }
    for text in [
        "f:*",
        "f:[1 TO 5]",
        "f:(2020 OR a OR 7)",
        "f:a*",
        "f:(true OR false)",
    ] {
        let filter = Filter::parse(text).expect("it is well-formed");
        if let Ok(filter) = filter.bind(&schema) {
            assert!(filter.matches(&columns).is_ok() || !is_whole);
            assert!(filter.case_hints(&columns).is_ok() || !is_whole);
        }
    }
});
