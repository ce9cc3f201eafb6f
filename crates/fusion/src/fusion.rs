//! The fusion of one pool, with every stage's part of every score.

use serde::{Deserialize, Serialize};
use treffer_types::{Candidate, DocId, StageMap, StageName, StageScore};

use crate::aggregation::Aggregation;
use crate::columns::{Column, Scored};
use crate::normalization::Normalization;
use crate::normalizer::Normalizer;
use crate::prepared::Prepared;
use crate::weights::Weights;

/// How a pool becomes a ranking: the part of a profile that is tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fusion {
    /// How raw scores become comparable.
    pub normalization: Normalization,
    /// The share of each stage. A stage that has a weight but no normalizer has no
    /// influence.
    pub weights: Weights,
}

impl Fusion {
    /// Reciprocal rank fusion of `stages` (Cormack, Clarke and Büttcher, SIGIR 2009, who
    /// used k = 60): every stage's score is `1 / (k + rank)`, and all have equal weight.
    /// `None` if `stages` is empty.
    ///
    /// It differs from the original in three ways: ranks are those among all candidates that a
    /// stage has scored, equal scores share a rank, and candidates that `reranker` has not
    /// scored rank below those that it has scored. Scores are the original's divided by the
    /// number of stages.
    pub fn rrf(k: u32, stages: &[StageName], reranker: Option<StageName>) -> Option<Self> {
        Some(Fusion {
            normalization: Normalization {
                normalizers: StageMap::from_fn(stages, |_| Normalizer::Rank { k }),
                aggregation: Aggregation::Max,
                reranker,
                stand_in: None,
            },
            weights: Weights::equal(stages)?,
        })
    }
}

/// A fused candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Fused {
    /// Its position in the pool that was given.
    pub candidate: usize,
    /// Its document.
    pub doc: DocId,
    /// The sum of the weighted scores. Never rises from one result to the next.
    pub score: f64,
    /// What each stage that has a normalizer contributed, in the order of the
    /// normalizers. Where a stage gave no score, `raw`, `normalized` and `rank` are
    /// `None`, but `weighted` still holds the weighted value of a missing score, so that the
    /// parts add up to the score.
    pub stages: StageMap<StageScore>,
    /// What the trees of a learned fusion added; 0 in a linear one.
    pub learned: f64,
}

/// Orders all candidates, best first: `sum over stages of weight * normalized`, ties by
/// document, candidates that were not reranked after those that were, as [`Prepared`]
/// says.
///
/// The scores of candidates that were not reranked are sums of fewer parts and cannot be
/// compared with those of reranked ones. To keep scores from rising down the list, they
/// all get the same part from the reranker: its weight times the value that the normalizer
/// gives to unscored candidates, or less if the best of them would otherwise stand above the
/// last reranked candidate. It can be negative, and so can their score.
pub fn fuse(candidates: &[Candidate], fusion: &Fusion) -> Vec<Fused> {
    let prepared = Prepared::new(candidates, &fusion.normalization);
    let order = prepared.order(&fusion.weights, prepared.len());
    let tail = Tail::new(&prepared, &fusion.weights, &order);
    let fused = |(place, scored): (usize, &Scored)| {
        let candidate = prepared.origin(scored.position);
        let mut stages = stage_scores(&prepared, &candidates[candidate], scored.position, fusion);
        let mut score = scored.sum;
        if let Some(tail) = tail.as_ref().filter(|tail| place >= tail.start) {
            score = tail.score(scored.sum);
            if let Some(part) = stages.get_mut(tail.reranker) {
                part.weighted = tail.part;
            }
        }
        Fused {
            candidate,
            doc: candidates[candidate].doc,
            score,
            stages,
            learned: 0.0,
        }
    };
    order.iter().enumerate().map(fused).collect()
}

/// The part of each stage in the score of one candidate, in the order of the columns.
pub(crate) fn stage_scores(
    prepared: &Prepared,
    candidate: &Candidate,
    position: u32,
    fusion: &Fusion,
) -> StageMap<StageScore> {
    let reranker = fusion.normalization.reranker;
    let unreadable = prepared.part_of_unreadable(&fusion.weights, position);
    let score_in = |(stage, column): (StageName, Option<&Column>)| {
        let Some(column) = column else {
            return (stage, StageScore::default());
        };
        let (value, stand_in) = prepared.value((stage, column), &fusion.weights, position);
        let raw = (fusion.normalization.aggregation).aggregate(candidate, stage);
        let weight = fusion.weights.weight(stage);
        let score = StageScore {
            raw,
            normalized: raw.map(|_| value),
            stand_in,
            // Not multiplied where the weight is 0, which keeps negative zero out.
            weighted: match unreadable.filter(|_| reranker == Some(stage)) {
                Some(part) => part,
                None if weight > 0.0 => weight * value,
                None => 0.0,
            },
            rank: column.ranks[position as usize],
        };
        (stage, score)
    };
    prepared.columns().map(score_in).collect()
}

/// The part of a ranking that was not reranked: its tail.
struct Tail {
    /// Where it begins in the ranking.
    start: usize,
    reranker: StageName,
    /// What all of it gets from the reranker.
    part: f64,
    /// The score of the last reranked candidate, which none of the tail may exceed.
    ceiling: f64,
}

impl Tail {
    fn new(prepared: &Prepared, weights: &Weights, order: &[Scored]) -> Option<Self> {
        let reranking = prepared.reranking_under(weights)?;
        let reranker = reranking.stage;
        let (_, column) = prepared.columns().find(|(stage, _)| *stage == reranker)?;
        let (head, tail) = order.split_at_checked(reranking.head.len())?;
        let ceiling = head.last()?.sum;
        let highest = tail.first()?.sum;
        Some(Tail {
            start: head.len(),
            reranker,
            part: (weights.weight(reranker) * column?.floor).min(ceiling - highest),
            ceiling,
        })
    }

    /// The score of a candidate whose other stages sum to `sum`. It is capped, because
    /// rounding could lift the best one just above the ceiling.
    fn score(&self, sum: f64) -> f64 {
        (sum + self.part).min(self.ceiling)
    }
}

#[cfg(test)]
mod tests;
