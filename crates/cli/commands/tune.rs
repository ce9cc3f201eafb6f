//! `treffer tune`: the fusion weights that suit an index, and whether to believe them.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::{Value, json};
use treffer_engine::index::{Index, names};
use treffer_engine::profile::{Profile, Provenance};
use treffer_engine::settings_file::save_profile;
use treffer_engine::tune::{TuneReport, TuneRequest, tune};
use treffer_fusion::Weights;
use treffer_types::StageName;

use crate::args::{Global, ReportFormat, Tune};
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
    let request = TuneRequest {
        profile: &profile,
        stages: judged.how.stages.as_deref(),
        metric: command.metric,
        steps,
        folds: command.folds,
        seed: command.seed,
    };
    let report = tune(&index, &request, &topics, &bars)?;
    // The report took long; it is printed also where the winner cannot be written.
    let (decision, written) = decide(command, &index, profile, &report);
    let mut out = io::stdout().lock();
    match judged.format {
        ReportFormat::Table => write_table(&mut out, command, &report, &decision)?,
        ReportFormat::Json => writeln!(out, "{}", to_json(command, &report, &decision))?,
    }
    written.map(|()| Outcome::Found)
}

/// What became of the winner, in words, and whether it was written.
pub(crate) struct Decision {
    text: String,
    is_written: bool,
}

fn decide(
    command: &Tune,
    index: &Index,
    mut profile: Profile,
    report: &TuneReport,
) -> (Decision, Result<()>) {
    let name = command
        .save_as
        .as_ref()
        .unwrap_or(&command.judged.how.profile);
    let is_kept = !report.is_gain() && !command.force;
    let mut written = Ok(());
    if !is_kept && !command.dry_run {
        profile.weights = report.best;
        profile.tuned = Some(provenance(command, index, report));
        written = save_profile(index.dir(), name, &profile);
    }
    let text = match () {
        () if is_kept => format!(
            "profile `{name}` left alone: a gain could not be told from chance on {} queries (--force writes the winner all the same)",
            report.n_queries
        ),
        () if command.dry_run => format!("would write {} to profile `{name}`", report.best),
        () if written.is_err() => {
            format!("could not write {} to profile `{name}`", report.best)
        }
        () => format!(
            "wrote {} to profile `{name}` of {}",
            report.best,
            index.dir().display()
        ),
    };
    let is_written = !is_kept && !command.dry_run && written.is_ok();
    (Decision { text, is_written }, written.map_err(Into::into))
}

fn provenance(command: &Tune, index: &Index, report: &TuneReport) -> Provenance {
    let file_name = |path: &Path| {
        path.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let cross = report.stages.contains(&StageName::Cross);
    let record = index.manifest().models.cross.as_ref().filter(|_| cross);
    Provenance {
        queries: file_name(&command.judged.queries),
        qrels: file_name(&command.judged.qrels),
        n_queries: report.n_queries,
        metric: command.metric.to_string(),
        folds: command.folds,
        seed: command.seed,
        out_of_fold: rounded(report.out_of_fold),
        before: rounded(report.current_mean),
        gain_interval: [rounded(report.gain.low), rounded(report.gain.high)],
        date: today(),
        cross_fingerprint: record.map_or_else(String::new, |model| model.fingerprint.to_string()),
    }
}

/// To six decimals: what a file that people read should hold.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The day in UTC, by the civil-from-days algorithm (Hinnant, "chrono-compatible
/// low-level date algorithms").
pub(crate) fn today() -> String {
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
    command: &Tune,
    report: &TuneReport,
    decision: &Decision,
) -> io::Result<()> {
    let metric = command.metric;
    writeln!(
        out,
        "{} weightings of {} on {} queries, {} folds",
        report.n_points,
        names(&report.stages),
        report.n_queries,
        command.folds
    )?;
    let mut table = Table::default();
    table.row([
        "weights".to_string(),
        "bm25".into(),
        "dense".into(),
        "cross".into(),
        metric.to_string(),
        "measured".into(),
    ]);
    let mut line = |name: &str, weights: &Weights, mean: f64, how: &str| {
        let weight = |stage| format!("{:.3}", weights.weight(stage));
        table.row([
            name.to_string(),
            weight(StageName::Bm25),
            weight(StageName::Dense),
            weight(StageName::Cross),
            format!("{mean:.4}"),
            how.to_string(),
        ]);
    };
    for other in &report.others {
        let how = if other.name.starts_with("tuned") {
            "out of fold"
        } else {
            "on all"
        };
        line(&other.name, &other.weights, other.mean, how);
    }
    line(
        "current profile",
        &report.current,
        report.current_mean,
        "on all",
    );
    line("tuned", &report.best, report.out_of_fold, "out of fold");
    line(
        "tuned",
        &report.best,
        report.best_mean,
        "on the queries that chose it",
    );
    table.write(out)?;
    let chosen: Vec<String> = report.fold_weights.iter().map(Weights::to_string).collect();
    writeln!(out, "chosen by the folds: {}", chosen.join("  "))?;
    writeln!(
        out,
        "gain over the current profile, out of fold: {:+.4}, 95 % interval {:+.4} to {:+.4}, p = {:.4}",
        report.test.difference, report.gain.low, report.gain.high, report.test.p_value
    )?;
    writeln!(out, "{}", decision.text)
}

fn to_json(command: &Tune, report: &TuneReport, decision: &Decision) -> Value {
    let others: Vec<Value> = report
        .others
        .iter()
        .map(|other| json!({ "name": other.name, "weights": other.weights, "mean": other.mean }))
        .collect();
    json!({
        "metric": command.metric.to_string(),
        "queries": report.n_queries,
        "points": report.n_points,
        "stages": report.stages,
        "current": { "weights": report.current, "mean": report.current_mean },
        "best": {
            "weights": report.best,
            "out_of_fold": report.out_of_fold,
            "in_sample": report.best_mean,
        },
        "fold_weights": report.fold_weights,
        "gain": {
            "mean": report.test.difference,
            "interval": [report.gain.low, report.gain.high],
            "p_value": report.test.p_value,
        },
        "others": others,
        "written": decision.is_written,
        "decision": decision.text,
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
