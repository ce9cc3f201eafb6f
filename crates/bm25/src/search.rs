//! The best documents of a query, without an accumulator for every document.
//!
//! Documents are scored in windows, as Lucene's boolean scorer does: each clause (a term, or a
//! word with several forms) adds its scores to a small array, then the documents seen are offered to the best. Once enough documents
//! are found, clauses whose upper bounds together do not exceed the score to beat add no new
//! candidates; they are only scored in documents that contain others (MaxScore: Turtle
//! and Flood, Query Evaluation: Strategies and Optimizations, 1995). The ranking is exactly
//! that of scoring everything.
//!
//! Parts of an index are searched one after the other, and the score to beat is that of all parts so
//! far. Documents that are deleted or not allowed are never offered, so that it is a score of those
//! that may be found. Where few are allowed, they are looked for in the postings instead.

use tantivy::TERMINATED;

use crate::clause::ClauseCursor;
use crate::error::Error;
use crate::rows::Rows;
use crate::top::Top;

/// Documents in a window: an array of this many doubles stays in the first-level cache.
const WINDOW: u32 = 2048;

/// Relative slack of upper bounds, which are summed in another order than scores; far above
/// the rounding error.
const ROUNDING: f64 = 1.0 + 1e-9;

/// How many postings are read in the time in which one is looked for.
const LOOKING: u64 = 16;

/// Offers the documents of a part to `top`, which has been offered those of the parts before.
/// Clauses are in the order in which their scores are summed, rarest first.
pub(crate) fn offer_best(
    clauses: Vec<ClauseCursor<'_>>,
    rows: &Rows<'_>,
    top: &mut Top,
) -> Result<(), Error> {
    let fields = || clauses.iter().flat_map(ClauseCursor::fields);
    let n_postings: u64 = fields().map(|field| u64::from(field.n_postings())).sum();
    if n_postings == 0 {
        return Ok(());
    }
    match rows.n_allowed() {
        Some(n_allowed) if n_allowed as u64 * fields().count() as u64 * LOOKING < n_postings => {
            offer_allowed(clauses, rows, top)
        }
        _ => offer_found(clauses, rows, top),
    }
}

/// Walks the few documents that are allowed, and looks for each in the postings.
fn offer_allowed(
    mut clauses: Vec<ClauseCursor<'_>>,
    rows: &Rows<'_>,
    top: &mut Top,
) -> Result<(), Error> {
    let bounds = bounds_from(&clauses);
    for row in rows.allowed() {
        if let Some(score) = completed(row, None, &mut clauses, &bounds, top)? {
            top.offer(rows.global(row), score as f32);
        }
    }
    Ok(())
}

/// Walks the postings.
fn offer_found(
    mut clauses: Vec<ClauseCursor<'_>>,
    rows: &Rows<'_>,
    top: &mut Top,
) -> Result<(), Error> {
    let bounds = bounds_from(&clauses);
    let mut window = Window::new();
    let mut n_essential = clauses.len();
    loop {
        while n_essential > 0 && cannot_enter(bounds[n_essential - 1], top) {
            n_essential -= 1;
        }
        let (essential, others) = clauses.split_at_mut(n_essential);
        let start = essential
            .iter()
            .map(ClauseCursor::doc)
            .min()
            .unwrap_or(TERMINATED);
        if start == TERMINATED {
            return Ok(());
        }
        window.fill(start, essential)?;
        window.drain(|row, score| {
            if rows.contains(row)
                && let Some(score) =
                    completed(row, Some(score), others, &bounds[n_essential..], top)?
            {
                top.offer(rows.global(row), score as f32);
            }
            Ok(())
        })?;
    }
}

/// For each clause, the upper bound of what it and all clauses after it add to a score; 0 at
/// the end.
fn bounds_from(clauses: &[ClauseCursor<'_>]) -> Vec<f64> {
    let mut bounds = vec![0.0; clauses.len() + 1];
    for (i, clause) in clauses.iter().enumerate().rev() {
        bounds[i] = bounds[i + 1] + clause.bound();
    }
    bounds
}

/// Whether no document with the upper bound `bound` can be among the best.
fn cannot_enter(bound: f64, top: &Top) -> bool {
    bound * ROUNDING <= f64::from(top.threshold())
}

/// Adds what `others` score in `doc`; `None` as soon as it cannot be among the best, or if nothing
/// scores anything.
fn completed(
    doc: u32,
    mut score: Option<f64>,
    others: &mut [ClauseCursor<'_>],
    bounds: &[f64],
    top: &Top,
) -> Result<Option<f64>, Error> {
    for (clause, &bound) in others.iter_mut().zip(bounds) {
        if cannot_enter(score.unwrap_or(0.0) + bound, top) {
            return Ok(None);
        }
        if let Some(further) = clause.score_of(doc)? {
            score = Some(score.unwrap_or(0.0) + further);
        }
    }
    Ok(score)
}

/// Scores of the documents from `start` on, and which of them have one.
struct Window {
    start: u32,
    scores: Box<[f64; WINDOW as usize]>,
    seen: [u64; WINDOW as usize / 64],
}

impl Window {
    fn new() -> Self {
        Window {
            start: 0,
            scores: Box::new([0.0; WINDOW as usize]),
            seen: [0; WINDOW as usize / 64],
        }
    }

    /// Sums the scores of `clauses`, one after the other, from document `start` on.
    fn fill(&mut self, start: u32, clauses: &mut [ClauseCursor<'_>]) -> Result<(), Error> {
        self.start = start;
        for clause in clauses {
            clause.for_each_before(
                start.saturating_add(WINDOW).min(TERMINATED),
                |doc, score| {
                    let i = (doc - start) as usize;
                    self.scores[i] += score;
                    self.seen[i / 64] |= 1 << (i % 64);
                },
            )?;
        }
        Ok(())
    }

    /// Visits the documents that have a score, ascending, and clears them.
    fn drain(&mut self, mut visit: impl FnMut(u32, f64) -> Result<(), Error>) -> Result<(), Error> {
        for (word, seen) in self.seen.iter_mut().enumerate() {
            while *seen != 0 {
                let i = 64 * word + seen.trailing_zeros() as usize;
                *seen &= *seen - 1;
                visit(self.start + i as u32, std::mem::take(&mut self.scores[i]))?;
            }
        }
        Ok(())
    }
}
