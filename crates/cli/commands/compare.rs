//! `treffer compare`: TREC runs against a baseline, with what a statistician asks.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use treffer_eval::{Comparison, Evaluation, Metric, Run, Settings, holm};
use treffer_types::Qrels;

use crate::args::{Compare, ReportFormat};
use crate::output::Table;
use crate::{Outcome, source};

/// Queries of each kind that are shown without `--per-query`.
const SHOWN: usize = 5;

/// Measures every run, tests each against the baseline, and prints what was found.
pub(crate) fn run(command: &Compare) -> Result<Outcome> {
    let qrels = source::qrels(&command.qrels)?;
    let baseline = source::run(&command.baseline)?;
    let paths = &command.runs;
    let runs = paths
        .iter()
        .map(|path| source::run(path))
        .collect::<Result<Vec<Run>>>()?;
    let coverage = Coverage::new(&baseline, &runs, &qrels);
    coverage.tell(command);
    let qrels = coverage.compared(command, qrels)?;
    let report = compare(command, &baseline, &runs, &qrels)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match command.format {
        ReportFormat::Table => write_table(&mut out, command, &report)?,
        ReportFormat::Json => writeln!(out, "{}", to_json(command, &report, &coverage))?,
    }
    out.flush()?;
    Ok(Outcome::Found)
}

/// How the runs' queries and the judged ones overlap.
struct Coverage {
    judged: usize,
    /// Judged, and in no run: left out, since nobody was asked.
    in_no_run: usize,
    /// In the baseline, but not judged.
    baseline_not_judged: usize,
    runs: Vec<RunCoverage>,
    compared: BTreeSet<String>,
}

/// The judged queries of a run beside the baseline's, and its queries without judgements.
struct RunCoverage {
    only_in_baseline: usize,
    only_in_run: usize,
    not_judged: usize,
}

impl Coverage {
    fn new(baseline: &Run, runs: &[Run], qrels: &Qrels) -> Self {
        let judged_in = |run: &Run| -> BTreeSet<String> {
            let queries = run.0.keys().filter(|query| qrels.query(query).is_some());
            queries.cloned().collect()
        };
        let of_baseline = judged_in(baseline);
        let mut compared = of_baseline.clone();
        let runs = runs
            .iter()
            .map(|run| {
                let of_run = judged_in(run);
                let coverage = RunCoverage {
                    only_in_baseline: of_baseline.difference(&of_run).count(),
                    only_in_run: of_run.difference(&of_baseline).count(),
                    not_judged: run.0.len() - of_run.len(),
                };
                compared.extend(of_run);
                coverage
            })
            .collect();
        Coverage {
            judged: qrels.0.len(),
            in_no_run: qrels.0.len() - compared.len(),
            baseline_not_judged: baseline.0.len() - of_baseline.len(),
            runs,
            compared,
        }
    }

    fn tell(&self, command: &Compare) {
        let say = |n: usize, what: &str| {
            if n > 0 {
                eprintln!("note: {} {what}", source::queries_counted(n));
            }
        };
        let baseline = command.baseline.display();
        say(self.in_no_run, "judged but in none of the runs: left out");
        say(
            self.baseline_not_judged,
            &format!("in {baseline} without judgements: left out"),
        );
        for (path, run) in command.runs.iter().zip(&self.runs) {
            let path = path.display();
            say(
                run.not_judged,
                &format!("in {path} without judgements: left out"),
            );
            say(
                run.only_in_baseline,
                &format!("in {baseline} only: counted as 0 for {path}"),
            );
            say(
                run.only_in_run,
                &format!("in {path} only: counted as 0 for {baseline}"),
            );
        }
    }

    /// The judgements of the queries that are compared.
    fn compared(&self, command: &Compare, mut qrels: Qrels) -> Result<Qrels> {
        qrels.0.retain(|query, _| self.compared.contains(query));
        if qrels.0.is_empty() {
            bail!(
                "no query of the runs is judged: {} has {}, but no id is in both",
                command.qrels.display(),
                source::queries_counted(self.judged)
            );
        }
        Ok(qrels)
    }
}

/// What was found.
struct Report {
    n_queries: usize,
    /// By run, then by metric.
    rows: Vec<Row>,
}

/// One run against the baseline in one metric.
struct Row {
    run: String,
    metric: Metric,
    comparison: Comparison,
    /// Corrected for the number of rows.
    holm_p: f64,
    /// Query, baseline's value, run's value; largest gain first.
    queries: Vec<(String, f64, f64)>,
}

fn compare(command: &Compare, baseline: &Run, runs: &[Run], qrels: &Qrels) -> Result<Report> {
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
    Ok(Report {
        n_queries: qrels.0.len(),
        rows,
    })
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
    let mut queries: Vec<(String, f64, f64)> = pairs
        .map(|((query, before), after)| (query.clone(), before[at], after[at]))
        .collect();
    let values = |of: fn(&(String, f64, f64)) -> f64| queries.iter().map(of).collect::<Vec<f64>>();
    let (before, after) = (values(|query| query.1), values(|query| query.2));
    let comparison = Comparison::new(&after, &before, &Settings::usual(seed))
        .with_context(|| format!("could not compare {run} by {metric}"))?;
    let difference = |query: &(String, f64, f64)| query.2 - query.1;
    // Stable, so that equal differences stay in the order of ids.
    queries.sort_by(|a, b| difference(b).total_cmp(&difference(a)));
    Ok(Row {
        run,
        metric,
        comparison,
        holm_p: 1.0,
        queries,
    })
}

fn write_table(out: &mut dyn Write, command: &Compare, report: &Report) -> io::Result<()> {
    writeln!(
        out,
        "{}; baseline {}",
        source::queries_counted(report.n_queries),
        command.baseline.display()
    )?;
    let is_family = report.rows.len() > 1;
    let mut table = Table::default();
    let heading = [
        "run",
        "metric",
        "baseline",
        "mean",
        "difference",
        "95 % interval",
        "p",
    ];
    let corrected = is_family.then_some("Holm's p");
    table.row(
        heading
            .into_iter()
            .chain(corrected)
            .chain(["wins", "ties", "losses"]),
    );
    for row in &report.rows {
        table.row(cells(row, is_family));
    }
    table.write(out)?;
    if is_family {
        writeln!(
            out,
            "Holm's p is corrected for all {} tests",
            report.rows.len()
        )?;
    }
    for row in &report.rows {
        writeln!(
            out,
            "\n{} by {}: {}",
            row.run,
            row.metric,
            power(&row.comparison)
        )?;
        query_table(row, command.per_query).write(out)?;
    }
    Ok(())
}

fn cells(row: &Row, is_family: bool) -> Vec<String> {
    let found = &row.comparison;
    let interval = found.interval;
    let mut cells = vec![
        row.run.clone(),
        row.metric.to_string(),
        format!("{:.4}", found.baseline),
        format!("{:.4}", found.mean),
        signed(found.test.difference),
        format!("{} to {}", signed(interval.low), signed(interval.high)),
        format!("{:.4}", found.test.p_value),
    ];
    if is_family {
        cells.push(format!("{:.4}", row.holm_p));
    }
    cells.extend([found.wins, found.ties, found.losses].map(|n| n.to_string()));
    cells
}

/// What so many queries can show, in a sentence.
fn power(found: &Comparison) -> String {
    let queries = source::queries_counted(found.power.n_queries);
    let Some(gain) = found.power.gain else {
        return match found.power.deviation {
            _ if found.ties == found.power.n_queries => {
                format!("no difference on any of {queries}")
            }
            0.0 => format!("all {queries} differ by the same, which says nothing of chance"),
            _ => format!("{queries} are too few for any difference to be significant"),
        };
    };
    let needed = found.power.queries_for(found.test.difference.abs());
    let needed = match needed {
        Some(n) if n > found.power.n_queries => format!(
            "; to find one of {:.4}, it would take {}",
            found.test.difference.abs(),
            source::queries_counted(n)
        ),
        _ => String::new(),
    };
    format!(
        "{queries} like these show a difference of {gain:.4} four times in five (level 0.05){needed}"
    )
}

fn query_table(row: &Row, is_whole: bool) -> Table {
    let mut table = Table::default();
    let heading = if is_whole {
        "query"
    } else {
        "largest differences"
    };
    table.row([heading, "baseline", "run", "difference"]);
    let n = row.queries.len();
    for (place, (query, before, after)) in row.queries.iter().enumerate() {
        let difference = after - before;
        let is_extreme =
            (place < SHOWN && difference > 0.0) || (place + SHOWN >= n && difference < 0.0);
        if is_whole || is_extreme {
            table.row([
                query.clone(),
                format!("{before:.4}"),
                format!("{after:.4}"),
                signed(difference),
            ]);
        }
    }
    table
}

fn signed(value: f64) -> String {
    // No difference has no sign.
    let value = if value.abs() < 0.00005 { 0.0 } else { value };
    format!("{value:+.4}")
}

fn to_json(command: &Compare, report: &Report, coverage: &Coverage) -> Value {
    let per_run = |at: usize| &coverage.runs[at / command.metrics.len()];
    let rows: Vec<Value> = report
        .rows
        .iter()
        .enumerate()
        .map(|(at, row)| row_json(command, row, per_run(at)))
        .collect();
    json!({
        "baseline": command.baseline.display().to_string(),
        "queries": report.n_queries,
        "judged_in_no_run": coverage.in_no_run,
        "baseline_not_judged": coverage.baseline_not_judged,
        "seed": command.seed,
        "comparisons": rows,
    })
}

fn row_json(command: &Compare, row: &Row, coverage: &RunCoverage) -> Value {
    let found = &row.comparison;
    let mut value = json!({
        "run": row.run,
        "metric": row.metric.to_string(),
        "baseline": found.baseline,
        "mean": found.mean,
        "difference": found.test.difference,
        "interval": [found.interval.low, found.interval.high],
        "confidence": found.interval.confidence,
        "p_value": found.test.p_value,
        "p_is_exact": found.test.is_exact,
        "holm_p": row.holm_p,
        "wins": found.wins,
        "ties": found.ties,
        "losses": found.losses,
        "power": {
            "deviation": found.power.deviation,
            "level": 0.05,
            "power": found.power.power,
            "detectable": found.power.gain,
            "queries_needed": found.power.queries_for(found.test.difference.abs()),
        },
        "only_in_baseline": coverage.only_in_baseline,
        "only_in_run": coverage.only_in_run,
        "not_judged": coverage.not_judged,
    });
    if command.per_query {
        let query = |(query, before, after): &(String, f64, f64)| json!({ "query": query, "baseline": before, "run": after, "difference": after - before });
        value["per_query"] = row.queries.iter().map(query).collect();
    }
    value
}
