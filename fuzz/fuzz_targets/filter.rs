//! Filters.

#![no_main]

use libfuzzer_sys::fuzz_target;
use treffer_columns::{FieldSchema, FieldType, Filter};

fuzz_target!(|text: &str| {
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some());
            assert!(error.point_at(text).ends_with('^') && error.column(text) > 0);
            return;
        }
    };
    let written = filter.to_string();
    assert_eq!(Filter::parse(&written).as_ref(), Ok(&filter), "{written}");
    // Each field with each type, so that values are read as all of them.
    for field_type in [
        FieldType::Keyword,
        FieldType::Integer,
        FieldType::Float,
        FieldType::Date,
        FieldType::Boolean,
    ] {
        let fields = filter.fields().into_iter();
        let schema: FieldSchema = fields.map(|field| (field, field_type)).collect();
        if let Err(error) = filter.bind(&schema) {
            assert!(text.get(error.span.clone()).is_some());
            assert!(!error.to_string().is_empty());
        }
    }
});
