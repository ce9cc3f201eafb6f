//! `treffer tune`: the fusion weights that suit an index, and whether to believe them.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use treffer_engine::index::Index;
use treffer_engine::learned;
use treffer_engine::profile::{Profile, Provenance, QueryPrints};
use treffer_engine::settings_file::save_profile;
use treffer_engine::topics::Topics;
use treffer_engine::tune::{
    Choice, DRAWS, LearnedReport, ScoresOrigin, Search, TuneReport, TuneRequest, Verdict, tune,
};
use treffer_types::StageName;

use crate::args::{Global, ReportFormat, SearchSpace, Tune};
use crate::progress::Bars;
use crate::report::{self, Origin};
use crate::{Outcome, source};

mod print;

use print::to_json;
pub(crate) use print::write_table;

/// Tunes, reports, and writes the winner into the index's settings if the gain is there.
pub(crate) fn run(command: &Tune, global: &Global) -> Result<Outcome> {
    source::limit_threads(global)?;
    let judged = &command.judged;
    let steps = source::steps(command.step)?;
    if let Some(path) = &command.report {
        report::check(path)?;
    }
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
        learn: command.learn,
    };
    let mut found = tune(&index, &request, &topics, &bars)?;
    found.warnings.extend(held_out);
    // The winner is measured out of fold, what is there already is not.
    let settings = index.settings();
    let tuned_before = source::tuned_on_these(settings, &judged.how, &profile, &topics)?;
    found.warnings.extend(tuned_before);
    found.warnings.extend(profile.learned.is_some().then(|| {
        format!(
            "profile `{}` orders by trees over its weights; what is compared here as the current profile is its weights alone",
            judged.how.profile
        )
    }));
    tell_on_the_side(&found);
    // The report took long; it is printed also where the winner cannot be written.
    let (decision, written) = decide(command, &index, &profile, &found);
    let mut out = io::stdout().lock();
    match judged.format {
        ReportFormat::Table => write_table(&mut out, &found, &decision)?,
        ReportFormat::Json => writeln!(out, "{}", to_json(&found, &decision))?,
    }
    if let Some(path) = &command.report {
        let origin = Origin {
            judged,
            index: &index,
            profile: &profile,
            topics: &topics,
            date: &today(),
            words: &report::command_line(),
        };
        report::write(path, &report::tune::page(origin, &found, &decision.text)?)?;
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

/// What would be written: the tuned weights, or with `--learn` the trees over them, if
/// these earn their place, or are better and `--force` is given.
enum Winner<'a> {
    Weights,
    Learned(&'a LearnedReport),
}

fn winner<'a>(command: &Tune, report: &'a TuneReport) -> Option<Winner<'a>> {
    // Trees may help in the folds and come to none on all queries.
    let learned = report.learned.as_ref();
    let learned = learned.filter(|learned| learned.learned.n_trees() > 0);
    let earned = learned.filter(|learned| learned.is_gain());
    let forced = learned.filter(|learned| learned.out_of_fold > report.out_of_fold);
    match (earned, forced) {
        (Some(learned), _) => Some(Winner::Learned(learned)),
        (None, Some(learned)) if command.force => Some(Winner::Learned(learned)),
        _ if report.is_change() || command.force => Some(Winner::Weights),
        _ => None,
    }
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
    let Some(winner) = winner(command, report) else {
        let text = match report.verdict {
            Verdict::Same => format!("profile `{name}` left alone: it is the winner itself"),
            _ => format!(
                "profile `{name}` left alone: a gain could not be told from chance on {} queries (--force writes the winner all the same)",
                report.n_queries()
            ),
        };
        let is_written = false;
        return (Decision { text, is_written }, Ok(()));
    };
    let mut best = described(&report.best.choice, report);
    if let Winner::Learned(learned) = winner {
        best.push_str(&format!(
            ", and {} trees over them,",
            learned.learned.n_trees()
        ));
    }
    if command.dry_run {
        let text = format!("would write {best} to profile `{name}`");
        let is_written = false;
        return (Decision { text, is_written }, Ok(()));
    }
    let written = write(command, index, profile, report, &winner, name);
    let text = match &written {
        Err(_) => format!("could not write {best} to profile `{name}`"),
        Ok(()) => format!(
            "wrote {best} to profile `{name}` of {}",
            index.dir().display()
        ),
    };
    let is_written = written.is_ok();
    (Decision { text, is_written }, written.map_err(Into::into))
}

fn write(
    command: &Tune,
    index: &Index,
    profile: &Profile,
    report: &TuneReport,
    winner: &Winner<'_>,
    name: &str,
) -> Result<(), treffer_engine::Error> {
    let learned = match winner {
        Winner::Weights => None,
        Winner::Learned(one) => Some(learned::keep(index.dir(), name, &one.learned)?),
    };
    let tuned = Profile {
        learned,
        tuned: Some(provenance(command, index, report, winner)),
        ..report.best.choice.apply(profile)
    };
    save_profile(index.dir(), name, &tuned)
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

fn provenance(
    command: &Tune,
    index: &Index,
    report: &TuneReport,
    winner: &Winner<'_>,
) -> Provenance {
    let file_name = |path: &Path| {
        path.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let (out_of_fold, interval) = match winner {
        Winner::Weights => (report.out_of_fold, report.gain().comparison.interval),
        Winner::Learned(learned) => (learned.out_of_fold, learned.against_current().interval),
    };
    let cross = report.stages.contains(&StageName::Cross);
    let record = index.manifest().models.cross.as_ref().filter(|_| cross);
    Provenance {
        queries: file_name(&command.judged.queries),
        qrels: file_name(&command.judged.qrels),
        n_queries: report.n_queries(),
        metric: command.metric.to_string(),
        folds: command.folds,
        seed: command.seed,
        out_of_fold: rounded(out_of_fold),
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
