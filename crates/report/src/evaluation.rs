//! The report of `treffer eval`.

use treffer_engine::evaluate::{Measurement, Row};
use treffer_engine::learned::Ranker;
use treffer_engine::pipeline::Pipeline;
use treffer_engine::topics::Topics;
use treffer_eval::{Comparison, Interval, Metric, Settings, bootstrap_interval, holm};
use treffer_types::StageName;

use crate::bars::{histogram, tallest};
use crate::command::Command;
use crate::comparison::{self, COMPARED};
use crate::error::Error;
use crate::forest::{Difference, Reference, forest};
use crate::markup::{Markup, el};
use crate::page::{Cell, Page, paragraph, remark, table, warning};
use crate::provenance::Experiment;
use crate::queries::{QueryResult, gains_and_losses, query_list};
use crate::times::times;

/// Of every bootstrap and test in the report.
const SEED: u64 = 42;

/// The report of an evaluation as an HTML page. `notes` say what a reader should know of
/// the times, such as that a deadline cut searches short.
///
/// # Errors
/// If a document cannot be read from the index, or values cannot be compared.
pub fn evaluation(
    experiment: &Experiment<'_>,
    measurement: &Measurement,
    warnings: &[String],
    notes: &[String],
) -> Result<String, Error> {
    let topics = experiment.topics;
    let mut page = Page::new(format!("Evaluation of {}", experiment.index_name()));
    for text in warnings {
        page.lead(warning(format!("Warning: {text}")));
    }
    let last = measurement.rows.last();
    let metric = last.and_then(|row| row.evaluation.metrics.first());
    let (Some(last), Some(metric)) = (last, metric) else {
        page.section("provenance", "Provenance", experiment.provenance());
        return Ok(page.to_html());
    };
    let metric_name = metric.to_string();
    let n = topics.queries.len();
    let differences = differences(measurement, topics, metric)?;
    page.lead(
        paragraph(format!(
            "`{}` reaches {metric_name} {:.4} on {n} judged queries. {}",
            last.name,
            mean(&values(last, topics, metric)),
            differences.as_ref().map_or("", |(finding, _)| finding),
        ))
        .class("verdict"),
    );
    page.section("metrics", "Metrics", metrics(measurement, topics)?);
    if let Some((_, differences)) = differences {
        page.section("differences", "Differences", differences);
    }
    page.section(
        "distribution",
        "Distribution over queries",
        distribution(measurement, topics, metric),
    );
    if topics.queries.iter().any(|query| !query.tags.is_empty()) {
        page.section("tags", "By tag", tags(measurement, topics, &metric_name));
    }
    let results = results(experiment, measurement, last, metric)?;
    if let Some(rival) = rival(measurement, topics, metric) {
        let mut body = Markup::new();
        body.push(paragraph(format!(
            "{metric_name} of {}, query by query, against {}, the best single stage.",
            last.name, rival.name
        )));
        body.push(gains_and_losses(&results, &rival.name, &last.name));
        page.section("gains", "Gains and losses", body);
    }
    let mut spent = times(&measurement.times);
    spent.push(remark(
        "Milliseconds of wall-clock time per query, each stage by itself: half of the queries took at most the median, 95\u{a0}% at most the 95th percentile.",
    ));
    for note in notes {
        spent.push(warning(format!("Note: {note}.")));
    }
    page.section("times", "Times", spent);
    let command = Command::new(experiment.engine.dir(), experiment.options);
    page.section(
        "queries",
        "Queries",
        query_list(&results, &stages(measurement), &metric_name, &command),
    );
    page.section("provenance", "Provenance", experiment.provenance());
    Ok(page.to_html())
}

/// Values of a metric in the order of the queries.
fn values(row: &Row, topics: &Topics, metric: &Metric) -> Vec<f64> {
    let metrics = &row.evaluation.metrics;
    let at = metrics.iter().position(|measured| measured == metric);
    let value = |id: &String| row.evaluation.queries.get(id).and_then(|v| v.get(at?));
    let ids = topics.queries.iter().map(|query| &query.id);
    ids.map(|id| value(id).copied().unwrap_or(0.0)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn interval_of(values: &[f64]) -> Result<Interval, Error> {
    let settings = Settings::usual(SEED);
    let zeros = vec![0.0; values.len()];
    let (draws, confidence) = (settings.draws, settings.confidence);
    Ok(bootstrap_interval(
        values,
        &zeros,
        draws,
        confidence,
        settings.seed,
    )?)
}

/// Every row and metric with its interval, and a plot of the first metric.
fn metrics(measurement: &Measurement, topics: &Topics) -> Result<Markup, Error> {
    let Some(first) = measurement.rows.first() else {
        return Ok(Markup::new());
    };
    let metrics = &first.evaluation.metrics;
    let summaries: Vec<Vec<f64>> = measurement
        .rows
        .iter()
        .map(|row| row.evaluation.summary())
        .collect();
    let best = |at: usize| {
        let column = summaries.iter().map(|summary| summary[at]);
        column.fold(f64::NEG_INFINITY, f64::max)
    };
    let names: Vec<String> = metrics.iter().map(Metric::to_string).collect();
    let mut heads = vec!["row"];
    heads.extend(names.iter().map(String::as_str));
    heads.push("judged hits");
    let (mut rows, mut plotted) = (Vec::new(), Vec::new());
    for (row, summary) in measurement.rows.iter().zip(&summaries) {
        let mut cells = vec![Cell::word(&row.name)];
        for (at, metric) in metrics.iter().enumerate() {
            let value = summary[at];
            let mut shown = crate::markup::text(format!("{value:.4}"));
            // A sum over queries is no mean, and has no interval of one.
            if !metric.is_count() {
                let interval = interval_of(&values(row, topics, metric))?;
                let ends = format!("{:.3} to {:.3}", interval.low, interval.high);
                shown.push(el("span").class("below").text(&ends));
                if at == 0 {
                    plotted.push(Difference {
                        name: row.name.clone(),
                        mean: value,
                        low: interval.low,
                        high: interval.high,
                        notes: vec![format!("{value:.4}"), ends],
                        is_significant: false,
                    });
                }
            }
            let class = if value == best(at) { "n best" } else { "n" };
            cells.push(Cell::markup(shown).class(class));
        }
        cells.push(Cell::number(format!("{}/{}", row.judged.0, row.judged.1)));
        rows.push(cells);
    }
    let mut body = table(&heads, rows);
    body.push(remark(
        "Below each mean, its 95\u{a0}% bootstrap interval over the queries; the highest of a column is bold. The rows were measured on the same queries, so intervals that overlap do not mean that rows do not differ. Judged hits are among the first ten.",
    ));
    let alternative = format!("{} of each row with its 95\u{a0}% interval", names[0]);
    body.push(forest(
        &plotted,
        &[&names[0], "95\u{a0}% interval"],
        Reference::None,
        &alternative,
    ));
    Ok(body)
}

/// The last row against every other: the finding in a sentence, and in full.
fn differences(
    measurement: &Measurement,
    topics: &Topics,
    metric: &Metric,
) -> Result<Option<(String, Markup)>, Error> {
    let Some((last, others)) = measurement.rows.split_last() else {
        return Ok(None);
    };
    if others.is_empty() || metric.is_count() {
        return Ok(None);
    }
    let system = values(last, topics, metric);
    let settings = Settings::usual(SEED);
    let comparisons = others
        .iter()
        .map(|row| Comparison::new(&system, &values(row, topics, metric), &settings))
        .collect::<Result<Vec<Comparison>, _>>()?;
    let p_values: Vec<f64> = comparisons.iter().map(|one| one.test.p_value).collect();
    let adjusted = holm(&p_values)?;
    let rows: Vec<Difference> = others
        .iter()
        .zip(comparisons.iter().zip(adjusted))
        .map(|(row, (comparison, adjusted))| {
            comparison::compared(row.name.clone(), comparison, adjusted)
        })
        .collect();
    let finding = format!("It is {}.", comparison::finding(&rows));
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "{metric} of `{}` less that of each other row. {}",
        last.name,
        comparison::method(rows.len())
    )));
    let alternative = format!("differences of {} from the other rows", last.name);
    body.push(forest(&rows, &COMPARED, Reference::Zero, &alternative));
    body.push(comparison::power(
        comparisons.iter().map(|comparison| comparison.power),
    ));
    Ok(Some((finding, body)))
}

fn distribution(measurement: &Measurement, topics: &Topics, metric: &Metric) -> Markup {
    let mut body = Markup::new();
    body.push(remark(format!(
        "How many queries have a {metric} in each tenth from 0 to 1."
    )));
    let of = |row: &Row| values(row, topics, metric);
    let most = measurement.rows.iter().map(|row| tallest(&of(row))).max();
    let plots = measurement
        .rows
        .iter()
        .map(|row| histogram(&row.name, &of(row), most.unwrap_or(0)));
    body.push(el("div").class("multiples").add_all(plots));
    body
}

/// The first metric by tag and row.
fn tags(measurement: &Measurement, topics: &Topics, metric: &str) -> Markup {
    let mut heads = vec!["tag", "queries"];
    heads.extend(measurement.rows.iter().map(|row| row.name.as_str()));
    let by_row: Vec<_> = measurement
        .rows
        .iter()
        .map(|row| row.by_tag(topics))
        .collect();
    let mut rows = Vec::new();
    for (tag, (n, _)) in by_row.first().into_iter().flatten() {
        let values: Vec<Option<f64>> = by_row
            .iter()
            .map(|tags| {
                tags.get(tag)
                    .and_then(|(_, values)| values.first().copied())
            })
            .collect();
        let best = values
            .iter()
            .flatten()
            .fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        let mut cells = vec![Cell::word(tag), Cell::number(n)];
        cells.extend(values.into_iter().map(|value| {
            let class = if value == Some(best) { "n best" } else { "n" };
            let shown = value.map_or("-".to_owned(), |value| format!("{value:.4}"));
            Cell::text(shown).class(class)
        }));
        rows.push(cells);
    }
    let mut body = table(&heads, rows);
    body.push(remark(format!(
        "Mean {metric}; the highest of a line is bold. A tag of few queries says little."
    )));
    body
}

/// The best row of a single stage, if the last row is none.
fn rival<'a>(measurement: &'a Measurement, topics: &Topics, metric: &Metric) -> Option<&'a Row> {
    let (last, others) = measurement.rows.split_last()?;
    let is_stage = |row: &&Row| row.name.parse::<StageName>().is_ok();
    let mean_of = |row: &&Row| mean(&values(row, topics, metric));
    others
        .iter()
        .filter(|row| is_stage(row) && row.name != last.name)
        .max_by(|a, b| mean_of(a).total_cmp(&mean_of(b)))
}

fn stages(measurement: &Measurement) -> Vec<StageName> {
    measurement.times.iter().map(|(stage, _)| *stage).collect()
}

fn results<'a>(
    experiment: &Experiment<'a>,
    measurement: &Measurement,
    last: &Row,
    metric: &Metric,
) -> Result<Vec<QueryResult<'a>>, Error> {
    let Experiment {
        engine,
        profile,
        topics,
        ..
    } = *experiment;
    let after = values(last, topics, metric);
    let before = match rival(measurement, topics, metric) {
        Some(rival) => values(rival, topics, metric),
        None => after.clone(),
    };
    let pipeline = Pipeline::only(profile, engine.available(), &stages(measurement))?;
    // There is none if the weights give nothing to the stages that ran; rows lack it too.
    let ranker = Ranker::new(engine, profile, &pipeline).ok();
    (0..topics.queries.len())
        .map(|at| {
            QueryResult::new(
                experiment,
                at,
                &measurement.gathered[at],
                ranker.as_ref(),
                (before[at], after[at]),
            )
        })
        .collect()
}
