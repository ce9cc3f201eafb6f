//! What tuning found, and whether it is a gain.

use std::time::Duration;

use serde::Serialize;
use treffer_eval::{Comparison, Metric};
use treffer_fusion::{Learned, Weights};
use treffer_types::StageName;

use crate::gather::Gathered;
use crate::tune::Search;
use crate::tune::setup::Choice;

/// What tuning found. Means are of the metric, over all queries.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneReport {
    /// What was maximized.
    pub metric: Metric,
    /// What was searched.
    pub search: Search,
    /// Steps from weight 0 to weight 1 on the grid of weightings.
    pub steps: u32,
    /// Folds of the cross-validation.
    pub folds: usize,
    /// Seed of the folds, the bootstrap and the randomization tests.
    pub seed: u64,
    /// Most milliseconds a query may take, if that was limited.
    pub budget_ms: Option<f64>,
    /// The stages that were weighed.
    pub stages: Vec<StageName>,
    /// How many choices were measured on every query.
    pub n_measured: usize,
    /// How long searching and testing took, without gathering.
    pub elapsed: Duration,
    /// Where the scores came from.
    pub scores: ScoresOrigin,
    /// The profile as it was, over the stages that were weighed; equal weights if it
    /// gave those nothing.
    pub current: Measured,
    /// The winner of all queries, by the one-standard-error rule. Its mean is over the
    /// very queries that chose it, which flatters it.
    pub best: Measured,
    /// The choice with the largest mean of all, flattered even more.
    pub highest: Measured,
    /// Mean of each query under what the other folds chose: what the winner is worth
    /// on new queries.
    pub out_of_fold: f64,
    /// What each fold's others chose.
    pub fold_choices: Vec<Choice>,
    /// Every query's values, in the order of the queries.
    pub queries: Vec<QueryOutcome>,
    /// The tuned values, out of fold, against every baseline; the current profile is
    /// the first. Their p-values are corrected for their number.
    pub against: Vec<Against>,
    /// Every weighting under the winner's other settings, on all queries.
    pub surface: Vec<SurfacePoint>,
    /// Quality and cost of every combination of depths, cheapest first; only of a
    /// full search.
    pub depths: Vec<DepthPoint>,
    /// The learned fusion, where one was asked for.
    pub learned: Option<LearnedReport>,
    /// How long each stage took while gathering.
    pub times: Vec<StageCost>,
    /// What the winner gathers for each query, in the order of the queries, with the
    /// traces of the gathering that it was tuned on.
    pub gathered: Vec<Gathered>,
    /// What to do with the profile.
    pub verdict: Verdict,
    /// What a reader should know before trusting the figures.
    pub warnings: Vec<String>,
}

/// A choice and its worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// What was measured.
    pub choice: Choice,
    /// Its mean over all queries.
    pub mean: f64,
    /// Milliseconds that a query takes, as far as gathering told.
    pub ms: Option<f64>,
}

/// One query, before and after.
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
    /// Its settings; for one that was tuned, the winner of all queries.
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
    /// Grown on all queries, over the tuned winner.
    pub learned: Learned,
    /// Trees of each fold, grown over what its others chose, on their queries.
    pub fold_trees: Vec<usize>,
    /// Every query's value out of fold, in the order of the queries.
    pub values: Vec<f64>,
    /// Their mean: what it is worth on new queries.
    pub out_of_fold: f64,
    /// Against the tuned weights and against the current profile, out of fold.
    pub against: [Comparison; 2],
    /// The p-values of both after Holm's correction.
    pub adjusted_p: [f64; 2],
}

impl LearnedReport {
    /// Against the tuned weights that it starts from.
    pub fn against_tuned(&self) -> &Comparison {
        &self.against[0]
    }

    /// Against the profile as it was.
    pub fn against_current(&self) -> &Comparison {
        &self.against[1]
    }

    /// Whether it earns its place: better than the tuned weights and than the current
    /// profile, both significant after correction.
    pub fn is_gain(&self) -> bool {
        let is_better = |(one, p): (&Comparison, &f64)| one.test.difference > 0.0 && *p <= LEVEL;
        self.against.iter().zip(&self.adjusted_p).all(is_better)
    }
}

/// What the tuned profile is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The profile as it was.
    Current,
    /// One stage by itself.
    Alone(StageName),
    /// All stages weighed the same, normalized as in the current profile.
    EqualWeights,
    /// Reciprocal rank fusion with k = 60.
    Rrf,
    /// The best fusion of at most two stages, chosen within the same folds.
    BestTwoWay,
}

/// A weighting under the winner's other settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SurfacePoint {
    /// The weights.
    pub weights: Weights,
    /// Its mean over all queries.
    pub mean: f64,
    /// By how much its mean is below the largest of the surface.
    pub behind: f64,
    /// Standard error of that difference.
    pub standard_error: f64,
}

/// A combination of depths, with weights tuned for it within the same folds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DepthPoint {
    /// Depths, and the current profile's order and normalizers; weights are those that
    /// all queries choose.
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
    /// Gathered now. What was said of the cache, if something was wrong with it.
    Gathered {
        /// Why kept scores were not used, or could not be kept.
        note: Option<String>,
    },
    /// Kept from an earlier run.
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
    /// Keep it: a gain over it could not be told from chance.
    NoGain,
    /// Keep it: it is the winner itself.
    Same,
}

/// The level at which a corrected p-value counts as significant.
pub const LEVEL: f64 = 0.05;

impl TuneReport {
    /// How many queries it is based on.
    pub fn n_queries(&self) -> usize {
        self.queries.len()
    }

    /// The comparison with the current profile, on which the verdict rests.
    pub fn gain(&self) -> &Against {
        &self.against[0]
    }

    /// Whether the winner is a sure gain.
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
        }
    }
}
