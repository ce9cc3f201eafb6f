//! Differences with their intervals, one line each: a forest plot.

use crate::color::{share, ticks};
use crate::markup::{Markup, label, line, rect, scrolling, svg};

/// One line of the plot.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// What is compared, as in "against bm25 alone".
    pub(crate) name: String,
    /// Its mean.
    pub(crate) mean: f64,
    /// Ends of its interval.
    pub(crate) low: f64,
    /// See `low`.
    pub(crate) high: f64,
    /// What is written beside it, as in "p = 0.0312".
    pub(crate) notes: Vec<String>,
    /// Whether it stands out.
    pub(crate) is_significant: bool,
}

/// Where the reference line of a plot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// At zero: what is plotted are differences.
    Zero,
    /// There is none: what is plotted are values.
    None,
}

/// The plot: a square at each mean, sized alike, with a line for its interval; what
/// stands out is in bold. `heads`
/// name the interval's column and those of the notes.
pub(crate) fn forest(
    rows: &[Difference],
    heads: &[&str],
    reference: Reference,
    alternative: &str,
) -> Markup {
    if rows.is_empty() {
        return Markup::new();
    }
    let (name_width, plot_width, row_height) = (200.0, 300.0, 30.0);
    let note_widths: Vec<f64> = heads
        .iter()
        .map(|head| {
            if head.chars().count() > 12 {
                190.0
            } else {
                84.0
            }
        })
        .collect();
    let notes_left = name_width + plot_width + 24.0;
    let width = notes_left + note_widths.iter().sum::<f64>();
    let top = 34.0;
    let bottom = top + row_height * rows.len() as f64;
    let zero = match reference {
        Reference::Zero => Some(0.0),
        Reference::None => None,
    };
    let ends = || rows.iter().flat_map(|row| [row.low, row.high]).chain(zero);
    let low = ends().fold(f64::INFINITY, f64::min);
    let high = ends().fold(f64::NEG_INFINITY, f64::max);
    let (ticks, decimals) = ticks(low, high);
    let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
    let x = |value: f64| name_width + share(value, low, high) * plot_width;
    let mut plot = svg(width, bottom + 34.0, alternative);
    for tick in &ticks {
        let class = if zero == Some(*tick) { "zero" } else { "grid" };
        plot = plot
            .add(line((x(*tick), top - 6.0), (x(*tick), bottom), class))
            .add(label(
                x(*tick),
                bottom + 18.0,
                "middle",
                format!("{tick:.decimals$}"),
            ));
    }
    let note_x = |at: usize| notes_left + note_widths[..at].iter().sum::<f64>();
    for (at, head) in heads.iter().enumerate() {
        plot = plot.add(label(note_x(at), 16.0, "strong", *head));
    }
    for (at, row) in rows.iter().enumerate() {
        let y = top + row_height * (at as f64 + 0.5);
        let (from, to) = (x(row.low), x(row.high));
        let class = if row.is_significant { "strong" } else { "" };
        plot = plot
            .add(label(0.0, y + 4.0, class, &row.name))
            .add(line((from, y), (to, y), "whisker"))
            .add(line((from, y - 5.0), (from, y + 5.0), "whisker"))
            .add(line((to, y - 5.0), (to, y + 5.0), "whisker"))
            .add(rect(x(row.mean) - 4.5, y - 4.5, 9.0, 9.0, "estimate"));
        for (at, note) in row.notes.iter().enumerate().take(heads.len()) {
            plot = plot.add(label(note_x(at), y + 4.0, class, note));
        }
    }
    scrolling(plot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_its_interval_and_notes() {
        let rows = [Difference {
            name: "against <bm25>".into(),
            mean: 0.02,
            low: -0.01,
            high: 0.05,
            notes: vec!["+0.0200".into(), "0.0312".into()],
            is_significant: false,
        }];
        let plot = forest(
            &rows,
            &["difference", "p"],
            Reference::Zero,
            "one difference",
        );
        let plot = plot.as_str();
        assert!(plot.contains("against &lt;bm25&gt;"));
        assert!(plot.contains("0.0312"));
        assert_eq!(plot.matches("class=\"whisker\"").count(), 3);
        assert_eq!(plot.matches("class=\"zero\"").count(), 1);
    }

    #[test]
    fn nothing_to_compare_is_drawn_without_numbers_that_are_none() {
        let empty = forest(&[], &[], Reference::Zero, "");
        assert!(!empty.as_str().contains("NaN") && !empty.as_str().contains("inf"));
    }
}
