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
/// score. A candidate that the reranker cannot read ([`Candidate::is_unreadable`]) is among the
/// first, with the mean of the other stages' scores, by their weights, in the place of the
/// reranker's.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Position in the pool as given, for each candidate in the order that settles ties. All
    /// other fields are in that order too, so a tie is settled by comparing positions.
    origins: Vec<usize>,
    /// In the order of the normalizers; `None` for a stage that scored nothing.
    columns: Vec<(StageName, Option<Column>)>,
    reranking: Option<Reranking>,
    stood_in: Option<StoodIn>,
}

/// A column in which another stage stands in for some scores.
#[derive(Clone, Debug)]
struct StoodIn {
    stage: StageName,
    by: StageName,
    values: Vec<f64>,
}

/// How a reranker divides a pool: into what it has scored and what it has not.
#[derive(Clone, Debug)]
pub(crate) struct Reranking {
    /// The reranker.
    pub(crate) stage: StageName,
    /// Positions that it has scored, and those of `unreadable`, ascending; never empty.
    pub(crate) head: Vec<u32>,
    /// Positions that it has not scored but could have, ascending.
    pub(crate) tail: Vec<u32>,
    /// Positions that it cannot score, ascending.
    unreadable: Vec<u32>,
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
        let columns: Vec<(StageName, Option<Column>)> = (normalization.normalizers.iter())
            .zip(&raw)
            .map(|((stage, normalizer), raw)| {
                let score = |&i: &usize| raw[i].map(|score| f64::from(score.value()));
                let raw: Vec<Option<f64>> = origins.iter().map(score).collect();
                (stage, normalizer.normalize(&raw))
            })
            .collect();
        let stood_in = normalization.stand_in;
        let stood_in = stood_in.and_then(|one| StoodIn::new(one, candidates, &origins, &columns));
        let reranking = normalization.reranker.and_then(|reranker| {
            let column = columns.iter().find(|(stage, _)| *stage == reranker);
            let is_unreadable =
                |&position: &u32| candidates[origins[position as usize]].is_unreadable;
            Reranking::new(reranker, column?.1.as_ref()?, is_unreadable)
        });
        Prepared {
            origins,
            columns,
            reranking,
            stood_in,
        }
    }

    /// A stage's value at a position under these weights, and the stage that stands in for it, if
    /// one does.
    pub(crate) fn value(
        &self,
        (stage, column): (StageName, &Column),
        weights: &Weights,
        position: u32,
    ) -> (f64, Option<StageName>) {
        let own = column.values[position as usize];
        match self.stood_in_under(stage, weights) {
            Some(one) if one.values[position as usize] > own => {
                (one.values[position as usize], Some(one.by))
            }
            _ => (own, None),
        }
    }

    /// What stands in for a stage while the stage that does has a weight.
    fn stood_in_under(&self, stage: StageName, weights: &Weights) -> Option<&StoodIn> {
        let stood_in = self.stood_in.as_ref();
        stood_in.filter(|one| one.stage == stage && weights.weight(one.by) > 0.0)
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
        let mut order = Vec::with_capacity(self.len());
        let Some(reranking) = self.reranking_under(weights) else {
            let columns = self.weighted(weights, |_| true);
            order.extend((0_u32..).take(self.len()).map(|position| Scored {
                sum: weighted_sum(&columns, position),
                position,
            }));
            keep_best(&mut order, 0, k);
            return order;
        };
        let sums = Sums::new(self, reranking, weights);
        order.extend(reranking.head.iter().map(|&position| Scored {
            sum: sums.of_head(position),
            position,
        }));
        keep_best(&mut order, 0, k);
        if order.len() < k {
            let n_head = order.len();
            order.extend(reranking.tail.iter().map(|&position| Scored {
                sum: weighted_sum(&sums.others, position),
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
        let positions = (0_u32..).take(self.len());
        match self.reranking_under(weights) {
            Some(reranking) => {
                let sums = Sums::new(self, reranking, weights);
                positions.map(|position| sums.of_head(position)).collect()
            }
            None => {
                let columns = self.weighted(weights, |_| true);
                let sum = |position| weighted_sum(&columns, position);
                positions.map(sum).collect()
            }
        }
    }

    /// What a candidate that the reranker cannot read gets in the place of its part; `None` for
    /// every other.
    pub(crate) fn part_of_unreadable(&self, weights: &Weights, position: u32) -> Option<f64> {
        let reranking = self.reranking_under(weights)?;
        let is_it = reranking.is_unreadable(position);
        is_it.then(|| Sums::new(self, reranking, weights).of_unreadable(position))
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
            .filter_map(|(stage, column)| {
                let values = match self.stood_in_under(stage, weights) {
                    Some(one) => &one.values,
                    None => &column?.values,
                };
                Some((weights.weight(stage), values.as_slice()))
            })
            .filter(|(weight, _)| *weight > 0.0)
            .collect()
    }
}

/// The weighted sums of a pool of which a part was reranked.
struct Sums<'a> {
    reranking: &'a Reranking,
    all: Vec<Weighted<'a>>,
    /// Without the reranker.
    others: Vec<Weighted<'a>>,
    /// The reranker's weight as a share of those of the others; 0 if these have none.
    ratio: f64,
}

impl<'a> Sums<'a> {
    fn new(prepared: &'a Prepared, reranking: &'a Reranking, weights: &Weights) -> Self {
        let others = prepared.weighted(weights, |stage| stage != reranking.stage);
        let weight_of_others: f64 = others.iter().map(|(weight, _)| weight).sum();
        Sums {
            reranking,
            all: prepared.weighted(weights, |_| true),
            ratio: if weight_of_others > 0.0 {
                weights.weight(reranking.stage) / weight_of_others
            } else {
                0.0
            },
            others,
        }
    }

    /// The sum of a candidate of the head. One of the tail gets what the normalizer gives to
    /// unscored candidates.
    fn of_head(&self, position: u32) -> f64 {
        if self.reranking.is_unreadable(position) {
            weighted_sum(&self.others, position) + self.of_unreadable(position)
        } else {
            weighted_sum(&self.all, position)
        }
    }

    /// The reranker's weight times the mean of the other stages by their weights.
    fn of_unreadable(&self, position: u32) -> f64 {
        self.ratio * weighted_sum(&self.others, position)
    }
}

impl Reranking {
    fn new(
        stage: StageName,
        column: &Column,
        is_unreadable: impl Fn(&u32) -> bool,
    ) -> Option<Self> {
        let is_scored = |position: &u32| column.ranks[*position as usize].is_some();
        let all = (0_u32..).take(column.ranks.len());
        let is_in_head = |position: &u32| is_scored(position) || is_unreadable(position);
        let (head, tail) = all.partition::<Vec<_>, _>(is_in_head);
        let unreadable = head.iter().copied().filter(|position| !is_scored(position));
        Some(Reranking {
            stage,
            unreadable: unreadable.collect(),
            head,
            tail,
        })
    }

    /// Whether the reranker cannot score the candidate at a position.
    fn is_unreadable(&self, position: u32) -> bool {
        self.unreadable.binary_search(&position).is_ok()
    }

    /// Whether the reranker has not scored the candidate at a position.
    #[cfg(feature = "learned")]
    pub(crate) fn is_in_tail(&self, position: u32) -> bool {
        self.tail.binary_search(&position).is_ok()
    }
}

impl StoodIn {
    /// `None` if one of the two stages scored nothing.
    fn new(
        StandIn { stage, by, share }: StandIn,
        candidates: &[Candidate],
        origins: &[usize],
        columns: &[(StageName, Option<Column>)],
    ) -> Option<Self> {
        let values_of = |stage: StageName| {
            let (_, column) = columns.iter().find(|(name, _)| *name == stage)?;
            Some(column.as_ref()?.values.iter())
        };
        let values = values_of(stage)?.zip(values_of(by)?).zip(origins);
        let values = values.map(|((own, other), origin)| {
            if candidates[*origin].is_foreign {
                own.max(share * other)
            } else {
                *own
            }
        });
        Some(StoodIn {
            stage,
            by,
            values: values.collect(),
        })
    }
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
