//! One pool, fused, with every stage's part in every score.

use treffer_types::{Candidate, DocId, StageMap, StageName, StageScore};

use serde::{Deserialize, Serialize};

use crate::columns::Scored;
use crate::normalizer::Normalizer;
use crate::prepared::Prepared;
use crate::weights::Weights;

/// How a pool becomes a ranking: the part of a profile that is tuned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fusion {
    /// How each stage's raw scores reach the common scale.
    pub normalizers: StageMap<Normalizer>,
    /// The share of each stage.
    pub weights: Weights,
}

impl Fusion {
    /// Reciprocal rank fusion of `stages` (Cormack, Clarke and Büttcher, SIGIR 2009, who
    /// used k = 60): every stage's score is `1 / (k + rank)`, and all count the same.
    /// `None` if `stages` is empty.
    ///
    /// It is a fusion like any other here, which differs from the original in three
    /// ways that follow from complete pools: ranks are those among all candidates a
    /// stage has scored, equal scores share a rank, and what the cross-encoder has not
    /// read comes after what it has. Scores are the original's over the number of stages.
    pub fn rrf(k: u32, stages: &[StageName]) -> Option<Self> {
        Some(Fusion {
            normalizers: StageMap::from_fn(|_| Normalizer::Rank { k }),
            weights: Weights::equal(stages)?,
        })
    }
}

/// A candidate in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused {
    /// Its position in the pool that was given.
    pub candidate: usize,
    /// Its document.
    pub doc: DocId,
    /// The sum of the weighted scores. Never rises from one result to the next.
    pub score: f64,
    /// What each stage contributed. Where a stage did not look, `raw`, `normalized`
    /// and `rank` are `None`, but `weighted` still holds what the stage's silence
    /// cost, so that the parts add up to the score.
    pub stages: StageMap<StageScore>,
    /// What the trees of a learned fusion added; 0 in a linear one.
    pub learned: f64,
}

/// Orders all candidates, best first: `sum over stages of weight * normalized`,
/// ties by document and then by passage, unread candidates after read ones, as
/// [`Prepared`] says.
///
/// The scores of unread candidates are sums of less and cannot be compared with
/// those of read ones. To keep scores from rising down the list, all unread
/// candidates share one cross-encoder part: its weight times what the normalizer
/// gives to the unscored, or less if the best of them would otherwise stand above
/// the last read candidate. It can be negative, and so can their score.
pub fn fuse(candidates: &[Candidate], fusion: &Fusion) -> Vec<Fused> {
    let prepared = Prepared::new(candidates, &fusion.normalizers);
    let order = prepared.order(&fusion.weights, prepared.len());
    let tail = Tail::new(&prepared, candidates, &fusion.weights, &order);
    order
        .iter()
        .map(|&scored| {
            let candidate = prepared.origin(scored.position);
            let is_unread = candidates[candidate].scores.get(StageName::Cross).is_none();
            let tail = tail.filter(|_| is_unread);
            let cross_part = tail.map(|tail| tail.cross_part);
            Fused {
                candidate,
                doc: candidates[candidate].doc(),
                score: tail.map_or(scored.sum, |tail| tail.score(scored.sum)),
                stages: StageMap::from_fn(|stage| {
                    let mut part =
                        stage_score(&prepared, &candidates[candidate], scored, fusion, stage);
                    if let (StageName::Cross, Some(cross_part)) = (stage, cross_part) {
                        part.weighted = cross_part;
                    }
                    part
                }),
                learned: 0.0,
            }
        })
        .collect()
}

/// What one stage said of one candidate.
pub(crate) fn stage_score(
    prepared: &Prepared,
    candidate: &Candidate,
    scored: Scored,
    fusion: &Fusion,
    stage: StageName,
) -> StageScore {
    let Some(column) = &prepared.columns[stage] else {
        return StageScore::default();
    };
    let position = scored.position as usize;
    let raw = candidate.scores.get(stage);
    let weight = fusion.weights.weight(stage);
    StageScore {
        raw,
        normalized: raw.map(|_| column.values[position]),
        // Not multiplied where the weight is 0, which keeps negative zero out.
        weighted: if weight > 0.0 {
            weight * column.values[position]
        } else {
            0.0
        },
        rank: column.ranks[position],
    }
}

/// The candidates that the cross-encoder has not read, if they stand apart.
#[derive(Clone, Copy)]
struct Tail {
    /// Their common part of the fused score in place of the cross-encoder's.
    cross_part: f64,
    /// The score of the last read candidate, which none of them may exceed.
    ceiling: f64,
}

impl Tail {
    fn new(
        prepared: &Prepared,
        candidates: &[Candidate],
        weights: &Weights,
        order: &[Scored],
    ) -> Option<Self> {
        let floor = prepared.columns.cross.as_ref()?.floor;
        if !prepared.has_tail(weights) {
            return None;
        }
        let is_read = |scored: &Scored| {
            let candidate = &candidates[prepared.origin(scored.position)];
            candidate.scores.get(StageName::Cross).is_some()
        };
        let n_read = order.partition_point(is_read);
        let ceiling = order[..n_read].last()?.sum;
        let best_unread = order.get(n_read)?.sum;
        Some(Tail {
            cross_part: (weights.weight(StageName::Cross) * floor).min(ceiling - best_unread),
            ceiling,
        })
    }

    /// The score of a member whose other stages sum to `sum`. Rounding could lift
    /// the best one just above the ceiling.
    fn score(&self, sum: f64) -> f64 {
        (sum + self.cross_part).min(self.ceiling)
    }
}

#[cfg(test)]
mod tests;
