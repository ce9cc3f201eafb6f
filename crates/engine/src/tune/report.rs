//! The result of a tuning.

use std::time::Duration;

use serde::Serialize;
use treffer_eval::{Comparison, Metric};
use treffer_fusion::{Learned, Weights};
use treffer_types::StageName;

use crate::gather::Gathered;
use crate::tune::Search;
use crate::tune::prior::PriorOrigin;
use crate::tune::setup::Choice;

/// The result of a tuning. Means are of the metric, over all queries.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneReport {
    /// What was maximized.
    pub metric: Metric,
    /// What tuning could change.
    pub search: Search,
    /// Steps from weight 0 to weight 1 on the grid of weightings.
    pub steps: u32,
    /// Folds of the cross-validation.
    pub folds: usize,
    /// Seed of the folds, the bootstrap and the randomization tests.
    pub seed: u64,
    /// Maximum milliseconds per query, if that was limited.
    pub budget_ms: Option<f64>,
    /// The stages that were given weights.
    pub stages: Vec<StageName>,
    /// How many choices were measured on every query.
    pub n_measured: usize,
    /// How long searching and testing took, without gathering.
    pub elapsed: Duration,
    /// Where the scores came from.
    pub scores: ScoresOrigin,
    /// The profile before tuning, over these stages; with equal weights if it gave them none.
    pub current: Measured,
    /// The winner on all queries, by the one-standard-error rule and the prior. Its mean is over the queries
    /// that chose it, which is too optimistic.
    pub best: Measured,
    /// The choice with the largest mean of all, which is even more optimistic.
    pub highest: Measured,
    /// What the weights were drawn towards, and what came of it; `None` without a prior.
    pub prior: Option<PriorReport>,
    /// Mean out of fold, with each query under what the other folds chose: an estimate for new
    /// queries.
    pub out_of_fold: f64,
    /// For each fold, what the other folds chose.
    pub fold_choices: Vec<Choice>,
    /// Every query's values, in the order of the queries.
    pub queries: Vec<QueryOutcome>,
    /// The tuned values, out of fold, against every baseline; the current profile is
    /// the first. Their p-values are corrected for their number.
    pub against: Vec<Against>,
    /// Every weighting, with the winner's other settings, on all queries.
    pub surface: Vec<SurfacePoint>,
    /// Quality and cost of every combination of depths, cheapest first; only for a full
    /// search.
    pub depths: Vec<DepthPoint>,
    /// The learned fusion, if one was requested.
    pub learned: Option<LearnedReport>,
    /// How long each stage took while gathering.
    pub times: Vec<StageCost>,
    /// What the winner gathers for each query, in the order of the queries, with the
    /// traces of the gathering that it was tuned on.
    pub gathered: Vec<Gathered>,
    /// What to do with the profile.
    pub verdict: Verdict,
    /// Warnings about the reliability of the figures.
    pub warnings: Vec<String>,
}

/// A choice and its mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The choice.
    pub choice: Choice,
    /// Its mean over all queries.
    pub mean: f64,
    /// Milliseconds per query, if times were measured.
    pub ms: Option<f64>,
}

/// What the weights were drawn towards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PriorReport {
    /// The prior's weights.
    pub weights: Weights,
    /// Where they come from.
    pub origin: PriorOrigin,
    /// Their mean over all queries, with the winner's other settings.
    pub mean: f64,
    /// How many weightings within one standard error of the best were averaged, on all queries.
    pub n_averaged: usize,
    /// Whether the winner has the prior's own weights, because the mean of those is not better on
    /// these queries by more than half a standard error.
    pub is_chosen: bool,
    /// In how many folds they were chosen.
    pub n_folds: usize,
}

/// The values of one query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryOutcome {
    /// Its id.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The fold that it was in, from 0.
    pub fold: usize,
    /// Its value under the current profile.
    pub current: f64,
    /// Its value under what the other folds chose.
    pub out_of_fold: f64,
    /// Its value under the winner, which it had a part in choosing.
    pub best: f64,
}

/// The tuned values against one baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Against {
    /// Which baseline.
    pub baseline: Baseline,
    /// Its settings; for one that was tuned, the winner on all queries.
    pub choice: Choice,
    /// Means, interval, test and power of `tuned - baseline`, query by query, where
    /// both were measured out of fold if they were tuned.
    pub comparison: Comparison,
    /// The test's p-value after Holm's correction over all baselines.
    pub adjusted_p: f64,
}

/// A learned fusion beside the tuned weights that it starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedReport {
    /// Trained on all queries, over the tuned winner.
    pub learned: Learned,
    /// Number of trees for each fold, trained on the other folds over what they chose.
    pub fold_trees: Vec<usize>,
    /// Every query's value out of fold, in the order of the queries.
    pub values: Vec<f64>,
    /// Their mean: an estimate for new queries.
    pub out_of_fold: f64,
    /// Against the tuned weights and against the current profile, out of fold.
    pub against: [Comparison; 2],
    /// The p-values of both after Holm's correction.
    pub adjusted_p: [f64; 2],
}

impl LearnedReport {
    /// The comparison with the tuned weights that it starts from.
    pub fn against_tuned(&self) -> &Comparison {
        &self.against[0]
    }

    /// The comparison with the profile before tuning.
    pub fn against_current(&self) -> &Comparison {
        &self.against[1]
    }

    /// Whether it is better than the tuned weights and than the current profile, both
    /// significantly after correction.
    pub fn is_gain(&self) -> bool {
        let is_better = |(one, p): (&Comparison, &f64)| one.test.difference > 0.0 && *p <= LEVEL;
        self.against.iter().zip(&self.adjusted_p).all(is_better)
    }
}

/// What the tuned profile is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The profile before tuning.
    Current,
    /// One stage alone.
    Alone(StageName),
    /// All stages with equal weights, normalized as in the current profile.
    EqualWeights,
    /// Reciprocal rank fusion with k = 60.
    Rrf,
    /// The best fusion of at most two stages, chosen within the same folds.
    BestTwoWay,
    /// As [`Baseline::BestTwoWay`], of at most three.
    BestThreeWay,
    /// The best fusion without the reranker, chosen within the same folds: what its time buys.
    Without(StageName),
}

impl Baseline {
    /// Whether it was tuned too, and so is measured out of fold.
    pub fn is_tuned(self) -> bool {
        matches!(
            self,
            Baseline::BestTwoWay | Baseline::BestThreeWay | Baseline::Without(_)
        )
    }
}

/// A weighting, with the winner's other settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SurfacePoint {
    /// The weights.
    pub weights: Weights,
    /// Its mean over all queries.
    pub mean: f64,
    /// How far its mean is below the largest of the surface.
    pub behind: f64,
    /// Standard error of that difference.
    pub standard_error: f64,
}

/// A combination of depths, with weights tuned for it within the same folds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DepthPoint {
    /// Depths, and the current profile's order and normalizers; weights are those chosen on
    /// all queries.
    pub choice: Choice,
    /// Milliseconds per query.
    pub ms: f64,
    /// Mean out of fold.
    pub mean: f64,
    /// Whether no other combination is better without being slower.
    pub is_pareto: bool,
}

/// How long one stage took while gathering.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageCost {
    /// Which stage.
    pub stage: StageName,
    /// Mean milliseconds per query; of a reranker, per candidate that it scored.
    pub ms: f64,
    /// Whether `ms` is per pair.
    pub is_per_pair: bool,
}

/// Where the stages' scores came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoresOrigin {
    /// Gathered now.
    Gathered {
        /// Why cached scores were not used, or could not be written.
        note: Option<String>,
    },
    /// Taken from the cache.
    Cache,
}

/// What to do with the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Change it: the gain over the current profile, out of fold, is above 0 and
    /// significant at 0.05 after correction.
    Change,
    /// Change it: it is slower than the budget allows, and the winner is not. Quality may
    /// be lost.
    OverBudget,
    /// Keep it: no gain over it is significant.
    NoGain,
    /// Keep it: it is the winner itself.
    Same,
}

/// The level at which a corrected p-value counts as significant.
pub const LEVEL: f64 = 0.05;

impl TuneReport {
    /// Number of queries.
    pub fn n_queries(&self) -> usize {
        self.queries.len()
    }

    /// The comparison with the current profile, on which the verdict is based.
    pub fn gain(&self) -> &Against {
        &self.against[0]
    }

    /// Whether the gain of the winner is significant.
    pub fn is_gain(&self) -> bool {
        self.verdict == Verdict::Change
    }

    /// Whether the profile should be changed.
    pub fn is_change(&self) -> bool {
        matches!(self.verdict, Verdict::Change | Verdict::OverBudget)
    }
}

impl std::fmt::Display for Baseline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Baseline::Current => f.pad("current profile"),
            Baseline::Alone(stage) => f.pad(&format!("{stage} alone")),
            Baseline::EqualWeights => f.pad("equal weights"),
            Baseline::Rrf => f.pad("rrf (k 60)"),
            Baseline::BestTwoWay => f.pad("best two-way"),
            Baseline::BestThreeWay => f.pad("best three-way"),
            Baseline::Without(stage) => f.pad(&format!("best without {stage}")),
        }
    }
}
