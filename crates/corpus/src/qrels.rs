//! Reads relevance judgments (qrels) in BEIR's or TREC's layout, told apart by the number
//! of columns.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::io::BufRead;
use std::path::Path;

use treffer_types::{Grade, Qrels};

use crate::error::Error;
use crate::lines::{Line, Lines, utf8};
use crate::problem::{Problem, Reason, excerpt};
use crate::record::Origin;
use crate::stream::ByteStream;

/// Limit of one judgment, in bytes.
const LIMIT: u64 = 1 << 20;

/// Prefix in the second column of TREC's layout that marks a judgment as made by a model;
/// the model's name follows. Other programs ignore that column, so they can read the file.
pub const MODEL_JUDGE: &str = "judge:";

/// The content of a file of judgments.
#[derive(Debug, Default)]
pub struct Judgments {
    /// The judgments.
    pub qrels: Qrels,
    /// The lines that were skipped.
    pub problems: Vec<Problem>,
    /// Names of the models that made judgments, see [`MODEL_JUDGE`]; empty if people made
    /// them all.
    pub judges: BTreeSet<String>,
}

/// Reads a file of judgments, or standard input for `-`, like [`read_judgments`] but
/// without the names of judging models.
///
/// # Errors
/// If the file cannot be opened or read to its end.
pub fn read_qrels(path: &Path) -> Result<(Qrels, Vec<Problem>), Error> {
    let judgments = read_judgments(path)?;
    Ok((judgments.qrels, judgments.problems))
}

/// Reads a file of judgments, or standard input for `-`.
///
/// The first line with three or four columns decides the layout of the file: three are
/// BEIR's (query, document, grade; a header is optional), four are TREC's (query, a column
/// that is unused but for [`MODEL_JUDGE`], document, grade). If a pair of query and
/// document is judged twice, the first judgment is kept and the second is a problem.
///
/// # Errors
/// If the file cannot be opened or read to its end.
pub fn read_judgments(path: &Path) -> Result<Judgments, Error> {
    let stream = ByteStream::open(path)?;
    from_reader(stream.reader, path)
}

fn from_reader(reader: impl BufRead, path: &Path) -> Result<Judgments, Error> {
    let mut lines = Lines::new(reader, LIMIT);
    let mut judgments = Judgments::default();
    let mut layout = None;
    loop {
        let next = match lines.next() {
            Ok(next) => next,
            Err(source) => return Err(Error::read(path, lines.number(), source)),
        };
        let Some((number, line)) = next else {
            return Ok(judgments);
        };
        let result = match line {
            Line::TooLarge => Err(Reason::TooLarge { limit: LIMIT }),
            Line::Bytes(bytes) => {
                utf8(bytes).and_then(|line| add(&mut judgments, &mut layout, line))
            }
        };
        if let Err(reason) = result {
            let origin = Origin {
                path: path.to_owned(),
                line: Some(number),
            };
            judgments.problems.push(origin.problem(reason));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Beir,
    Trec,
}

/// Adds the judgment on `line`, unless the line is blank or the header.
fn add(judgments: &mut Judgments, layout: &mut Option<Layout>, line: &str) -> Result<(), Reason> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(());
    }
    // Ids in a tab-separated file may contain spaces.
    let mut fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    if !(3..=4).contains(&fields.len()) {
        fields = line.split_whitespace().collect();
    }
    let is_first = layout.is_none();
    let found = match fields.len() {
        3 => Some(Layout::Beir),
        4 => Some(Layout::Trec),
        _ => None,
    };
    *layout = layout.or(found);
    let (query, judge, doc, grade) = match (*layout, fields.as_slice()) {
        (Some(Layout::Beir), &[query, doc, grade]) => (query, "", doc, grade),
        (Some(Layout::Trec), &[query, judge, doc, grade]) => (query, judge, doc, grade),
        (layout, _) => {
            return Err(Reason::WrongColumns {
                found: fields.len(),
                expected: match layout {
                    None => "3 (query, document, grade) or 4 (TREC)",
                    Some(Layout::Beir) => "3 (query, document, grade), as in the lines before",
                    Some(Layout::Trec) => "4 (query, 0, document, grade), as in the lines before",
                },
            });
        }
    };
    if query.is_empty() || doc.is_empty() {
        return Err(Reason::MissingId);
    }
    match grade.parse::<Grade>() {
        Ok(grade) => {
            if let Some(judge) = judge.strip_prefix(MODEL_JUDGE) {
                judgments.judges.insert(judge.to_owned());
            }
            keep(&mut judgments.qrels, query, doc, grade)
        }
        Err(_) if is_first && is_header(query) => Ok(()),
        Err(_) => Err(Reason::BadGrade {
            grade: excerpt(grade),
        }),
    }
}

fn is_header(first: &str) -> bool {
    ["query-id", "query_id", "queryid", "qid", "query", "topic"]
        .contains(&first.to_ascii_lowercase().as_str())
}

fn keep(qrels: &mut Qrels, query: &str, doc: &str, grade: Grade) -> Result<(), Reason> {
    let judgments = qrels.0.entry(query.to_owned()).or_default();
    match judgments.entry(doc.to_owned()) {
        Entry::Vacant(place) => {
            place.insert(grade);
            Ok(())
        }
        Entry::Occupied(place) => Err(Reason::DuplicateJudgment {
            query: query.to_owned(),
            doc: doc.to_owned(),
            kept: *place.get(),
        }),
    }
}

#[cfg(test)]
mod tests;
