//! `treffer eval`: every stage and fusion against relevance judgments.

use std::path::PathBuf;

use anyhow::Result;
use treffer_engine::evaluate::{Measurement, evaluate_under};
use treffer_engine::profiles::Profiles;
use treffer_engine::topics::Topics;
use treffer_eval::Metric;
use treffer_report::Experiment;
use treffer_report::text::count;

use crate::date::today;
use crate::deadline::Cuts;
use crate::options::{Global, JudgedArgs};
use crate::progress::Bars;
use crate::terminal::{note, say, warn};
use crate::{Outcome, input, output, report};

mod measured;

use measured::Measured;

#[derive(Debug, clap::Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    judged: JudgedArgs,
    /// What to measure
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "nDCG@10,MRR@10,MAP,Recall@100,P@10",
        value_name = "METRICS"
    )]
    metrics: Vec<Metric>,
    /// Break the first metric down by the queries' tags
    #[arg(long)]
    by_tag: bool,
    /// Write a TREC run for each row into this folder
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Write a report with plots and every query to this HTML file, which needs nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Measure, but write no runs and no report
    #[arg(long)]
    dry_run: bool,
}

/// Measures, writes runs and a report if asked to, and prints a row per stage and fusion.
pub(crate) fn run(command: &Eval, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    let judged = &command.judged;
    if let Some(path) = &command.report {
        output::check_target(path, "the report")?;
    }
    let bars = Bars::cancellable()?;
    let mut inputs = input::Inputs::new(&judged.reading)?.stopped_by(&bars);
    let options = judged.options();
    let (stages, time) = (options.stages.clone(), input::Time::Given);
    let engine = input::open_profiled(&judged.dir, &judged.profile, stages, time, global, &bars)?;
    let profile = engine.profile(&options)?;
    let topics = inputs.topics(&engine, judged)?;
    inputs.finish()?;
    if command.run_dir.is_some() {
        for query in &topics.queries {
            output::check_column(&query.id, "query id", "a run")?;
        }
    }
    if command.by_tag && !has_tags(&topics) {
        note("no query has a tag, so --by-tag has nothing to break down");
    }
    let warnings = input::tuned_on_these(&engine, &options, &topics)?;
    warnings.iter().for_each(|warning| warn(warning));

    let only = options.stages.as_deref();
    let profiles = Profiles::of(&engine, &options)?;
    let metrics = &command.metrics;
    let measurement = evaluate_under(&engine, &profiles, only, &topics, metrics, &bars)?;
    let cut = Cuts::of(&measurement.gathered).note(profiles.all());
    cut.iter().for_each(|cut| note(cut));

    // What was measured took long, so it is printed even if a file cannot be written; and
    // files are written first, so that nobody who stops reading can prevent it.
    let written = write_runs(command, &measurement).and_then(|()| {
        let experiment = Experiment {
            engine: &engine,
            options: &options,
            profile: &profile,
            topics: &topics,
            queries: &judged.queries,
            qrels: &judged.qrels,
            date: &today(),
            program: report::PROGRAM,
            command: &report::command_line(),
        };
        let notes: Vec<String> = cut.into_iter().collect();
        write_report(command, &experiment, &measurement, &warnings, &notes)
    });
    let measured = Measured::new(command, &measurement, &topics, engine.now(), warnings);
    judged.format.print(&measured)?;
    written.map(|()| Outcome::Found)
}

fn has_tags(topics: &Topics) -> bool {
    topics.queries.iter().any(|query| !query.tags.is_empty())
}

fn write_runs(command: &Eval, measurement: &Measurement) -> Result<()> {
    let Some(dir) = &command.run_dir else {
        return Ok(());
    };
    let runs = count(measurement.rows.len() as u64, "run");
    if command.dry_run {
        say(&format!("would write {runs} to {}", dir.display()));
        return Ok(());
    }
    let rows = measurement.rows.iter();
    output::write_runs(dir, rows.map(|row| (row.name.as_str(), &row.run)))?;
    say(&format!("wrote {runs} to {}", dir.display()));
    Ok(())
}

fn write_report(
    command: &Eval,
    experiment: &Experiment<'_>,
    measurement: &Measurement,
    warnings: &[String],
    notes: &[String],
) -> Result<()> {
    let Some(path) = &command.report else {
        return Ok(());
    };
    if command.dry_run {
        say(&format!("would write the report to {}", path.display()));
        return Ok(());
    }
    let page = treffer_report::evaluation(experiment, measurement, warnings, notes)?;
    report::write(path, &page)
}
