//! The best documents of a query, without an accumulator for every document.
//!
//! Rows are looked at in windows. For each, the bounds of blocks say what each clause (a term, or a
//! word with several forms) can score in it at most. A window that cannot hold one of the best
//! documents is passed over, and nothing of it is decoded. In any other, the last clauses whose
//! upper bounds together do not exceed the score to beat add no new candidates; they are only
//! scored in rows that hold others (MaxScore: Turtle and Flood, Query Evaluation: Strategies and
//! Optimizations, 1995; with the bounds of blocks as in Lucene's `MaxScoreBulkScorer`). Of the
//! others, each adds its scores to a small array, and the rows whose sum is high enough are
//! completed and offered; if there is only one, it also passes over single blocks. The ranking is
//! exactly that of scoring everything.
//!
//! Parts of an index are searched one after the other, and the score to beat is that of all parts so
//! far. Documents that are deleted or not allowed are never offered, so that it is a score of those
//! that may be found. Where few are allowed, they are looked for in the postings instead.

use tantivy::TERMINATED;

use crate::clause::ClauseCursor;
use crate::error::Error;
use crate::rows::Rows;
use crate::top::Top;

/// Rows in a window: an array of this many doubles stays in the first-level cache.
const WINDOW: u32 = 2048;

/// Rows of a window that are looked at together: as many as a mark has bits.
const GROUP: usize = WINDOW as usize / u32::BITS as usize;

/// Relative slack of upper bounds, which are summed in another order than scores; far above
/// the rounding error.
const ROUNDING: f64 = 1.0 + 1e-9;

/// How many postings are read in the time in which one is looked for. Measured on a million
/// documents of 30 words, for queries of three words and the 10 best: with 8 to 16 postings to each
/// row that is allowed, windows take a third of the time of looking; with 16 to 32, looking takes
/// 0.4 of theirs.
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
    let mut bounds = Bounds::default();
    for row in rows.allowed() {
        bounds.set(row, row + 1, &mut clauses)?;
        if let Some(score) = completed(row, None, &mut clauses, &bounds.from, top)? {
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
    let mut window = Window::new();
    let mut bounds = Bounds::default();
    let mut end = 0;
    loop {
        let next = clauses.iter_mut().map(|clause| clause.next_row(end)).min();
        let start = next.unwrap_or(TERMINATED);
        if start >= rows.n {
            return Ok(());
        }
        end = start.saturating_add(WINDOW).min(rows.n);
        if !rows.has_allowed(start, end) {
            continue;
        }
        bounds.set(start, end, &mut clauses)?;
        let mut n_essential = clauses.len();
        while n_essential > 0 && cannot_enter(bounds.from[n_essential - 1], top) {
            n_essential -= 1;
        }
        let (essential, others) = clauses.split_at_mut(n_essential);
        let mut candidates = Candidates {
            others,
            rest: &bounds.from[n_essential..],
            rows,
            top,
        };
        let mut with_rows = (0..n_essential).filter(|&nth| bounds.own[nth] > 0.0);
        match (with_rows.next(), with_rows.next()) {
            (None, _) => {}
            (Some(nth), None) if let Some(mut only) = essential[nth].only_field() => {
                let is_worth = |candidates: &Candidates<'_, '_>, bound| candidates.can_enter(bound);
                only.for_each_in(start, end, &mut candidates, is_worth, Candidates::offer)?;
            }
            _ => {
                window.start = start;
                for (nth, clause) in essential.iter_mut().enumerate() {
                    if bounds.own[nth] > 0.0 {
                        window.add(end, clause)?;
                    }
                }
                window.drain(&mut candidates)?;
            }
        }
    }
}

/// What clauses can score in some rows at most.
#[derive(Default)]
struct Bounds {
    /// Of each clause: 0 only if no row holds it.
    own: Vec<f64>,
    /// Of each clause, for it and all clauses after it together; 0 at the end.
    from: Vec<f64>,
}

impl Bounds {
    /// For the rows from `start` to before `end`; `start` never falls.
    fn set(&mut self, start: u32, end: u32, clauses: &mut [ClauseCursor<'_>]) -> Result<(), Error> {
        self.own.clear();
        for clause in clauses {
            self.own.push(clause.bound(start, end)?);
        }
        self.from.clear();
        self.from.resize(self.own.len() + 1, 0.0);
        for (i, own) in self.own.iter().enumerate().rev() {
            self.from[i] = self.from[i + 1] + own;
        }
        Ok(())
    }
}

/// Whether no document with the upper bound `bound` can be among the best.
fn cannot_enter(bound: f64, top: &Top) -> bool {
    bound * ROUNDING < top.least()
}

/// Rows of which the first clauses are scored.
struct Candidates<'c, 'a> {
    /// The clauses that are not.
    others: &'c mut [ClauseCursor<'a>],
    /// Upper bounds: of each of them, and of all after it; 0 at the end.
    rest: &'c [f64],
    rows: &'c Rows<'c>,
    top: &'c mut Top,
}

impl Candidates<'_, '_> {
    fn can_enter(&self, score: f64) -> bool {
        !cannot_enter(score + self.rest[0], self.top)
    }

    /// What a score needs to pass [`can_enter`](Self::can_enter), or less.
    fn least(&self) -> f64 {
        let least = self.top.least();
        // What is subtracted last is far more than the rounding error of the rest.
        least / ROUNDING - self.rest[0] - least.abs() * (ROUNDING - 1.0)
    }

    fn offer(&mut self, row: u32, score: f64) -> Result<(), Error> {
        if self.can_enter(score)
            && self.rows.contains(row)
            && let Some(score) = completed(row, Some(score), self.others, self.rest, self.top)?
        {
            self.top.offer(self.rows.global(row), score as f32);
        }
        Ok(())
    }
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

/// Scores of the rows from `start` on: above 0 where a clause occurs.
struct Window {
    start: u32,
    scores: Box<[f64; WINDOW as usize]>,
    /// A bit for each group of rows that may have a score.
    marks: u32,
}

impl Window {
    fn new() -> Self {
        Window {
            start: 0,
            scores: Box::new([0.0; WINDOW as usize]),
            marks: 0,
        }
    }

    /// Adds the scores of a clause, up to before row `end`.
    fn add(&mut self, end: u32, clause: &mut ClauseCursor<'_>) -> Result<(), Error> {
        let start = self.start;
        let mut marks = self.marks;
        clause.for_each_in(start, end, |row, score| {
            let i = (row - start) as usize;
            self.scores[i] += score;
            marks |= 1 << (i / GROUP);
        })?;
        self.marks = marks;
        Ok(())
    }

    /// Offers the rows whose score may be high enough, ascending, and clears all.
    fn drain(&mut self, candidates: &mut Candidates<'_, '_>) -> Result<(), Error> {
        while self.marks != 0 {
            let first = self.marks.trailing_zeros() as usize * GROUP;
            self.marks &= self.marks - 1;
            let group = &mut self.scores[first..first + GROUP];
            let least = candidates.least();
            // Together, as most are too low.
            let is_enough = |score: f64| (score > 0.0) & (score >= least);
            let mut enough = 0u64;
            for (i, &score) in group.iter().enumerate() {
                enough |= u64::from(is_enough(score)) << i;
            }
            while enough != 0 {
                let i = enough.trailing_zeros() as usize;
                enough &= enough - 1;
                candidates.offer(self.start + (first + i) as u32, group[i])?;
            }
            group.fill(0.0);
        }
        Ok(())
    }
}
