//! Quality against time: every combination of depths, and the Pareto front.

use treffer_engine::tune::{Choice, DepthPoint, Setup};
use treffer_types::StageName;

use crate::color::{share, ticks};
use crate::marks::star;
use crate::markup::{Element, Markup, el, label, levels, line, num, rect, scrolling, svg};
use crate::page::{Cell, table};
use crate::surface::{error_chain, range};

/// The plot and a table of the front. Points are on a logarithmic scale of milliseconds,
/// since a cross-encoder's depths span two orders of it.
pub(crate) fn depths(
    points: &[DepthPoint],
    stages: &[StageName],
    chosen: &Choice,
    metric: &str,
) -> Markup {
    let front: Vec<&DepthPoint> = points.iter().filter(|point| point.is_pareto).collect();
    let mut body = plot(points, &front, chosen, metric);
    let rows = front.iter().map(|point| {
        let depths = &point.choice.setup.depths;
        let is_chosen = is_chosen(point, chosen);
        let mut row = vec![Cell::word(if is_chosen { "\u{2605} chosen" } else { "" })];
        row.extend(stages.iter().map(|stage| {
            let depth = depths.get(*stage);
            Cell::number(depth.map_or("-".to_owned(), |depth| depth.to_string()))
        }));
        row.push(Cell::number(match point.choice.setup.cross_patience {
            0 => "-".to_owned(),
            patience => patience.to_string(),
        }));
        row.extend([
            Cell::number(format!("{:.1}", point.ms)),
            Cell::number(format!("{:.4}", point.mean)),
            Cell::word(error_chain(&point.choice.weights)),
        ]);
        row
    });
    let mut heads = vec![String::new()];
    heads.extend(stages.iter().map(|stage| format!("{stage} depth")));
    heads.extend(["patience", "ms per query", metric, "weights"].map(String::from));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    body.push(table(&heads, rows.collect()));
    body
}

fn is_chosen(point: &DepthPoint, chosen: &Choice) -> bool {
    let (point, chosen) = (&point.choice.setup, &chosen.setup);
    point.depths == chosen.depths && point.cross_patience == chosen.cross_patience
}

/// As in "bm25 200, dense 200, cross 50, patience 10".
fn depths_in_words(setup: &Setup) -> String {
    let depths = setup.depths.iter();
    let depths = depths.map(|(stage, depth)| format!("{stage} {depth}"));
    let patience = (setup.cross_patience > 0).then(|| format!("patience {}", setup.cross_patience));
    depths.chain(patience).collect::<Vec<String>>().join(", ")
}

fn plot(points: &[DepthPoint], front: &[&DepthPoint], chosen: &Choice, metric: &str) -> Markup {
    let (width, height) = (820.0, 360.0);
    let (left, right, top, bottom) = (64.0, 24.0, 34.0, 56.0);
    let shown = || points.iter().filter(|point| point.ms > 0.0);
    let (low, high) = range(shown().map(|point| point.mean));
    let (fastest, slowest) = range(shown().map(|point| point.ms));
    if !(low.is_finite() && fastest.is_finite()) {
        return Markup::new();
    }
    let (marks, decimals) = ticks(low, high.max(low + 1e-3));
    let (low, high) = (marks[0], marks[marks.len() - 1]);
    let (first, last) = ((fastest / 1.15).ln(), (slowest * 1.15).ln());
    let x = |ms: f64| left + share(ms.ln(), first, last) * (width - left - right);
    let y = |mean: f64| top + (1.0 - share(mean, low, high)) * (height - top - bottom);
    let alternative = format!(
        "{metric} against milliseconds per query of {} combinations of depths; {} of them are on the Pareto front",
        points.len(),
        front.len()
    );
    let plot = svg(width, height, &alternative).add(label(left + 4.0, 18.0, "strong", metric));
    let mut plot = levels(plot, (&marks, decimals), y, (left, width - right));
    for ms in round_times(fastest / 1.15, slowest * 1.15) {
        plot = plot
            .add(line((x(ms), top), (x(ms), height - bottom), "grid"))
            .add(label(x(ms), height - bottom + 18.0, "middle", ms));
    }
    let caption = "milliseconds per query, logarithmic";
    plot = plot
        .add(label(
            (left + width - right) / 2.0,
            height - 12.0,
            "middle",
            caption,
        ))
        .add(steps(
            front.iter().map(|point| (x(point.ms), y(point.mean))),
        ));
    for point in shown() {
        plot = plot.add(dot(point, x(point.ms), y(point.mean), chosen));
    }
    scrolling(plot)
}

/// Squares on the front and circles off it, so that color is not needed to see which is which.
fn dot(point: &DepthPoint, x: f64, y: f64, chosen: &Choice) -> Element {
    let title = el("title").text(format!(
        "{}: {:.4} in {:.1} ms",
        depths_in_words(&point.choice.setup),
        point.mean,
        point.ms
    ));
    if is_chosen(point, chosen) {
        return star((x, y)).add(title);
    }
    if point.is_pareto {
        return rect(x - 4.5, y - 4.5, 9.0, 9.0, "estimate").add(title);
    }
    el("circle")
        .attr("cx", num(x))
        .attr("cy", num(y))
        .attr("r", 3)
        .class("dot")
        .add(title)
}

/// The front as steps: what is reached in some time is also reached in more.
fn steps(places: impl Iterator<Item = (f64, f64)>) -> Element {
    let mut path = String::new();
    for (x, y) in places {
        path += &if path.is_empty() {
            format!("M{} {}", num(x), num(y))
        } else {
            format!("H{}V{}", num(x), num(y))
        };
    }
    el("path").attr("d", path).class("front")
}

/// 1, 2 and 5 times the powers of ten in a range; in one too narrow for these, the round
/// numbers of a linear scale.
fn round_times(low: f64, high: f64) -> Vec<f64> {
    let powers = (-3..=6).map(|power| 10_f64.powi(power));
    let times = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * power));
    let round = |time: f64| (time * 1e3).round() / 1e3;
    let is_within = |time: &f64| (low..=high).contains(time);
    let times: Vec<f64> = times.map(round).filter(is_within).collect();
    if times.len() > 1 {
        return times;
    }
    let (times, _) = ticks(low, high);
    times.into_iter().map(round).filter(is_within).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_times_lie_in_the_range() {
        assert_eq!(round_times(0.8, 60.0), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(round_times(3.0, 3.5), [3.0, 3.1, 3.2, 3.3, 3.4, 3.5]);
    }

    #[test]
    fn the_front_is_drawn_in_steps() {
        let path: Markup = steps([(1.0, 9.0), (4.0, 5.0)].into_iter()).into();
        assert!(path.as_str().contains("M1 9H4V5"));
    }
}
