//! `treffer eval`: every stage and fusion against relevance judgements.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use treffer_engine::evaluate::{Report, Row, evaluate};
use treffer_engine::topics::Topics;
use treffer_eval::{Metric, write_run};

use crate::args::{Eval, Global, ReportFormat};
use crate::commands::tune::today;
use crate::cuts::Cuts;
use crate::output::{Table, count};
use crate::progress::Bars;
use crate::report::times::percentile;
use crate::report::{self, Origin};
use crate::{Outcome, source};

/// Measures, prints one row per stage and fusion, and writes runs if asked to.
pub(crate) fn run(command: &Eval, global: &Global) -> Result<Outcome> {
    source::limit_threads(global)?;
    let judged = &command.judged;
    if let Some(path) = &command.report {
        report::check(path)?;
    }
    let bars = Bars::cancellable()?;
    let stages = judged.how.stages.clone();
    let index = source::open_index(&judged.dir, &judged.how, stages, global, &bars)?;
    let profile = source::profile(index.settings(), &judged.how)?;
    let topics = source::topics(&index, judged)?;
    if command.by_tag && !has_tags(&topics) {
        eprintln!("note: no query has a tag, so --by-tag has nothing to break down");
    }
    let warning = source::tuned_on_these(index.settings(), &judged.how, &profile, &topics)?;
    if let Some(warning) = &warning {
        eprintln!("warning: {warning}");
    }
    let only = judged.how.stages.as_deref();
    let measured = evaluate(&index, &profile, only, &topics, &command.metrics, &bars)?;
    Cuts::of(&measured.gathered).tell(&profile);
    if let Some(dir) = &command.run_dir {
        match command.dry_run {
            true => eprintln!("would write {} to {}", n_runs(&measured), dir.display()),
            false => write_runs(dir, &measured)?,
        }
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match judged.format {
        ReportFormat::Json => {
            let mut value = to_json(command, &measured, &topics);
            value["warnings"] = warning.iter().cloned().collect();
            writeln!(out, "{value}")?;
        }
        ReportFormat::Table => write_table(&mut out, command, &measured, &topics)?,
    }
    out.flush()?;
    match &command.report {
        Some(path) if command.dry_run => eprintln!("would write the report to {}", path.display()),
        Some(path) => {
            let origin = Origin {
                judged,
                index: &index,
                profile: &profile,
                topics: &topics,
                date: &today(),
                words: &report::command_line(),
            };
            report::write(path, &report::eval::page(origin, &measured, warning)?)?;
        }
        None => {}
    }
    Ok(Outcome::Found)
}

pub(crate) fn write_table(
    out: &mut dyn Write,
    command: &Eval,
    report: &Report,
    topics: &Topics,
) -> io::Result<()> {
    let mut table = Table::default();
    let metrics = command.metrics.iter().map(Metric::to_string);
    table.row(
        ["row".to_string()]
            .into_iter()
            .chain(metrics)
            .chain(["judged hits".into()]),
    );
    for row in &report.rows {
        let values = row
            .evaluation
            .summary()
            .into_iter()
            .map(|value| format!("{value:.4}"));
        let (judged, hits) = row.judged;
        let cells = [row.name.clone()].into_iter().chain(values);
        table.row(cells.chain([format!("{judged}/{hits}")]));
    }
    writeln!(
        out,
        "{} queries; judged hits are among the first ten",
        topics.queries.len()
    )?;
    table.write(out)?;
    if command.by_tag && has_tags(topics) {
        writeln!(out)?;
        tag_table(command, report, topics).write(out)?;
    }
    writeln!(out)?;
    time_table(report).write(out)
}

fn has_tags(topics: &Topics) -> bool {
    topics.queries.iter().any(|query| !query.tags.is_empty())
}

fn tag_table(command: &Eval, report: &Report, topics: &Topics) -> Table {
    let mut table = Table::default();
    let metric = command
        .metrics
        .first()
        .map_or(String::new(), Metric::to_string);
    let names = report.rows.iter().map(|row| row.name.clone());
    table.row(
        [format!("{metric} by tag"), "queries".into()]
            .into_iter()
            .chain(names),
    );
    let by_row: Vec<_> = report.rows.iter().map(|row| row.by_tag(topics)).collect();
    let Some(first) = by_row.first() else {
        return table;
    };
    for (tag, (n, _)) in first {
        let values = by_row
            .iter()
            .map(|tags| match tags.get(tag).and_then(|(_, v)| v.first()) {
                Some(value) => format!("{value:.4}"),
                None => "-".into(),
            });
        table.row([tag.clone(), n.to_string()].into_iter().chain(values));
    }
    table
}

fn time_table(report: &Report) -> Table {
    let mut table = Table::default();
    table.row(["ms per query", "p50", "p95"]);
    for (stage, times) in &report.times {
        let (p50, p95) = (percentile(times, 50), percentile(times, 95));
        table.row([stage.to_string(), milliseconds(p50), milliseconds(p95)]);
    }
    table
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn to_json(command: &Eval, report: &Report, topics: &Topics) -> Value {
    let rows: Vec<Value> = report
        .rows
        .iter()
        .map(|row| row_json(command, row, topics))
        .collect();
    let mismatches = &topics.mismatches;
    json!({
        "rows": rows,
        "queries": topics.queries.len(),
        "mismatches": {
            "queries_not_judged": mismatches.queries_not_judged,
            "judged_not_given": mismatches.judged_not_given,
            "queries_without_relevant": mismatches.queries_without_relevant,
            "documents_unknown": mismatches.documents_unknown,
        },
    })
}

fn row_json(command: &Eval, row: &Row, topics: &Topics) -> Value {
    let mut value = json!({
        "name": row.name,
        "metrics": metrics_json(&command.metrics, &row.evaluation.summary()),
        "judged_hits": row.judged.0,
        "hits": row.judged.1,
    });
    if command.by_tag {
        let tags = row.by_tag(topics).into_iter().map(|(tag, (n, values))| {
            let metrics = metrics_json(&command.metrics, &values);
            (tag, json!({ "queries": n, "metrics": metrics }))
        });
        value["by_tag"] = Value::Object(tags.collect());
    }
    value
}

fn metrics_json(metrics: &[Metric], values: &[f64]) -> Value {
    let pairs = metrics.iter().zip(values);
    Value::Object(
        pairs
            .map(|(metric, value)| (metric.to_string(), json!(value)))
            .collect::<Map<_, _>>(),
    )
}

fn write_runs(dir: &Path, report: &Report) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("could not create {}", dir.display()))?;
    for row in &report.rows {
        let path = dir.join(format!("{}.trec", row.name));
        let file =
            File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
        write_run(BufWriter::new(file), &row.run, &row.name)
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    eprintln!("wrote {} to {}", n_runs(report), dir.display());
    Ok(())
}

fn n_runs(report: &Report) -> String {
    count(report.rows.len() as u64, "run")
}
