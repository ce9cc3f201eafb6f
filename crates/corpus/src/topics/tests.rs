//! Topics of several years and tracks, and what is no topic.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn queries(input: &[u8], fields: &[TopicField]) -> Vec<Numbered<Query>> {
    let mut lines = Lines::new(input, 1000);
    let mut found = Vec::new();
    read(&mut lines, fields, |query| found.push(query)).unwrap();
    found
}

fn check(input: impl AsRef<[u8]>, fields: &[TopicField], expect: Expect) {
    let shown = queries(input.as_ref(), fields)
        .into_iter()
        .map(|(line, query)| match query {
            Ok(Query { id, text, .. }) => format!("{line}: [{id}] {text}\n"),
            Err(reason) => format!("{line}: {reason}\n"),
        });
    expect.assert_eq(&shown.collect::<String>());
}

const CLASSIC: &str = "\
<top>
<num> Number: 401
<title> foreign minorities, Germany

<desc> Description:
What language and cultural
differences?

<narr> Narrative:
A relevant document & its <i>kind</i>.

</top>

<top lang=\"en\">
<head> Tipster Topic Description
<num> Number:  051
<dom> Domain:  International Economics
<title> Topic:  Airbus Subsidies
<smry> Summary: not read
</top>
";

#[test]
fn fields_need_not_be_closed_and_labels_are_dropped() {
    check(
        CLASSIC,
        &[TopicField::Title],
        expect![[r#"
            1: [401] foreign minorities, Germany
            14: [051] Airbus Subsidies
        "#]],
    );
    check(
        CLASSIC,
        &[TopicField::Title, TopicField::Description],
        expect![[r#"
            1: [401] foreign minorities, Germany What language and cultural differences?
            14: [051] Airbus Subsidies
        "#]],
    );
    check(
        CLASSIC,
        &[TopicField::Narrative],
        expect![[r#"
            1: [401] A relevant document & its kind.
            14: the topic has no <narr>
        "#]],
    );
}

#[test]
fn topics_in_xml_are_read_however_the_lines_are_broken() {
    check(
        "<?xml version=\"1.0\"?><topics task=\"x\"><topic number=\"1\" type=\"faceted\"><query>obama &amp; family</query>\n\
         <description>d</description></topic><topic id='2'>one text\nalone</topic>\n</topics>",
        &[TopicField::Title],
        expect![[r#"
            1: [1] obama & family
            2: [2] one text alone
        "#]],
    );
    check(
        "<topics>\n<topic>\n<number>3</number>\n<EN-title>closed</EN-title> <EN-desc>x</EN-desc>\n</topic>\n</topics>\n",
        &[TopicField::Title],
        expect![[r#"
            2: [3] closed
        "#]],
    );
}

#[test]
fn what_is_wrong_is_said_and_the_rest_is_kept() {
    let long = "x".repeat(1200);
    check(
        [
            b"stray text\n<top>\n<title>no number\n</top>\n".as_slice(),
            b"<top><num>1<title>\xff</top>\n",
            b"<top><num>2<desc>no title</top>\n",
            format!("<top><num>3\n<title>{long}\n</top>\n").as_bytes(),
            b"<top>\n<num>4\n<title>not closed\n",
            b"<top>\n<num>5\n<title>nor this",
        ]
        .concat(),
        &[TopicField::Title],
        expect![[r#"
            1: `stray text` stands outside of any topic
            2: the id is missing or empty
            5: not valid UTF-8 (from byte 19 of the record); convert the file to UTF-8
            6: the topic has no <title>
            7: longer than 1000 bytes, the limit for one record
            10: [4] not closed
            13: [5] nor this
        "#]],
    );
}

#[test]
fn a_file_of_topics_is_known_by_its_start() {
    for start in [
        "<top>",
        "\u{feff}\n <TOP>",
        "<topics>",
        "<?xml version='1.0'?>\n<!DOCTYPE topics>\n<topic number='1'>",
    ] {
        assert!(is_start(start.as_bytes()), "{start}");
    }
    for start in ["", "top", "<t", "query <top>", "<?xml", "<html>"] {
        assert!(!is_start(start.as_bytes()), "{start}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_in_the_order_of_lines(input in "(</?top>|<num>|<title>|[a-z1]{1,3}|[<>/\n ])*") {
        let found = queries(input.as_bytes(), &[TopicField::Title]);
        prop_assert!(found.is_sorted_by_key(|(line, _)| *line));
    }
}
