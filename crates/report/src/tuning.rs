//! The report of `treffer tune`.

use treffer_engine::evaluate::times as all_times;
use treffer_engine::learned::Ranker;
use treffer_engine::pipeline::Pipeline;
use treffer_engine::tune::{Against, Baseline, Measured, Search, Setup, TuneReport, Verdict};
use treffer_fusion::Fusion;
use treffer_types::StageName;

use crate::bars::signed_bar;
use crate::command::Command;
use crate::comparison::{self, COMPARED};
use crate::depths::depths;
use crate::error::Error;
use crate::forest::{Difference, Reference, forest};
use crate::markup::{Markup, el};
use crate::page::{Cell, Page, folded, paragraph, remark, table, warning};
use crate::provenance::Experiment;
use crate::queries::{QueryResult, gains_and_losses, query_list};
use crate::surface::{Surface, error_chain};
use crate::times::times;
use crate::{trees, weightings};

/// The report of a tuning as an HTML page. `decision` says what became of the profile.
///
/// # Errors
/// If a document cannot be read from the index.
pub fn tuning(
    experiment: &Experiment<'_>,
    report: &TuneReport,
    decision: &str,
) -> Result<String, Error> {
    let (best, current) = (&report.best.choice, &report.current.choice);
    let command = Command::tuned(experiment.engine.dir(), experiment.options, best, current);
    let mut page = page(
        &experiment.index_name(),
        report,
        decision,
        &results(experiment, report)?,
        &command,
    );
    page.section("provenance", "Provenance", experiment.provenance());
    Ok(page.to_html())
}

/// The report but for where it comes from, which needs no index.
pub(crate) fn page(
    index: &str,
    report: &TuneReport,
    decision: &str,
    results: &[QueryResult<'_>],
    command: &Command,
) -> Page {
    let metric = report.metric.to_string();
    let mut page = Page::new(format!("Tuning of {index}"));
    page.lead(el("p").class("verdict").text(verdict(report)));
    page.lead(remark(decision));
    for text in &report.warnings {
        page.lead(warning(format!("Warning: {text}")));
    }
    page.section("choice", "The choice", choices(report));
    page.section(
        "weights",
        "Weights",
        weightings::section(&Surface::new(report)),
    );
    page.section("differences", "Differences", differences(report, &metric));
    if let Some(learned) = &report.learned {
        page.section("trees", "Trees", trees::section(learned, report, &metric));
    }
    let mut gains = Markup::new();
    gains.push(paragraph(format!(
        "{metric} of every query under what the other folds chose, against the current profile."
    )));
    gains.push(gains_and_losses(results, "current", "tuned"));
    page.section("gains", "Gains and losses", gains);
    if report.queries.iter().any(|query| !query.tags.is_empty()) {
        page.section("tags", "By tag", tags(report, &metric));
    }
    if !report.depths.is_empty() {
        page.section("depths", "Quality against time", front(report, &metric));
    }
    page.section("times", "Times", spent(report));
    let mut body = Markup::new();
    body.push(remark(format!(
        "{metric} is out of fold, as above; the hits are those of the tuned profile."
    )));
    body.push(query_list(results, &report.stages, &metric, command));
    page.section("queries", "Queries", body);
    page
}

fn verdict(report: &TuneReport) -> String {
    let gain = &report.gain().comparison;
    let found = format!(
        "{} {:.4} out of fold, against {:.4} of the current profile: {:+.4} (95\u{a0}% interval {:+.4} to {:+.4}) on {} queries.",
        report.metric,
        report.out_of_fold,
        report.current.mean,
        gain.test.difference,
        gain.interval.low,
        gain.interval.high,
        report.n_queries(),
    );
    let verdict = match report.verdict {
        Verdict::Change => "Change the profile: the gain is significant.",
        Verdict::OverBudget => {
            "Change the profile, even at a loss: the current one is slower than the budget allows."
        }
        Verdict::NoGain => "Keep the current profile: the gain is not significant.",
        Verdict::Same => "Keep the current profile: it is the best choice itself.",
    };
    format!("{verdict} {found}")
}

/// The current profile, the tuned one, and what the folds chose.
fn choices(report: &TuneReport) -> Markup {
    let (current, best, highest) = (&report.current, &report.best, &report.highest);
    let row = |name: &str, of: &Measured, out_of_fold: Option<f64>| {
        vec![
            Cell::word(name),
            Cell::number(or_dash(out_of_fold, 4)),
            Cell::number(format!("{:.4}", of.mean)),
            Cell::number(or_dash(of.ms, 1)),
            Cell::word(error_chain(&of.choice.weights)),
        ]
    };
    let rows = vec![
        // No query had a part in choosing it, so it has no fold to be out of.
        row("current profile", current, Some(current.mean)),
        row("tuned", best, Some(report.out_of_fold)),
        row("highest mean", highest, None),
    ];
    let metric = report.metric.to_string();
    let (out_of_fold, in_sample) = (
        format!("{metric} out of fold"),
        format!("{metric} in sample"),
    );
    let heads = ["", &out_of_fold, &in_sample, "ms per query", "weights"];
    let mut body = table(&heads, rows);
    body.push(remark(
        "Out of fold estimates the metric on new queries: each query is measured with what the other folds chose. In sample is measured on the queries that chose, which is too optimistic.",
    ));
    body.push(remark(rule(report)));
    let is_full = report.search == Search::Full;
    if is_full {
        let named = [
            ("current profile", current),
            ("tuned", best),
            ("highest mean", highest),
        ];
        let rows = named.map(|(name, of)| {
            let mut row = vec![Cell::word(name)];
            row.extend(setup(&of.choice.setup, report));
            row
        });
        let heads = setup_heads(&best.choice.setup);
        body.push(table(&[&[""][..], &heads].concat(), rows.into()));
    }
    let folds = (1..).zip(&report.fold_choices).map(|(fold, choice)| {
        let mut row = vec![Cell::number(fold), Cell::word(error_chain(&choice.weights))];
        row.extend(setup(&choice.setup, report).into_iter().filter(|_| is_full));
        row
    });
    let mut heads = vec!["fold", "weights"];
    heads.extend(setup_heads(&best.choice.setup).iter().filter(|_| is_full));
    body.push(folded(
        "the choices of the folds",
        table(&heads, folds.collect()),
    ));
    body
}

/// How the tuned profile was chosen.
fn rule(report: &TuneReport) -> String {
    let Some(prior) = &report.prior else {
        return "Of the choices within one standard error of the highest, the one nearest to the current profile is taken.".to_owned();
    };
    let weights = error_chain(&prior.weights);
    let drawn = format!(
        "The weights are drawn towards {weights}, {}, the more the fewer the queries: of all within one standard error of the highest ({} weightings) the mean is taken, those near the prior counting more.",
        prior.origin, prior.n_averaged
    );
    let fallback = format!(
        " Here the queries tell of no weights that are surely better than these, so they were taken themselves; so they were in {} of {} folds.",
        prior.n_folds, report.folds
    );
    if prior.is_chosen {
        drawn + &fallback
    } else {
        drawn
    }
}

fn or_dash(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// Heads of [`setup`].
fn setup_heads(setup: &Setup) -> Vec<&'static str> {
    let mut heads: Vec<&str> = setup
        .settings()
        .iter()
        .map(|setting| setting.group)
        .collect();
    heads.dedup();
    heads
}

/// What a full search chooses beside the weights, a cell for each kind of setting.
fn setup(setup: &Setup, report: &TuneReport) -> Vec<Cell> {
    let settings = setup.settings();
    let is_shown = |stage: &StageName| report.stages.contains(stage);
    let of_group = |group: &&str| {
        let shown = settings
            .iter()
            .filter(|setting| setting.group == *group)
            .filter(|setting| setting.stage.as_ref().is_none_or(is_shown))
            .map(|setting| match setting.stage {
                Some(stage) => format!("{stage} {}", setting.shown),
                None => setting.shown.clone(),
            });
        Cell::word(shown.collect::<Vec<String>>().join(", "))
    };
    setup_heads(setup).iter().map(of_group).collect()
}

fn front(report: &TuneReport, metric: &str) -> Markup {
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "{metric} out of fold against milliseconds per query, for every combination of depths, each with its own weights. Squares and the line are the Pareto front: no other combination is better without being slower. The star has the depths of the tuned profile."
    )));
    if let Some(gain) = report.gain().comparison.power.gain {
        body.push(remark(format!(
            "Note the scale: on {} queries a difference of {gain:.4} is detected in 4 of 5 cases. Points that are closer together may rank differently on new queries.",
            report.n_queries()
        )));
    }
    body.push(depths(
        &report.depths,
        &report.stages,
        &report.best.choice,
        metric,
    ));
    body
}

fn differences(report: &TuneReport, metric: &str) -> Markup {
    let rows: Vec<Difference> = report
        .against
        .iter()
        .map(|against| {
            comparison::compared(
                named(against.baseline),
                &against.comparison,
                against.adjusted_p,
            )
        })
        .collect();
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "The tuned profile is {}.",
        comparison::finding(&rows)
    )));
    body.push(paragraph(format!(
        "{metric} of the tuned profile, out of fold, less that of each baseline. {}",
        comparison::method(rows.len())
    )));
    let alternative = "differences of the tuned profile from each baseline";
    body.push(forest(&rows, &COMPARED, Reference::Zero, alternative));
    body.push(comparison::power(
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
                _ => error_chain(&against.choice.weights),
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
        "Wins are queries on which the tuned profile is better than the baseline, losses those on which it is worse.",
    ));
    body
}

fn named(baseline: Baseline) -> String {
    match baseline {
        Baseline::Current => "the current profile".to_owned(),
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
        "current",
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

/// Quantiles over the queries, and the costs that the tuner assumes.
fn spent(report: &TuneReport) -> Markup {
    let mut body = times(&all_times(&report.stages, &report.gathered));
    body.push(remark(
        "Milliseconds of wall-clock time per query while gathering, in this run or in the one whose scores were cached; a full search gathers more than any single profile would.",
    ));
    if report.times.is_empty() {
        return body;
    }
    body.push(paragraph(
        "The tuner estimates the time of any depths from these costs:",
    ));
    let rows = report.times.iter().map(|cost| {
        let of = if cost.is_per_pair {
            "pair scored"
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

fn results<'a>(
    experiment: &Experiment<'a>,
    report: &TuneReport,
) -> Result<Vec<QueryResult<'a>>, Error> {
    let Experiment {
        engine, profile, ..
    } = *experiment;
    let choice = &report.best.choice;
    // Of the current profile: the tuned one may read nothing, and so lack a stage.
    let pipeline = Pipeline::only(profile, engine.available(), &report.stages)?;
    let ranker = Ranker::Linear(Fusion {
        normalization: pipeline.normalization(choice.setup.scaling()),
        weights: choice.weights.clone(),
    });
    let outcomes = report.queries.iter().zip(&report.gathered).enumerate();
    outcomes
        .map(|(at, (outcome, gathered))| {
            let values = (outcome.current, outcome.out_of_fold);
            QueryResult::new(experiment, at, gathered, Some(&ranker), values)
        })
        .collect()
}
