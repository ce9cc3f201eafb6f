//! A pool normalized once, to be ordered under many weights.

use std::cmp::Ordering;

use treffer_types::{Candidate, Score, StageName};

use crate::columns::{Column, Scored, Weighted, keep_best, weighted_sum};
use crate::normalization::{Normalization, StandIn};
use crate::weights::Weights;

/// The normalized scores of one pool, column by column.
///
/// A tuner prepares each query's pool once and then orders it thousands of times; one
/// ordering costs a pass over the columns, a sort, and allocations whose number does not
/// depend on the pool.
///
/// The order is by weighted sum, best first, ties by document. A stage of weight 0 has no
/// influence, and neither has one that scored nothing in the pool. While the reranker has
/// a weight, the candidates that it has scored come first and the others follow, ordered
/// by the other stages: a missing score is no evidence of relevance, and must not beat a low
/// score.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Position in the pool as given, for each candidate in the order that settles ties. All
    /// other fields are in that order too, so a tie is settled by comparing positions.
    origins: Vec<usize>,
    /// In the order of the normalizers; `None` for a stage that scored nothing.
    columns: Vec<(StageName, Option<Column>)>,
    reranking: Option<Reranking>,
    /// A stage, what stands in for it, and at which position.
    stood_in: Vec<(StageName, StageName, u32)>,
}

/// How a reranker divides a pool: into what it has scored and what it has not.
#[derive(Clone, Debug)]
pub(crate) struct Reranking {
    /// The reranker.
    pub(crate) stage: StageName,
    /// Positions that it has scored, ascending; never empty.
    pub(crate) head: Vec<u32>,
    /// Positions that it has not scored, ascending.
    pub(crate) tail: Vec<u32>,
}

impl Prepared {
    /// Normalizes a pool.
    pub fn new(candidates: &[Candidate], normalization: &Normalization) -> Self {
        let raw: Vec<Vec<Option<Score>>> = normalization
            .normalizers
            .stages()
            .map(|stage| {
                let aggregate = |c| normalization.aggregation.aggregate(c, stage);
                candidates.iter().map(aggregate).collect()
            })
            .collect();
        // Sums over a column run in this order, so they do not depend on the pool's.
        let origins = order_of_ties(candidates, &raw);
        let mut columns: Vec<(StageName, Option<Column>)> = (normalization.normalizers.iter())
            .zip(&raw)
            .map(|((stage, normalizer), raw)| {
                let score = |&i: &usize| raw[i].map(|score| f64::from(score.value()));
                let raw: Vec<Option<f64>> = origins.iter().map(score).collect();
                (stage, normalizer.normalize(&raw))
            })
            .collect();
        let stood_in = match normalization.stand_in {
            None => Vec::new(),
            Some(stand_in) => let_stand_in(stand_in, candidates, &origins, &mut columns),
        };
        let reranking = normalization.reranker.and_then(|reranker| {
            let column = columns.iter().find(|(stage, _)| *stage == reranker);
            Reranking::new(reranker, column?.1.as_ref()?)
        });
        Prepared {
            origins,
            columns,
            reranking,
            stood_in,
        }
    }

    /// Whether another stage stands in for `stage` at a position, and which.
    pub(crate) fn stand_in(&self, stage: StageName, position: u32) -> Option<StageName> {
        let mut stood_in = self.stood_in.iter();
        let found = stood_in.find(|(of, _, at)| *of == stage && *at == position);
        found.map(|(_, by, _)| *by)
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

    /// The `k` best with their sums. The sum of a candidate in the tail lacks the
    /// reranker's part.
    pub(crate) fn order(&self, weights: &Weights, k: usize) -> Vec<Scored> {
        let columns = self.weighted(weights, |_| true);
        let scored = |position| Scored {
            sum: weighted_sum(&columns, position),
            position,
        };
        let mut order = Vec::with_capacity(self.len());
        let Some(reranking) = self.reranking_under(weights) else {
            order.extend((0_u32..).take(self.len()).map(scored));
            keep_best(&mut order, 0, k);
            return order;
        };
        order.extend(reranking.head.iter().copied().map(scored));
        keep_best(&mut order, 0, k);
        if order.len() < k {
            let others = self.weighted(weights, |stage| stage != reranking.stage);
            let n_head = order.len();
            order.extend(reranking.tail.iter().map(|&position| Scored {
                sum: weighted_sum(&others, position),
                position,
            }));
            keep_best(&mut order, n_head, k);
        }
        order
    }

    /// The weighted sum of every candidate by position, with what one in the tail gets for
    /// not having been reranked.
    #[cfg(feature = "learned")]
    pub(crate) fn sums(&self, weights: &Weights) -> Vec<f64> {
        let columns = self.weighted(weights, |_| true);
        let positions = (0_u32..).take(self.len());
        positions
            .map(|position| weighted_sum(&columns, position))
            .collect()
    }

    /// How the reranker divides the pool, if it scored anything.
    pub(crate) fn reranking(&self) -> Option<&Reranking> {
        self.reranking.as_ref()
    }

    /// The same while the reranker has a weight.
    pub(crate) fn reranking_under(&self, weights: &Weights) -> Option<&Reranking> {
        let has_weight = |reranking: &&Reranking| weights.parts().get_or(reranking.stage, 0) > 0;
        self.reranking().filter(has_weight)
    }

    /// The stages in the order of their columns, `None` for one that scored nothing.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (StageName, Option<&Column>)> {
        self.columns
            .iter()
            .map(|(stage, column)| (*stage, column.as_ref()))
    }

    /// The position in the pool that was given.
    pub(crate) fn origin(&self, position: u32) -> usize {
        self.origins[position as usize]
    }

    /// The columns that have an influence, of the stages that `takes_part` names.
    fn weighted(
        &self,
        weights: &Weights,
        takes_part: impl Fn(StageName) -> bool,
    ) -> Vec<Weighted<'_>> {
        self.columns()
            .filter(|(stage, _)| takes_part(*stage))
            .filter_map(|(stage, column)| Some((weights.weight(stage), &*column?.values)))
            .filter(|(weight, _)| *weight > 0.0)
            .collect()
    }
}

impl Reranking {
    fn new(stage: StageName, column: &Column) -> Option<Self> {
        let is_scored = |position: &u32| column.ranks[*position as usize].is_some();
        let (head, tail) = (0_u32..)
            .take(column.ranks.len())
            .partition::<Vec<_>, _>(is_scored);
        (!head.is_empty()).then_some(Reranking { stage, head, tail })
    }

    /// Whether the reranker has not scored the candidate at a position.
    #[cfg(feature = "learned")]
    pub(crate) fn is_in_tail(&self, position: u32) -> bool {
        self.tail.binary_search(&position).is_ok()
    }
}

/// Raises the scores of a stage to those that stand in for them. Returns where.
fn let_stand_in(
    StandIn { stage, by, share }: StandIn,
    candidates: &[Candidate],
    origins: &[usize],
    columns: &mut [(StageName, Option<Column>)],
) -> Vec<(StageName, StageName, u32)> {
    let values_of = |stage: StageName| {
        let column = columns.iter().find(|(name, _)| *name == stage);
        column.and_then(|(_, column)| Some(column.as_ref()?.values.clone()))
    };
    let Some(standing_in) = values_of(by) else {
        return Vec::new();
    };
    let of_stage = columns.iter_mut().find(|(name, _)| *name == stage);
    let Some(column) = of_stage.and_then(|(_, column)| column.as_mut()) else {
        return Vec::new();
    };
    let mut stood_in = Vec::new();
    for (position, origin) in (0_u32..).zip(origins) {
        let value = &mut column.values[position as usize];
        let least = share * standing_in[position as usize];
        if candidates[*origin].is_foreign && least > *value {
            *value = least;
            stood_in.push((stage, by, position));
        }
    }
    stood_in
}

/// The candidates by document. Their scores only matter for a pool that holds a document
/// twice.
fn order_of_ties(candidates: &[Candidate], raw: &[Vec<Option<Score>>]) -> Vec<usize> {
    let by_scores = |a: usize, b: usize| -> Ordering {
        let scores_of = |i: usize| raw.iter().map(move |column| column[i]);
        scores_of(a).cmp(scores_of(b))
    };
    let mut origins: Vec<usize> = (0..candidates.len()).collect();
    origins.sort_by(|&a, &b| {
        let by_doc = candidates[a].doc.cmp(&candidates[b].doc);
        by_doc.then_with(|| by_scores(a, b))
    });
    origins
}

#[cfg(test)]
mod tests;
