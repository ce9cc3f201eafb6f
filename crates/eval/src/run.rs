//! Runs: rankings for many queries, and how they are written in TREC's format.

use std::collections::BTreeMap;
use std::io::Write;

use crate::error::Error;

/// Rankings by query id, best document first.
///
/// The order of the entries is the ranking. [`Run::from_rankings`] keeps the given order,
/// and [`Run::sort_as_trec_eval`] is for what was read from a file.
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
    /// document id, both descending. Zero and negative zero are equal.
    pub fn sort_as_trec_eval(&mut self) {
        // Adding zero turns negative zero into zero.
        let single = |entry: &RunEntry| entry.score as f32 + 0.0;
        for entries in self.0.values_mut() {
            entries
                .sort_by(|a, b| (single(b).total_cmp(&single(a))).then_with(|| b.doc.cmp(&a.doc)));
        }
    }

    /// Leaves out of every ranking the document that has the query's id, as one does for
    /// collections in which queries are documents. Returns how many were left out.
    pub fn exclude_self(&mut self) -> usize {
        let mut n_left_out = 0;
        for (query, entries) in &mut self.0 {
            let before = entries.len();
            entries.retain(|entry| entry.doc != *query);
            n_left_out += before - entries.len();
        }
        n_left_out
    }
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
