//! Learned fusion: a linear fusion, corrected by trees that were grown on judged queries.
//!
//! The score of a candidate is
//!
//! ```text
//! scale * (alpha * BM25 + beta * dense + gamma * cross) + trees(features of the candidate)
//! ```
//!
//! where `scale` brings the linear sum to log odds of relevance. The trees are LambdaMART
//! (Burges, From RankNet to LambdaRank to LambdaMART, MSR-TR-2010-82), boosted from the
//! linear fusion instead of from nothing: with few judged queries few trees are grown, and
//! without any the order is that of the linear fusion. What trees may do with a feature is
//! limited to its direction: more of a stage's score never costs a candidate anything.
//!
//! As in the linear fusion, what the cross-encoder has read comes before what it has not.
//!
//! [`features`] says what the trees see, [`train`] grows them, [`file`] keeps them.

use hessboost::data::DMatrix;
use hessboost::model::BoostedModel;
use treffer_types::{Candidate, StageMap, StageName};

mod error;
pub mod features;
mod file;
pub mod train;

pub use error::LearnError;
pub use features::{FEATURES, Lengths};
pub use train::{Boosting, QueryGroup};

use crate::columns::Scored;
use crate::fusion::{Fused, Fusion, stage_score};
use crate::prepared::Prepared;

/// A linear fusion and the trees that correct it.
#[derive(Clone, Debug)]
pub struct Learned {
    /// What it starts from.
    pub(crate) fusion: Fusion,
    /// Log odds of relevance per unit of the linear score, above 0.
    pub(crate) scale: f64,
    /// The stages whose scores it looks at.
    pub(crate) stages: Vec<StageName>,
    /// `None` if no tree was grown.
    pub(crate) trees: Option<BoostedModel>,
}

/// What one feature did to a candidate's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution {
    /// Its name, one of [`FEATURES`]; `None` for the trees' mean, the same for every
    /// candidate.
    pub feature: Option<&'static str>,
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

    /// The stages whose scores it looks at.
    pub fn stages(&self) -> &[StageName] {
        &self.stages
    }

    /// How many trees it has.
    pub fn n_trees(&self) -> usize {
        self.trees.as_ref().map_or(0, BoostedModel::num_trees)
    }

    /// Orders all candidates, best first, and says what each stage and the trees
    /// contributed. Ties and unread candidates are as in [`fuse`](crate::fuse).
    ///
    /// # Errors
    /// If the trees do not fit the features, which a file that was read has been checked
    /// for.
    pub fn fuse(
        &self,
        candidates: &[Candidate],
        lengths: &Lengths,
    ) -> Result<Vec<Fused>, LearnError> {
        let rows = features::rows(candidates, lengths, &self.stages);
        let ranking = self.rank(candidates, &rows)?;
        let n_read = ranking.order.len() - ranking.n_unread;
        let (read, unread) = ranking.order.split_at(n_read);
        // Scores never rise down the list: the unread ones are lowered together.
        let lowered = match (read.last(), unread.first()) {
            (Some(last), Some(first)) => (last.sum - first.sum).min(0.0),
            _ => 0.0,
        };
        let ceiling = read.last().map_or(f64::INFINITY, |last| last.sum);
        let fused = |(place, scored): (usize, &Scored)| {
            let candidate = ranking.prepared.origin(scored.position);
            let lowered = if place < n_read { 0.0 } else { lowered };
            let mut stages = StageMap::from_fn(|stage| {
                let prepared = &ranking.prepared;
                let mut part = stage_score(
                    prepared,
                    &candidates[candidate],
                    *scored,
                    &self.fusion,
                    stage,
                );
                part.weighted *= self.scale;
                part
            });
            stages.cross.weighted += lowered;
            Fused {
                candidate,
                doc: candidates[candidate].doc(),
                score: match place < n_read {
                    true => scored.sum,
                    false => (scored.sum + lowered).min(ceiling),
                },
                stages,
                learned: ranking.corrections[candidate],
            }
        };
        Ok(ranking.order.iter().enumerate().map(fused).collect())
    }

    /// What every feature did to the scores of some candidates, by their positions in the
    /// pool; the strongest first, those without effect left out. The parts of a candidate
    /// add up to what the trees added, but for rounding to `f32`.
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
        let width = FEATURES.len();
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
            let names = FEATURES.iter().map(|feature| Some(feature.name));
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
    /// largest first; features without a part are left out.
    pub fn importance(&self) -> Vec<(&'static str, f64)> {
        let Some(trees) = &self.trees else {
            return Vec::new();
        };
        let gains = trees.feature_importance(hessboost::model::ImportanceType::TotalGain);
        let total: f64 = gains.values().sum();
        let mut shares: Vec<(&'static str, f64)> = gains
            .into_iter()
            .filter_map(|(at, gain)| Some((FEATURES.get(at)?.name, gain / total)))
            .filter(|(_, share)| *share > 0.0)
            .collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }

    /// The candidates of a group, best first, by position.
    ///
    /// # Errors
    /// As [`Learned::fuse`].
    pub fn order(&self, group: &QueryGroup) -> Result<Vec<usize>, LearnError> {
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
        let prepared = Prepared::new(candidates, &self.fusion.normalizers);
        let mut order: Vec<Scored> = (0..candidates.len() as u32)
            .map(|position| Scored {
                sum: self.scale * prepared.linear(&self.fusion.weights, position)
                    + corrections[prepared.origin(position)],
                position,
            })
            .collect();
        let looks = self.stages.contains(&StageName::Cross);
        let is_unread = |scored: &Scored| {
            let candidate = &candidates[prepared.origin(scored.position)];
            looks && candidate.scores.get(StageName::Cross).is_none()
        };
        order.sort_by(|a, b| {
            (is_unread(a).cmp(&is_unread(b)))
                .then(b.sum.total_cmp(&a.sum))
                .then(a.position.cmp(&b.position))
        });
        let n_unread = order.iter().filter(|scored| is_unread(scored)).count();
        Ok(Ranking {
            // If nothing was read, nothing stands apart.
            n_unread: if n_unread == order.len() { 0 } else { n_unread },
            prepared,
            order,
            corrections,
        })
    }
}

/// A pool in order.
struct Ranking {
    prepared: Prepared,
    order: Vec<Scored>,
    /// How many at the end the cross-encoder has not read.
    n_unread: usize,
    /// What the trees say, by position in the pool.
    corrections: Vec<f64>,
}

#[cfg(test)]
mod tests;
