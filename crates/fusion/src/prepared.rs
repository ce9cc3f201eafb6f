//! A pool normalized once, to be ordered under many weights.

use treffer_types::{Candidate, Score, StageMap, StageName};

use crate::columns::{Column, Scored, keep_best, weighted_sum};
use crate::normalizer::Normalizer;
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
            let score = |&i: &usize| candidates[i].scores.get(stage);
            let raw: Vec<Option<f64>> = origins
                .iter()
                .map(|i| score(i).map(|score| f64::from(score.value())))
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

    /// The weighted sum of one candidate, with what an unread one gets for not having
    /// been read.
    pub(crate) fn linear(&self, weights: &Weights, position: u32) -> f64 {
        self.sum(&StageMap::from_fn(|stage| weights.weight(stage)), position)
    }

    /// The weighted sum, always in the same order of stages.
    fn sum(&self, shares: &StageMap<f64>, position: u32) -> f64 {
        let parts = StageName::ALL.map(|stage| (shares[stage], self.columns[stage].as_ref()));
        weighted_sum(parts.into_iter(), position)
    }
}

/// The raw scores in a form that sorts.
fn scores(candidate: &Candidate) -> [Option<Score>; 3] {
    StageName::ALL.map(|stage| candidate.scores.get(stage))
}

#[cfg(test)]
mod tests;
