//! The report of `treffer tune`.

use anyhow::Result;
use treffer_engine::evaluate::times as all_times;
use treffer_engine::tune::{Against, Baseline, TuneReport, Verdict};
use treffer_fusion::Fusion;
use treffer_types::StageName;

use super::command::Command;
use super::depths::depths;
use super::forest::{Difference, Reference, forest};
use super::markup::{Markup, el};
use super::page::{Cell, Page, paragraph, remark, table};
use super::provenance::Origin;
use super::queries::{Story, answers, gains_and_losses};
use super::simplex::{Landscape, Point, in_words};
use super::times::times;

/// The report as one HTML file. `decision` says what became of the profile.
///
/// # Errors
/// If a document cannot be read.
pub(crate) fn page(origin: Origin<'_>, report: &TuneReport, decision: &str) -> Result<String> {
    let stories = stories(&origin, report)?;
    let metric = report.metric.to_string();
    let mut page = Page::new(format!("Tuning of {}", origin.index_name()));
    page.lead(el("p").class("verdict").text(verdict(report)));
    page.lead(remark(decision));
    for warning in &report.warnings {
        page.lead(el("p").class("warning").text(format!("Warning: {warning}")));
    }
    page.section("choice", "What was chosen", choices(report));
    page.section("weights", "Weights", surface(report, &metric));
    page.section("differences", "Differences", differences(report, &metric));
    let mut gains = Markup::new();
    gains.push(paragraph(format!(
        "{metric} of every query under what the other folds chose, against the profile as it was."
    )));
    gains.push(gains_and_losses(&stories, "before", "tuned"));
    page.section("gains", "Gains and losses", gains);
    if report.queries.iter().any(|query| !query.tags.is_empty()) {
        page.section("tags", "By tag", tags(report, &metric));
    }
    if !report.depths.is_empty() {
        let mut body = Markup::new();
        body.push(paragraph(format!(
            "{metric} out of fold against milliseconds per query, for every combination of depths. Squares and the line are those that no other beats without being slower."
        )));
        body.push(depths(&report.depths, &report.best.choice, &metric));
        page.section("depths", "Quality against time", body);
    }
    page.section("times", "Times", spent(report));
    let command = Command::on(origin.index.dir(), &origin.judged.how);
    page.section(
        "queries",
        "Queries",
        answers(&stories, &report.stages, &metric, &command),
    );
    page.section("provenance", "Provenance", origin.to_markup());
    Ok(page.to_html())
}

fn verdict(report: &TuneReport) -> String {
    let gain = &report.gain().comparison;
    let found = format!(
        "{} {:.4} out of fold, against {:.4} of the profile as it was: {:+.4} (95 % interval {:+.4} to {:+.4}) on {} queries.",
        report.metric,
        report.out_of_fold,
        report.current.mean,
        gain.test.difference,
        gain.interval.low,
        gain.interval.high,
        report.n_queries(),
    );
    let so = match report.verdict {
        Verdict::Change => "The gain is more than chance.",
        Verdict::NoGain => "Keep what you have: a gain could not be told from chance.",
        Verdict::Same => "Keep what you have: it is the winner itself.",
    };
    format!("{so} {found}")
}

/// The profile as it was, the winner, and what the folds chose.
fn choices(report: &TuneReport) -> Markup {
    let (current, best, highest) = (&report.current, &report.best, &report.highest);
    let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    let row = |name: &str, of: &treffer_engine::tune::Measured, mean: f64, how: &str| {
        let setup = &of.choice.setup;
        vec![
            Cell::text(name).class(""),
            Cell::text(in_words(&of.choice.weights, &report.stages)).class(""),
            Cell::text(format!(
                "{} / {} / {}",
                setup.bm25_depth, setup.dense_depth, setup.cross_depth
            ))
            .class(""),
            Cell::number(format!("{mean:.4}")),
            Cell::text(how).class(""),
            Cell::number(ms(of.ms)),
        ]
    };
    let rows = vec![
        row("profile as it was", current, current.mean, "on all queries"),
        row("tuned", best, report.out_of_fold, "out of fold"),
        row("tuned", best, best.mean, "on the queries that chose it"),
        row(
            "highest of all",
            highest,
            highest.mean,
            "on the queries that chose it",
        ),
    ];
    let metric = report.metric.to_string();
    let heads = [
        "",
        "weights",
        "depths bm25 / dense / cross",
        &metric,
        "measured",
        "ms per query",
    ];
    let mut body = table(&heads, rows);
    body.push(remark(
        "Only figures out of fold say what to expect on new queries. Of choices within one standard error of the highest, the simplest is taken.",
    ));
    let folds = report.fold_choices.iter().enumerate().map(|(at, choice)| {
        vec![
            Cell::number(at + 1),
            Cell::text(in_words(&choice.weights, &report.stages)).class(""),
        ]
    });
    body.push(super::page::folded(
        "what the queries outside each fold chose",
        table(&["fold", "weights"], folds.collect()),
    ));
    body
}

fn surface(report: &TuneReport, metric: &str) -> Markup {
    let points: Vec<Point> = report
        .surface
        .iter()
        .map(|point| Point {
            weights: point.weights,
            mean: point.mean,
            is_near: point.behind <= point.standard_error,
        })
        .collect();
    let landscape = Landscape {
        metric,
        stages: &report.stages,
        steps: steps(&points, &report.stages),
        points: &points,
        winner: report.best.choice.weights,
        current: report.current.choice.weights,
    };
    let n_near = points.iter().filter(|point| point.is_near).count();
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "{metric} of {} weightings on all queries, under the winner's other settings. {n_near} of them are within one standard error of the highest: among those, this many queries cannot tell which is best.",
        points.len()
    )));
    body.push(landscape.plot());
    body
}

/// Steps of the grid that the points lie on: what separates the smallest weight from 0.
fn steps(points: &[Point], stages: &[StageName]) -> u32 {
    let n = points.len();
    // A simplex of s steps has s + 1 points of two stages, (s + 1)(s + 2) / 2 of three;
    // the current weights may be one more.
    let size = |steps: u32| {
        let steps = steps as usize;
        match stages.len() {
            2 => steps + 1,
            _ => (steps + 1) * (steps + 2) / 2,
        }
    };
    (1..=1000)
        .rev()
        .find(|steps| size(*steps) <= n)
        .unwrap_or(1)
}

fn differences(report: &TuneReport, metric: &str) -> Markup {
    let rows: Vec<Difference> = report
        .against
        .iter()
        .map(|against| {
            let name = format!("against {}", against.baseline);
            super::compared(name, &against.comparison, against.adjusted_p)
        })
        .collect();
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "{metric} of the tuned profile, out of fold, less that of each baseline: mean over the queries, 95 % bootstrap interval, and the p-value of a paired randomization test, also corrected for {} comparisons (Holm).",
        rows.len()
    )));
    let alternative = "differences of the tuned profile from each baseline";
    body.push(forest(
        &rows,
        &super::COMPARED,
        Reference::Zero,
        alternative,
    ));
    body.push(super::power(
        report
            .against
            .iter()
            .map(|against| against.comparison.power),
    ));
    let rows = report.against.iter().map(|against: &Against| {
        let comparison = &against.comparison;
        vec![
            Cell::text(against.baseline).class(""),
            Cell::text(match against.baseline {
                Baseline::Alone(_) => String::new(),
                _ => in_words(&against.choice.weights, &report.stages),
            })
            .class(""),
            Cell::number(format!("{:.4}", comparison.baseline)),
            Cell::number(comparison.wins),
            Cell::number(comparison.ties),
            Cell::number(comparison.losses),
        ]
    });
    let heads = ["baseline", "weights", metric, "wins", "ties", "losses"];
    body.push(table(&heads, rows.collect()));
    body
}

fn tags(report: &TuneReport, metric: &str) -> Markup {
    let all: std::collections::BTreeSet<&String> = report
        .queries
        .iter()
        .flat_map(|query| &query.tags)
        .collect();
    let rows = all.into_iter().map(|tag| {
        let tagged: Vec<_> = report
            .queries
            .iter()
            .filter(|query| query.tags.contains(tag))
            .collect();
        let n = tagged.len();
        let mean = |value: fn(&treffer_engine::tune::QueryOutcome) -> f64| {
            tagged.iter().map(|query| value(query)).sum::<f64>() / n as f64
        };
        let (before, after) = (mean(|query| query.current), mean(|query| query.out_of_fold));
        vec![
            Cell::text(tag).class(""),
            Cell::number(n),
            Cell::number(format!("{before:.4}")),
            Cell::number(format!("{after:.4}")),
            Cell::number(format!("{:+.4}", after - before)),
        ]
    });
    let mut body = table(
        &["tag", "queries", "before", "tuned", "difference"],
        rows.collect(),
    );
    body.push(remark(format!(
        "Mean {metric}, tuned out of fold. A tag of few queries says little."
    )));
    body
}

/// Quantiles over the queries, and what the tuner reckons with.
fn spent(report: &TuneReport) -> Markup {
    let mut body = times(&all_times(&report.gathered));
    body.push(remark(
        "Milliseconds per query while gathering, in this run or the one whose scores were kept; a full search gathers more than any single profile would.",
    ));
    let rows = report.times.iter().map(|cost| {
        let of = if cost.is_per_pair {
            "pair read"
        } else {
            "query"
        };
        vec![
            Cell::text(cost.stage).class(""),
            Cell::number(format!("{:.2}", cost.ms)),
            Cell::text(of).class(""),
        ]
    });
    body.push(table(&["stage", "mean ms", "per"], rows.collect()));
    body
}

fn stories<'a>(origin: &Origin<'a>, report: &TuneReport) -> Result<Vec<Story<'a>>> {
    let choice = &report.best.choice;
    let fusion = Fusion {
        normalizers: choice.setup.normalizers,
        weights: choice.weights,
    };
    let outcomes = report.queries.iter().zip(&report.gathered).enumerate();
    outcomes
        .map(|(at, (outcome, gathered))| {
            let values = (outcome.current, outcome.out_of_fold);
            Story::new(origin, at, gathered, Some(&fusion), values)
        })
        .collect()
}
