//! Choosing by the one-standard-error rule: of the choices that are about as good as the best
//! one, the one that changes least; with a prior, the mean of their weights.

use std::cmp::Ordering;

use treffer_fusion::{Normalizer, Weights};
use treffer_types::{StageMap, StageName};

use crate::tune::Search;
use crate::tune::prior::PriorWeights;
use crate::tune::setup::{Choice, Coordinate, Setup, n_weighted};
use crate::tune::table::{Block, Grid, Row, Table};

/// What a search may choose, beyond what the space holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Maximum number of stages with a weight.
    pub(crate) max_stages: usize,
    /// A stage that gets no weight.
    pub(crate) without: Option<StageName>,
    /// Maximum milliseconds per query.
    pub(crate) budget_ms: Option<f64>,
}

/// The result of a search, as rows of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The largest mean.
    pub(crate) highest: At,
    /// What the choices within one standard error of it come to.
    pub(crate) chosen: At,
    /// What the prior did, if there is one.
    pub(crate) averaged: Option<Averaged>,
}

/// How a prior led to a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Averaged {
    /// How many weightings were averaged.
    pub(crate) n_weightings: usize,
    /// Whether the prior weights themselves were chosen, because the mean is not surely better on
    /// the queries.
    pub(crate) fell_back: bool,
}

/// A row of the table, by block and row number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    block: usize,
    row: usize,
}

/// Rounds of the descent over orders and normalizers.
const ROUNDS: usize = 2;

impl Limits {
    /// Any weights of these stages.
    pub(crate) fn all(stages: &[StageName], budget_ms: Option<f64>) -> Self {
        Limits {
            max_stages: stages.len(),
            without: None,
            budget_ms,
        }
    }
}

impl Table<'_> {
    pub(crate) fn row(&self, at: At) -> &Row {
        &self.blocks[at.block].rows[at.row]
    }

    pub(crate) fn choice(&self, at: At) -> Choice {
        Choice {
            setup: self.blocks[at.block].setup.clone(),
            weights: self.row(at).weights.clone(),
        }
    }

    /// Searches with `queries` alone. `fitted` is the cross-encoder's sigmoid, fitted
    /// on them. `None` if no choice is within the limits.
    ///
    /// A search for weights looks at every point of the grid. A full search is a
    /// coordinate descent: all combinations of depths, then the order and each stage's
    /// normalizer in turn, every one with the best weights of a coarse grid; then the
    /// fine grid of weights under the best setup. The winner is chosen among all rows that
    /// were measured on the way.
    pub(crate) fn search(
        &mut self,
        queries: &[usize],
        fitted: Normalizer,
        limits: &Limits,
    ) -> Option<Found> {
        let space = self.space;
        let first = match space.search {
            Search::Weights => Grid::Fine,
            Search::Full => Grid::Coarse,
        };
        let mut seen = Vec::new();
        let mut best: Option<(usize, f64)> = None;
        let mut setups = vec![space.current.clone()];
        setups.extend(space.depth_setups());
        self.try_all(&setups, first, queries, limits, &mut seen, &mut best);
        for _ in 0..ROUNDS {
            let Some(before) = best else { break };
            for coordinate in Coordinate::all(space) {
                let (leader, _) = best.unwrap_or(before);
                let setups = coordinate.variants(space, &self.blocks[leader].setup, fitted);
                self.try_all(&setups, first, queries, limits, &mut seen, &mut best);
            }
            if best == Some(before) {
                break;
            }
        }
        let leader = self.blocks[best?.0].setup.clone();
        self.try_all(&[leader], Grid::Fine, queries, limits, &mut seen, &mut best);
        self.choose(&seen, queries, limits)
    }

    /// Looks at the rows of some setups. On a tie the earlier one stays.
    fn try_all(
        &mut self,
        setups: &[Setup],
        grid: Grid,
        queries: &[usize],
        limits: &Limits,
        seen: &mut Vec<usize>,
        best: &mut Option<(usize, f64)>,
    ) {
        for setup in setups {
            let at = self.block(setup, grid);
            if seen.contains(&at) {
                continue;
            }
            seen.push(at);
            let block = &self.blocks[at];
            let means = block
                .rows
                .iter()
                .filter(|row| self.is_allowed(block, row, limits))
                .map(|row| mean_over(&row.values, queries));
            if let Some(mean) = means.reduce(f64::max)
                && best.is_none_or(|(_, leading)| mean > leading)
            {
                *best = Some((at, mean));
            }
        }
    }

    fn is_allowed(&self, block: &Block, row: &Row, limits: &Limits) -> bool {
        let is_fast = limits
            .budget_ms
            .is_none_or(|budget| self.ms(block, &row.weights).is_none_or(|ms| ms <= budget));
        let is_without = limits
            .without
            .is_none_or(|stage| row.weights.weight(stage) == 0.0);
        is_fast && is_without && n_weighted(&row.weights) <= limits.max_stages
    }

    /// The one-standard-error rule (Breiman and others, Classification and Regression
    /// Trees, 1984), on paired differences: among the rows whose mean is below the largest by
    /// at most the standard error of the difference, the simplest one wins.
    ///
    /// Simplest is what changes least: fewer settings of the current profile, then weights
    /// nearer to the current ones, then nearer to equal ones. Fewer stages first would be
    /// the textbook's order, but it costs more than it saves: with some fifty queries a
    /// standard error is wide, and a stage that helps is dropped (out of fold .727 against
    /// .744 on MS MARCO DL 2020, .675 against .693 on the e-commerce queries). Ties for the
    /// largest mean are broken in the same way.
    ///
    /// With a prior, only the settings are chosen so, and the weights by [`Table::averaged`].
    pub(crate) fn choose(
        &self,
        blocks: &[usize],
        queries: &[usize],
        limits: &Limits,
    ) -> Option<Found> {
        let mut rows: Vec<(At, f64)> = Vec::new();
        for block in blocks {
            for (row, measured) in self.blocks[*block].rows.iter().enumerate() {
                if self.is_allowed(&self.blocks[*block], measured, limits) {
                    let at = At { block: *block, row };
                    rows.push((at, mean_over(&measured.values, queries)));
                }
            }
        }
        let largest = rows.iter().map(|(_, mean)| *mean).reduce(f64::max)?;
        let tied = |mean: f64| largest - mean <= ROUNDING;
        let nearest = |a: &At, b: &At| self.change(*a).compare(&self.change(*b));
        let highest = (rows.iter().filter(|(_, mean)| tied(*mean)))
            .map(|(at, _)| *at)
            .min_by(nearest)?;
        let top = &self.row(highest).values;
        let is_as_good = |at: At, mean: f64| {
            let (behind, error) = difference(top, &self.row(at).values, queries);
            // Where two rows differ in a single query, both are the same but for rounding.
            tied(mean) || behind <= error + ROUNDING
        };
        rows.retain(|(at, mean)| is_as_good(*at, *mean));
        if let Some(prior) = &self.space.prior {
            let (chosen, averaged) = self.averaged(&rows, highest, prior, queries, limits)?;
            return Some(Found {
                highest,
                chosen,
                averaged: Some(averaged),
            });
        }
        Some(Found {
            highest,
            chosen: rows.iter().map(|(at, _)| *at).min_by(nearest)?,
            averaged: None,
        })
    }

    /// Of rows that are about as good as the `highest`, the mean of the weights, each counted by
    /// its density under the prior; or the prior's own weights, unless that mean is better on the
    /// queries by more than half a standard error of the difference. See [`prior`](super::prior).
    ///
    /// The rows are those of one setup, that of the best among those with the fewest changes. If
    /// the number of stages is limited, they also weigh the same stages as the best of them, as
    /// the mean of two pairs would weigh three.
    fn averaged(
        &self,
        good: &[(At, f64)],
        highest: At,
        prior: &PriorWeights,
        queries: &[usize],
        limits: &Limits,
    ) -> Option<(At, Averaged)> {
        let n_changed = |at: &At| self.change(*at).n_changed;
        let fewest = good.iter().map(|(at, _)| n_changed(at)).min()?;
        let few = good.iter().filter(|(at, _)| n_changed(at) == fewest);
        let better = |best: &(At, f64), other: &(At, f64)| other.1 - best.1 > ROUNDING;
        let (best, _) = few.reduce(|best, other| if better(best, other) { other } else { best })?;
        // Among equals, ties for the highest were broken already.
        let leader = if n_changed(&highest) == fewest {
            highest
        } else {
            *best
        };
        let setup = &self.blocks[leader.block].setup;
        let is_of_setup = |(at, _): &&(At, f64)| self.blocks[at.block].setup == *setup;
        let finest = (good.iter().filter(is_of_setup))
            .map(|(at, _)| at.block)
            .max_by_key(|block| self.blocks[*block].rows.len())?;
        let is_limited = limits.max_stages < self.space.stages().len();
        let weighted = |row: &Row| -> Vec<StageName> {
            let stages = self.space.stages().iter().copied();
            stages.filter(|s| row.weights.weight(*s) > 0.0).collect()
        };
        let of_leader = weighted(self.row(leader));
        let is_alike = |row: &Row| !is_limited || weighted(row) == of_leader;
        let block = &self.blocks[finest];

        let (mut sum, mut total, mut n_weightings) = (StageMap::new(), 0.0, 0);
        for stage in self.space.stages() {
            sum.insert(*stage, 0.0);
        }
        for (at, _) in good {
            let row = self.row(*at);
            if at.block != finest || !is_alike(row) {
                continue;
            }
            let density = prior.density(&row.weights);
            total += density;
            n_weightings += 1;
            sum = sum.map(|stage, sum| sum + density * row.weights.weight(stage));
        }
        if n_weightings == 0 {
            // No point of the finer grid has the stages of the leader, which is on a coarser one.
            let averaged = Averaged {
                n_weightings: 1,
                fell_back: self.row(leader).weights == prior.weights,
            };
            return Some((leader, averaged));
        }
        let mean = sum.map(|_, sum| sum / total);
        let allowed = (0..block.rows.len())
            .filter(|row| self.is_allowed(block, &block.rows[*row], limits))
            .filter(|row| is_alike(&block.rows[*row]));
        let from = |row: &usize| {
            let weights = &block.rows[*row].weights;
            let squares = mean
                .iter()
                .map(|(s, mean)| (weights.weight(s) - mean).powi(2));
            (squares.sum::<f64>(), weights.distance(&prior.weights))
        };
        let nearest = allowed
            .clone()
            .map(|row| (row, from(&row)))
            .min_by(|(_, a), (_, b)| compare(a.0, b.0).then_with(|| compare(a.1, b.1)))
            .map(|(row, _)| row)?;
        let itself = allowed
            .clone()
            .find(|row| block.rows[*row].weights == prior.weights);
        let row = itself.map_or(nearest, |itself| {
            let [a, b] = [nearest, itself].map(|row| &block.rows[row].values);
            let (gain, error) = difference(a, b, queries);
            if gain > FALLBACK * error + ROUNDING {
                nearest
            } else {
                itself
            }
        });
        let averaged = Averaged {
            n_weightings,
            fell_back: itself == Some(row),
        };
        Some((At { block: finest, row }, averaged))
    }

    fn change(&self, at: At) -> Change {
        let choice = self.choice(at);
        let equal = Weights::equal(self.space.stages());
        Change {
            n_changed: choice.setup.differences(&self.space.current).len(),
            from_current: choice.weights.distance(&self.space.current_weights),
            from_equal: equal.map_or(0.0, |equal| choice.weights.distance(&equal)),
        }
    }
}

/// How much a choice changes; see [`Table::choose`].
struct Change {
    n_changed: usize,
    from_current: f64,
    from_equal: f64,
}

impl Change {
    fn compare(&self, other: &Change) -> Ordering {
        (self.n_changed.cmp(&other.n_changed))
            .then_with(|| compare(self.from_current, other.from_current))
            .then_with(|| compare(self.from_equal, other.from_equal))
    }
}

/// Compares distances. They are sums of fractions; differences by rounding count as ties.
fn compare(a: f64, b: f64) -> Ordering {
    ((a * 1e9).round() as i64).cmp(&((b * 1e9).round() as i64))
}

/// Means up to this apart are equal.
const ROUNDING: f64 = 1e-12;

pub(crate) fn mean_over(values: &[f64], queries: &[usize]) -> f64 {
    queries.iter().map(|query| values[*query]).sum::<f64>() / queries.len() as f64
}

/// The mean of `a - b` over some queries, and its standard error; an error of 0 if
/// there is only one query.
pub(crate) fn difference(a: &[f64], b: &[f64], queries: &[usize]) -> (f64, f64) {
    let n = queries.len() as f64;
    let mean = queries.iter().map(|at| a[*at] - b[*at]).sum::<f64>() / n;
    if queries.len() < 2 {
        return (mean, 0.0);
    }
    let squares: f64 = queries
        .iter()
        .map(|at| (a[*at] - b[*at] - mean).powi(2))
        .sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

/// Standard errors by which a mean of weights has to be better than the prior's weights on the
/// queries that chose it. A whole one would give up a third of the gain with ten queries.
const FALLBACK: f64 = 0.5;
