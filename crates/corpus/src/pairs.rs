//! Reads queries that bring their texts along: one JSON object a line, one at a time, so that
//! each can be answered before the next one is there.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::encoding::{Encoding, Text};
use crate::error::Error;
use crate::json::{key, kind, object, take_id, take_text};
use crate::lines::Lines;
use crate::names::{self, Names, alternatives};
use crate::problem::{Problem, Reason};
use crate::record::Origin;
use crate::stop::Stop;
use crate::stream::{ByteStream, text};

/// A query, and the texts that it is to be paired with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// The id that the record gives itself, if any.
    pub id: Option<String>,
    /// Never blank.
    pub query: String,
    /// In the order of the record; there may be none.
    pub texts: Vec<PairText>,
    /// How many of the best are wanted, at least 1; `None`: all.
    pub top_k: Option<usize>,
}

/// One of the texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairText {
    /// The id that it brings along, if any.
    pub id: Option<String>,
    /// Title and text as one, as of a [`Document`](treffer_types::Document).
    pub text: String,
}

/// How they are read.
#[derive(Clone, Debug)]
pub struct PairOptions {
    /// The encoding of an input without a byte order mark; `None` means UTF-8.
    pub encoding: Option<Encoding>,
    /// Limit of one line, in bytes. A longer one is a problem.
    pub max_record_bytes: u64,
    /// Ends reading with an error once it is requested, also while a pipe has nothing to read.
    pub stop: Stop,
}

impl Default for PairOptions {
    fn default() -> Self {
        PairOptions {
            encoding: None,
            max_record_bytes: 64 << 20,
            stop: Stop::default(),
        }
    }
}

/// Opens a file of such lines, compressed or not, or standard input for `-`.
///
/// A line is an object with `query` and a list `texts` (or `documents`), and maybe an `id` and
/// `top_k` (or `top_n`). Each text is a string, or an object with `text` and maybe `title` and
/// `id`. Other fields are ignored.
///
/// # Errors
/// If the file cannot be opened, or is no text.
pub fn read_pairs(path: &Path, options: &PairOptions) -> Result<PairReader, Error> {
    let stream = ByteStream::open(path, options.encoding, &options.stop)?;
    let lines = Lines::new(stream.reader, options.max_record_bytes).decoded_from(stream.encoding);
    Ok(PairReader::new(lines, path))
}

/// Iterates over the lines that are not blank: each is a query with texts, or a problem. Memory
/// holds one of them. It never reads beyond a line before that line is handed out.
///
/// An outer `Err` is the last item: the input could not be read any further.
pub struct PairReader {
    lines: Lines<Box<dyn BufRead + Send>>,
    path: PathBuf,
    failed: bool,
}

impl PairReader {
    /// As [`read_pairs`], from a stream that is not a file. `path` names it in problems and
    /// errors. Compression is not detected.
    ///
    /// # Errors
    /// If the stream is no text.
    pub fn from_reader(
        reader: impl BufRead + Send + 'static,
        path: &Path,
        options: &PairOptions,
    ) -> Result<PairReader, Error> {
        let Text { reader, encoding } = text(reader, path, options.encoding)?;
        let lines = Lines::new(reader, options.max_record_bytes).decoded_from(encoding);
        Ok(PairReader::new(lines, path))
    }

    fn new(lines: Lines<Box<dyn BufRead + Send>>, path: &Path) -> PairReader {
        PairReader {
            lines,
            path: path.to_owned(),
            failed: false,
        }
    }

    fn next_line(&mut self) -> Result<Option<Result<Pairs, Problem>>, Error> {
        let next = self.lines.next_parsed(pairs);
        let next = next.map_err(|source| Error::read(&self.path, self.lines.number(), source))?;
        Ok(next.map(|(line, result)| {
            result.map_err(|reason| {
                let origin = Origin {
                    path: self.path.clone(),
                    line: Some(line),
                };
                origin.problem(reason)
            })
        }))
    }
}

impl Iterator for PairReader {
    type Item = Result<Result<Pairs, Problem>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_line();
        self.failed = next.is_err();
        next.transpose()
    }
}

fn pairs(line: &str) -> Result<Pairs, Reason> {
    let mut record = object(line)?;
    let query = take_text(&mut record, None, names::QUERY)?;
    if query.trim().is_empty() {
        return Err(Reason::MissingQuery);
    }
    Ok(Pairs {
        id: optional_id(&mut record, names::QUERY_ID)?,
        query,
        texts: texts(&mut record)?,
        top_k: top_k(&record)?,
    })
}

fn texts(record: &mut Map<String, Value>) -> Result<Vec<PairText>, Reason> {
    let missing = || Reason::MissingTexts {
        expected: alternatives(names::TEXTS),
    };
    let field = key(record, None, names::TEXTS).ok_or_else(missing)?;
    match record.shift_remove(&field) {
        Some(Value::Array(texts)) => {
            let text = |(place, value)| one_text(value, &format!("{field}[{place}]"));
            texts.into_iter().enumerate().map(text).collect()
        }
        None | Some(Value::Null) => Err(missing()),
        Some(other) => Err(Reason::WrongType {
            field,
            found: kind(&other),
            expected: "an array of texts",
        }),
    }
}

/// A text, `name`d in what is wrong with it.
fn one_text(value: Value, name: &str) -> Result<PairText, Reason> {
    let mut fields = match value {
        Value::String(text) => return Ok(PairText { id: None, text }),
        Value::Object(fields) => fields,
        other => {
            return Err(Reason::WrongType {
                field: name.to_owned(),
                found: kind(&other),
                expected: "a string or an object with a `text`",
            });
        }
    };
    let read = |fields: &mut Map<String, Value>| {
        let has_text = [names::TEXT, names::TITLE].map(|names| key(fields, None, names));
        if has_text.iter().all(Option::is_none) {
            return Err(Reason::WrongType {
                field: "text".to_owned(),
                found: "missing",
                expected: "a string",
            });
        }
        let document = treffer_types::Document {
            title: take_text(fields, None, names::TITLE)?,
            text: take_text(fields, None, names::TEXT)?,
            ..treffer_types::Document::default()
        };
        Ok(PairText {
            id: optional_id(fields, names::DOCUMENT_ID)?,
            text: document.full_text(),
        })
    };
    read(&mut fields).map_err(|reason| match reason {
        Reason::WrongType {
            field,
            found,
            expected,
        } => Reason::WrongType {
            field: format!("{name}.{field}"),
            found,
            expected,
        },
        other => other,
    })
}

/// An id, if there is one.
fn optional_id(fields: &mut Map<String, Value>, usual: Names) -> Result<Option<String>, Reason> {
    match key(fields, None, usual) {
        Some(field) if !fields.get(&field).is_some_and(Value::is_null) => {
            take_id(fields, Some(&field), usual).map(Some)
        }
        _ => Ok(None),
    }
}

fn top_k(record: &Map<String, Value>) -> Result<Option<usize>, Reason> {
    let field = key(record, None, names::TOP_K);
    let Some((field, value)) = field.and_then(|field| Some((field.clone(), record.get(&field)?)))
    else {
        return Ok(None);
    };
    if value.is_null() {
        return Ok(None);
    }
    let number = value.as_u64().filter(|number| *number > 0);
    match number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)) {
        Some(number) => Ok(Some(number)),
        None => Err(Reason::WrongType {
            field,
            found: match value {
                Value::Number(_) => "another number",
                other => kind(other),
            },
            expected: "a whole number from 1",
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(input: impl AsRef<[u8]>, options: &PairOptions) -> Vec<Result<Pairs, Problem>> {
        let input = Cursor::new(input.as_ref().to_vec());
        let reader = PairReader::from_reader(input, Path::new("-"), options).unwrap();
        reader.map(Result::unwrap).collect()
    }

    fn check(line: &str, expect: Expect) {
        let shown: Vec<String> = read(line, &PairOptions::default())
            .iter()
            .map(|item| match item {
                Ok(pairs) => format!("{pairs:?}\n"),
                Err(problem) => format!("{problem}\n"),
            })
            .collect();
        expect.assert_eq(&shown.concat());
    }

    #[test]
    fn texts_are_strings_or_objects() {
        check(
            r#"{"query": "q", "texts": ["a", {"text": "b"}, {"_id": 7, "title": "T", "text": "c"}, ""]}
{"ID": "x", "Query": "q", "documents": [], "top_k": 3, "more": 1}

{"query": "q", "texts": [{"id": null, "title": "only"}], "documents": ["no"], "top_n": null}"#,
            expect![[r#"
                Pairs { id: None, query: "q", texts: [PairText { id: None, text: "a" }, PairText { id: None, text: "b" }, PairText { id: Some("7"), text: "T c" }, PairText { id: None, text: "" }], top_k: None }
                Pairs { id: Some("x"), query: "q", texts: [], top_k: Some(3) }
                Pairs { id: None, query: "q", texts: [PairText { id: None, text: "only" }], top_k: None }
            "#]],
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        check(
            r#"{"query": " ", "texts": []}
{"texts": ["a"]}
{"query": "q"}
{"query": "q", "texts": null}
{"query": "q", "documents": "a"}
{"query": "q", "texts": ["a", 7]}
{"query": "q", "texts": [{"id": 1}]}
{"query": "q", "texts": ["a", {"text": ["x"]}]}
{"query": "q", "texts": [{"id": {}, "text": "x"}]}
{"query": ["q"], "texts": []}
{"query": "q", "texts": [], "top_k": 0}
{"query": "q", "texts": [], "top_k": "1"}
{"query": "q", "texts": [], "id": true}
["query"]
{"query": "q", "texts": ["#,
            expect![[r#"
                standard input:1: the query is missing or blank
                standard input:2: the query is missing or blank
                standard input:3: there are no texts; `texts` or `documents` must hold a list of them
                standard input:4: there are no texts; `texts` or `documents` must hold a list of them
                standard input:5: `documents` is a string, an array of texts is expected
                standard input:6: `texts[1]` is a number, a string or an object with a `text` is expected
                standard input:7: `texts[0].text` is missing, a string is expected
                standard input:8: `texts[1].text` is an array, a string is expected
                standard input:9: `texts[0].id` is an object, a string or an integer is expected
                standard input:10: `query` is an array, a string is expected
                standard input:11: `top_k` is another number, a whole number from 1 is expected
                standard input:12: `top_k` is a string, a whole number from 1 is expected
                standard input:13: `id` is a boolean, a string or an integer is expected
                standard input:14: an array where an object is expected; each line is one JSON object
                standard input:15: not valid JSON: EOF while parsing a list at column 25
            "#]],
        );
        let options = PairOptions {
            max_record_bytes: 40,
            ..PairOptions::default()
        };
        let lines = read(
            b"{\"query\": \"q\", \"texts\": [\"much too long to be read\"]}\n{\"query\": \"\xff\"}\n{\"query\": \"q\", \"texts\": []}",
            &options,
        );
        assert!(matches!(
            &lines[0],
            Err(Problem {
                line: Some(1),
                reason: Reason::TooLarge { limit: 40 },
                ..
            })
        ));
        assert!(matches!(
            &lines[1],
            Err(Problem {
                line: Some(2),
                reason: Reason::InvalidUtf8 { .. },
                ..
            })
        ));
        assert!(lines[2].is_ok() && lines.len() == 3);
    }

    /// Fails if it is asked for more than the lines that were taken from it.
    struct LineByLine(Vec<&'static [u8]>);

    impl std::io::Read for LineByLine {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            assert!(!self.0.is_empty(), "read too far ahead");
            let line = self.0.remove(0);
            buffer[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }

    #[test]
    fn a_line_is_handed_out_before_the_next_is_asked_for() {
        let line = b"{\"query\": \"q\", \"texts\": []}\n";
        let source = std::io::BufReader::new(LineByLine(vec![line, line]));
        let options = PairOptions::default();
        let mut reader = PairReader::from_reader(source, Path::new("-"), &options).unwrap();
        for _ in 0..2 {
            assert_eq!(reader.next().unwrap().unwrap().unwrap().query, "q");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back(
            query in "\\PC*[a-z]\\PC*",
            texts in prop::collection::vec((prop::option::of("[a-z0-9]{1,4}"), "\\PC{0,20}"), 0..6),
            top_k in prop::option::of(1_usize..),
        ) {
            let listed: Vec<Value> = texts.iter().map(|(id, text)| match id {
                Some(id) => json!({"id": id, "text": text}),
                None => json!(text),
            }).collect();
            let line = json!({"query": query, "texts": listed, "top_k": top_k}).to_string();
            let texts = texts.into_iter().map(|(id, text)| PairText { id, text }).collect();
            let expected = Pairs { id: None, query, texts, top_k };
            prop_assert_eq!(pairs(&line).unwrap(), expected);
        }

        #[test]
        fn every_line_that_is_not_blank_is_read_or_reported(input in "([{}\\[\\]\",:a-z0 \n]|\"query\"|\"texts\"){0,60}") {
            let lines = input.split('\n').filter(|line| !line.trim().is_empty()).count();
            prop_assert_eq!(read(&input, &PairOptions::default()).len(), lines);
        }
    }
}
