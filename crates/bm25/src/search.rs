//! The best documents of a query, without an accumulator for every document.
//!
//! Documents are scored in windows, as Lucene's boolean scorer does: each clause (a term, or a
//! word with several forms) adds its scores to a small array, then the documents seen are offered to the best. Once enough documents
//! are found, clauses whose upper bounds together do not exceed the score to beat add no new
//! candidates; they are only scored in documents that contain others (MaxScore: Turtle
//! and Flood, Query Evaluation: Strategies and Optimizations, 1995). The ranking is exactly
//! that of scoring everything.

use tantivy::TERMINATED;

use crate::clause::ClauseCursor;
use crate::error::Error;
use crate::top::Top;

/// Documents in a window: an array of this many doubles stays in the first-level cache.
const WINDOW: u32 = 2048;

/// Relative slack of upper bounds, which are summed in another order than scores; far above
/// the rounding error.
const ROUNDING: f64 = 1.0 + 1e-9;

/// The best `depth` documents, best first, ties in ascending order. `depth` is at least
/// 1. Clauses are in the order in which their scores are summed, rarest first.
pub(crate) fn best(
    mut clauses: Vec<ClauseCursor<'_>>,
    depth: usize,
) -> Result<Vec<(f32, u32)>, Error> {
    let bounds = bounds_from(&clauses);
    let mut top = Top::new(depth);
    let mut window = Window::new();
    let mut n_essential = clauses.len();
    loop {
        let (essential, others) = clauses.split_at_mut(n_essential);
        let start = essential
            .iter()
            .map(ClauseCursor::doc)
            .min()
            .unwrap_or(TERMINATED);
        if start == TERMINATED {
            return Ok(top.into_ranking());
        }
        window.fill(start, essential)?;
        window.drain(|doc, score| {
            if let Some(score) = completed(doc, score, others, &bounds[n_essential..], &top)? {
                top.offer(doc, score as f32);
            }
            Ok(())
        })?;
        while n_essential > 0 && cannot_enter(bounds[n_essential - 1], &top) {
            n_essential -= 1;
        }
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

/// Adds what `others` score in `doc`; `None` as soon as it cannot be among the best.
fn completed(
    doc: u32,
    mut score: f64,
    others: &mut [ClauseCursor<'_>],
    bounds: &[f64],
    top: &Top,
) -> Result<Option<f64>, Error> {
    for (clause, &bound) in others.iter_mut().zip(bounds) {
        if cannot_enter(score + bound, top) {
            return Ok(None);
        }
        score += clause.score_of(doc)?.unwrap_or(0.0);
    }
    Ok(Some(score))
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
