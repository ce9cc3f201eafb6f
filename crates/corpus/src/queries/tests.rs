//! How good and bad files of queries are read.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Queries and problems, or the error.
fn read(
    input: impl AsRef<[u8]>,
    name: &str,
    options: &QueryOptions,
) -> Result<(Vec<Query>, Vec<String>), Error> {
    let input = Cursor::new(input.as_ref().to_vec());
    let mut problems = Vec::new();
    let mut keep = |problem: &Problem| problems.push(problem.to_string());
    let queries = queries_from_reader(input, Path::new(name), options, &mut keep)?;
    Ok((queries, problems))
}

fn of_format(format: QueryFormat) -> QueryOptions {
    QueryOptions {
        format: Some(format),
        ..QueryOptions::default()
    }
}

fn check(input: impl AsRef<[u8]>, format: QueryFormat, expect: Expect) {
    check_as(input, "in", &of_format(format), expect);
}

fn check_as(input: impl AsRef<[u8]>, name: &str, options: &QueryOptions, expect: Expect) {
    let read = match read(input, name, options) {
        Ok((queries, problems)) => {
            let queries = queries
                .iter()
                .map(|query| format!("[{}] {:?} {:?}\n", query.id, query.text, query.tags));
            let problems = problems.iter().map(|problem| format!("{problem}\n"));
            queries.chain(problems).collect()
        }
        Err(error) => format!("error: {error}\n"),
    };
    expect.assert_eq(&read);
}

#[test]
fn json_queries_have_tags_in_either_place() {
    check(
        concat!(
            "{\"_id\": \"q1\", \"text\": \"plain\"}\n",
            "{\"_id\": 2, \"text\": \"t\", \"metadata\": {\"tags\": [\"norm\", \"unit\"]}}\n",
            "{\"id\": \"3\", \"query\": \"t\", \"tags\": \"negation\"}\n\n",
            "{\"id\": \"4\", \"text\": \"t\", \"tags\": [], \"metadata\": {\"tags\": [\"x\"]}}\n",
            "{\"_id\": \"5\", \"text\": \"t\", \"metadata\": []}\n",
        ),
        QueryFormat::Jsonl,
        expect![[r#"
            [q1] "plain" []
            [2] "t" ["norm", "unit"]
            [3] "t" ["negation"]
            [4] "t" []
            [5] "t" []
        "#]],
    );
}

#[test]
fn bad_queries_are_problems_and_the_first_of_duplicates_is_kept() {
    check(
        [
            b"{\"_id\": \"q\", \"text\": \"first\"}\n".as_slice(),
            b"{\"_id\": \"q\", \"text\": \"second\"}\n",
            b"{\"_id\": \"e\", \"text\": \" \"}\n{\"_id\": \"n\"}\n{\"text\": \"no id\"}\n",
            b"{\"_id\": \"t\", \"text\": \"x\", \"tags\": [1]}\n",
            b"{\"_id\": \"t\", \"text\": \"x\", \"tags\": {}}\n",
            b"oops\n\xff\n",
        ]
        .concat(),
        QueryFormat::Jsonl,
        expect![[r#"
            [q] "first" []
            in:2: duplicate id `q` (first seen at line 1); the first is kept
            in:3: empty text: nothing to search in
            in:4: empty text: nothing to search in
            in:5: the id is missing or empty
            in:6: `tags` is a number, a string or an array of strings is expected
            in:7: `tags` is an object, a string or an array of strings is expected
            in:8: not valid JSON: expected value at column 1
            in:9: not valid UTF-8 (from byte 1 of the record); convert the file to UTF-8
        "#]],
    );
}

#[test]
fn topics_in_tsv_need_no_header_and_may_have_one() {
    check(
        "1\twhat is \"x\"\n2\t y \n\n1\tagain\n3\n4\ta\tb\n\tno id\n5\t\n",
        QueryFormat::Tsv,
        expect![[r#"
            [1] "what is \"x\"" []
            [2] "y" []
            in:4: duplicate id `1` (first seen at line 1); the first is kept
            in:5: columns found: 1, expected: 2 (id and text)
            in:6: columns found: 3, expected: 2 (id and text)
            in:7: the id is missing or empty
            in:8: empty text: nothing to search in
        "#]],
    );
    check(
        "qid\ttags\tquery\n1\tnorm, unit\thow\n2\t\twhy\n3\twho\n",
        QueryFormat::Tsv,
        expect![[r#"
            [1] "how" ["norm", "unit"]
            [2] "why" []
            in:4: columns found: 2, in the header: 3
        "#]],
    );
    check(
        "id\tquestion\n1\thow\n",
        QueryFormat::Tsv,
        expect![[r#"
            error: could not find the column `text` or `query` or `title` in the header of in, which has: id, question; rename the column, or say which one to read
        "#]],
    );
    check("", QueryFormat::Tsv, expect![[""]]);
}

#[test]
fn csv_queries_need_a_header() {
    check(
        "id,text,tags\n1,\"a, b\",\"x,y\"\n2,\"open\n3,c,\n",
        QueryFormat::Csv,
        expect![[r#"
            [1] "a, b" ["x", "y"]
            [3] "c" []
            in:3: a quoted field is opened here and never closed; only this line is skipped
        "#]],
    );
    check(
        "1,how\n",
        QueryFormat::Csv,
        expect![[r#"
            error: could not find the column `_id` or `id` or `query_id` or `queryid` or `qid` or `topic_id` or `topic` in the header of in, which has: 1, how; rename the column, or say which one to read
        "#]],
    );
}

#[test]
fn a_plain_line_is_a_query_with_its_line_number_as_id() {
    check(
        b"\xef\xbb\xbfhow\r\n\n  why {\"not json\"} \n\xe4\nwho",
        QueryFormat::Lines,
        expect![[r#"
            [1] "how" []
            [3] "why {\"not json\"}" []
            [5] "who" []
            in:4: not valid UTF-8 (from byte 1 of the record); convert the file to UTF-8
        "#]],
    );
}

#[test]
fn a_file_of_queries_opens_compressed_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("topics.tsv.zst");
    std::fs::write(&path, zstd::encode_all(&b"1\thow\n"[..], 1).unwrap()).unwrap();
    let read = |path: &Path| {
        read_queries(path, &QueryOptions::default(), &mut |problem| {
            panic!("{problem}")
        })
    };
    assert_eq!(read(&path).unwrap()[0].text, "how");
    assert!(matches!(
        read(&dir.path().join("missing.tsv")),
        Err(Error::Open { .. })
    ));
    let unknown = dir.path().join("topics.xml");
    std::fs::write(&unknown, "<queries>").unwrap();
    assert!(matches!(read(&unknown), Err(Error::UnknownFormat { .. })));
}

#[test]
fn names_are_those_of_documents_in_any_letter_case() {
    check(
        "{\"ID\": \" 1 \", \"Query\": \"t\", \"Tags\": [\"x\"]}\n{\"qid\": 2, \"title\": \"u\", \"metadata\": {\"TAGS\": \"y\"}}\n",
        QueryFormat::Jsonl,
        expect![[r#"
            [1] "t" ["x"]
            [2] "u" ["y"]
        "#]],
    );
    for (format, header) in [
        (QueryFormat::Csv, "Query-ID;TEXT"),
        (QueryFormat::Csv, "sep=|\nQID|Title"),
        (QueryFormat::Tsv, "Query ID\tquery"),
    ] {
        let delimiter = header.chars().find(|c| ";|\t".contains(*c)).unwrap();
        check(
            format!("{header}\n 7 {delimiter}how, why\n"),
            format,
            expect![[r#"
                [7] "how, why" []
            "#]],
        );
    }
}

#[test]
fn topics_of_trec_are_told_by_their_content() {
    let topics = "<top>\n<num> Number: 401\n<title> quiet\n<desc> Description:\nFind.\n</top>\n";
    for name in ["topics.txt", "topics.401-450", "topics.jsonl"] {
        check_as(
            topics,
            name,
            &QueryOptions::default(),
            expect![[r#"
                [401] "quiet" []
            "#]],
        );
    }
    let options = QueryOptions {
        topic_fields: Some(vec![TopicField::Description]),
        ..QueryOptions::default()
    };
    check_as(
        topics,
        "topics",
        &options,
        expect![[r#"
            [401] "Find." []
        "#]],
    );
    check_as(
        "1\tx\n",
        "topics.tsv",
        &options,
        expect![[r#"
            error: could not use fields of topics for topics.tsv: only TREC's topics have a title, desc and narr
        "#]],
    );
    check_as(
        topics,
        "topics.txt",
        &of_format(QueryFormat::Lines),
        expect![[r#"
            [1] "<top>" []
            [2] "<num> Number: 401" []
            [3] "<title> quiet" []
            [4] "<desc> Description:" []
            [5] "Find." []
            [6] "</top>" []
        "#]],
    );
}

#[test]
fn a_header_that_cannot_be_read_is_an_error_with_its_reason() {
    check(
        "",
        QueryFormat::Csv,
        expect![[r#"
            error: could not read the header of in: the input is empty
        "#]],
    );
    // A table in quotes always has a header, whatever separates its fields.
    check(
        "nr;was\n1;x\n",
        QueryFormat::Csv,
        expect![[r#"
            error: could not find the column `_id` or `id` or `query_id` or `queryid` or `qid` or `topic_id` or `topic` in the header of in, which has: nr, was; rename the column, or say which one to read
        "#]],
    );
    check(
        b"id,t\xe4xt\n",
        QueryFormat::Csv,
        expect![[r#"
            error: could not read the header of in: line 1 is not valid UTF-8 (from byte 5); name the encoding, such as windows-1252 (latin-1), or convert the file to UTF-8
        "#]],
    );
}

proptest! {
    #[test]
    fn any_bytes_yield_queries_with_distinct_ids(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\t')], 0..200),
    ) {
        for format in QueryFormat::ALL {
            if let Ok((queries, _)) = read(&bytes, "in", &of_format(format)) {
                let ids: std::collections::HashSet<&str> =
                    queries.iter().map(|query| query.id.as_str()).collect();
                prop_assert_eq!(ids.len(), queries.len());
                prop_assert!(queries.iter().all(|query| !query.text.trim().is_empty()));
            }
        }
    }
}
