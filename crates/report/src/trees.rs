//! What the trees of a learned fusion add to the tuned weights, and what they look at.

use treffer_engine::tune::{LearnedReport, TuneReport};

use crate::bars::bar;
use crate::markup::Markup;
use crate::page::{Cell, paragraph, remark, table};

/// The section on a learned fusion.
pub(crate) fn section(learned: &LearnedReport, report: &TuneReport, metric: &str) -> Markup {
    let mut body = Markup::new();
    let finding = if learned.is_gain() {
        "Trees over the tuned weights are a significant gain"
    } else {
        "Trees over the tuned weights are not a significant gain"
    };
    body.push(paragraph(format!(
        "{finding}: {metric} {:.4} out of fold, the tuned weights alone {:.4}.",
        learned.out_of_fold, report.out_of_fold
    )));
    let sides = [
        ("tuned weights", learned.against_tuned()),
        ("current profile", learned.against_current()),
    ];
    let rows = sides
        .iter()
        .zip(learned.adjusted_p)
        .map(|((name, one), p)| {
            vec![
                Cell::word(name),
                Cell::number(format!("{:+.4}", one.test.difference)),
                Cell::number(format!(
                    "{:+.4} to {:+.4}",
                    one.interval.low, one.interval.high
                )),
                Cell::number(format!("{p:.4}")),
                Cell::number(format!("{} / {} / {}", one.wins, one.ties, one.losses)),
            ]
        });
    let heads = [
        "trees against",
        "gain",
        "95\u{a0}% interval",
        "p (Holm)",
        "better / equal / worse",
    ];
    body.push(table(&heads, rows.collect()));
    let counts: Vec<String> = learned.fold_trees.iter().map(usize::to_string).collect();
    body.push(remark(format!(
        "{} trees on all queries; {} in the folds. Their number is chosen by a cross-validation within each fold, by the one-standard-error rule towards fewer; without any, the weights alone decide the order.",
        learned.learned.n_trees(),
        counts.join(", ")
    )));
    let importance = learned.learned.importance();
    let largest = importance.first().map_or(1.0, |(_, share)| *share);
    let rows: Vec<Vec<Cell>> = importance
        .iter()
        .map(|(name, share)| {
            let percent = format!("{:.0}\u{a0}%", 100.0 * share);
            vec![
                Cell::word(name),
                Cell::number(&percent),
                Cell::markup(bar(*share, largest, &percent)),
            ]
        })
        .collect();
    if !rows.is_empty() {
        body.push(table(&["feature", "share of the gain in fit", ""], rows));
    }
    body
}
