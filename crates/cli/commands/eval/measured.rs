//! What an evaluation measured, in every format.

use std::time::Duration;

use serde::Serialize;
use treffer_engine::evaluate::{Measurement, Row};
use treffer_engine::fields::Date;
use treffer_engine::topics::{Mismatches, Topics};
use treffer_eval::Metric;
use treffer_report::text::percentile;
use treffer_types::StageName;

use super::{Eval, has_tags};
use crate::filtered::{Filtered, now_line};
use crate::format::{Block, Blocks, Columns, Entries};

/// The figures of an evaluation.
#[derive(Serialize)]
pub(crate) struct Measured<'a> {
    rows: Vec<Figures>,
    queries: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Filtered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Date>,
    mismatches: MismatchCounts,
    warnings: Vec<String>,
    /// Times differ from run to run, so they are for people.
    #[serde(skip)]
    times: &'a [(StageName, Vec<Duration>)],
    /// The first metric by tag is shown.
    #[serde(skip)]
    is_by_tag: bool,
}

/// The figures of one row.
#[derive(Serialize)]
struct Figures {
    name: String,
    metrics: Entries<f64>,
    judged_hits: usize,
    hits: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_tag: Option<Entries<TagFigures>>,
}

/// The figures of one tag.
#[derive(Serialize)]
struct TagFigures {
    queries: usize,
    metrics: Entries<f64>,
}

#[derive(Serialize)]
struct MismatchCounts {
    queries_not_judged: usize,
    judged_not_given: usize,
    queries_without_relevant: usize,
    documents_unknown: usize,
}

impl<'a> Measured<'a> {
    pub(super) fn new(
        command: &Eval,
        measurement: &'a Measurement,
        topics: &'a Topics,
        now: Option<Date>,
        warnings: Vec<String>,
    ) -> Self {
        let rows = measurement.rows.iter();
        let Mismatches {
            queries_not_judged,
            judged_not_given,
            queries_without_relevant,
            documents_unknown,
        } = topics.mismatches;
        Measured {
            rows: rows.map(|row| figures(command, row, topics)).collect(),
            queries: topics.queries.len(),
            filter: topics.filter.as_ref().map(Filtered::new),
            now,
            mismatches: MismatchCounts {
                queries_not_judged,
                judged_not_given,
                queries_without_relevant,
                documents_unknown,
            },
            warnings,
            times: &measurement.times,
            is_by_tag: command.by_tag && has_tags(topics),
        }
    }
}

fn figures(command: &Eval, row: &Row, topics: &Topics) -> Figures {
    let metrics = |values: &[f64]| named(&command.metrics, values);
    let by_tag = || {
        let tags = row.by_tag(topics).into_iter();
        let figures = |queries, values: Vec<f64>| TagFigures {
            queries,
            metrics: metrics(&values),
        };
        tags.map(|(tag, (queries, values))| (tag, figures(queries, values)))
            .collect()
    };
    Figures {
        name: row.name.clone(),
        metrics: metrics(&row.evaluation.summary()),
        judged_hits: row.judged.0,
        hits: row.judged.1,
        by_tag: command.by_tag.then(by_tag),
    }
}

fn named(metrics: &[Metric], values: &[f64]) -> Entries<f64> {
    let pairs = metrics.iter().zip(values);
    pairs
        .map(|(metric, value)| (metric.to_string(), *value))
        .collect()
}

impl Blocks for Measured<'_> {
    fn blocks(&self) -> Vec<Block> {
        let mut blocks = vec![Block::Line(format!(
            "{} queries; judged hits are among the first ten",
            self.queries
        ))];
        blocks.extend(self.filter.as_ref().map(Filtered::line));
        blocks.extend(self.now.map(now_line));
        blocks.push(Block::Columns(self.metrics()));
        if self.is_by_tag {
            blocks.push(Block::Line(String::new()));
            blocks.push(Block::Columns(self.tags()));
        }
        blocks.push(Block::Line(String::new()));
        blocks.push(Block::Columns(self.times()));
        blocks
    }
}

impl Measured<'_> {
    fn metrics(&self) -> Columns {
        let mut table = Columns::default();
        let first = self.rows.first();
        let names = first.into_iter().flat_map(|row| &row.metrics.0);
        let names = names.map(|(name, _)| name.clone());
        let heads = ["row".to_string()].into_iter().chain(names);
        table.row(heads.chain(["judged hits".into()]));
        for row in &self.rows {
            let values = row.metrics.0.iter().map(|(_, value)| format!("{value:.4}"));
            let cells = [row.name.clone()].into_iter().chain(values);
            table.row(cells.chain([format!("{}/{}", row.judged_hits, row.hits)]));
        }
        table
    }

    fn tags(&self) -> Columns {
        let mut table = Columns::default();
        let Some(first) = self.rows.first() else {
            return table;
        };
        let metric = first.metrics.0.first().map_or("", |(name, _)| name);
        let names = self.rows.iter().map(|row| row.name.clone());
        let heads = [format!("{metric} by tag"), "queries".into()];
        table.row(heads.into_iter().chain(names));
        for (tag, figures) in first.by_tag.iter().flat_map(|tags| &tags.0) {
            let values = self.rows.iter().map(|row| {
                let tags = row.by_tag.iter().flat_map(|tags| &tags.0);
                let value = tags
                    .filter(|(name, _)| name == tag)
                    .find_map(|(_, figures)| figures.metrics.0.first());
                value.map_or("-".into(), |(_, value)| format!("{value:.4}"))
            });
            let heads = [tag.clone(), figures.queries.to_string()];
            table.row(heads.into_iter().chain(values));
        }
        table
    }

    fn times(&self) -> Columns {
        let mut table = Columns::default();
        table.row(["ms per query", "p50", "p95"]);
        for (stage, times) in self.times {
            let (p50, p95) = (percentile(times, 50), percentile(times, 95));
            table.row([stage.to_string(), milliseconds(p50), milliseconds(p95)]);
        }
        table
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
