//! Measured beside expected.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use super::definition::Expectation;

/// What `treffer eval --format json` prints; only the parts that are compared.
#[derive(Debug, Deserialize)]
pub(super) struct Output {
    rows: Vec<Row>,
}

impl Output {
    /// Rows of one metric.
    pub(super) fn of<'a>(metric: &str, rows: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let row = |(name, value): (&str, f64)| Row {
            name: name.to_owned(),
            metrics: BTreeMap::from([(metric.to_owned(), Some(value))]),
        };
        Output {
            rows: rows.into_iter().map(row).collect(),
        }
    }
}

/// What `treffer compare --format json` prints of a run and its re-ranking.
#[derive(Debug, Deserialize)]
pub(super) struct Reread {
    comparisons: Vec<Compared>,
}

#[derive(Debug, Deserialize)]
struct Compared {
    metric: String,
    /// Mean of the run as it was given.
    baseline: f64,
    /// Mean of the new one.
    mean: f64,
}

impl Reread {
    /// Rows `given` and `reranked`.
    pub(super) fn output(&self) -> Output {
        let row = |name: &str, value: fn(&Compared) -> f64| Row {
            name: name.to_owned(),
            metrics: (self.comparisons.iter())
                .map(|one| (one.metric.clone(), Some(value(one))))
                .collect(),
        };
        Output {
            rows: vec![
                row("given", |one| one.baseline),
                row("reranked", |one| one.mean),
            ],
        }
    }
}

#[derive(Debug, Deserialize)]
struct Row {
    name: String,
    /// `null` for what is not defined, a mean over no queries for instance.
    metrics: BTreeMap<String, Option<f64>>,
}

/// One figure.
#[derive(Debug, PartialEq)]
pub(super) struct Finding {
    /// Experiment, index and split.
    place: String,
    row: String,
    metric: String,
    /// `None` if the program did not print it.
    measured: Option<f64>,
    expected: Option<Expectation>,
    /// Whether it was measured on the queries that the expectation is about.
    compared: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Within the tolerance.
    AsExpected,
    /// Outside the tolerance.
    Drift,
    /// Expected, but not printed by the program.
    Missing,
    /// Nothing is expected of it, or it was measured on other queries.
    MeasuredOnly,
}

impl Verdict {
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Verdict::Drift | Verdict::Missing)
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::AsExpected => "ok",
            Verdict::Drift => "DRIFT",
            Verdict::Missing => "MISSING",
            Verdict::MeasuredOnly => "measured only",
        }
    }
}

impl Finding {
    pub(super) fn verdict(&self) -> Verdict {
        match (self.measured, &self.expected) {
            (None, _) => Verdict::Missing,
            (_, None) => Verdict::MeasuredOnly,
            _ if !self.compared => Verdict::MeasuredOnly,
            (Some(measured), Some(expected)) => {
                // Written so that a NaN is a drift.
                if (measured - expected.value).abs() <= expected.tolerance {
                    Verdict::AsExpected
                } else {
                    Verdict::Drift
                }
            }
        }
    }
}

/// The asked-for metrics of every row that was printed, and every expectation.
pub(super) fn findings(
    place: &str,
    metrics: &[String],
    expectations: &[Expectation],
    output: &Output,
    compared: bool,
) -> Vec<Finding> {
    let finding = |row: &str, metric: &str, measured, expected| Finding {
        place: place.to_owned(),
        row: row.to_owned(),
        metric: metric.to_owned(),
        measured,
        expected,
        compared,
    };
    let expectation = |row: &str, metric: &str| {
        let mut all = expectations.iter();
        all.find(|e| e.row == row && e.metric == metric).cloned()
    };
    let mut findings = Vec::new();
    for row in &output.rows {
        for (metric, &measured) in &row.metrics {
            let expected = expectation(&row.name, metric);
            if expected.is_some() || metrics.contains(metric) {
                findings.push(finding(&row.name, metric, measured, expected));
            }
        }
    }
    for expected in expectations {
        let (row, metric) = (&expected.row, &expected.metric);
        if !findings
            .iter()
            .any(|f| &f.row == row && &f.metric == metric)
        {
            findings.push(finding(row, metric, None, Some(expected.clone())));
        }
    }
    findings
}

/// The findings as a table, one line each.
pub(super) fn table(findings: &[Finding]) -> String {
    let head = [
        "experiment",
        "row",
        "metric",
        "measured",
        "expected",
        "verdict",
        "source",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(findings.iter().map(cells));
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut table = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{cell:<width$}  ");
        }
        table += text.trim_end();
        table.push('\n');
    }
    table
}

fn cells(finding: &Finding) -> [String; 7] {
    let expected = finding.expected.as_ref();
    [
        finding.place.clone(),
        finding.row.clone(),
        finding.metric.clone(),
        finding
            .measured
            .map_or("-".to_owned(), |value| format!("{value:.4}")),
        expected.map_or("-".to_owned(), |e| {
            format!("{:.4} ± {}", e.value, e.tolerance)
        }),
        finding.verdict().word().to_owned(),
        expected.map_or(String::new(), |e| e.source.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::definition::Evaluation;
    use super::*;

    fn found(place: &str, output: &Output, compared: bool) -> Vec<Finding> {
        let Evaluation {
            metrics, expect, ..
        } = evaluation();
        findings(place, &metrics, &expect, output, compared)
    }

    fn evaluation() -> Evaluation {
        toml::from_str(
            r#"
            split = "test"
            expect = [
              { row = "bm25", metric = "nDCG@10", value = 0.679, tolerance = 0.006, source = "a paper" },
              { row = "dense", metric = "nDCG@10", value = 0.645, tolerance = 0.003, source = "a board" },
            ]
            "#,
        )
        .unwrap()
    }

    fn verdicts(json: &str, compared: bool) -> Vec<(String, Verdict)> {
        let output = serde_json::from_str(json).unwrap();
        found("x", &output, compared)
            .iter()
            .map(|finding| (finding.row.clone(), finding.verdict()))
            .collect()
    }

    fn rows(bm25: f64, dense: f64) -> String {
        format!(
            r#"{{"rows":[{{"name":"bm25","metrics":{{"nDCG@10":{bm25},"MAP":0.1}},"judged":7}},
                {{"name":"dense","metrics":{{"nDCG@10":{dense}}}}},
                {{"name":"hybrid","metrics":{{"nDCG@10":0.9}}}}]}}"#
        )
    }

    #[test]
    fn a_figure_is_held_against_its_tolerance_both_ways() {
        let verdicts = |bm25, dense| -> Vec<Verdict> {
            let all = verdicts(&rows(bm25, dense), true);
            all.into_iter().map(|(_, verdict)| verdict).collect()
        };
        use Verdict::{AsExpected, Drift, MeasuredOnly};
        assert_eq!(
            verdicts(0.6735, 0.6475),
            [AsExpected, AsExpected, MeasuredOnly]
        );
        assert_eq!(verdicts(0.6725, 0.6485), [Drift, Drift, MeasuredOnly]);
    }

    #[test]
    fn an_expected_row_that_was_not_printed_fails() {
        let verdicts = verdicts(r#"{"rows":[]}"#, true);
        assert_eq!(verdicts.len(), 2);
        assert!(verdicts.iter().all(|(_, verdict)| verdict.is_failure()));
    }

    #[test]
    fn an_undefined_figure_is_missing() {
        let json = r#"{"rows":[{"name":"bm25","metrics":{"nDCG@10":null}}]}"#;
        assert_eq!(
            verdicts(json, true)[0],
            ("bm25".to_owned(), Verdict::Missing)
        );
    }

    #[test]
    fn figures_of_other_queries_are_not_compared() {
        let verdicts = verdicts(&rows(0.1, 0.1), false);
        assert!(
            verdicts
                .iter()
                .all(|(_, verdict)| *verdict == Verdict::MeasuredOnly)
        );
    }

    #[test]
    fn the_table_lines_up() {
        let output = serde_json::from_str(&rows(0.68, 0.5)).unwrap();
        let table = table(&found("scifact bm25 test", &output, true));
        let verdict = table.lines().next().unwrap().find("verdict").unwrap();
        let at_verdict: Vec<String> = table
            .lines()
            .map(|line| line.chars().skip(verdict).take(5).collect())
            .collect();
        assert_eq!(at_verdict, ["verdi", "ok   ", "DRIFT", "measu"]);
    }
}
