//! Reads runs: rankings by any program, in TREC's format.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::path::Path;

use crate::encoding::{Encoding, Text};
use crate::error::Error;
use crate::fields;
use crate::lines::Lines;
use crate::names;
use crate::problem::{Problem, Reason, excerpt};
use crate::record::Origin;
use crate::stop::Stop;
use crate::stream::{ByteStream, text};

/// Limit of one line, in bytes.
const LIMIT: u64 = 1 << 20;

/// A run: documents with their scores by query, in the order of the file.
pub type Rankings = BTreeMap<String, Vec<RunDocument>>;

/// One document of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct RunDocument {
    /// The document's id in the corpus.
    pub doc: String,
    /// Its score: a finite number, never negative zero.
    pub score: f64,
    /// Number of the line, from 1.
    pub line: u64,
}

/// How a run is read.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The encoding of a file without a byte order mark; `None` means UTF-8.
    pub encoding: Option<Encoding>,
    /// Ends reading with an error once it is requested.
    pub stop: Stop,
}

/// Reads a run in TREC format, `query Q0 document rank score tag`, or standard input for
/// `-`.
///
/// A bad line (a wrong number of columns, a score that is not a finite number, a document
/// that its query already has, invalid UTF-8) is skipped and handed to `on_problem`. If a
/// query has a document twice, the first line is kept. Blank lines are ignored.
///
/// # Errors
/// If the file cannot be opened or read to its end.
pub fn read_run(
    path: &Path,
    options: &RunOptions,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Rankings, Error> {
    let stream = ByteStream::open(path, options.encoding, &options.stop)?;
    let lines = Lines::new(stream.reader, LIMIT).decoded_from(stream.encoding);
    from_lines(lines, path, on_problem)
}

/// As [`read_run`], from a stream that is not a file. `path` names it in problems and errors.
/// Compression is not detected.
///
/// # Errors
/// As [`read_run`].
pub fn run_from_reader(
    reader: impl BufRead + Send + 'static,
    path: &Path,
    encoding: Option<Encoding>,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Rankings, Error> {
    let Text { reader, encoding } = text(reader, path, encoding)?;
    let lines = Lines::new(reader, LIMIT).decoded_from(encoding);
    from_lines(lines, path, on_problem)
}

fn from_lines<R: BufRead>(
    mut lines: Lines<R>,
    path: &Path,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Rankings, Error> {
    // By query, then by document: the line and the score.
    let mut found: BTreeMap<String, HashMap<String, (u64, f64)>> = BTreeMap::new();
    loop {
        let next = lines.next_parsed(result);
        let next = next.map_err(|source| Error::read(path, lines.number(), source))?;
        let Some((line, result)) = next else {
            break;
        };
        let kept = result.and_then(|(query, doc, score)| {
            let documents = match found.get_mut(&query) {
                Some(documents) => documents,
                None => found.entry(query.clone()).or_default(),
            };
            match documents.entry(doc) {
                Entry::Vacant(place) => {
                    place.insert((line, score));
                    Ok(())
                }
                Entry::Occupied(place) => Err(Reason::DuplicateResult {
                    query,
                    doc: place.key().clone(),
                    first_line: place.get().0,
                }),
            }
        });
        if let Err(reason) = kept {
            let origin = Origin {
                path: path.to_owned(),
                line: Some(line),
            };
            on_problem(&origin.problem(reason));
        }
    }
    let in_order = |documents: HashMap<String, (u64, f64)>| {
        let documents = documents.into_iter();
        let mut documents: Vec<RunDocument> = documents
            .map(|(doc, (line, score))| RunDocument { doc, score, line })
            .collect();
        documents.sort_unstable_by_key(|document| document.line);
        documents
    };
    let rankings = found.into_iter();
    Ok(rankings
        .map(|(query, documents)| (query, in_order(documents)))
        .collect())
}

/// The query, document and score of one line.
fn result(line: &str) -> Result<(String, String, f64), Reason> {
    let columns = fields::columns(line, 6).map_err(|found| Reason::WrongColumns {
        found,
        expected: "6 (query, Q0, document, rank, score, tag)",
    })?;
    let (query, doc) = (names::id(columns[0])?, names::id(columns[2])?);
    match columns[4].parse::<f64>() {
        Ok(score) if score.is_finite() => {
            // Adding zero turns negative zero into zero, so that the two are a tie.
            Ok((query.to_owned(), doc.to_owned(), score + 0.0))
        }
        _ => Err(Reason::BadScore {
            score: excerpt(columns[4]),
            doc: excerpt(doc),
        }),
    }
}

#[cfg(test)]
mod tests;
