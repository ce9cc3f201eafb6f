//! Comparisons with baselines, in a plot and in words.

use treffer_engine::tune::LEVEL;
use treffer_eval::{Comparison, Power};

use crate::forest::Difference;
use crate::markup::Markup;
use crate::page;

/// Columns of [`compared`].
pub(crate) const COMPARED: [&str; 4] = ["difference", "95\u{a0}% interval", "p", "corrected p"];

/// How `n` comparisons were made, in words.
pub(crate) fn method(n: usize) -> String {
    format!(
        "Squares are means over the queries, with their 95\u{a0}% bootstrap intervals; p is that of a paired randomization test, also corrected for {n} comparisons (Holm). Bold is what is significant at {LEVEL} after correction."
    )
}

/// A comparison as a line of a forest plot.
pub(crate) fn compared(name: String, comparison: &Comparison, adjusted_p: f64) -> Difference {
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

/// The result of several comparisons, as in "significantly better than bm25; not
/// significantly different from dense".
pub(crate) fn finding(differences: &[Difference]) -> String {
    let named = |finding: &str, holds: &dyn Fn(&Difference) -> bool| {
        let names = differences.iter().filter(|one| holds(one));
        let names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{finding} {}", names.join(", ")))
    };
    let parts = [
        named("significantly better than", &|one| {
            one.is_significant && one.mean > 0.0
        }),
        named("significantly worse than", &|one| {
            one.is_significant && one.mean <= 0.0
        }),
        named("not significantly different from", &|one| {
            !one.is_significant
        }),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

fn p_value(p: f64) -> String {
    if p < 0.0001 {
        "< 0.0001".into()
    } else {
        format!("{p:.4}")
    }
}

/// The statistical power of comparisons on these queries.
pub(crate) fn power(powers: impl Iterator<Item = Power>) -> Markup {
    let powers: Vec<Power> = powers.collect();
    let gains: Vec<f64> = powers.iter().filter_map(|power| power.gain).collect();
    let Some(any) = powers.first() else {
        return Markup::new();
    };
    let n = any.n_queries;
    let text = if gains.is_empty() {
        format!("{n} queries that differ as these do are too few for any significant difference.")
    } else {
        let least = gains.iter().copied().fold(f64::INFINITY, f64::min);
        let most = gains.iter().copied().fold(0.0, f64::max);
        let size = if most - least < 5e-5 {
            format!("{least:.4}")
        } else {
            format!("{least:.4} to {most:.4}")
        };
        format!(
            "Statistical power: on {n} queries, a true difference of {size} is detected with {:.0}\u{a0}% probability (before correction); many smaller ones are missed.",
            any.power * 100.0
        )
    };
    page::paragraph(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_grouped_by_their_outcome() {
        let difference = |name: &str, mean, is_significant| Difference {
            name: name.into(),
            mean,
            low: mean,
            high: mean,
            notes: Vec::new(),
            is_significant,
        };
        let rows = [
            difference("a", 0.1, true),
            difference("b", 0.1, false),
            difference("c", -0.1, true),
            difference("d", 0.2, true),
        ];
        assert_eq!(
            finding(&rows),
            "significantly better than a, d; significantly worse than c; not significantly different from b"
        );
    }
}
