//! Learned fusion: a linear fusion, corrected by trees that were trained on judged queries.
//!
//! The score of a candidate is
//!
//! ```text
//! scale * (sum over stages of weight * normalized) + trees(features of the candidate)
//! ```
//!
//! where `scale` brings the linear sum to log odds of relevance. The trees are LambdaMART
//! (Burges, From RankNet to LambdaRank to LambdaMART, MSR-TR-2010-82), boosted from the
//! linear fusion instead of from nothing: with few judged queries few trees are trained, and
//! without trees the order is that of the linear fusion. Trees are constrained to be monotone:
//! a better score in a stage never lowers a candidate.
//!
//! As in the linear fusion, candidates that the reranker has scored come before the others.
//!
//! [`mod@features`] defines the features, [`train`] trains the trees, `file` reads and writes
//! them.

use hessboost::data::DMatrix;
use hessboost::model::BoostedModel;
use treffer_types::{Candidate, StageName, StageScore};

mod error;
pub mod features;
mod file;
pub mod train;

pub use error::LearnError;
pub use features::{Feature, features};
pub use train::{Boosting, QueryGroup};

use crate::columns::Scored;
use crate::fusion::{Fused, Fusion, stage_scores};
use crate::lengths::Lengths;
use crate::prepared::{Prepared, Reranking};

/// A linear fusion and the trees that correct it.
#[derive(Clone, Debug)]
pub struct Learned {
    /// What it starts from.
    pub(crate) fusion: Fusion,
    /// Log odds of relevance per unit of the linear score, above 0.
    pub(crate) scale: f64,
    /// The stages of its features, each once.
    pub(crate) stages: Vec<StageName>,
    /// `None` if there are no trees.
    pub(crate) trees: Option<BoostedModel>,
}

/// What one feature added to a candidate's score.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Its name, one of [`features()`]; `None` for the trees' mean, the same for every
    /// candidate.
    pub feature: Option<String>,
    /// Its value; `None` if it is unknown.
    pub value: Option<f32>,
    /// Its Shapley value (Lundberg and others, Nature Machine Intelligence 2020): its part
    /// of what the trees added.
    pub part: f64,
}

impl Learned {
    /// The linear fusion that it corrects.
    pub fn fusion(&self) -> &Fusion {
        &self.fusion
    }

    /// The stages of its features.
    pub fn stages(&self) -> &[StageName] {
        &self.stages
    }

    /// How many trees it has.
    pub fn n_trees(&self) -> usize {
        self.trees.as_ref().map_or(0, BoostedModel::num_trees)
    }

    /// Orders all candidates, best first, and says what each stage and the trees
    /// contributed. Ties, and candidates that were not reranked, are as in
    /// [`fuse`](crate::fuse).
    ///
    /// # Errors
    /// If the trees do not fit the features, which cannot happen after [`Learned::decode`].
    pub fn fuse(
        &self,
        candidates: &[Candidate],
        lengths: &Lengths,
    ) -> Result<Vec<Fused>, LearnError> {
        let rows = features::rows(candidates, lengths, &self.stages);
        let ranking = self.rank(candidates, &rows)?;
        let (head, tail) = ranking.order.split_at(ranking.n_head);
        // Scores never rise down the list: those of the tail are lowered together.
        let lowered = match (head.last(), tail.first()) {
            (Some(last), Some(first)) => (last.sum - first.sum).min(0.0),
            _ => 0.0,
        };
        let ceiling = head.last().map_or(f64::INFINITY, |last| last.sum);
        let reranker = self
            .reranking(&ranking.prepared)
            .map(|reranking| reranking.stage);
        let fused = |(place, scored): (usize, &Scored)| {
            let candidate = ranking.prepared.origin(scored.position);
            let of_stages = stage_scores(
                &ranking.prepared,
                &candidates[candidate],
                scored.position,
                &self.fusion,
            );
            let mut stages = of_stages.map(|_, part| StageScore {
                weighted: self.scale * part.weighted,
                ..*part
            });
            let mut score = scored.sum;
            if place >= ranking.n_head {
                score = (scored.sum + lowered).min(ceiling);
                if let Some(part) = reranker.and_then(|reranker| stages.get_mut(reranker)) {
                    part.weighted += lowered;
                }
            }
            Fused {
                candidate,
                doc: candidates[candidate].doc,
                score,
                stages,
                learned: ranking.corrections[candidate],
            }
        };
        Ok(ranking.order.iter().enumerate().map(fused).collect())
    }

    /// What every feature added to the scores of some candidates, by their positions in the
    /// pool; the strongest first, those without effect left out. The parts of a candidate add
    /// up to what the trees added, but for rounding to `f32`.
    ///
    /// # Errors
    /// As [`Learned::fuse`].
    pub fn contributions(
        &self,
        candidates: &[Candidate],
        lengths: &Lengths,
        positions: &[usize],
    ) -> Result<Vec<Vec<Contribution>>, LearnError> {
        let (Some(trees), false) = (&self.trees, positions.is_empty()) else {
            return Ok(vec![Vec::new(); positions.len()]);
        };
        let all = features::rows(candidates, lengths, &self.stages);
        let names = features::names(&self.stages);
        let width = names.len();
        let rows: Vec<f32> = positions
            .iter()
            .flat_map(|at| &all[at * width..][..width])
            .copied()
            .collect();
        let failed = |source| LearnError::Apply { source };
        let matrix = DMatrix::from_dense(&rows, positions.len(), width).map_err(failed)?;
        let parts = trees.predict_contribs(&matrix, ..).map_err(failed)?;
        let explained = rows.chunks_exact(width).enumerate().map(|(at, row)| {
            let parts = parts.get(at, 0).unwrap_or_default();
            let names = names.iter().cloned().map(Some);
            let values = row.iter().map(|value| (!value.is_nan()).then_some(*value));
            let mut explained: Vec<Contribution> = names
                .chain([None])
                .zip(values.chain([None]))
                .zip(parts)
                .filter(|(_, part)| **part != 0.0)
                .map(|((feature, value), part)| Contribution {
                    feature,
                    value,
                    part: f64::from(*part),
                })
                .collect();
            explained.sort_by(|a, b| b.part.abs().total_cmp(&a.part.abs()));
            explained
        });
        Ok(explained.collect())
    }

    /// How much each feature lowers the loss in all trees together, as shares of 1, the
    /// largest first; unused features are left out.
    pub fn importance(&self) -> Vec<(String, f64)> {
        let Some(trees) = &self.trees else {
            return Vec::new();
        };
        let gains = trees.feature_importance(hessboost::model::ImportanceType::TotalGain);
        let total: f64 = gains.values().sum();
        let names = features::names(&self.stages);
        let mut shares: Vec<(String, f64)> = gains
            .into_iter()
            .filter_map(|(at, gain)| Some((names.get(at)?.clone(), gain / total)))
            .filter(|(_, share)| *share > 0.0)
            .collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }

    /// The candidates of a group, best first, by position.
    ///
    /// # Errors
    /// If the group has the features of other stages; otherwise as [`Learned::fuse`].
    pub fn order(&self, group: &QueryGroup) -> Result<Vec<usize>, LearnError> {
        group.check_stages(&self.stages)?;
        let ranking = self.rank(&group.candidates, &group.rows)?;
        let origin = |scored: &Scored| ranking.prepared.origin(scored.position);
        Ok(ranking.order.iter().map(origin).collect())
    }

    fn rank(&self, candidates: &[Candidate], rows: &[f32]) -> Result<Ranking, LearnError> {
        let corrections: Vec<f64> = match &self.trees {
            None => vec![0.0; candidates.len()],
            Some(trees) => trees
                .predict_margin_rows(rows, ..)
                .map_err(|source| LearnError::Apply { source })?
                .as_slice()
                .iter()
                .map(|correction| f64::from(*correction))
                .collect(),
        };
        let prepared = Prepared::new(candidates, &self.fusion.normalization);
        let linear = prepared.sums(&self.fusion.weights);
        let mut order: Vec<Scored> = (0..)
            .zip(linear)
            .map(|(position, linear)| Scored {
                sum: self.scale * linear + corrections[prepared.origin(position)],
                position,
            })
            .collect();
        let reranking = self.reranking(&prepared);
        let is_in_tail = |scored: &Scored| {
            reranking.is_some_and(|reranking| reranking.is_in_tail(scored.position))
        };
        order.sort_by(|a, b| {
            (is_in_tail(a).cmp(&is_in_tail(b)))
                .then(b.sum.total_cmp(&a.sum))
                .then(a.position.cmp(&b.position))
        });
        Ok(Ranking {
            n_head: reranking.map_or(order.len(), |reranking| reranking.head.len()),
            prepared,
            order,
            corrections,
        })
    }

    /// How the reranker divides a pool, if its scores are among the features.
    fn reranking<'a>(&self, prepared: &'a Prepared) -> Option<&'a Reranking> {
        let is_feature = |reranking: &&Reranking| self.stages.contains(&reranking.stage);
        prepared.reranking().filter(is_feature)
    }
}

/// A pool in order.
struct Ranking {
    prepared: Prepared,
    order: Vec<Scored>,
    /// How many come before those that were not reranked.
    n_head: usize,
    /// What the trees add, by position in the pool that was given.
    corrections: Vec<f64>,
}

#[cfg(test)]
mod tests;
