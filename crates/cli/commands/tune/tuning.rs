//! What a tuning found, as it is serialized.

use serde::Serialize;
use treffer_engine::fields::Date;
use treffer_engine::topics::TopicFilter;
use treffer_engine::tune::{
    Against, Choice, DepthPoint, LearnedReport, PriorReport, QueryOutcome, Search, StageCost,
    SurfacePoint, TuneReport, Verdict,
};
use treffer_eval::Comparison;
use treffer_fusion::Weights;
use treffer_types::StageName;

use super::Decided;
use crate::filtered::Filtered;
use crate::format::Entries;

/// A report and what became of the winner. Everything but how long it took is serialized,
/// so that it is the same from run to run.
#[derive(Serialize)]
pub(crate) struct Tuning<'a> {
    metric: String,
    search: Search,
    queries: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<Filtered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) now: Option<Date>,
    measured: usize,
    folds: usize,
    seed: u64,
    budget_ms: Option<f64>,
    stages: &'a [StageName],
    current: Measured<'a>,
    best: Best<'a>,
    highest: Measured<'a>,
    prior: Option<&'a PriorReport>,
    fold_choices: &'a [Choice],
    gain: Gain,
    against: Vec<AgainstBaseline>,
    per_query: &'a [QueryOutcome],
    surface: &'a [SurfacePoint],
    depths: &'a [DepthPoint],
    learned: Option<Learned>,
    times: &'a [StageCost],
    verdict: Verdict,
    warnings: &'a [String],
    written: bool,
    pub(super) decision: String,
    #[serde(skip)]
    pub(super) report: &'a TuneReport,
}

#[derive(Serialize)]
struct Measured<'a> {
    choice: &'a Choice,
    weights: &'a Weights,
    mean: f64,
}

#[derive(Serialize)]
struct Best<'a> {
    choice: &'a Choice,
    weights: &'a Weights,
    out_of_fold: f64,
    in_sample: f64,
}

/// The gain over the current profile.
#[derive(Serialize)]
struct Gain {
    mean: f64,
    interval: [f64; 2],
    p_value: f64,
    adjusted_p: f64,
    detectable: Option<f64>,
}

#[derive(Serialize)]
struct AgainstBaseline {
    baseline: String,
    is_tuned: bool,
    choice: Choice,
    weights: Weights,
    mean: f64,
    difference: f64,
    interval: [f64; 2],
    p_value: f64,
    adjusted_p: f64,
    wins: usize,
    ties: usize,
    losses: usize,
    detectable: Option<f64>,
}

#[derive(Serialize)]
struct Learned {
    out_of_fold: f64,
    trees: usize,
    fold_trees: Vec<usize>,
    against_tuned: Compared,
    against_current: Compared,
    is_gain: bool,
    importance: Entries<f64>,
}

#[derive(Serialize)]
struct Compared {
    difference: f64,
    interval: [f64; 2],
    p_value: f64,
    adjusted_p: f64,
    wins: usize,
    ties: usize,
    losses: usize,
}

impl<'a> Tuning<'a> {
    pub(super) fn new(
        report: &'a TuneReport,
        filter: Option<&'a TopicFilter>,
        now: Option<Date>,
        decided: Decided,
    ) -> Self {
        let measured = |of: &'a treffer_engine::tune::Measured| Measured {
            choice: &of.choice,
            weights: &of.choice.weights,
            mean: of.mean,
        };
        let (gain, best) = (report.gain(), &report.best);
        let is_full = report.search == Search::Full;
        let against = report.against.iter().map(AgainstBaseline::new);
        Tuning {
            metric: report.metric.to_string(),
            search: report.search,
            queries: report.n_queries(),
            filter: filter.map(Filtered::new),
            now,
            measured: report.n_measured,
            folds: report.folds,
            seed: report.seed,
            budget_ms: report.budget_ms,
            stages: &report.stages,
            current: measured(&report.current),
            best: Best {
                choice: &best.choice,
                weights: &best.choice.weights,
                out_of_fold: report.out_of_fold,
                in_sample: best.mean,
            },
            highest: measured(&report.highest),
            prior: report.prior.as_ref(),
            fold_choices: &report.fold_choices,
            gain: Gain {
                mean: gain.comparison.test.difference,
                interval: interval(&gain.comparison),
                p_value: gain.comparison.test.p_value,
                adjusted_p: gain.adjusted_p,
                detectable: gain.comparison.power.gain,
            },
            against: against.collect(),
            per_query: &report.queries,
            surface: &report.surface,
            depths: &report.depths,
            learned: report.learned.as_ref().map(Learned::new),
            times: if is_full { &report.times } else { &[] },
            verdict: report.verdict,
            warnings: &report.warnings,
            written: decided.is_written,
            decision: decided.text,
            report,
        }
    }
}

impl AgainstBaseline {
    fn new(one: &Against) -> Self {
        let comparison = &one.comparison;
        let choice = one.choice.clone();
        AgainstBaseline {
            baseline: one.baseline.to_string(),
            is_tuned: one.baseline.is_tuned(),
            weights: choice.weights.clone(),
            choice,
            mean: comparison.baseline,
            difference: comparison.test.difference,
            interval: interval(comparison),
            p_value: comparison.test.p_value,
            adjusted_p: one.adjusted_p,
            wins: comparison.wins,
            ties: comparison.ties,
            losses: comparison.losses,
            detectable: comparison.power.gain,
        }
    }
}

impl Learned {
    fn new(learned: &LearnedReport) -> Self {
        let importance = learned.learned.importance().into_iter();
        let [p_tuned, p_current] = learned.adjusted_p;
        Learned {
            out_of_fold: learned.out_of_fold,
            trees: learned.learned.n_trees(),
            fold_trees: learned.fold_trees.clone(),
            against_tuned: Compared::new(learned.against_tuned(), p_tuned),
            against_current: Compared::new(learned.against_current(), p_current),
            is_gain: learned.is_gain(),
            importance: importance
                .map(|(name, share)| (name.clone(), share))
                .collect(),
        }
    }
}

impl Compared {
    fn new(one: &Comparison, adjusted_p: f64) -> Self {
        Compared {
            difference: one.test.difference,
            interval: interval(one),
            p_value: one.test.p_value,
            adjusted_p,
            wins: one.wins,
            ties: one.ties,
            losses: one.losses,
        }
    }
}

fn interval(comparison: &Comparison) -> [f64; 2] {
    [comparison.interval.low, comparison.interval.high]
}
