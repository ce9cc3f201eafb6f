//! What a tuning found, for people.

use treffer_engine::stages::Registry;
use treffer_engine::tune::{
    Choice, DepthPoint, LearnedReport, PriorReport, Search, TuneReport, Verdict,
};
use treffer_types::{StageName, stage_list};

use super::tuning::Tuning;
use crate::filtered::{Filtered, now_line};
use crate::format::{Block, Blocks, Columns};

impl Blocks for Tuning<'_> {
    fn blocks(&self) -> Vec<Block> {
        let report = self.report;
        let what = match report.search {
            Search::Weights => "weightings",
            Search::Full => "choices",
        };
        let mut blocks = vec![Block::Line(format!(
            "{} {what} of {} on {} queries, {} folds",
            report.n_measured,
            stage_list(&report.stages),
            report.n_queries(),
            report.folds
        ))];
        blocks.extend(self.filter.as_ref().map(Filtered::line));
        blocks.extend(self.now.map(now_line));
        blocks.push(Block::Columns(comparisons(report)));
        if report.search == Search::Full {
            blocks.push(Block::Columns(front(report)));
        }
        let learned = report.learned.iter().flat_map(learned_lines);
        blocks.extend(learned.chain(self.summary()).map(Block::Line));
        blocks
    }
}

impl Tuning<'_> {
    fn summary(&self) -> Vec<String> {
        let report = self.report;
        let folds = report.fold_choices.iter();
        let chosen: Vec<String> = folds.map(|choice| described(choice, report)).collect();
        let gain = report.gain();
        let mut lines = vec![
            format!("chosen by the folds: {}", chosen.join(" | ")),
            format!(
                "tuned: {} ({} {:.4} on the queries that chose it)",
                described(&report.best.choice, report),
                report.metric,
                report.best.mean
            ),
            format!(
                "gain over the current profile, out of fold: {:+.4}, 95 % interval {:+.4} to {:+.4}, p = {:.4} after correction",
                gain.comparison.test.difference,
                gain.comparison.interval.low,
                gain.comparison.interval.high,
                gain.adjusted_p
            ),
        ];
        lines.extend(report.prior.as_ref().map(|prior| prior_line(prior, report)));
        if let (Verdict::OverBudget, Some(ms), Some(most)) =
            (report.verdict, report.current.ms, report.budget_ms)
        {
            lines.push(format!(
                "the current profile takes {ms:.2} ms per query, more than the {most} that were allowed"
            ));
        }
        if let Some(detectable) = gain.comparison.power.gain {
            lines.push(format!(
                "so many queries would show a gain of {detectable:.4} in 4 of 5 cases"
            ));
        }
        lines.push(self.decision.clone());
        lines
    }
}

/// What the weights were drawn towards, and what came of it.
fn prior_line(prior: &PriorReport, report: &TuneReport) -> String {
    let PriorReport {
        weights,
        origin,
        mean,
        n_averaged,
        is_chosen,
        n_folds,
    } = prior;
    let outcome = if *is_chosen {
        format!(
            "these queries tell of none that are surely better, so they were chosen (in {n_folds} of {} folds)",
            report.folds
        )
    } else {
        format!(
            "of {n_averaged} weightings within one standard error of the best the mean was taken, those near the prior counting more"
        )
    };
    format!(
        "prior: {weights}, {origin} ({} {mean:.4}): {outcome}",
        report.metric
    )
}

/// The weights, and whatever else differs from the current profile.
pub(super) fn described(choice: &Choice, report: &TuneReport) -> String {
    let mut text = choice.weights.to_string();
    let is_shown = |stage: StageName| report.stages.contains(&stage);
    for setting in choice.setup.differences(&report.current.choice.setup) {
        if setting.stage.is_none_or(is_shown) {
            text.push_str(&format!(", {} {}", setting.label, setting.shown));
        }
    }
    text
}

/// Every baseline beside the tuned values. Each is one line, whatever was searched.
fn comparisons(report: &TuneReport) -> Columns {
    let mut table = Columns::default();
    table.row([
        "against".to_string(),
        "weights".into(),
        report.metric.to_string(),
        "tuned gains".into(),
        "95 % interval".into(),
        "p (Holm)".into(),
    ]);
    for one in &report.against {
        let comparison = &one.comparison;
        table.row([
            one.baseline.to_string(),
            shares(&one.choice, report),
            format!("{:.4}", comparison.baseline),
            format!("{:+.4}", comparison.test.difference),
            format!(
                "{:+.4} to {:+.4}",
                comparison.interval.low, comparison.interval.high
            ),
            format!("{:.4}", one.adjusted_p),
        ]);
    }
    table.row([
        "tuned, out of fold".to_string(),
        shares(&report.best.choice, report),
        format!("{:.4}", report.out_of_fold),
        String::new(),
        String::new(),
        String::new(),
    ]);
    table
}

/// The standard stages, late interaction only if the index has it, and whatever else was weighed.
fn columns(report: &TuneReport) -> Vec<StageName> {
    let mut stages = Registry::standard().names();
    stages.retain(|stage| *stage != StageName::LATE || report.stages.contains(stage));
    let others = report.stages.iter().filter(|stage| !stages.contains(stage));
    let others: Vec<StageName> = others.copied().collect();
    stages.extend(others);
    stages
}

/// The weights to two decimals, as in `0.20 0.30 0.50`.
fn shares(choice: &Choice, report: &TuneReport) -> String {
    let share = |stage| format!("{:.2}", choice.weights.weight(stage));
    let shares: Vec<String> = columns(report).into_iter().map(share).collect();
    shares.join(" ")
}

/// The Pareto front: each line is better and slower than the one above.
fn front(report: &TuneReport) -> Columns {
    let columns = columns(report);
    let mut heads = vec!["ms per query".to_string(), "out of fold".into()];
    heads.extend(columns.iter().map(StageName::to_string));
    if let Some(last) = heads.last_mut() {
        last.push_str(" depth");
    }
    let patience = |point: &DepthPoint| point.choice.setup.cross_patience;
    let is_patient = report.depths.iter().any(|point| patience(point) > 0);
    heads.extend(is_patient.then(|| "patience".to_owned()));
    let mut table = Columns::default();
    table.row(heads);
    for point in report.depths.iter().filter(|point| point.is_pareto) {
        let depths = columns.iter().map(|stage| depth(&point.choice, *stage));
        let cells = [format!("{:.2}", point.ms), format!("{:.4}", point.mean)];
        let patience = is_patient.then(|| match patience(point) {
            0 => "-".to_owned(),
            patience => patience.to_string(),
        });
        table.row(cells.into_iter().chain(depths).chain(patience));
    }
    table
}

/// How deep a stage goes under a choice; 0 for a reranker without weight, which is not run.
fn depth(choice: &Choice, stage: StageName) -> String {
    let kind = Registry::standard().get(stage);
    let is_reranker = kind.is_some_and(|kind| kind.capabilities.reranks);
    if is_reranker && choice.weights.weight(stage) == 0.0 {
        return "0".into();
    }
    let depth = choice.setup.depths.get(stage);
    depth.map_or("-".into(), |depth| depth.to_string())
}

/// What trees add to the tuned weights, and what they look at.
fn learned_lines(learned: &LearnedReport) -> Vec<String> {
    let counts: Vec<String> = learned.fold_trees.iter().map(usize::to_string).collect();
    let mut lines = vec![format!(
        "learned, out of fold: {:.4} with {} trees on all queries ({} in the folds)",
        learned.out_of_fold,
        learned.learned.n_trees(),
        counts.join(", ")
    )];
    let [p_tuned, p_current] = learned.adjusted_p;
    let sides = [
        ("tuned weights", learned.against_tuned(), p_tuned),
        ("current profile", learned.against_current(), p_current),
    ];
    for (name, comparison, p) in sides {
        lines.push(format!(
            "  over the {name}: {:+.4}, 95 % interval {:+.4} to {:+.4}, p = {p:.4} after correction",
            comparison.test.difference, comparison.interval.low, comparison.interval.high,
        ));
    }
    let importance = learned.learned.importance();
    if !importance.is_empty() {
        let parts = importance.iter().take(MAX_FEATURES);
        let parts: Vec<String> = parts
            .map(|(name, share)| format!("{name} {:.0} %", 100.0 * share))
            .collect();
        lines.push(format!("  the trees look at {}", parts.join(", ")));
    }
    lines
}

/// Features that are named on the terminal.
const MAX_FEATURES: usize = 6;
