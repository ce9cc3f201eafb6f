//! The best documents of a query, without an accumulator for every document.
//!
//! Rows are looked at in windows. Once there is a score to beat, the last clauses (a clause is a
//! term, or a word with several forms) whose upper bounds together do not exceed it add no new
//! candidates; they are only scored in rows that hold others (MaxScore: Turtle and Flood, Query
//! Evaluation: Strategies and Optimizations, 1995). Where a term of which there is much could add
//! candidates, the bounds of blocks say what each clause can score in a window at most (as in
//! Lucene's `MaxScoreBulkScorer`): often more clauses add none, or the window is passed over and
//! nothing of it is decoded. Each clause that does add some adds its scores to a small array, and
//! the rows whose sum is high enough are completed and offered; if there is only one, it also passes
//! over single blocks. The ranking is exactly that of scoring everything.
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

/// From how many postings on, to each row that is allowed and each term, looking takes less time than
/// windows. Measured on a million documents of 30 words, for queries of three words: from 8 to 16
/// postings, looking takes 0.8 of the time of windows for the 10 best and 0.5 for the 100 best, from
/// 64 on a fifth or less; from 4 to 8, 1.8 times as long for the 10 best.
const LOOKING: u64 = 8;

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
    // Those of blocks would cost more than looking.
    let bounds = Bounds::anywhere(&clauses);
    for row in rows.allowed() {
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
    let first_dense = clauses.iter().position(ClauseCursor::is_dense);
    let first_dense = first_dense.unwrap_or(clauses.len());
    let anywhere = Bounds::anywhere(&clauses);
    let mut here = Bounds::default();
    let mut window = Window::new();
    // Clauses that can add candidates somewhere.
    let mut n_adding = clauses.len();
    let mut end = 0;
    loop {
        n_adding = anywhere.n_essential(n_adding, top);
        let next = clauses[..n_adding]
            .iter_mut()
            .map(|clause| clause.next_row(end));
        let start = next.min().unwrap_or(TERMINATED);
        if start >= rows.n {
            return Ok(());
        }
        let is_dense = n_adding > first_dense;
        end = if n_adding == 1 && !is_dense && clauses[0].only_field().is_some() {
            // Nothing is summed, and no bounds are looked at but those of its blocks.
            rows.n
        } else {
            start.saturating_add(WINDOW).min(rows.n)
        };
        if !rows.has_allowed(start, end) {
            continue;
        }
        let bounds = if is_dense && top.least() > f64::NEG_INFINITY {
            here.set(start, end, &mut clauses);
            &here
        } else {
            &anywhere
        };
        let n_essential = bounds.n_essential(n_adding, top);
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
                only.for_each_in::<_, true>(
                    start,
                    end,
                    &mut candidates,
                    is_worth,
                    Candidates::offer,
                )?;
            }
            _ => {
                window.start = start;
                let is_dense = n_essential > first_dense;
                for (nth, clause) in essential.iter_mut().enumerate() {
                    if bounds.own[nth] > 0.0 {
                        window.add(end, clause, is_dense)?;
                    }
                }
                if is_dense {
                    window.drain_groups(&mut candidates)?;
                } else {
                    window.drain_rows(&mut candidates)?;
                }
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
    /// For any rows.
    fn anywhere(clauses: &[ClauseCursor<'_>]) -> Self {
        let mut bounds = Bounds {
            own: clauses.iter().map(ClauseCursor::most).collect(),
            from: Vec::new(),
        };
        bounds.sum();
        bounds
    }

    /// For the rows from `start` to before `end`; `start` never falls.
    fn set(&mut self, start: u32, end: u32, clauses: &mut [ClauseCursor<'_>]) {
        self.own.clear();
        let own = clauses.iter_mut().map(|clause| clause.bound(start, end));
        self.own.extend(own);
        self.sum();
    }

    fn sum(&mut self) {
        self.from.clear();
        self.from.resize(self.own.len() + 1, 0.0);
        for (i, own) in self.own.iter().enumerate().rev() {
            self.from[i] = self.from[i + 1] + own;
        }
    }

    /// How many of the first `n` clauses are left without the last ones that, with all after them,
    /// cannot bring a document among the best.
    fn n_essential(&self, n: usize, top: &Top) -> usize {
        let mut n = n;
        while n > 0 && cannot_enter(self.from[n - 1], top) {
            n -= 1;
        }
        n
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
        if self.rows.contains(row)
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
    /// A bit for each group of rows that may have a score, if scores are dense.
    marks: u32,
    /// A bit for each row that has a score, if they are not.
    seen: [u64; WINDOW as usize / 64],
}

impl Window {
    fn new() -> Self {
        Window {
            start: 0,
            scores: Box::new([0.0; WINDOW as usize]),
            marks: 0,
            seen: [0; WINDOW as usize / 64],
        }
    }

    /// Adds the scores of a clause, up to before row `end`; `is_dense` for all clauses until they
    /// are drained, as groups, or for none.
    fn add(
        &mut self,
        end: u32,
        clause: &mut ClauseCursor<'_>,
        is_dense: bool,
    ) -> Result<(), Error> {
        let start = self.start;
        if !is_dense {
            return clause.for_each_in(start, end, |row, score| {
                let i = (row - start) as usize;
                self.scores[i] += score;
                self.seen[i / 64] |= 1 << (i % 64);
            });
        }
        let mut marks = self.marks;
        clause.for_each_in(start, end, |row, score| {
            let i = (row - start) as usize;
            self.scores[i] += score;
            marks |= 1 << (i / GROUP);
        })?;
        self.marks = marks;
        Ok(())
    }

    /// Offers the rows that have a score, ascending, and clears all.
    fn drain_rows(&mut self, candidates: &mut Candidates<'_, '_>) -> Result<(), Error> {
        for (word, seen) in self.seen.iter_mut().enumerate() {
            while *seen != 0 {
                let i = 64 * word + seen.trailing_zeros() as usize;
                *seen &= *seen - 1;
                let score = std::mem::take(&mut self.scores[i]);
                candidates.offer(self.start + i as u32, score)?;
            }
        }
        Ok(())
    }

    /// Offers the rows whose score may be high enough, ascending, and clears all.
    fn drain_groups(&mut self, candidates: &mut Candidates<'_, '_>) -> Result<(), Error> {
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
