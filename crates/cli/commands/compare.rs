//! `treffer compare`: TREC runs against a baseline, with intervals, tests and power.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use treffer_eval::{Comparison, Evaluation, Metric, Run, Settings, holm};
use treffer_report::text::count;
use treffer_types::Qrels;

use crate::format::ResultFormat;
use crate::options::{QrelsArgs, ReadArgs};
use crate::terminal::note;
use crate::{Outcome, input};

mod compared;
mod coverage;

use compared::Compared;
use coverage::Coverage;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  Is the new system significantly better than the old one?
    treffer compare old.trec new.trec --qrels qrels/test.tsv
  Several against one baseline, corrected for their number:
    treffer compare bm25.trec dense.trec hybrid.trec --qrels qrels.txt --metrics nDCG@10,MAP
  Every query with its difference:
    treffer compare old.trec new.trec --qrels qrels.txt --per-query")]
pub(crate) struct Compare {
    /// TREC run, also .gz or .zst, that the others are compared with
    baseline: PathBuf,
    /// TREC runs to compare with it
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Relevance judgments: BEIR TSV, TREC qrels or CSV, also .gz or .zst
    #[arg(long, value_name = "FILE")]
    qrels: PathBuf,
    #[command(flatten)]
    qrels_args: QrelsArgs,
    #[command(flatten)]
    reading: ReadArgs,
    /// Leave the document with the query's id out of every ranking: for collections in which
    /// queries are documents
    #[arg(long)]
    exclude_self: bool,
    /// What to measure
    #[arg(
        long,
        alias = "metric",
        value_delimiter = ',',
        default_value = "nDCG@10",
        value_name = "METRICS"
    )]
    metrics: Vec<Metric>,
    /// Seed of the bootstrap and of the randomization test
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// List every query, not only those that differ most
    #[arg(long)]
    per_query: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: ResultFormat,
}

/// Measures every run, tests each against the baseline, and prints what was found.
pub(crate) fn run(command: &Compare) -> Result<Outcome> {
    let mut inputs = input::Inputs::new(&command.reading)?;
    let qrels = inputs.qrels(&command.qrels, &command.qrels_args)?;
    let mut read = |path: &PathBuf| {
        let mut run = inputs.run(path)?;
        if command.exclude_self {
            let n = count(run.exclude_self() as u64, "document");
            let path = path.display();
            note(&format!(
                "{n} of {path} with the id of their query: left out"
            ));
        }
        Ok(run)
    };
    let baseline = read(&command.baseline)?;
    let runs = command
        .runs
        .iter()
        .map(&mut read)
        .collect::<Result<Vec<Run>>>()?;
    inputs.finish()?;
    let coverage = Coverage::new(&baseline, &runs, &qrels);
    coverage.report(command);
    let qrels = coverage.compared(command, qrels)?;
    let rows = compare(command, &baseline, &runs, &qrels)?;
    let compared = Compared::new(command, qrels.0.len(), &rows, &coverage);
    command.format.print(&compared)?;
    Ok(Outcome::Found)
}

/// One run against the baseline in one metric.
struct Row {
    run: String,
    metric: Metric,
    comparison: Comparison,
    /// Corrected for the number of rows.
    holm_p: f64,
    /// The largest gain first.
    queries: Vec<Values>,
}

/// The values of one query.
struct Values {
    query: String,
    baseline: f64,
    run: f64,
}

impl Values {
    fn difference(&self) -> f64 {
        self.run - self.baseline
    }
}

/// By run, then by metric.
fn compare(command: &Compare, baseline: &Run, runs: &[Run], qrels: &Qrels) -> Result<Vec<Row>> {
    let metrics = &command.metrics;
    let before = Evaluation::new(baseline, qrels, metrics)?;
    let mut rows = Vec::new();
    for (path, run) in command.runs.iter().zip(runs) {
        let after = Evaluation::new(run, qrels, metrics)?;
        for (at, metric) in metrics.iter().enumerate() {
            rows.push(row(path, *metric, at, &before, &after, command.seed)?);
        }
    }
    let p_values: Vec<f64> = rows.iter().map(|row| row.comparison.test.p_value).collect();
    for (row, p) in rows.iter_mut().zip(holm(&p_values)?) {
        row.holm_p = p;
    }
    Ok(rows)
}

fn row(
    path: &Path,
    metric: Metric,
    at: usize,
    before: &Evaluation,
    after: &Evaluation,
    seed: u64,
) -> Result<Row> {
    let run = path.display().to_string();
    let pairs = before.queries.iter().zip(after.queries.values());
    let mut queries: Vec<Values> = pairs
        .map(|((query, before), after)| Values {
            query: query.clone(),
            baseline: before[at],
            run: after[at],
        })
        .collect();
    let values = |of: fn(&Values) -> f64| queries.iter().map(of).collect::<Vec<f64>>();
    let (before, after) = (values(|query| query.baseline), values(|query| query.run));
    let comparison = Comparison::new(&after, &before, &Settings::usual(seed))
        .with_context(|| format!("could not compare {run} by {metric}"))?;
    // Stable, so that equal differences stay in the order of ids.
    queries.sort_by(|a, b| b.difference().total_cmp(&a.difference()));
    Ok(Row {
        run,
        metric,
        comparison,
        holm_p: 1.0,
        queries,
    })
}
