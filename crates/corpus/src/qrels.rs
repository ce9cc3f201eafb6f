//! Relevance judgements, in BEIR's layout or TREC's, told apart by their columns.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::io::BufRead;
use std::path::Path;

use treffer_types::{Grade, Qrels};

use crate::error::Error;
use crate::lines::{Line, Lines, utf8};
use crate::problem::{Origin, Problem, Reason, excerpt};
use crate::source::Source;

/// Most bytes of one judgement.
const LIMIT: u64 = 1 << 20;

/// What in the second column of TREC's layout says that a model has judged: this, and the
/// model's name. Other readers pass over that column, so such a file stays a plain one.
pub const MODEL_JUDGE: &str = "judge:";

/// A file of judgements.
#[derive(Debug, Default)]
pub struct Judgements {
    /// Who found what how relevant.
    pub qrels: Qrels,
    /// Lines that were left out.
    pub problems: Vec<Problem>,
    /// The models that judged, by what stands after [`MODEL_JUDGE`]; empty for the
    /// judgements of people.
    pub judges: BTreeSet<String>,
}

/// Reads a file of judgements, or standard input for `-`: as [`read_judgements`], without
/// who judged.
///
/// # Errors
/// If the file cannot be opened or read to its end.
pub fn read_qrels(path: &Path) -> Result<(Qrels, Vec<Problem>), Error> {
    let judgements = read_judgements(path)?;
    Ok((judgements.qrels, judgements.problems))
}

/// Reads a file of judgements, or standard input for `-`.
///
/// The first line that has three or four columns decides: three are BEIR's (query,
/// document, grade, below a header), four are TREC's (query, an unused column,
/// document, grade). Of judgements of one pair the first is kept.
///
/// # Errors
/// If the file cannot be opened or read to its end.
pub fn read_judgements(path: &Path) -> Result<Judgements, Error> {
    let source = Source::open(path)?;
    from_reader(source.reader, path)
}

fn from_reader(reader: impl BufRead, path: &Path) -> Result<Judgements, Error> {
    let mut lines = Lines::new(reader, LIMIT);
    let mut judgements = Judgements::default();
    let mut layout = None;
    loop {
        let next = match lines.next() {
            Ok(next) => next,
            Err(source) => return Err(Error::read(path, lines.number(), source)),
        };
        let Some((number, line)) = next else {
            return Ok(judgements);
        };
        let result = match line {
            Line::TooLarge => Err(Reason::TooLarge { limit: LIMIT }),
            Line::Bytes(bytes) => {
                utf8(bytes).and_then(|line| add(&mut judgements, &mut layout, line))
            }
        };
        if let Err(reason) = result {
            let origin = Origin {
                path: path.to_owned(),
                line: Some(number),
            };
            judgements.problems.push(origin.problem(reason));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Beir,
    Trec,
}

/// Adds what `line` says; a blank line or the header says nothing.
fn add(judgements: &mut Judgements, layout: &mut Option<Layout>, line: &str) -> Result<(), Reason> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(());
    }
    // Ids in a table of tabs may hold spaces.
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
                judgements.judges.insert(judge.to_owned());
            }
            keep(&mut judgements.qrels, query, doc, grade)
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
    let judgements = qrels.0.entry(query.to_owned()).or_default();
    match judgements.entry(doc.to_owned()) {
        Entry::Vacant(place) => {
            place.insert(grade);
            Ok(())
        }
        Entry::Occupied(place) => Err(Reason::DuplicateJudgement {
            query: query.to_owned(),
            doc: doc.to_owned(),
            kept: *place.get(),
        }),
    }
}

#[cfg(test)]
mod tests;
