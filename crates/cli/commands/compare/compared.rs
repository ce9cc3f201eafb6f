//! What a comparison of runs found, in every format.

use serde::Serialize;
use treffer_eval::Comparison;
use treffer_report::text::count_queries;

use super::coverage::{Coverage, RunCoverage};
use super::{Compare, Row, Values};
use crate::format::{Block, Blocks, Columns};

/// Queries of each kind that are shown without `--per-query`.
const SHOWN: usize = 5;

/// Runs against a baseline.
#[derive(Serialize)]
pub(super) struct Compared<'a> {
    baseline: String,
    queries: usize,
    judged_in_no_run: usize,
    baseline_not_judged: usize,
    seed: u64,
    comparisons: Vec<RunCompared<'a>>,
    #[serde(skip)]
    rows: &'a [Row],
    #[serde(skip)]
    is_per_query: bool,
}

#[derive(Serialize)]
struct RunCompared<'a> {
    run: &'a str,
    metric: String,
    baseline: f64,
    mean: f64,
    difference: f64,
    interval: [f64; 2],
    confidence: f64,
    p_value: f64,
    p_is_exact: bool,
    holm_p: f64,
    wins: usize,
    ties: usize,
    losses: usize,
    power: Power,
    only_in_baseline: usize,
    only_in_run: usize,
    not_judged: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_query: Option<Vec<QueryCompared<'a>>>,
}

#[derive(Serialize)]
struct Power {
    deviation: f64,
    level: f64,
    power: f64,
    detectable: Option<f64>,
    queries_needed: Option<usize>,
}

#[derive(Serialize)]
struct QueryCompared<'a> {
    query: &'a str,
    baseline: f64,
    run: f64,
    difference: f64,
}

impl<'a> Compared<'a> {
    pub(super) fn new(
        command: &Compare,
        queries: usize,
        rows: &'a [Row],
        coverage: &Coverage,
    ) -> Self {
        let per_run = |at: usize| &coverage.runs[at / command.metrics.len()];
        let comparisons = rows.iter().enumerate().map(|(at, row)| {
            let per_query = command
                .per_query
                .then(|| row.queries.iter().map(query).collect());
            run(row, per_run(at), per_query)
        });
        Compared {
            baseline: command.baseline.display().to_string(),
            queries,
            judged_in_no_run: coverage.in_no_run,
            baseline_not_judged: coverage.baseline_not_judged,
            seed: command.seed,
            comparisons: comparisons.collect(),
            rows,
            is_per_query: command.per_query,
        }
    }
}

fn run<'a>(
    row: &'a Row,
    coverage: &RunCoverage,
    per_query: Option<Vec<QueryCompared<'a>>>,
) -> RunCompared<'a> {
    let found = &row.comparison;
    RunCompared {
        run: &row.run,
        metric: row.metric.to_string(),
        baseline: found.baseline,
        mean: found.mean,
        difference: found.test.difference,
        interval: [found.interval.low, found.interval.high],
        confidence: found.interval.confidence,
        p_value: found.test.p_value,
        p_is_exact: found.test.is_exact,
        holm_p: row.holm_p,
        wins: found.wins,
        ties: found.ties,
        losses: found.losses,
        power: Power {
            deviation: found.power.deviation,
            level: 0.05,
            power: found.power.power,
            detectable: found.power.gain,
            queries_needed: found.power.queries_for(found.test.difference.abs()),
        },
        only_in_baseline: coverage.only_in_baseline,
        only_in_run: coverage.only_in_run,
        not_judged: coverage.not_judged,
        per_query,
    }
}

fn query(values: &Values) -> QueryCompared<'_> {
    QueryCompared {
        query: &values.query,
        baseline: values.baseline,
        run: values.run,
        difference: values.difference(),
    }
}

impl Blocks for Compared<'_> {
    fn blocks(&self) -> Vec<Block> {
        let queries = count_queries(self.queries);
        let mut blocks = vec![
            Block::Line(format!("{queries}; baseline {}", self.baseline)),
            Block::Columns(self.overview()),
        ];
        if self.is_family() {
            let n_tests = self.rows.len();
            blocks.push(Block::Line(format!(
                "Holm's p is corrected for all {n_tests} tests"
            )));
        }
        for row in self.rows {
            blocks.push(Block::Line(String::new()));
            blocks.push(Block::Line(format!(
                "{} by {}: {}",
                row.run,
                row.metric,
                power(&row.comparison)
            )));
            blocks.push(Block::Columns(self.queries(row)));
        }
        blocks
    }
}

impl Compared<'_> {
    /// Whether there are several tests, so that their p-values have to be corrected.
    fn is_family(&self) -> bool {
        self.rows.len() > 1
    }

    fn overview(&self) -> Columns {
        let mut table = Columns::default();
        let heads = [
            "run",
            "metric",
            "baseline",
            "mean",
            "difference",
            "95 % interval",
            "p",
        ];
        let corrected = self.is_family().then_some("Holm's p");
        table.row(
            heads
                .into_iter()
                .chain(corrected)
                .chain(["wins", "ties", "losses"]),
        );
        for row in self.rows {
            table.row(self.cells(row));
        }
        table
    }

    fn cells(&self, row: &Row) -> Vec<String> {
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
        if self.is_family() {
            cells.push(format!("{:.4}", row.holm_p));
        }
        cells.extend([found.wins, found.ties, found.losses].map(|n| n.to_string()));
        cells
    }

    /// All queries, or those that differ most.
    fn queries(&self, row: &Row) -> Columns {
        let mut table = Columns::default();
        let heading = if self.is_per_query {
            "query"
        } else {
            "largest differences"
        };
        table.row([heading, "baseline", "run", "difference"]);
        let n = row.queries.len();
        for (place, values) in row.queries.iter().enumerate() {
            let difference = values.difference();
            let is_extreme =
                (place < SHOWN && difference > 0.0) || (place + SHOWN >= n && difference < 0.0);
            if self.is_per_query || is_extreme {
                table.row([
                    values.query.clone(),
                    format!("{:.4}", values.baseline),
                    format!("{:.4}", values.run),
                    signed(difference),
                ]);
            }
        }
        table
    }
}

/// What difference these queries can show, in a sentence.
fn power(found: &Comparison) -> String {
    let queries = count_queries(found.power.n_queries);
    let Some(gain) = found.power.gain else {
        return match found.power.deviation {
            _ if found.ties == found.power.n_queries => {
                format!("no difference on any of {queries}")
            }
            0.0 => format!("all {queries} differ by the same, so nothing can be said of chance"),
            _ => format!("{queries} are too few for any difference to be significant"),
        };
    };
    let difference = found.test.difference.abs();
    let needed = match found.power.queries_for(difference) {
        Some(n) if n > found.power.n_queries => {
            format!("; one of {difference:.4} would need {}", count_queries(n))
        }
        _ => String::new(),
    };
    format!(
        "{queries} like these show a difference of {gain:.4} four times in five (level 0.05){needed}"
    )
}

fn signed(value: f64) -> String {
    // No difference has no sign.
    let value = if value.abs() < 0.00005 { 0.0 } else { value };
    format!("{value:+.4}")
}
