//! Reads training data: JSON lines, also compressed, of pairs, triplets and lists.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::error::Error;
use crate::example::{Example, Examples, ValueKind};

/// A line that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// The keys of a line; others are passed over.
#[derive(Deserialize)]
struct Line {
    query: Option<String>,
    passage: Option<String>,
    label: Option<f32>,
    score: Option<f32>,
    positive: Option<OneOrMore>,
    negative: Option<OneOrMore>,
    negatives: Option<OneOrMore>,
    passages: Option<Vec<String>>,
    labels: Option<Vec<f32>>,
    scores: Option<Vec<f32>>,
    weight: Option<f32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn all(self) -> Vec<String> {
        match self {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        }
    }
}

/// Longest line that is read, in bytes.
const MOST: u64 = 16 << 20;

/// A byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Adds the examples of the file at `path` to `examples`. It may be compressed as gzip or zstd, and
/// begin with a byte order mark. Bad lines are handed to `report` and
/// left out.
///
/// A line is one of
///
/// * a pair, `{"query", "passage", "label"}`, or with a teacher's `score`,
/// * a triplet, `{"query", "positive", "negative"}`, where both may be a text or a list of
///   texts, also `negatives`; maybe with `scores` of the positives, then of the negatives,
/// * a list, `{"query", "passages", "labels"}`, or with a teacher's `scores`.
///
/// Of a line with both labels and scores, the `preferred` ones are taken. Each may have a
/// `weight`. A triplet may lack the negatives, where other lines are negative enough.
///
/// # Errors
/// If the file cannot be read.
pub fn read_examples(
    path: &Path,
    preferred: ValueKind,
    examples: &mut Examples,
    report: &mut dyn FnMut(BadLine),
) -> Result<(), Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let number = examples.files.len() as u32;
    examples.files.push(path.to_owned());
    let mut reader = open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = (&mut reader).take(MOST).read_until(b'\n', &mut bytes);
        if read.map_err(failed)? == 0 {
            break;
        }
        let is_cut = bytes.len() as u64 == MOST && !bytes.ends_with(b"\n");
        if is_cut {
            // The rest of the line is no line of its own.
            reader.skip_until(b'\n').map_err(failed)?;
        }
        let text = match bytes.strip_prefix(MARK) {
            Some(text) if line == 1 => text,
            _ => &bytes,
        };
        // Without the line end, whatever is wrong is in the only line that the parser sees.
        let text = text.trim_ascii_end();
        if text.is_empty() {
            continue;
        }
        let parsed = if is_cut {
            Err(format!("is longer than {MOST} bytes"))
        } else {
            parse(text, preferred)
        };
        match parsed {
            Ok(mut example) => {
                example.origin = (number, line);
                examples.all.push(example);
            }
            Err(reason) => report(BadLine {
                path: path.to_owned(),
                line,
                reason,
            }),
        }
    }
    Ok(())
}

/// The file, decompressed if it begins as gzip or zstd do: no JSON does.
fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::new(File::open(path)?);
    let reader: Box<dyn BufRead> = match file.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            Box::new(BufReader::new(decoder))
        }
        _ => Box::new(file),
    };
    Ok(reader)
}

/// The parser's message without its line: it sees one line, and would always say line 1.
fn message(error: &serde_json::Error) -> String {
    let (whole, column) = (error.to_string(), error.column());
    let place = format!(" at line {} column {column}", error.line());
    match whole.strip_suffix(&place) {
        Some(message) => format!("{message} at column {column}"),
        None => whole,
    }
}

fn parse(bytes: &[u8], preferred: ValueKind) -> Result<Example, String> {
    let line: Line = serde_json::from_slice(bytes).map_err(|error| message(&error))?;
    let query = line.query.ok_or("has no `query`")?;
    let weight = line.weight.unwrap_or(1.0);
    if !(weight > 0.0 && weight.is_finite()) {
        return Err(format!("its `weight` is {weight}, which is not above 0"));
    }
    let (passages, labels, scores) = if let Some(passages) = line.passages {
        (passages, line.labels, line.scores)
    } else if let Some(positive) = line.positive {
        let negatives = [line.negative, line.negatives];
        let negatives: Vec<String> = negatives
            .into_iter()
            .flatten()
            .flat_map(OneOrMore::all)
            .collect();
        let mut passages = positive.all();
        if passages.is_empty() {
            return Err("its `positive` is an empty list".to_owned());
        }
        let mut labels = vec![1.0; passages.len()];
        labels.resize(passages.len() + negatives.len(), 0.0);
        passages.extend(negatives);
        (passages, Some(labels), line.scores)
    } else if let Some(passage) = line.passage {
        let one = |value: Option<f32>| value.map(|value| vec![value]);
        (vec![passage], one(line.label), one(line.score))
    } else {
        return Err("has none of `passage`, `positive` and `passages`".to_owned());
    };
    let (values, kind) = match (scores, labels, preferred) {
        (Some(scores), None, _) | (Some(scores), _, ValueKind::Scores) => {
            (scores, ValueKind::Scores)
        }
        (_, Some(labels), _) => (labels, ValueKind::Labels),
        (None, None, _) => return Err("has neither labels nor scores".to_owned()),
    };
    if passages.is_empty() || passages.len() != values.len() {
        return Err(format!(
            "has {} passages and {} values",
            passages.len(),
            values.len()
        ));
    }
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(format!("has the value {value}"));
    }
    if query.trim().is_empty() {
        return Err("its `query` is empty".to_owned());
    }
    if let Some(at) = passages.iter().position(|text| text.trim().is_empty()) {
        return Err(format!("its passage {} is empty", at + 1));
    }
    Ok(Example {
        query,
        passages,
        values,
        kind,
        weight,
        origin: (0, 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Examples, Vec<BadLine>) {
        read_preferring(ValueKind::Scores, text)
    }

    fn read_preferring(preferred: ValueKind, text: &str) -> (Examples, Vec<BadLine>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.jsonl");
        std::fs::write(&path, text).unwrap();
        let (mut examples, mut bad) = (Examples::default(), Vec::new());
        read_examples(&path, preferred, &mut examples, &mut |line| bad.push(line)).unwrap();
        (examples, bad)
    }

    #[test]
    fn pairs_triplets_and_lists_are_read_alike() {
        let (examples, bad) = read(concat!(
            r#"{"query": "q", "passage": "a", "label": 1}"#,
            "\n\n",
            r#"{"query": "q", "positive": "a", "negatives": ["b", "c"], "weight": 0.5}"#,
            "\n",
            r#"{"query": "q", "passages": ["a", "b"], "labels": [2, 0], "scores": [7.5, -1]}"#,
        ));
        assert_eq!(bad, []);
        let values: Vec<_> = examples
            .all
            .iter()
            .map(|e| (e.values.clone(), e.kind))
            .collect();
        assert_eq!(
            values,
            [
                (vec![1.0], ValueKind::Labels),
                (vec![1.0, 0.0, 0.0], ValueKind::Labels),
                (vec![7.5, -1.0], ValueKind::Scores),
            ]
        );
        assert_eq!(examples.all[1].weight, 0.5);
        assert!(examples.origin(&examples.all[2]).ends_with("data.jsonl:4"));
    }

    #[test]
    fn labels_are_taken_where_they_are_preferred_and_there() {
        let (examples, bad) = read_preferring(
            ValueKind::Labels,
            concat!(
                r#"{"query": "q", "passages": ["a", "b"], "labels": [2, 0], "scores": [7.5, -1]}"#,
                "\n",
                r#"{"query": "q", "passages": ["a", "b"], "scores": [7.5, -1]}"#,
                "\n",
                r#"{"query": "q", "positive": "a"}"#,
            ),
        );
        assert_eq!(bad, []);
        let values: Vec<_> = examples.all.iter().map(|e| e.values.clone()).collect();
        assert_eq!(values, [vec![2.0, 0.0], vec![7.5, -1.0], vec![1.0]]);
        assert_eq!(examples.all[1].kind, ValueKind::Scores);
    }

    #[test]
    fn bad_lines_are_reported_and_good_ones_kept() {
        let (examples, bad) = read(concat!(
            "{\"query\": \"q\"\n",
            "{\"query\": \"q\", \"passage\": \"a\"}\n",
            "{\"query\": \"q\", \"passages\": [\"a\"], \"labels\": [1, 2]}\n",
            "{\"query\": \"q\", \"passage\": \"a\", \"label\": 1}\n",
            "{\"passage\": \"a\", \"label\": 1}\n",
            "{\"query\": \" \", \"passage\": \"a\", \"label\": 1}\n",
            "{\"query\": \"q\", \"passages\": [\"a\", \"\"], \"labels\": [1, 0]}\n",
            "{\"query\": \"q\", \"positive\": [], \"negatives\": [\"a\"]}\n",
            "{\"query\": \"q\", \"passage\": \"a\", \"label\": 1, \"weight\": 0}\n",
        ));
        assert_eq!(examples.all.len(), 1);
        let lines: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 6, 7, 8, 9]);
        assert!(bad[0].path.ends_with("data.jsonl"));
        assert_eq!(bad[2].reason, "has 1 passages and 2 values");
        assert_eq!(bad[4].reason, "its `query` is empty");
        assert_eq!(bad[5].reason, "its passage 2 is empty");
    }

    #[test]
    fn a_mark_and_compression_change_nothing_and_places_are_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.jsonl.zst");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let (mut examples, mut bad) = (Examples::default(), Vec::new());
            let preferred = ValueKind::Scores;
            read_examples(&path, preferred, &mut examples, &mut |line| bad.push(line)).unwrap();
            let lines: Vec<u32> = examples.all.iter().map(|one| one.origin.1 as u32).collect();
            let bad: Vec<(u64, String)> =
                bad.into_iter().map(|one| (one.line, one.reason)).collect();
            (lines, bad)
        };
        let good = r#"{"query": "q", "positive": "a"}"#;
        let text =
            format!("\u{feff}{good}\n{good}\n{{\"query\": \"q\"\n{{\"query\": 1}}\r\n{good}");
        let expected = read(text.as_bytes());
        assert_eq!(expected.0, [1, 2, 5]);
        let reasons: Vec<&str> = expected
            .1
            .iter()
            .map(|(_, reason)| reason.as_str())
            .collect();
        assert_eq!(expected.1[0].0, 3);
        assert_eq!(reasons[0], "EOF while parsing an object at column 13");
        assert!(
            reasons[1].starts_with("invalid type") && !reasons[1].contains("line"),
            "{reasons:?}"
        );
        assert_eq!(
            read(&zstd::encode_all(text.as_bytes(), 1).unwrap()),
            expected
        );
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        assert_eq!(read(&gzip.finish().unwrap()), expected);
        // A mark elsewhere is no mark.
        assert_eq!(read(format!("{good}\n\u{feff}{good}").as_bytes()).0, [1]);
    }
}
