//! A pool normalized once, to be ordered under many weights.

use std::cmp::Ordering;

use treffer_types::{Candidate, Score, StageMap, StageName};

use crate::normalizer::{Column, Normalizer};
use crate::weights::Weights;

/// The normalized scores of one pool, column by column.
///
/// A tuner prepares each query's pool once and then orders it thousands of times;
/// one ordering costs a pass over the columns, a sort, and one allocation.
///
/// The order is that of the weighted sum, best first, ties by document and then
/// by passage. A stage that weighs 0 has no influence, nor has one that scored
/// nothing in the pool. While the cross-encoder has a weight, the candidates it
/// has read come first and the unread ones follow, ordered by the other stages:
/// having been skipped is no evidence and must not beat a low score.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Position in the pool as given, for each candidate in the order of ties. All
    /// else here is in that order too, so a tie is settled by comparing positions.
    origins: Vec<usize>,
    /// What the stages gave, `None` for a stage that scored nothing.
    pub(crate) columns: StageMap<Option<Column>>,
    /// Positions that the cross-encoder has read, ascending.
    read: Vec<u32>,
    /// Positions that it has not read, ascending.
    unread: Vec<u32>,
}

impl Prepared {
    /// Normalizes a pool.
    pub fn new(candidates: &[Candidate], normalizers: &StageMap<Normalizer>) -> Self {
        let mut origins: Vec<usize> = (0..candidates.len()).collect();
        // By passage; the scores only matter for a pool that holds a passage twice.
        // Sums over a column run in this order, so they do not depend on the pool's.
        origins.sort_by_key(|&i| (candidates[i].passage, scores(&candidates[i])));
        let columns = StageMap::from_fn(|stage| {
            let raw: Vec<Option<Score>> = origins
                .iter()
                .map(|&i| candidates[i].scores.get(stage))
                .collect();
            normalizers[stage].normalize(&raw)
        });
        let (read, unread) = (0_u32..)
            .zip(&origins)
            .map(|(position, &i)| (position, &candidates[i]))
            .partition::<Vec<_>, _>(|(_, c)| c.scores.get(StageName::Cross).is_some());
        Prepared {
            origins,
            columns,
            read: read.into_iter().map(|(position, _)| position).collect(),
            unread: unread.into_iter().map(|(position, _)| position).collect(),
        }
    }

    /// Number of candidates.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether there are no candidates.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Every candidate, best first, as its position in the pool that was given.
    pub fn rank(&self, weights: &Weights) -> Vec<usize> {
        self.top(weights, self.len())
    }

    /// The `k` best candidates, or all if there are fewer: the beginning of
    /// [`rank`](Self::rank).
    pub fn top(&self, weights: &Weights, k: usize) -> Vec<usize> {
        self.order(weights, k)
            .into_iter()
            .map(|scored| self.origins[scored.position as usize])
            .collect()
    }

    /// The `k` best with their sums. A sum of an unread candidate lacks the
    /// cross-encoder's part.
    pub(crate) fn order(&self, weights: &Weights, k: usize) -> Vec<Scored> {
        let shares = StageMap::from_fn(|stage| weights.weight(stage));
        let scored = |position| Scored {
            sum: self.sum(&shares, position),
            position,
        };
        let mut order = Vec::with_capacity(self.len());
        if self.has_tail(weights) {
            order.extend(self.read.iter().copied().map(scored));
            keep_best(&mut order, 0, k);
            if order.len() < k {
                let shares = StageMap {
                    cross: 0.0,
                    ..shares
                };
                let n_read = order.len();
                order.extend(self.unread.iter().map(|&position| Scored {
                    sum: self.sum(&shares, position),
                    position,
                }));
                keep_best(&mut order, n_read, k);
            }
        } else {
            order.extend((0_u32..).take(self.len()).map(scored));
            keep_best(&mut order, 0, k);
        }
        order
    }

    /// Whether unread candidates stand apart from read ones.
    pub(crate) fn has_tail(&self, weights: &Weights) -> bool {
        weights.parts().cross > 0 && !self.read.is_empty()
    }

    /// The position in the pool that was given.
    pub(crate) fn origin(&self, position: u32) -> usize {
        self.origins[position as usize]
    }

    /// The weighted sum, always in the same order of stages. It starts from
    /// positive zero, so that it is never negative zero.
    fn sum(&self, shares: &StageMap<f64>, position: u32) -> f64 {
        let mut sum = 0.0;
        for stage in StageName::ALL {
            if let Some(column) = &self.columns[stage]
                && shares[stage] > 0.0
            {
                sum += shares[stage] * column.values[position as usize];
            }
        }
        sum
    }
}

/// A candidate in the order of ties, and its weighted sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    pub(crate) sum: f64,
    pub(crate) position: u32,
}

/// Sorts `order[from..]`, best first, and cuts `order` to its `k` best.
fn keep_best(order: &mut Vec<Scored>, from: usize, k: usize) {
    let better_first = |a: &Scored, b: &Scored| -> Ordering {
        (b.sum.total_cmp(&a.sum)).then(a.position.cmp(&b.position))
    };
    if k < order.len() {
        if k > from {
            order[from..].select_nth_unstable_by(k - from, better_first);
        }
        order.truncate(k);
    }
    if let Some(block) = order.get_mut(from..) {
        block.sort_unstable_by(better_first);
    }
}

/// The raw scores in a form that sorts.
fn scores(candidate: &Candidate) -> [Option<Score>; 3] {
    StageName::ALL.map(|stage| candidate.scores.get(stage))
}

#[cfg(test)]
mod tests;
