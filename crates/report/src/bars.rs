//! Columns and bars: how values are spread, and which queries gain or lose.

use crate::markup::{Markup, el, label, line, num, rect, scrolling, svg};

/// Values by query in ten bins from 0 to 1, as columns with their counts. The tallest
/// possible column has `most` queries.
pub(crate) fn histogram(name: &str, values: &[f64], most: usize) -> Markup {
    let (width, height, top, bottom) = (260.0, 150.0, 34.0, 22.0);
    let bins = bins(values);
    let step = width / bins.len() as f64;
    let counts: Vec<String> = bins.iter().map(usize::to_string).collect();
    let alternative = format!(
        "{name}: queries in each tenth from 0 to 1: {}",
        counts.join(", ")
    );
    let mut plot = svg(width, height, &alternative).add(label(0.0, 14.0, "strong", name));
    for (at, n) in bins.iter().enumerate() {
        let tall = (height - top - bottom) * *n as f64 / most.max(1) as f64;
        let x = step * at as f64;
        let y = height - bottom - tall;
        plot = plot.add(rect(x + 1.0, y, step - 2.0, tall, "column"));
        if *n > 0 {
            plot = plot.add(label(x + step / 2.0, y - 3.0, "middle small", n));
        }
    }
    for (at, anchor) in [(0, "small"), (5, "middle small"), (10, "end small")] {
        let x = step * f64::from(at);
        let shown = format!("{:.1}", f64::from(at) / 10.0);
        plot = plot.add(label(x, height - 6.0, anchor, shown));
    }
    let base = height - bottom;
    el("div")
        .class("small-multiple")
        .add(plot.add(line((0.0, base), (width, base), "zero")))
        .into()
}

/// The most values that lie in one tenth.
pub(crate) fn tallest(values: &[f64]) -> usize {
    bins(values).into_iter().max().unwrap_or(0)
}

/// How many values lie in each tenth of 0..=1; 1 itself is in the last.
fn bins(values: &[f64]) -> [usize; 10] {
    let mut bins = [0; 10];
    for value in values {
        let at = (value.clamp(0.0, 1.0) * 10.0 + 1e-9) as usize;
        bins[at.min(9)] += 1;
    }
    bins
}

/// A bar for a value on its own scale, for a cell of a table.
pub(crate) fn bar(value: f64, largest: f64, alternative: &str) -> Markup {
    let (width, height) = (160.0, 14.0);
    let long = part_of(value, largest) * width;
    svg(width, height, alternative)
        .attr("class", "bar")
        .add(rect(0.0, 1.0, long, height - 2.0, "column"))
        .into()
}

/// The part of a bar's full length for a value; none where all values are 0.
fn part_of(value: f64, largest: f64) -> f64 {
    if largest > 0.0 {
        (value / largest).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// A bar to the right for a gain and to the left for a loss.
pub(crate) fn signed_bar(value: f64, largest: f64) -> Markup {
    let (width, height) = (200.0, 14.0);
    let middle = width / 2.0;
    let long = part_of(value.abs(), largest) * middle;
    let (x, class) = if value < 0.0 {
        (middle - long, "loss")
    } else {
        (middle, "gain")
    };
    svg(width, height, &format!("{value:+.4}"))
        .attr("class", "bar")
        .add(rect(x, 1.0, long, height - 2.0, class))
        .add(line((middle, 0.0), (middle, height), "zero"))
        .into()
}

/// All gains and losses at once, sorted, a column each; nothing if all are 0.
pub(crate) fn skyline(sorted: &[f64], alternative: &str) -> Markup {
    let (width, height, left) = (820.0, 180.0, 56.0);
    let largest = sorted
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    if largest < 1e-9 {
        return Markup::new();
    }
    let step = (width - left) / sorted.len().max(1) as f64;
    let middle = height / 2.0;
    let mut plot = svg(width, height, alternative);
    for (at, value) in sorted.iter().enumerate() {
        let tall = value.abs() / largest * (middle - 14.0);
        let x = left + step * at as f64;
        let gap = if step < 3.0 { 0.0 } else { 1.0 }; // without room, one shape
        plot = plot.add(if *value < 0.0 {
            rect(x, middle, step - gap, tall, "loss")
        } else {
            rect(x, middle - tall, step - gap, tall, "gain")
        });
    }
    let plot = plot
        .add(line((left, middle), (width, middle), "zero"))
        .add(label(left - 8.0, 18.0, "end", format!("{largest:+.2}")))
        .add(label(left - 8.0, middle + 4.0, "end", num(0.0)))
        .add(label(
            left - 8.0,
            height - 10.0,
            "end",
            format!("{:+.2}", -largest),
        ));
    scrolling(plot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_differs_there_is_nothing_to_draw() {
        assert_eq!(skyline(&[], ""), Markup::new());
        assert_eq!(skyline(&[0.0, 0.0], ""), Markup::new());
        assert!(signed_bar(0.0, 0.0).as_str().contains("width=\"0\""));
    }

    #[test]
    fn a_value_of_one_is_in_the_last_bin() {
        let counts = bins(&[0.0, 0.1, 0.3, 0.99, 1.0]);
        assert_eq!(counts, [1, 1, 0, 1, 0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn a_gain_points_right_and_a_loss_left() {
        assert!(signed_bar(0.5, 1.0).as_str().contains("class=\"gain\""));
        assert!(signed_bar(-0.5, 1.0).as_str().contains("class=\"loss\""));
    }
}
