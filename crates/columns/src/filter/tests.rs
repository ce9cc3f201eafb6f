//! What is read, what is refused and where, and that what is written is read again.

use std::ops::Bound;

use proptest::prelude::*;

use super::syntax::{Node, Test, Word};
use super::{Filter, FilterError, FilterErrorKind};
use crate::schema::FieldSchema;
use crate::value::FieldType;

fn written(text: &str) -> String {
    match Filter::parse(text) {
        Ok(filter) => filter.to_string(),
        Err(error) => panic!("{error}\n{}", error.point_at(text)),
    }
}

fn error(text: &str) -> FilterError {
    Filter::parse(text).expect_err(text)
}

fn schema() -> FieldSchema {
    [
        ("brand", FieldType::Keyword),
        ("volume_l", FieldType::Float),
        ("year", FieldType::Integer),
        ("published", FieldType::Date),
        ("sold", FieldType::Boolean),
    ]
    .into_iter()
    .collect()
}

fn bind_error(text: &str) -> FilterError {
    let filter = Filter::parse(text).unwrap();
    filter.bind(&schema()).expect_err(text)
}

#[test]
fn every_form_is_read_and_written_in_one_way() {
    for (text, expected) in [
        ("a:b", "a:b"),
        ("  a : b  ", "a:b"),
        ("a:\"b\"", "a:b"),
        ("a:\"d e\"", "a:\"d e\""),
        ("a:d\\ e", "a:\"d e\""),
        (r#"a:"\"\\""#, r#"a:"\"\\""#),
        (r"a:\*b\(", "a:\"*b(\""),
        ("a:\"AND\"", "a:\"AND\""),
        ("a:and", "a:and"),
        ("\"a b\":c", "\"a b\":c"),
        (r"a\:b:c", "\"a:b\":c"),
        ("size.width:60", "size.width:60"),
        ("a:\"\"", "a:\"\""),
        ("a:*", "a:*"),
        ("a:[* TO *]", "a:*"),
        ("a:\"*\"", "a:\"*\""),
        ("a:pre*", "a:pre*"),
        ("a:\"d e\"*", "a:\"d e\"*"),
        ("a:[1 TO 5]", "a:[1 TO 5]"),
        ("a:{ 1 TO 5 ]", "a:{1 TO 5]"),
        ("a:[1 TO *}", "a:[1 TO *]"),
        ("a:>=250", "a:[250 TO *]"),
        ("a:> -1", "a:{-1 TO *]"),
        ("a:<5", "a:[* TO 5}"),
        ("a:<=5", "a:[* TO 5]"),
        ("a:\"<5\"", "a:\"<5\""),
        ("a:2020-01-01T10:30:00+02:00", "a:2020-01-01T10:30:00+02:00"),
        ("a:[\"x y\" TO OR]", "a:[\"x y\" TO \"OR\"]"),
        ("a:1 OR b:2 AND c:3", "a:1 OR b:2 AND c:3"),
        ("(a:1 OR b:2) AND c:3", "(a:1 OR b:2) AND c:3"),
        ("a:1 AND (b:2 AND c:3)", "a:1 AND b:2 AND c:3"),
        ("((a:1))", "a:1"),
        ("NOT a:1", "NOT a:1"),
        ("NOT (a:1)AND(b:2)", "NOT a:1 AND b:2"),
        ("NOT (a:1 AND b:2)", "NOT (a:1 AND b:2)"),
        ("NOT NOT a:1", "a:1"),
        ("a:(b OR c)", "a:b OR a:c"),
        (
            "a:(b OR (c* AND NOT [1 TO 2]))",
            "a:b OR a:c* AND NOT a:[1 TO 2]",
        ),
        ("brand:Müller", "brand:Müller"),
    ] {
        assert_eq!(written(text), expected, "{text}");
        assert_eq!(written(expected), expected, "{text}");
    }
}

#[test]
fn what_is_not_well_formed_is_pointed_at() {
    for (text, carets, says) in [
        ("", "^", "empty"),
        ("brand", "^^^^^", "the name of a field is missing"),
        ("a:b c:d", "    ^", "write AND or OR"),
        ("a:b and c:d", "    ^^^", "write AND in capitals"),
        ("a:b && c:d", "    ^^", "write AND for &&"),
        ("a:b AND", "       ^", "a condition such as"),
        ("OR a:b", "^^", "missing before `OR`"),
        ("a:b)", "   ^", "no bracket is open"),
        ("(a:b", "^", "not closed"),
        ("a:(b c)", "     ^", "write AND or OR"),
        ("a:(b OR c:d)x", "            ^", "write AND or OR"),
        ("a:", "  ^", "a value is missing"),
        ("a: AND b:c", "   ^^^", "a word of the language"),
        ("a:\"b", "  ^", "not closed"),
        ("a:b\"c\"", "   ^", "in quotes"),
        ("a:b*c", "    ^", "in quotes"),
        ("a:**", "   ^", "at the end of a value"),
        ("a:b[c", "   ^", "in quotes"),
        ("a:[1, 5]", "      ^", "`TO` is missing"),
        ("a:[1 TO 5", "  ^", "not closed"),
        ("a:[1* TO 5]", "   ^^", "whole values"),
        ("a:>1*", "   ^^", "without `*`"),
        ("a:[TO 5]", "   ^^", "a word of the language"),
        (":b", "^", "a condition such as"),
        ("a:b\\", "   ^", "after the backslash"),
        ("ä:ö ü:x", "    ^", "write AND or OR"),
    ] {
        let error = error(text);
        assert!(error.to_string().contains(says), "{text}: {error}");
        let pointed = error.point_at(text);
        let expected = format!("{text}\n{carets}");
        // A longer word may be pointed at whole.
        assert!(
            pointed.starts_with(&expected)
                && pointed[expected.len()..].trim_matches('^').is_empty(),
            "{text}: {error}\n{pointed}\n{carets}"
        );
        assert_eq!(
            error.column(text),
            carets.trim_end_matches('^').len() + 1,
            "{text}"
        );
    }
}

#[test]
fn the_line_of_the_error_is_shown() {
    let text = "a:b\nAND c d\nAND e:f";
    assert_eq!(error(text).point_at(text), "AND c d\n    ^");
}

#[test]
fn nesting_and_conditions_have_limits() {
    for deep in ["(", "NOT ", "a:("] {
        let text = deep.repeat(100_000);
        let kind = error(&text).kind;
        let expected = FilterErrorKind::TooDeep { most: 64 };
        // Within `a:(` there are no fields.
        assert!(kind == expected || deep == "a:(", "{kind:?}");
    }
    let fine = format!("{}a:b{}", "(".repeat(64), ")".repeat(64));
    assert_eq!(written(&fine), "a:b");
    let many = |n: usize| format!("a:({})", vec!["b"; n].join(" OR "));
    assert!(Filter::parse(&many(1 << 16)).is_ok());
    let kind = error(&many((1 << 16) + 1)).kind;
    assert_eq!(kind, FilterErrorKind::TooMany { most: 1 << 16 });
}

#[test]
fn names_and_values_that_do_not_fit_are_pointed_at() {
    for (text, carets, says) in [
        ("brnad:x", "^^^^^", "did you mean `brand`?"),
        (
            "colour:x",
            "^^^^^^",
            "the fields are brand, published, sold, volume_l, year",
        ),
        (
            "brand:x OR volume_l:Kirsch",
            "                    ^^^^^^",
            "of type float",
        ),
        ("year:2.5", "     ^^^", "a whole number"),
        ("year:25*", "     ^^", "only keywords have prefixes"),
        ("published:soon", "          ^^^^", "a date such as"),
        (
            "published:2020-02-30",
            "          ^^^^^^^^^^",
            "a date such as",
        ),
        ("sold:yes", "     ^^^", "true or false"),
        ("year:[5 TO 1]", "      ^^^^^^", "the lower value first"),
        ("year:{5 TO 5]", "      ^^^^^^", "the lower value first"),
        (
            "published:{2020 TO 2020]",
            "           ^^^^^^^^^^^^",
            "the lower value first",
        ),
        ("brand:[b TO a]", "       ^^^^^^", "the lower value first"),
    ] {
        let error = bind_error(text);
        assert!(error.to_string().contains(says), "{text}: {error}");
        assert_eq!(error.point_at(text), format!("{text}\n{carets}"));
    }
    let error = Filter::parse("a:b").unwrap().bind(&FieldSchema::new());
    assert!(error.unwrap_err().to_string().contains("has no fields"));
}

#[test]
fn the_fields_of_a_filter_are_listed_once() {
    let filter = Filter::parse("b:1 AND NOT (a:2 OR b:3)").unwrap();
    assert_eq!(filter.fields(), ["b", "a"]);
}

fn word() -> impl Strategy<Value = Word> {
    let text = prop_oneof![
        "[a-c0-9.:-]{0,4}",
        Just("AND".to_owned()),
        Just("TO".to_owned()),
        "[ a\\\\\"*()\\[\\]{}<>:\n\u{e4}]{0,4}",
        any::<String>(),
    ];
    text.prop_map(|text| Word {
        text: text.into(),
        span: 0..0,
    })
}

fn test() -> impl Strategy<Value = Test> {
    let bound = || {
        prop_oneof![
            Just(Bound::Unbounded),
            word().prop_map(Bound::Included),
            word().prop_map(Bound::Excluded),
        ]
    };
    prop_oneof![
        Just(Test::Any),
        word().prop_map(Test::Equal),
        word().prop_map(Test::Prefix),
        (bound(), bound()).prop_map(|bounds| match bounds {
            (Bound::Unbounded, Bound::Unbounded) => Test::Any,
            (lower, upper) => Test::Within(lower, upper),
        }),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = (word(), test()).prop_filter_map("fields have names", |(field, test)| {
        (field.text.len() <= 512).then_some(Node::Leaf(field, test))
    });
    leaf.prop_recursive(5, 40, 4, |node| {
        prop_oneof![
            prop::collection::vec(node.clone(), 1..4).prop_map(Node::and),
            prop::collection::vec(node.clone(), 1..4).prop_map(Node::or),
            node.prop_map(Node::not),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(root in node()) {
        let filter = Filter { root };
        let text = filter.to_string();
        prop_assert_eq!(Filter::parse(&text), Ok(filter), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_within_it(text in "[a:b \"\\\\*()\\[\\]{}<>=ANDORTé\n]{0,40}") {
        match Filter::parse(&text) {
            Ok(filter) => prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter)),
            Err(error) => {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
                prop_assert!(text.get(error.span.clone()).is_some());
                prop_assert!(error.point_at(&text).ends_with('^'));
            }
        }
    }
}
