//! The report of `treffer tune`.

use anyhow::Result;
use treffer_engine::evaluate::times as all_times;
use treffer_engine::learned::Ranker;
use treffer_engine::tune::{Against, Baseline, Measured, Search, Setup, TuneReport, Verdict};
use treffer_fusion::Fusion;

use super::bars::signed_bar;
use super::command::Command;
use super::depths::depths;
use super::forest::{Difference, Reference, forest};
use super::learned;
use super::markup::{Markup, el};
use super::page::{Cell, Page, folded, paragraph, remark, table, warning};
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
    for said in &report.warnings {
        page.lead(warning(format!("Warning: {said}")));
    }
    page.section("choice", "What was chosen", choices(report));
    page.section("weights", "Weights", surface(report, &metric));
    page.section("differences", "Differences", differences(report, &metric));
    if let Some(learned) = &report.learned {
        page.section("trees", "Trees", learned::section(learned, report, &metric));
    }
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
            "{metric} out of fold against milliseconds per query, for every combination of depths, each with its own weights. Squares and the line are those that no other beats without being slower; the star has the depths of the chosen profile."
        )));
        if let Some(gain) = report.gain().comparison.power.gain {
            body.push(remark(format!(
                "Mind the scale: {} queries show a difference of {gain:.4} in 4 of 5 cases. Points that are nearer to one another may well be in another order on new queries.",
                report.n_queries()
            )));
        }
        body.push(depths(&report.depths, &report.best.choice, &metric));
        page.section("depths", "Quality against time", body);
    }
    page.section("times", "Times", spent(report));
    let (best, current) = (&report.best.choice, &report.current.choice);
    let command = Command::tuned(origin.index.dir(), &origin.judged.how, best, current);
    let mut body = Markup::new();
    body.push(remark(format!(
        "{metric} is out of fold, as above; the hits are those of the tuned profile."
    )));
    body.push(answers(&stories, &report.stages, &metric, &command));
    page.section("queries", "Queries", body);
    page.section("provenance", "Provenance", origin.to_markup());
    Ok(page.to_html())
}

fn verdict(report: &TuneReport) -> String {
    let gain = &report.gain().comparison;
    let found = format!(
        "{} {:.4} out of fold, against {:.4} of the profile as it was: {:+.4} (95\u{a0}% interval {:+.4} to {:+.4}) on {} queries.",
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
        Verdict::OverBudget => {
            "Change it, whatever is lost: the profile as it was is slower than the budget allows."
        }
        Verdict::NoGain => "Keep what you have: a gain could not be told from chance.",
        Verdict::Same => "Keep what you have: it is the winner itself.",
    };
    format!("{so} {found}")
}

/// The profile as it was, the winner, and what the folds chose.
fn choices(report: &TuneReport) -> Markup {
    let (current, best, highest) = (&report.current, &report.best, &report.highest);
    let row = |name: &str, of: &Measured, out_of_fold: Option<f64>| {
        vec![
            Cell::word(name),
            Cell::number(or_dash(out_of_fold, 4)),
            Cell::number(format!("{:.4}", of.mean)),
            Cell::number(or_dash(of.ms, 1)),
            Cell::word(in_words(&of.choice.weights)),
        ]
    };
    let rows = vec![
        // It was there before the queries, so none of them had a part in it.
        row("profile as it was", current, Some(current.mean)),
        row("tuned", best, Some(report.out_of_fold)),
        row("highest of all", highest, None),
    ];
    let metric = report.metric.to_string();
    let (out_of_fold, in_sample) = (
        format!("{metric} out of fold"),
        format!("{metric} in sample"),
    );
    let heads = ["", &out_of_fold, &in_sample, "ms per query", "weights"];
    let mut body = table(&heads, rows);
    body.push(remark(
        "Out of fold is what to expect on new queries: each query is measured with what the others chose. In sample is on the very queries that chose, which flatters. Of choices within one standard error of the highest, the one nearest to the profile as it was is taken.",
    ));
    let is_full = report.search == Search::Full;
    if is_full {
        let named = [
            ("profile as it was", current),
            ("tuned", best),
            ("highest of all", highest),
        ];
        let rows = named.map(|(name, of)| {
            let mut row = vec![Cell::word(name)];
            row.extend(setup(&of.choice.setup, report));
            row
        });
        body.push(table(&[&[""][..], SETUP_HEADS].concat(), rows.into()));
    }
    let folds = (1..).zip(&report.fold_choices).map(|(fold, choice)| {
        let mut row = vec![Cell::number(fold), Cell::word(in_words(&choice.weights))];
        row.extend(setup(&choice.setup, report).into_iter().filter(|_| is_full));
        row
    });
    let mut heads = vec!["fold", "weights"];
    heads.extend(SETUP_HEADS.iter().filter(|_| is_full));
    body.push(folded(
        "what the queries outside each fold chose",
        table(&heads, folds.collect()),
    ));
    body
}

fn or_dash(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// Heads of [`setup`].
const SETUP_HEADS: &[&str] = &[
    "depths bm25 / dense / cross",
    "reading order",
    "normalizers in the order of the stages",
];

/// What a full search chooses beside the weights, a cell each.
fn setup(setup: &Setup, report: &TuneReport) -> Vec<Cell> {
    let order = serde_json::to_value(setup.cross_order).unwrap_or_default();
    let normalizers = report.stages.iter().map(|stage| setup.normalizers[*stage]);
    let normalizers: Vec<String> = normalizers.map(|one| one.to_string()).collect();
    vec![
        Cell::word(format!(
            "{} / {} / {}",
            setup.bm25_depth, setup.dense_depth, setup.cross_depth
        )),
        Cell::word(order.as_str().unwrap_or("")),
        Cell::word(normalizers.join(", ")),
    ]
}

fn surface(report: &TuneReport, metric: &str) -> Markup {
    let points: Vec<Point> = report
        .surface
        .iter()
        .map(|point| Point {
            weights: point.weights,
            mean: point.mean,
            errors_behind: match point.behind > 0.0 {
                true => point.behind / point.standard_error, // infinite where nothing varies
                false => 0.0,
            },
        })
        .collect();
    let landscape = Landscape {
        metric,
        stages: &report.stages,
        steps: report.steps,
        points: &points,
        winner: report.best.choice.weights,
        current: report.current.choice.weights,
    };
    let n_near = points.iter().filter(|point| point.is_near()).count();
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "{metric} of {} weightings on all queries, under the tuned profile's other settings. {n_near} of them are within one standard error of the highest: so many queries cannot tell which of those is best.",
        points.len()
    )));
    body.push(landscape.plot());
    body.push(folded(
        "the ten highest weightings",
        highest(report, metric),
    ));
    body
}

/// The best of the surface, for those who would rather read than see.
fn highest(report: &TuneReport, metric: &str) -> Markup {
    const SHOWN: usize = 10;
    let mut points: Vec<_> = report.surface.iter().collect();
    points.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    let rows = points.into_iter().take(SHOWN).map(|point| {
        vec![
            Cell::word(in_words(&point.weights)),
            Cell::number(format!("{:.4}", point.mean)),
            Cell::number(format!("{:.4}", point.behind)),
            Cell::number(format!("{:.4}", point.standard_error)),
        ]
    });
    let heads = [
        "weights",
        metric,
        "behind the highest",
        "standard error of that",
    ];
    table(&heads, rows.collect())
}

fn differences(report: &TuneReport, metric: &str) -> Markup {
    let rows: Vec<Difference> = report
        .against
        .iter()
        .map(|against| {
            super::compared(
                named(against.baseline),
                &against.comparison,
                against.adjusted_p,
            )
        })
        .collect();
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "The tuned profile is {}.",
        super::finding(&rows)
    )));
    body.push(paragraph(format!(
        "{metric} of the tuned profile, out of fold, less that of each baseline. {}",
        super::how_compared(rows.len())
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
            Cell::word(named(against.baseline)),
            Cell::word(match against.baseline {
                Baseline::Alone(_) => String::new(),
                _ => in_words(&against.choice.weights),
            }),
            Cell::number(format!("{:.4}", comparison.baseline)),
            Cell::number(comparison.wins),
            Cell::number(comparison.ties),
            Cell::number(comparison.losses),
        ]
    });
    let heads = ["baseline", "weights", metric, "wins", "ties", "losses"];
    body.push(table(&heads, rows.collect()));
    body.push(remark(
        "Wins are queries on which the tuned profile is better than the baseline.",
    ));
    body
}

fn named(baseline: Baseline) -> String {
    match baseline {
        Baseline::Current => "the profile as it was".to_owned(),
        other => other.to_string(),
    }
}

fn tags(report: &TuneReport, metric: &str) -> Markup {
    let all: std::collections::BTreeSet<&String> = report
        .queries
        .iter()
        .flat_map(|query| &query.tags)
        .collect();
    let rows: Vec<(&String, usize, f64, f64)> = all
        .into_iter()
        .map(|tag| {
            let tagged = report.queries.iter().filter(|one| one.tags.contains(tag));
            let sums = tagged.fold((0, 0.0, 0.0), |(n, before, after), query| {
                (n + 1, before + query.current, after + query.out_of_fold)
            });
            let (n, before, after) = sums;
            (tag, n, before / n as f64, after / n as f64)
        })
        .collect();
    let differences = rows.iter().map(|(_, _, before, after)| after - before);
    let largest = differences.fold(0.0_f64, |most, one| most.max(one.abs()));
    let rows = rows.into_iter().map(|(tag, n, before, after)| {
        vec![
            Cell::word(tag),
            Cell::number(n),
            Cell::number(format!("{before:.4}")),
            Cell::number(format!("{after:.4}")),
            Cell::number(format!("{:+.4}", after - before)),
            Cell::markup(signed_bar(after - before, largest)),
        ]
    });
    let heads = [
        "tag",
        "queries",
        "before",
        "tuned",
        "difference",
        "loss | gain",
    ];
    let mut body = table(&heads, rows.collect());
    body.push(remark(format!(
        "Mean {metric}, tuned out of fold. A tag of few queries says little."
    )));
    body
}

/// Quantiles over the queries, and what the tuner reckons with.
fn spent(report: &TuneReport) -> Markup {
    let mut body = times(&all_times(&report.gathered));
    body.push(remark(
        "Milliseconds of wall-clock time per query while gathering, in this run or the one whose scores were kept; a full search gathers more than any single profile would.",
    ));
    if report.times.is_empty() {
        return body;
    }
    body.push(paragraph("What the tuner reckons with for any depths:"));
    let rows = report.times.iter().map(|cost| {
        let of = if cost.is_per_pair {
            "pair read"
        } else {
            "query"
        };
        vec![
            Cell::word(cost.stage),
            Cell::number(format!("{:.2}", cost.ms)),
            Cell::word(of),
        ]
    });
    body.push(table(&["stage", "mean ms", "per"], rows.collect()));
    body
}

fn stories<'a>(origin: &Origin<'a>, report: &TuneReport) -> Result<Vec<Story<'a>>> {
    let choice = &report.best.choice;
    let ranker = Ranker::Linear(Fusion {
        normalizers: choice.setup.normalizers,
        weights: choice.weights,
    });
    let outcomes = report.queries.iter().zip(&report.gathered).enumerate();
    outcomes
        .map(|(at, (outcome, gathered))| {
            let values = (outcome.current, outcome.out_of_fold);
            Story::new(origin, at, gathered, Some(&ranker), values)
        })
        .collect()
}
