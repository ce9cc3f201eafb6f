//! Reports as one HTML file each: style, script and pictures are in it, and nothing is
//! loaded from anywhere.
//!
//! Reading order: [`markup`] is what everything is made of, [`page`] puts it together,
//! `color`, `forest`, `bars` and `simplex` draw, `queries`, `times`, `command` and
//! `provenance` fill sections, and `eval` and `tune` are the two reports. Data goes in,
//! a text comes out; only [`check()`] and [`write()`] touch a file.

mod bars;
mod color;
mod command;
mod depths;
pub(crate) mod eval;
mod forest;
mod learned;
mod markup;
mod page;
mod provenance;
mod queries;
mod simplex;
pub(crate) mod times;
pub(crate) mod tune;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use treffer_engine::tune::LEVEL;
use treffer_eval::{Comparison, Power};

use forest::Difference;
use markup::Markup;
pub(crate) use provenance::Origin;

/// Fails if a report could not be written there, before hours are spent on it.
pub(crate) fn check(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!(
            "could not write the report to {}: it is a folder",
            path.display()
        );
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => return Ok(()),
    };
    if !folder.is_dir() {
        bail!(
            "could not write the report to {}: there is no folder {}",
            path.display(),
            folder.display()
        );
    }
    Ok(())
}

/// Writes a report.
pub(crate) fn write(path: &Path, html: &str) -> Result<()> {
    fs::write(path, html)
        .with_context(|| format!("could not write the report to {}", path.display()))?;
    eprintln!("wrote the report to {}", path.display());
    Ok(())
}

/// The command line, as a shell would have it.
pub(crate) fn command_line() -> Vec<String> {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| word.to_string_lossy().into_owned());
    std::iter::once("treffer".to_owned()).chain(words).collect()
}

/// Columns of [`compared`].
const COMPARED: [&str; 4] = ["difference", "95\u{a0}% interval", "p", "corrected p"];

/// How so many comparisons were made, in words.
fn how_compared(n: usize) -> String {
    format!(
        "Squares are means over the queries, with their 95\u{a0}% bootstrap intervals; p is that of a paired randomization test, also corrected for {n} comparisons (Holm). Bold is what is significant at {LEVEL} after correction."
    )
}

/// A comparison as a line of a forest plot.
fn compared(name: String, comparison: &Comparison, adjusted_p: f64) -> Difference {
    let interval = &comparison.interval;
    Difference {
        name,
        mean: comparison.test.difference,
        low: interval.low,
        high: interval.high,
        notes: vec![
            format!("{:+.4}", comparison.test.difference),
            format!("{:+.4} to {:+.4}", interval.low, interval.high),
            p_value(comparison.test.p_value),
            p_value(adjusted_p),
        ],
        is_significant: adjusted_p <= LEVEL,
    }
}

/// What differences say together, as in "better than bm25, not told apart from dense".
fn finding(differences: &[Difference]) -> String {
    let named = |said: &str, holds: &dyn Fn(&Difference) -> bool| {
        let names = differences.iter().filter(|one| holds(one));
        let names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{said} {}", names.join(", ")))
    };
    let parts = [
        named("better than", &|one| one.is_significant && one.mean > 0.0),
        named("worse than", &|one| one.is_significant && one.mean <= 0.0),
        named("not told apart from", &|one| !one.is_significant),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

fn p_value(p: f64) -> String {
    match p < 0.0001 {
        true => "< 0.0001".into(),
        false => format!("{p:.4}"),
    }
}

/// What comparisons on so many queries could show.
fn power(powers: impl Iterator<Item = Power>) -> Markup {
    let powers: Vec<Power> = powers.collect();
    let gains: Vec<f64> = powers.iter().filter_map(|power| power.gain).collect();
    let Some(any) = powers.first() else {
        return Markup::new();
    };
    let said = match gains.is_empty() {
        true => format!(
            "On {} queries that differ as these do, no difference could be told from chance.",
            any.n_queries
        ),
        false => {
            let least = gains.iter().copied().fold(f64::INFINITY, f64::min);
            let most = gains.iter().copied().fold(0.0, f64::max);
            let size = match most - least < 5e-5 {
                true => format!("{least:.4}"),
                false => format!("{least:.4} to {most:.4}"),
            };
            format!(
                "What {} queries could show: a true difference of {size} would be found with {:.0}\u{a0}% probability (before correction); of smaller ones, many would be missed.",
                any.n_queries,
                any.power * 100.0
            )
        }
    };
    page::paragraph(said).into()
}
