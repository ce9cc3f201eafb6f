//! `treffer tune`: the fusion weights that suit an index, and whether to believe them.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::{Value, json};
use treffer_engine::index::{Index, names};
use treffer_engine::profile::{Profile, Provenance, QueryPrints};
use treffer_engine::settings_file::save_profile;
use treffer_engine::topics::Topics;
use treffer_engine::tune::{
    Against, Baseline, Choice, DRAWS, DepthPoint, ScoresOrigin, Search, TuneReport, TuneRequest,
    Verdict, tune,
};
use treffer_types::StageName;

use crate::args::{Global, ReportFormat, SearchSpace, Tune};
use crate::output::Table;
use crate::progress::Bars;
use crate::{Outcome, source};

/// Tunes, reports, and writes the winner into the index's settings if the gain is there.
pub(crate) fn run(command: &Tune, global: &Global) -> Result<Outcome> {
    source::limit_threads(global)?;
    let judged = &command.judged;
    let steps = source::steps(command.step)?;
    let bars = Bars::cancellable()?;
    let stages = judged.how.stages.clone();
    let index = source::open_index(&judged.dir, &judged.how, stages, global, &bars)?;
    let profile = source::profile(index.settings(), &judged.how)?;
    let topics = source::topics(&index, judged)?;
    let held_out = held_out_warning(command, &topics)?;
    let request = TuneRequest {
        profile: &profile,
        stages: judged.how.stages.as_deref(),
        metric: command.metric,
        search: match command.search {
            SearchSpace::Weights => Search::Weights,
            SearchSpace::Full => Search::Full,
        },
        steps,
        folds: command.folds,
        seed: command.seed,
        draws: DRAWS,
        budget_ms: command.budget_ms,
        cache: !command.no_cache,
    };
    let mut report = tune(&index, &request, &topics, &bars)?;
    report.warnings.extend(held_out);
    // The winner is measured out of fold, what is there already is not.
    let settings = index.settings();
    report.warnings.extend(source::tuned_on_these(
        settings,
        &judged.how,
        &profile,
        &topics,
    )?);
    tell_on_the_side(&report);
    // The report took long; it is printed also where the winner cannot be written.
    let (decision, written) = decide(command, &index, &profile, &report);
    let mut out = io::stdout().lock();
    match judged.format {
        ReportFormat::Table => write_table(&mut out, &report, &decision)?,
        ReportFormat::Json => writeln!(out, "{}", to_json(&report, &decision))?,
    }
    written.map(|()| Outcome::Found)
}

/// What is wrong with tuning on queries that will also be the test.
fn held_out_warning(command: &Tune, topics: &Topics) -> Result<Option<String>> {
    let Some(path) = &command.held_out else {
        return Ok(None);
    };
    let held_out = source::qrels(path)?;
    let is_shared = |id: &&String| held_out.query(id).is_some();
    let ids = topics.queries.iter().map(|query| &query.id);
    let n_shared = ids.filter(is_shared).count();
    Ok((n_shared > 0).then(|| {
        format!(
            "{} of the {} that choose are also in {}: a test on them would flatter the tuned profile",
            n_shared,
            source::queries_counted(topics.queries.len()),
            path.display()
        )
    }))
}

fn tell_on_the_side(report: &TuneReport) {
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    if let ScoresOrigin::Gathered { note: Some(note) } = &report.scores {
        eprintln!("note: {note}");
    }
    let origin = match report.scores {
        ScoresOrigin::Cache => "with scores kept from an earlier run",
        ScoresOrigin::Gathered { .. } => "with scores gathered now",
    };
    eprintln!(
        "note: searched and tested in {:.1} s, {origin}",
        report.elapsed.as_secs_f64()
    );
}

/// What became of the winner, in words, and whether it was written.
pub(crate) struct Decision {
    text: String,
    is_written: bool,
}

fn decide(
    command: &Tune,
    index: &Index,
    profile: &Profile,
    report: &TuneReport,
) -> (Decision, Result<()>) {
    let name = command
        .save_as
        .as_ref()
        .unwrap_or(&command.judged.how.profile);
    let is_kept = !report.is_gain() && !command.force;
    let mut written = Ok(());
    if !is_kept && !command.dry_run {
        let tuned = Profile {
            tuned: Some(provenance(command, index, report)),
            ..report.best.choice.apply(profile)
        };
        written = save_profile(index.dir(), name, &tuned);
    }
    let best = described(&report.best.choice, report);
    let text = match () {
        () if is_kept && report.verdict == Verdict::Same => {
            format!("profile `{name}` left alone: it is the winner itself")
        }
        () if is_kept => format!(
            "profile `{name}` left alone: a gain could not be told from chance on {} queries (--force writes the winner all the same)",
            report.n_queries()
        ),
        () if command.dry_run => format!("would write {best} to profile `{name}`"),
        () if written.is_err() => format!("could not write {best} to profile `{name}`"),
        () => format!(
            "wrote {best} to profile `{name}` of {}",
            index.dir().display()
        ),
    };
    let is_written = !is_kept && !command.dry_run && written.is_ok();
    (Decision { text, is_written }, written.map_err(Into::into))
}

/// The weights, and whatever else differs from the current profile.
fn described(choice: &Choice, report: &TuneReport) -> String {
    let (setup, current) = (&choice.setup, &report.current.choice.setup);
    let mut text = choice.weights.to_string();
    for stage in &report.stages {
        let normalizer = setup.normalizers[*stage];
        if normalizer != current.normalizers[*stage] {
            text.push_str(&format!(", {stage} {normalizer}"));
        }
    }
    let depths = [
        ("bm25_depth", setup.bm25_depth, current.bm25_depth),
        ("dense_depth", setup.dense_depth, current.dense_depth),
        ("cross_depth", setup.cross_depth, current.cross_depth),
    ];
    for (key, depth, before) in depths {
        if depth != before {
            text.push_str(&format!(", {key} {depth}"));
        }
    }
    if setup.cross_order != current.cross_order {
        let order = serde_json::to_value(setup.cross_order).unwrap_or_default();
        text.push_str(&format!(", cross_order {}", order.as_str().unwrap_or("")));
    }
    text
}

fn provenance(command: &Tune, index: &Index, report: &TuneReport) -> Provenance {
    let file_name = |path: &Path| {
        path.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let interval = report.gain().comparison.interval;
    let cross = report.stages.contains(&StageName::Cross);
    let record = index.manifest().models.cross.as_ref().filter(|_| cross);
    Provenance {
        queries: file_name(&command.judged.queries),
        qrels: file_name(&command.judged.qrels),
        n_queries: report.n_queries(),
        metric: command.metric.to_string(),
        folds: command.folds,
        seed: command.seed,
        out_of_fold: rounded(report.out_of_fold),
        before: rounded(report.current.mean),
        gain_interval: [rounded(interval.low), rounded(interval.high)],
        date: today(),
        cross_fingerprint: record.map_or_else(String::new, |model| model.fingerprint.to_string()),
        query_prints: QueryPrints::of(report.queries.iter().map(|query| query.text.as_str())),
    }
}

/// To six decimals: what a file that people read should hold.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The day in UTC, by the civil-from-days algorithm (Hinnant, "chrono-compatible
/// low-level date algorithms").
fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let (year, month, day) = civil(i64::try_from(seconds / 86_400).unwrap_or(0));
    format!("{year:04}-{month:02}-{day:02}")
}

fn civil(days_since_1970: i64) -> (i64, i64, i64) {
    let z = days_since_1970 + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

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
fn to_json(report: &TuneReport, decision: &Decision) -> Value {
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
        "times": if report.search == Search::Full { json!(report.times) } else { json!([]) },
        "verdict": report.verdict,
        "warnings": report.warnings,
        "written": decision.is_written,
        "decision": decision.text,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
        assert_eq!(civil(-1), (1969, 12, 31));
    }
}
