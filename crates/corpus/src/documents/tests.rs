//! How good and bad corpora are read.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read};

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};
use treffer_types::Document;

use super::*;

mod tables;

/// One line for every record.
fn shown(reader: Result<DocumentReader, Error>) -> String {
    let reader = match reader {
        Ok(reader) => reader,
        Err(error) => return format!("error: {error}\n"),
    };
    let mut out = String::new();
    for record in reader {
        match record {
            Ok(Record::Document {
                document, origin, ..
            }) => {
                let line = origin.line.map_or("-".to_owned(), |line| line.to_string());
                write!(out, "{line} [{}] {:?}", document.id, document.title).unwrap();
                write!(out, " {:?}", document.text).unwrap();
                if !document.metadata.is_empty() {
                    write!(out, " {}", Value::Object(document.metadata)).unwrap();
                }
                out.push('\n');
            }
            Ok(Record::Problem(problem)) => writeln!(out, "{problem}").unwrap(),
            Err(error) => writeln!(out, "error: {error}").unwrap(),
        }
    }
    out
}

fn read(bytes: &[u8], format: Format, options: &ReadOptions) -> String {
    let reader = io::Cursor::new(bytes.to_vec());
    shown(DocumentReader::from_reader(
        reader,
        Path::new("in"),
        format,
        options,
    ))
}

fn check(input: impl AsRef<[u8]>, format: Format, expect: Expect) {
    expect.assert_eq(&read(input.as_ref(), format, &ReadOptions::default()));
}

#[test]
fn good_lines_of_json_become_documents_and_unknown_fields_metadata() {
    check(
        concat!(
            "\u{feff}{\"_id\": \"a\", \"title\": \"T\", \"text\": \"b\"}\r\n",
            "\n  \t\n",
            "{\"z\": 1, \"id\": 17, \"text\": \"x\", \"title\": null, \"a\": [true]}\n",
            "{\"_id\": -3, \"id\": \"other\", \"contents\": \"c\", \"metadata\": {}}\n",
            "{\"_id\": \"m\", \"title\": \"only a title\", \"metadata\": {\"url\": \"u\"}}\n",
            "{\"_id\": \"ä \\ud83d\\ude00\", \"text\": \"nul \\u0000 \\\"q\\\"\", \"contents\": \"kept\"}",
        ),
        Format::Jsonl,
        expect![[r#"
            1 [a] "T" "b"
            4 [17] "" "x" {"z":1,"a":[true]}
            5 [-3] "" "c" {"id":"other"}
            6 [m] "only a title" "" {"metadata":{"url":"u"}}
            7 [ä 😀] "" "nul \0 \"q\"" {"contents":"kept"}
        "#]],
    );
}

#[test]
fn bad_lines_of_json_are_problems_with_their_line_and_the_rest_is_kept() {
    check(
        [
            b"{\"_id\": \"a\", \"text\": \"b\"\n".as_slice(),
            b"[1]\n\"s\"\nnull\nnot json\n",
            b"{\"text\": \"b\"}\n{\"_id\": \"\", \"text\": \"b\"}\n{\"_id\": null, \"text\": \"b\"}\n",
            b"{\"_id\": 1.5, \"text\": \"b\"}\n{\"_id\": [], \"text\": \"b\"}\n",
            b"{\"_id\": \"a\"}\n{\"_id\": \"a\", \"title\": \" \\n\", \"text\": \"\\t\"}\n",
            b"{\"_id\": \"a\", \"text\": [\"b\"]}\n{\"_id\": \"a\", \"text\": \"b\", \"title\": 3}\n",
            b"{\"_id\": \"a\", \"text\": \"\xff\"}\n",
            b"{\"_id\": \"a\", \"text\": \"\\ud800\"}\n\0\0\n",
            b"{\"_id\": \"good\", \"text\": \"b\"}\n{\"_id\": \"half",
        ]
        .concat(),
        Format::Jsonl,
        expect![[r#"
            in:1: not valid JSON: EOF while parsing an object at column 24
            in:2: an array where an object is expected; each line is one JSON object
            in:3: a string where an object is expected; each line is one JSON object
            in:4: null where an object is expected; each line is one JSON object
            in:5: not valid JSON: expected ident at column 2
            in:6: the id is missing or empty
            in:7: the id is missing or empty
            in:8: the id is missing or empty
            in:9: `_id` is a number, a string or an integer is expected
            in:10: `_id` is an array, a string or an integer is expected
            in:11: empty text: nothing to search in
            in:12: empty text: nothing to search in
            in:13: `text` is an array, a string is expected
            in:14: `title` is a number, a string is expected
            in:15: not valid UTF-8 (from byte 23 of the record); convert the file to UTF-8
            in:16: not valid JSON: unexpected end of hex escape at column 29
            in:17: not valid JSON: expected value at column 1
            18 [good] "" "b"
            in:19: not valid JSON: EOF while parsing a string at column 13
        "#]],
    );
}

#[test]
fn a_chosen_field_that_no_record_has_is_an_error_at_the_end() {
    let with = |title: Option<&str>, text: Option<&str>, lines: &str| {
        let columns = Columns {
            id: None,
            title: title.map(str::to_owned),
            text: text.map(str::to_owned),
        };
        let options = ReadOptions {
            columns,
            ..ReadOptions::default()
        };
        read(lines.as_bytes(), Format::Jsonl, &options)
    };
    let lines =
        "{\"_id\": 1, \"title\": \"T\", \"text\": \"x\"}\nbroken\n{\"_id\": 2, \"Body\": \"y\"}\n";
    expect![[r#"
        1 [1] "T" "" {"text":"x"}
        in:2: not valid JSON: expected value at column 1
        in:3: empty text: nothing to search in
        error: could not find the field `txet` in any record of in, whose first has: _id, title, text; rename the field, or say which one to read
    "#]]
    .assert_eq(&with(None, Some("txet"), lines));
    // One that has it is enough, in any letter case and also without an id.
    let read = with(Some("title"), Some("body"), lines);
    assert!(!read.contains("error"), "{read}");
    let late = with(
        None,
        Some("body"),
        "{\"_id\": 1, \"title\": \"T\"}\n{\"body\": null}\n",
    );
    assert!(!late.contains("error"), "{late}");
    let title = with(Some("name"), None, "{\"_id\": 1, \"text\": \"x\"}\n");
    assert!(
        title.contains("error: could not find the field `name`"),
        "{title}"
    );
    // Where there are no records, there is nothing that could have it.
    assert_eq!(with(None, Some("body"), ""), "");
}

#[test]
fn a_csv_record_may_run_over_lines_and_other_columns_are_metadata() {
    check(
        concat!(
            "\u{feff}id,title,text,price,note\r\n",
            "1,T,\"two\r\nlines, \"\"quoted\"\"\",9,\r\n",
            "\r\n",
            "2,\"\",plain 5\" pipe,,x\n",
            "3,a,b\n",
            ",a,b,c,d\n",
            "4, ,\" \",c,d\n",
            "5,a,b,c,d,e\n",
            "6,,last,,",
        ),
        Format::Csv,
        expect![[r#"
            2 [1] "T" "two\nlines, \"quoted\"" {"price":"9"}
            5 [2] "" "plain 5\" pipe" {"note":"x"}
            in:6: columns found: 3, in the header: 5
            in:7: the id is missing or empty
            in:8: empty text: nothing to search in
            in:9: columns found: 6, in the header: 5
            10 [6] "" "last"
        "#]],
    );
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    check(
        "id,text\n1,\"a\"\n2,\"open\n3,c\n\n4,d \"\"x\n5,\"\"\n6,f",
        Format::Csv,
        expect![[r#"
            2 [1] "" "a"
            in:3: a quoted field is opened here and never closed; only this line is skipped
            4 [3] "" "c"
            6 [4] "" "d \"\"x"
            in:7: empty text: nothing to search in
            8 [6] "" "f"
        "#]],
    );
}

#[test]
fn bytes_that_are_not_utf8_cost_one_csv_record() {
    check(
        b"id,text\n1,\xe4\n2,\"x\n\xff\"\n3,c\n",
        Format::Csv,
        expect![[r#"
            in:2: not valid UTF-8 (from byte 3 of the record); convert the file to UTF-8
            in:3: not valid UTF-8 (from byte 6 of the record); convert the file to UTF-8
            5 [3] "" "c"
        "#]],
    );
}

#[test]
fn a_quote_in_tsv_is_an_ordinary_character() {
    check(
        "_id\ttext\tyear\n1\t\"a\t1999\n2\tb \"c\"\t\n3\td\n",
        Format::Tsv,
        expect![[r#"
            2 [1] "" "\"a" {"year":"1999"}
            3 [2] "" "b \"c\""
            in:4: columns found: 2, in the header: 3
        "#]],
    );
}

#[test]
fn ids_are_trimmed_in_every_format() {
    let expected = expect![[r#"
        2 [a b] "" "x"
        in:3: the id is missing or empty
    "#]];
    for (format, input) in [
        (
            Format::Jsonl,
            "\n{\"_id\": \" a b\\n\", \"text\": \"x\"}\n{\"_id\": \"\\u00a0\", \"text\": \"x\"}\n",
        ),
        (Format::Csv, "ID,Text\n \u{a0}a b ,x\n\" \",x\n"),
        (Format::Tsv, "DOCID\tCONTENTS\n a b\u{a0}\tx\n \tx\n"),
    ] {
        expected.assert_eq(&read(input.as_bytes(), format, &ReadOptions::default()));
    }
}

#[test]
fn a_record_beyond_the_limit_is_skipped() {
    let options = ReadOptions {
        max_record_bytes: 30,
        ..ReadOptions::default()
    };
    let long = "x".repeat(100_000);
    let lines = format!(
        "{{\"_id\": \"1\", \"text\": \"ab\"}}\n{{\"_id\": 2, \"text\": \"{long}\"}}\n\
         {{\"_id\": \"3\", \"text\": \"1234567\"}}\r\n{{\"_id\": \"4\", \"text\": \"12345678\"}}\r\n"
    );
    expect![[r#"
        1 [1] "" "ab"
        in:2: longer than 30 bytes, the limit for one record
        in:3: longer than 30 bytes, the limit for one record
        in:4: longer than 30 bytes, the limit for one record
    "#]]
    .assert_eq(&read(lines.as_bytes(), Format::Jsonl, &options));
    let table = format!("id,text\n1,{long}\n2,\"a\n{long}\"\n3,\"a\nb\nc\"\n4,\"{long}\n");
    expect![[r#"
        in:2: longer than 30 bytes, the limit for one record
        in:3: a quoted field is opened here and never closed; only this line is skipped
        in:4: longer than 30 bytes, the limit for one record
        5 [3] "" "a\nb\nc"
        in:8: longer than 30 bytes, the limit for one record
    "#]]
    .assert_eq(&read(table.as_bytes(), Format::Csv, &options));
}

/// A line repeated on demand; counts the bytes that were read.
struct Generated {
    line: Vec<u8>,
    position: usize,
    n_left: u64,
    n_bytes: Arc<AtomicU64>,
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Generated {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(if self.n_left == 0 {
            &[]
        } else {
            &self.line[self.position..]
        })
    }

    fn consume(&mut self, n: usize) {
        self.position += n;
        self.n_bytes.fetch_add(n as u64, Ordering::Relaxed);
        if self.position == self.line.len() {
            (self.position, self.n_left) = (0, self.n_left - 1);
        }
    }
}

#[test]
fn memory_does_not_grow_with_the_corpus() {
    let text = "word ".repeat(200);
    let n = 20_000;
    for (format, header, line) in [
        (
            Format::Jsonl,
            "",
            format!("{{\"_id\": 1, \"text\": \"{text}\"}}\n"),
        ),
        (Format::Csv, "id,text\n", format!("1,\"{text}\"\n")),
        (Format::Tsv, "id\ttext\n", format!("1\t{text}\n")),
    ] {
        let n_bytes = Arc::new(AtomicU64::new(0));
        let lines = Generated {
            line: line.clone().into_bytes(),
            position: 0,
            n_left: n,
            n_bytes: Arc::clone(&n_bytes),
        };
        let stream = BufReader::with_capacity(1, io::Cursor::new(header)).chain(lines);
        let options = ReadOptions::default();
        let mut reader =
            DocumentReader::from_reader(stream, Path::new("in"), format, &options).unwrap();
        for i in 1..=n {
            assert!(matches!(reader.next(), Some(Ok(Record::Document { .. }))));
            // Nothing is read ahead, so nothing accumulates.
            assert_eq!(n_bytes.load(Ordering::Relaxed), i * line.len() as u64);
        }
        assert!(reader.next().is_none());
    }
}

/// Bytes that resemble records, mixed with arbitrary ones.
fn near_records() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 0..6),
        3 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        2 => Just(b"{\"_id\": \"a\", \"text\": \"b\"}".to_vec()),
        1 => Just(b"{\"_id\": ".to_vec()),
        1 => Just(b"id,text\n".to_vec()),
        1 => Just(b"id\ttext\n".to_vec()),
        1 => Just(b"1,\"".to_vec()),
        1 => Just(b"\",\"".to_vec()),
        1 => Just("ä\t".as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// Whether nothing says that the bytes are in another encoding.
fn is_utf_8(bytes: &[u8]) -> bool {
    !matches!(
        bytes,
        [0xff, 0xfe, ..]
            | [0xfe, 0xff, ..]
            | [0, 0, 0xfe, 0xff, ..]
            | [_, 0, _, 0, ..]
            | [0, _, 0, ..]
    )
}

fn record_lines(bytes: &[u8], format: Format) -> Option<Vec<u64>> {
    let options = ReadOptions {
        max_record_bytes: 40,
        ..ReadOptions::default()
    };
    let stream = io::Cursor::new(bytes.to_vec());
    let reader = DocumentReader::from_reader(stream, Path::new("in"), format, &options).ok()?;
    let line = |record: Result<Record, Error>| match record.unwrap() {
        Record::Document { origin, .. } => origin.line.unwrap(),
        Record::Problem(problem) => problem.line.unwrap(),
    };
    Some(reader.map(line).collect())
}

proptest! {
    #[test]
    fn every_line_that_is_not_blank_is_a_document_or_a_problem(bytes in near_records()) {
        prop_assume!(is_utf_8(&bytes));
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let lines: Vec<u64> = text
            .split(|&byte| byte == b'\n')
            .zip(1..)
            .filter(|(line, _)| std::str::from_utf8(line).map_or(true, |line| !line.trim().is_empty()))
            .map(|(_, number)| number)
            .collect();
        prop_assert_eq!(record_lines(&bytes, Format::Jsonl).unwrap(), lines);
    }

    #[test]
    fn any_table_is_read_to_its_end_with_increasing_line_numbers(bytes in near_records()) {
        let csv = [b"id,text\n".as_slice(), &bytes].concat();
        let lines = record_lines(&csv, Format::Csv).unwrap();
        prop_assert!(lines.is_sorted_by(|a, b| a < b), "{:?}", lines);
        let tsv = [b"id\ttext\n".as_slice(), &bytes].concat();
        let n = tsv
            .split(|&byte| byte == b'\n')
            .filter(|line| !matches!(*line, b"" | b"\r"))
            .count();
        // A lone `\r` that ends the file is not a line end.
        let n = n + usize::from(tsv.ends_with(b"\n\r"));
        prop_assert_eq!(record_lines(&tsv, Format::Tsv).unwrap().len(), n - 1);
        record_lines(&bytes, Format::Csv);
        record_lines(&bytes, Format::Tsv);
    }

    #[test]
    fn a_document_written_as_json_reads_back_as_it_was(
        id in any::<String>(),
        title in any::<String>(),
        text in any::<String>(),
        fields in proptest::collection::btree_map("x_[a-z]{0,5}", any::<(String, i64)>(), 0..4),
    ) {
        prop_assume!(!id.trim().is_empty());
        prop_assume!(!(title.trim().is_empty() && text.trim().is_empty()));
        let metadata: treffer_types::Metadata =
            fields.into_iter().map(|(name, value)| (name, json!(value))).collect();
        let mut line = json!({"_id": id, "title": title, "text": text});
        line.as_object_mut().unwrap().extend(metadata.clone());
        let stream = io::Cursor::new(format!("{line}\n"));
        let options = ReadOptions::default();
        let mut reader =
            DocumentReader::from_reader(stream, Path::new("in"), Format::Jsonl, &options).unwrap();
        match reader.next() {
            Some(Ok(Record::Document { document, .. })) => {
                prop_assert_eq!(document, Document { id: id.trim().to_owned(), title, text, headings: Vec::new(), metadata });
            }
            other => prop_assert!(false, "{:?}", other),
        }
        prop_assert!(reader.next().is_none());
    }
}
