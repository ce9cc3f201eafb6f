//! What `treffer tune` prints, as a table or as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use treffer_engine::index::names;
use treffer_engine::tune::{
    Against, Baseline, Choice, DepthPoint, LearnedReport, Search, TuneReport, Verdict,
};
use treffer_eval::Comparison;
use treffer_types::StageName;

use crate::commands::tune::{Decision, described};
use crate::output::Table;

pub(crate) fn write_table(
    out: &mut dyn Write,
    report: &TuneReport,
    decision: &Decision,
) -> io::Result<()> {
    let what = match report.search {
        Search::Weights => "weightings",
        Search::Full => "choices",
    };
    writeln!(
        out,
        "{} {what} of {} on {} queries, {} folds",
        report.n_measured,
        names(&report.stages),
        report.n_queries(),
        report.folds
    )?;
    write_comparisons(out, report)?;
    if report.search == Search::Full {
        write_depths(out, &report.depths)?;
    }
    if let Some(learned) = &report.learned {
        write_learned(out, learned)?;
    }
    let chosen: Vec<String> = report
        .fold_choices
        .iter()
        .map(|choice| described(choice, report))
        .collect();
    writeln!(out, "chosen by the folds: {}", chosen.join(" | "))?;
    writeln!(
        out,
        "tuned: {} ({} {:.4} on the queries that chose it)",
        described(&report.best.choice, report),
        report.metric,
        report.best.mean
    )?;
    let gain = report.gain();
    writeln!(
        out,
        "gain over the current profile, out of fold: {:+.4}, 95 % interval {:+.4} to {:+.4}, p = {:.4} after correction",
        gain.comparison.test.difference,
        gain.comparison.interval.low,
        gain.comparison.interval.high,
        gain.adjusted_p
    )?;
    if let (Verdict::OverBudget, Some(ms), Some(most)) =
        (report.verdict, report.current.ms, report.budget_ms)
    {
        writeln!(
            out,
            "the current profile takes {ms:.2} ms per query, more than the {most} that were allowed"
        )?;
    }
    if let Some(detectable) = gain.comparison.power.gain {
        writeln!(
            out,
            "so many queries would show a gain of {detectable:.4} in 4 of 5 cases"
        )?;
    }
    writeln!(out, "{}", decision.text)
}

/// Every baseline beside the tuned values. Each is one line, whatever was searched.
fn write_comparisons(out: &mut dyn Write, report: &TuneReport) -> io::Result<()> {
    let mut table = Table::default();
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
            shares(&one.choice),
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
        shares(&report.best.choice),
        format!("{:.4}", report.out_of_fold),
        String::new(),
        String::new(),
        String::new(),
    ]);
    table.write(out)
}

/// What trees add to the tuned weights, and what they look at.
fn write_learned(out: &mut dyn Write, learned: &LearnedReport) -> io::Result<()> {
    writeln!(
        out,
        "learned, out of fold: {:.4} with {} trees on all queries ({} in the folds)",
        learned.out_of_fold,
        learned.learned.n_trees(),
        counts(&learned.fold_trees)
    )?;
    let sides = [
        (
            "tuned weights",
            learned.against_tuned(),
            learned.adjusted_p[0],
        ),
        (
            "current profile",
            learned.against_current(),
            learned.adjusted_p[1],
        ),
    ];
    for (name, comparison, p) in sides {
        writeln!(
            out,
            "  over the {name}: {:+.4}, 95 % interval {:+.4} to {:+.4}, p = {p:.4} after correction",
            comparison.test.difference, comparison.interval.low, comparison.interval.high,
        )?;
    }
    let importance = learned.learned.importance();
    if !importance.is_empty() {
        let parts = importance.iter().take(MAX_FEATURES);
        let parts: Vec<String> = parts
            .map(|(name, share)| format!("{name} {:.0} %", 100.0 * share))
            .collect();
        writeln!(out, "  the trees look at {}", parts.join(", "))?;
    }
    Ok(())
}

/// Features that are named on the terminal.
const MAX_FEATURES: usize = 6;

fn counts(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    numbers.join(", ")
}

/// The weights to two decimals, as in `0.20 0.30 0.50`.
fn shares(choice: &Choice) -> String {
    let share = |stage: StageName| format!("{:.2}", choice.weights.weight(stage));
    StageName::ALL.map(share).join(" ")
}

/// The Pareto front: each line is better and slower than the one above.
fn write_depths(out: &mut dyn Write, depths: &[DepthPoint]) -> io::Result<()> {
    let mut table = Table::default();
    table.row(
        [
            "ms per query",
            "out of fold",
            "bm25",
            "dense",
            "cross depth",
        ]
        .map(String::from),
    );
    for point in depths.iter().filter(|point| point.is_pareto) {
        let setup = &point.choice.setup;
        let reads = point.choice.weights.weight(StageName::Cross) > 0.0;
        let cross_depth = if reads { setup.cross_depth } else { 0 };
        table.row([
            format!("{:.2}", point.ms),
            format!("{:.4}", point.mean),
            setup.bm25_depth.to_string(),
            setup.dense_depth.to_string(),
            cross_depth.to_string(),
        ]);
    }
    table.write(out)
}

/// Everything, but how long it took: the same from run to run.
pub(super) fn to_json(report: &TuneReport, decision: &Decision) -> Value {
    let gain = report.gain();
    let against: Vec<Value> = report.against.iter().map(against_json).collect();
    json!({
        "metric": report.metric.to_string(),
        "search": report.search,
        "queries": report.n_queries(),
        "measured": report.n_measured,
        "folds": report.folds,
        "seed": report.seed,
        "budget_ms": report.budget_ms,
        "stages": report.stages,
        "current": measured_json(&report.current.choice, report.current.mean),
        "best": {
            "choice": report.best.choice,
            "weights": report.best.choice.weights,
            "out_of_fold": report.out_of_fold,
            "in_sample": report.best.mean,
        },
        "highest": measured_json(&report.highest.choice, report.highest.mean),
        "fold_choices": report.fold_choices,
        "gain": {
            "mean": gain.comparison.test.difference,
            "interval": [gain.comparison.interval.low, gain.comparison.interval.high],
            "p_value": gain.comparison.test.p_value,
            "adjusted_p": gain.adjusted_p,
            "detectable": gain.comparison.power.gain,
        },
        "against": against,
        "per_query": report.queries,
        "surface": report.surface,
        "depths": report.depths,
        "learned": report.learned.as_ref().map(learned_json),
        "times": if report.search == Search::Full { json!(report.times) } else { json!([]) },
        "verdict": report.verdict,
        "warnings": report.warnings,
        "written": decision.is_written,
        "decision": decision.text,
    })
}

fn learned_json(learned: &LearnedReport) -> Value {
    let against = |one: &Comparison, adjusted_p: f64| {
        json!({
            "difference": one.test.difference,
            "interval": [one.interval.low, one.interval.high],
            "p_value": one.test.p_value,
            "adjusted_p": adjusted_p,
            "wins": one.wins,
            "ties": one.ties,
            "losses": one.losses,
        })
    };
    let importance = learned.learned.importance().into_iter();
    json!({
        "out_of_fold": learned.out_of_fold,
        "trees": learned.learned.n_trees(),
        "fold_trees": learned.fold_trees,
        "against_tuned": against(learned.against_tuned(), learned.adjusted_p[0]),
        "against_current": against(learned.against_current(), learned.adjusted_p[1]),
        "is_gain": learned.is_gain(),
        "importance": importance.map(|(name, share)| (name.to_owned(), json!(share)))
            .collect::<serde_json::Map<String, Value>>(),
    })
}

fn measured_json(choice: &Choice, mean: f64) -> Value {
    json!({ "choice": choice, "weights": choice.weights, "mean": mean })
}

fn against_json(one: &Against) -> Value {
    let comparison = &one.comparison;
    json!({
        "baseline": one.baseline.to_string(),
        "is_tuned": one.baseline == Baseline::BestTwoWay,
        "choice": one.choice,
        "weights": one.choice.weights,
        "mean": comparison.baseline,
        "difference": comparison.test.difference,
        "interval": [comparison.interval.low, comparison.interval.high],
        "p_value": comparison.test.p_value,
        "adjusted_p": one.adjusted_p,
        "wins": comparison.wins,
        "ties": comparison.ties,
        "losses": comparison.losses,
        "detectable": comparison.power.gain,
    })
}
