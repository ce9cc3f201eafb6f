//! Runs: rankings for many queries, and the TREC file format for them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Rankings by query id, best document first.
///
/// The order of the entries is the ranking. [`Run::from_rankings`] keeps the given order;
/// [`read_run`] orders entries as `trec_eval` does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run(pub BTreeMap<String, Vec<RunEntry>>);

/// One document in a ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEntry {
    /// The document's id in the corpus.
    pub doc: String,
    /// The document's score; larger is better.
    pub score: f64,
}

impl Run {
    /// A run of the given rankings, by query id. Their order is kept, whatever the scores.
    pub fn from_rankings(rankings: impl IntoIterator<Item = (String, Vec<RunEntry>)>) -> Self {
        Run(rankings.into_iter().collect())
    }

    /// Ids of one query's documents, best first; none if the query has no results.
    pub fn ranking(&self, query: &str) -> impl Iterator<Item = &str> {
        self.0
            .get(query)
            .into_iter()
            .flatten()
            .map(|entry| entry.doc.as_str())
    }

    /// Orders every ranking as `trec_eval` does, which ignores a file's order of lines and
    /// its rank column: by score in single precision, and equal scores by the bytes of the
    /// document id, both descending.
    pub fn sort_as_trec_eval(&mut self) {
        for entries in self.0.values_mut() {
            entries.sort_by(|a, b| {
                ((b.score as f32).total_cmp(&(a.score as f32))).then_with(|| b.doc.cmp(&a.doc))
            });
        }
    }
}

/// A line of a run that was skipped. Displays as `path:line: reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name that was passed for messages.
    pub path: PathBuf,
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.reason)
    }
}

/// Reads a run in TREC format, `query Q0 document rank score tag` separated by white
/// space, and orders it as `trec_eval` does. `name` is used in messages only.
///
/// A bad line (a wrong number of columns, a score that is not a finite number, a document
/// that its query already has, invalid UTF-8) is skipped and reported; problems are in the
/// order of lines. If a query has a document twice, the first line is kept. Empty lines
/// are ignored.
///
/// # Errors
/// If the reader fails.
pub fn read_run(mut reader: impl BufRead, name: &Path) -> Result<(Run, Vec<Problem>), Error> {
    let mut lines: BTreeMap<String, Vec<(RunEntry, u64)>> = BTreeMap::new();
    let mut reasons: Vec<(u64, String)> = Vec::new();
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let n_bytes = reader.read_until(b'\n', &mut buffer);
        if n_bytes.map_err(|source| Error::ReadRun {
            path: name.to_owned(),
            line,
            source,
        })? == 0
        {
            break;
        }
        match parse_line(&buffer) {
            Ok(None) => {}
            Ok(Some((query, entry))) => match lines.get_mut(query) {
                Some(entries) => entries.push((entry, line)),
                None => {
                    lines.insert(query.to_owned(), vec![(entry, line)]);
                }
            },
            Err(reason) => reasons.push((line, reason)),
        }
    }
    let mut run = Run::default();
    for (query, entries) in lines {
        let kept = without_repeats(&query, entries, &mut reasons);
        run.0.insert(query, kept);
    }
    run.sort_as_trec_eval();
    reasons.sort();
    let problem = |(line, reason)| Problem {
        path: name.to_owned(),
        line,
        reason,
    };
    Ok((run, reasons.into_iter().map(problem).collect()))
}

/// The query and entry of one line, `None` for an empty line.
fn parse_line(line: &[u8]) -> Result<Option<(&str, RunEntry)>, String> {
    let line = std::str::from_utf8(line).map_err(|source| format!("not UTF-8: {source}"))?;
    let columns: Vec<&str> = line.split_whitespace().collect();
    let &[query, _q0, doc, _rank, score, _tag] = columns.as_slice() else {
        if columns.is_empty() {
            return Ok(None);
        }
        return Err(format!(
            "{} columns where a run has 6: query, Q0, document, rank, score, tag",
            columns.len()
        ));
    };
    match score.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Some((
            query,
            RunEntry {
                doc: doc.to_owned(),
                score: value,
            },
        ))),
        _ => Err(format!(
            "the score `{score}` of document `{doc}` is not a finite number"
        )),
    }
}

/// Keeps the first line of each document and reports the others.
fn without_repeats(
    query: &str,
    mut entries: Vec<(RunEntry, u64)>,
    reasons: &mut Vec<(u64, String)>,
) -> Vec<RunEntry> {
    entries.sort_by(|(a, _), (b, _)| a.doc.cmp(&b.doc));
    let mut kept: Vec<(RunEntry, u64)> = Vec::with_capacity(entries.len());
    for (entry, line) in entries {
        match kept.last() {
            Some((first, first_line)) if first.doc == entry.doc => reasons.push((
                line,
                format!(
                    "document `{}` of query `{query}` already stands on line {first_line}, \
                     which is kept",
                    entry.doc
                ),
            )),
            _ => kept.push((entry, line)),
        }
    }
    kept.into_iter().map(|(entry, _)| entry).collect()
}

/// Writes a run in TREC format such that every program reads it in the same order.
///
/// Programs sort a run by score, some in single precision, and disagree on ties. Scores
/// are therefore written in single precision, and a score that is not below its
/// predecessor is lowered to the next smaller number. The order is exact; the scores are
/// within rounding of the true ones unless many are equal.
///
/// # Errors
/// If the writer fails, or if an id or the tag is empty or contains white space.
pub fn write_run(mut writer: impl Write, run: &Run, tag: &str) -> Result<(), Error> {
    check_column("tag", tag)?;
    for (query, entries) in &run.0 {
        check_column("query id", query)?;
        let mut previous = f32::INFINITY;
        for (rank, entry) in (1_u64..).zip(entries) {
            check_column("document id", &entry.doc)?;
            // Away from the ends of the range, so that there is always a next smaller number.
            let score = entry.score.clamp(-1e38, 1e38) as f32;
            previous = score.min(previous.next_down());
            // `Debug` writes very large and very small numbers with an exponent.
            writeln!(writer, "{query} Q0 {} {rank} {previous:?} {tag}", entry.doc).map_err(
                |source| Error::WriteRun {
                    query: query.clone(),
                    source,
                },
            )?;
        }
    }
    writer.flush().map_err(|source| Error::WriteRun {
        query: run.0.keys().next_back().cloned().unwrap_or_default(),
        source,
    })
}

fn check_column(what: &'static str, text: &str) -> Result<(), Error> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(Error::Unwritable {
            what,
            text: text.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
