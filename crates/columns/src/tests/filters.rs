//! Filters against a second evaluation, value by value over the JSON of each document.

use proptest::prelude::*;
use serde_json::json;
use treffer_types::Document;

use super::{columns, document, documents, schema, value, values_of};
use crate::{Date, Error, FieldSchema, FieldType, Filter, Value};

/// A condition: its text, and whether it holds for a document.
#[derive(Clone, Debug)]
enum Condition {
    Leaf(String, FieldType, Op),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

#[derive(Clone, Debug)]
enum Op {
    Any,
    Equal(Value),
    Prefix(String),
    /// Lower and whether it is included, upper likewise.
    Within(Option<(Value, bool)>, Option<(Value, bool)>),
}

impl Condition {
    fn holds(&self, document: &Document) -> bool {
        match self {
            Condition::And(parts) => parts.iter().all(|part| part.holds(document)),
            Condition::Or(parts) => parts.iter().any(|part| part.holds(document)),
            Condition::Not(inner) => !inner.holds(document),
            Condition::Leaf(field, field_type, op) => values_of(document, field, *field_type)
                .iter()
                .any(|value| op.holds(value)),
        }
    }

    fn text(&self) -> String {
        let join = |parts: &[Condition], between: &str| {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| format!("({})", part.text()))
                .collect();
            parts.join(between)
        };
        match self {
            Condition::And(parts) => join(parts, " AND "),
            Condition::Or(parts) => join(parts, " OR "),
            Condition::Not(inner) => format!("NOT ({})", inner.text()),
            Condition::Leaf(field, _, op) => format!("{field}:{}", op.text()),
        }
    }
}

impl Op {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Op::Any => true,
            Op::Equal(other) => value == other,
            Op::Prefix(prefix) => matches!(value, Value::Keyword(text) if text.starts_with(prefix)),
            Op::Within(lower, upper) => {
                lower
                    .as_ref()
                    .is_none_or(|(lower, includes)| value > lower || *includes && value == lower)
                    && upper.as_ref().is_none_or(|(upper, includes)| {
                        value < upper || *includes && value == upper
                    })
            }
        }
    }

    fn text(&self) -> String {
        let end = |end: &Option<(Value, bool)>| match end {
            Some((value, _)) => literal(value),
            None => "*".to_owned(),
        };
        let includes = |end: &Option<(Value, bool)>| end.as_ref().is_none_or(|end| end.1);
        match self {
            Op::Any => "*".to_owned(),
            Op::Equal(value) => literal(value),
            Op::Prefix(prefix) => format!("{prefix}*"),
            Op::Within(lower, upper) => format!(
                "{}{} TO {}{}",
                if includes(lower) { '[' } else { '{' },
                end(lower),
                end(upper),
                if includes(upper) { ']' } else { '}' },
            ),
        }
    }

    /// Whether the filter language takes it: nothing is in the range of an error.
    fn is_sensible(&self) -> bool {
        match self {
            Op::Within(Some((lower, a)), Some((upper, b))) => {
                lower < upper && (*a || *b) || lower == upper && *a && *b
            }
            _ => true,
        }
    }
}

/// In quotes, since a date without a time would be a day.
fn literal(value: &Value) -> String {
    match value {
        Value::Date(date) if date.to_string().len() == 10 => format!("\"{date}T00:00:00Z\""),
        other => format!("\"{other}\""),
    }
}

fn leaf() -> impl Strategy<Value = Condition> {
    let fields: Vec<(String, FieldType)> = schema()
        .iter()
        .map(|(name, ty)| (name.to_owned(), ty))
        .collect();
    prop::sample::select(fields).prop_flat_map(|(name, field_type)| {
        let value = || {
            value(field_type).prop_map(move |json| {
                let document = document(json!({ "f": json }));
                values_of(&document, "f", field_type).remove(0)
            })
        };
        let end = || prop::option::of((value(), any::<bool>()));
        let prefix = match field_type {
            FieldType::Keyword => prop_oneof!["[a-z]{1,2}", Just("aé".to_owned())]
                .prop_map(Op::Prefix)
                .boxed(),
            _ => Just(Op::Any).boxed(),
        };
        let op = prop_oneof![
            Just(Op::Any),
            value().prop_map(Op::Equal),
            prefix,
            (end(), end()).prop_map(|(lower, upper)| Op::Within(lower, upper)),
        ];
        op.prop_filter("a range is not empty", Op::is_sensible)
            .prop_map(move |op| Condition::Leaf(name.clone(), field_type, op))
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::Or),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_filter_finds_what_a_look_at_each_document_finds(
        documents in prop_oneof![documents(1), documents(3)],
        conditions in prop::collection::vec(condition(), 20),
    ) {
        let (_dir, columns) = columns(&schema(), &documents);
        for condition in conditions {
            let text = condition.text();
            let filter = Filter::parse(&text).unwrap().bind(&schema()).unwrap();
            let found: Vec<usize> = filter.matches(&columns).unwrap().ones().collect();
            let expected: Vec<usize> =
                (0..documents.len()).filter(|&doc| condition.holds(&documents[doc])).collect();
            prop_assert_eq!(found, expected, "{}", text);
        }
    }
}

fn found(text: &str, documents: &[Document]) -> Vec<usize> {
    let (_dir, columns) = columns(&schema(), documents);
    let filter = Filter::parse(text).unwrap().bind(&schema()).unwrap();
    filter.matches(&columns).unwrap().ones().collect()
}

#[test]
fn a_shorter_date_is_all_of_its_time() {
    let dates = [
        "2019-12-31T23:59:59.999999Z",
        "2020-01-01",
        "2020-03-01T10:00Z",
        "2021-12-31T23:00Z",
        "2022-01-01",
    ];
    let documents = dates.map(|date| document(json!({ "published": date })));
    for (text, expected) in [
        ("published:2020", &[1, 2][..]),
        ("published:2020-01-01", &[1]),
        ("published:2020-03", &[2]),
        ("published:\"2020-01-01T00:00\"", &[1]),
        ("published:2020-01-01T01:00:00+01:00", &[1]),
        ("published:[2020-01-01 TO 2021]", &[1, 2, 3]),
        ("published:{2019 TO 2021}", &[1, 2]),
        ("published:>2020", &[3, 4]),
        ("published:>=2020", &[1, 2, 3, 4]),
        ("published:<2020", &[0]),
        ("published:<=2020", &[0, 1, 2]),
    ] {
        assert_eq!(found(text, &documents), expected, "{text}");
    }
}

#[test]
fn many_values_of_one_field_are_one_condition() {
    let documents: Vec<Document> = (0..300)
        .map(|i| document(json!({"year": i64::from(i) * 1_000_003, "brand": format!("b{i}")})))
        .collect();
    let every_third = (0..300).step_by(3);
    let list = |text: &dyn Fn(i32) -> String| {
        let list: Vec<String> = every_third.clone().map(text).collect();
        list.join(" OR ")
    };
    let expected: Vec<usize> = (0..300).step_by(3).collect();
    let years = format!(
        "year:({})",
        list(&|i| (i64::from(i) * 1_000_003).to_string())
    );
    assert_eq!(found(&years, &documents), expected);
    let brands = format!("NOT (NOT brand:({}))", list(&|i| format!("b{i}")));
    assert_eq!(found(&brands, &documents), expected);
}

#[test]
fn a_field_that_a_segment_lacks_is_empty_there() {
    let (_dir, columns) = columns(&FieldSchema::new(), &[document(json!({"brand": "a"}))]);
    let matches = |text: &str| {
        let filter = Filter::parse(text).unwrap().bind(&schema()).unwrap();
        filter.matches(&columns).unwrap().count_ones(..)
    };
    assert_eq!(matches("brand:a OR brand:*"), 0);
    assert_eq!(matches("NOT brand:a"), 1);
}

#[test]
fn a_field_of_another_type_in_a_segment_is_an_error() {
    let other: FieldSchema = [("year", FieldType::Keyword)].into_iter().collect();
    let (_dir, columns) = columns(&other, &[document(json!({"year": "a"}))]);
    let filter = Filter::parse("year:1").unwrap().bind(&schema()).unwrap();
    let error = filter.matches(&columns).unwrap_err();
    assert!(matches!(error, Error::FieldType { .. }), "{error}");
}

#[test]
fn a_keyword_with_other_capitals_is_hinted_at() {
    let (_dir, columns) = columns(
        &schema(),
        &[document(json!({"brand": ["Kirsch", "LIEBHERR"]}))],
    );
    let hints = |text: &str| {
        let filter = Filter::parse(text).unwrap().bind(&schema()).unwrap();
        let hints = filter.case_hints(&columns).unwrap();
        hints.into_iter().map(|hint| hint.there).collect::<Vec<_>>()
    };
    assert_eq!(
        hints("brand:kirsch AND (year:5 OR NOT brand:liebherr)"),
        ["Kirsch", "LIEBHERR"]
    );
    assert_eq!(
        hints("brand:Kirsch OR brand:kirsc OR brand:kir* OR year:1"),
        [""; 0]
    );
}

#[test]
fn a_date_beyond_the_day_is_itself() {
    let date: Date = "2020-03-01T10:30:00.000001Z".parse().unwrap();
    let documents = [document(json!({ "published": date.to_string() }))];
    assert_eq!(found(&format!("published:{date}"), &documents), [0]);
    assert_eq!(found("published:2020-03-01T10:30:00Z", &documents), [0; 0]);
}
