//! A metric over the weights of three stages: a triangle of cells, one for each weighting.

use treffer_fusion::Weights;
use treffer_types::StageName;

use crate::color::{color, share, ticks};
use crate::marks::{circled_cross, diamond, star};
use crate::markup::{Element, Markup, el, label, line, num, polygon, rect, svg};
use crate::surface::{Point, Surface, error_chain};

mod outline;

use outline::{border, outline};

const WIDTH: f64 = 890.0;
const HEIGHT: f64 = 540.0;
/// Length of the triangle's sides.
const SIDE: f64 = 480.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 56.0;
/// Radius of the cells for which there is room around the triangle.
const RADIUS: f64 = 14.0;

/// A hexagon for each weighting of the grid; the first stage's corner is at the top, the
/// second's at the left, the third's at the right.
pub(crate) fn simplex(surface: &Surface, corners: [StageName; 3]) -> Element {
    let (low, high) = surface.range();
    let radius = SIDE / f64::from(surface.steps) / 3_f64.sqrt();
    let margin = (radius - RADIUS).max(0.0);
    let to_plot = Triangle { corners, margin };
    let mut cells = el("g");
    for point in surface.on_grid() {
        let title = format!(
            "{}: {} {:.4}",
            error_chain(&point.weights),
            surface.metric,
            point.mean
        );
        let cell = polygon(&hexagon(to_plot.place(&point.weights), radius), "cell")
            .attr("fill", color(share(point.mean, low, high)))
            .add(el("title").text(title));
        cells = cells.add(cell);
    }
    let within = |errors: f64| -> Vec<&Point> {
        let points = surface.on_grid();
        points
            .filter(|point| point.errors_behind() <= errors)
            .collect()
    };
    let all: Vec<&Point> = surface.on_grid().collect();
    let highest = surface.highest().map(|point| to_plot.place(&point.weights));
    svg(
        WIDTH + 2.0 * margin,
        HEIGHT + 2.0 * margin,
        &surface.error_chain(),
    )
    .add(cells)
    .add(border(&within(2.0), &all, &to_plot, radius))
    .add(outline(&within(1.0), &to_plot, radius))
    .add_all(edge_labels(&to_plot))
    .add(circled_cross(to_plot.place(&surface.current)))
    .add_all(highest.map(diamond))
    .add(star(to_plot.place(&surface.chosen)))
    .add_all(legend(surface, 610.0 + 2.0 * margin, (low, high)))
}

fn legend(surface: &Surface, x: f64, (low, high): (f64, f64)) -> Vec<Markup> {
    let (top, height, n) = (70.0, 220.0, 44);
    let mut parts: Vec<Markup> = vec![label(x, top - 14.0, "strong", &surface.metric).into()];
    for at in 0..n {
        let share = (f64::from(at) + 0.5) / f64::from(n);
        let step = height / f64::from(n);
        let y = top + height - f64::from(at + 1) * step;
        parts.push(
            rect(x, y, 18.0, step + 0.5, "")
                .attr("fill", color(share))
                .into(),
        );
    }
    let (marks, decimals) = ticks(low, high.max(low + 1e-3));
    for mark in marks.into_iter().filter(|mark| (low..=high).contains(mark)) {
        let y = top + height * (1.0 - share(mark, low, high));
        let shown = format!("{mark:.decimals$}");
        parts.push(line((x + 18.0, y), (x + 23.0, y), "tick").into());
        parts.push(label(x + 28.0, y + 4.0, "", shown).into());
    }
    let value = |mean: Option<f64>| mean.map_or(String::new(), |mean| format!(" ({mean:.4})"));
    let swatch = |y: f64, class: &str| -> Markup {
        let under = polygon(&hexagon((x + 9.0, y), 10.0), "swatch").attr("fill", color(0.8));
        let over = polygon(&hexagon((x + 9.0, y), 10.0), class);
        el("g").add(under).add(over).into()
    };
    let place = |at: u32| top + height + 40.0 + 30.0 * f64::from(at);
    let at = |row: u32| (x + 9.0, place(row));
    let chosen = value(surface.mean_of(&surface.chosen));
    let highest = value(surface.highest().map(|point| point.mean));
    let current = value(surface.mean_of(&surface.current));
    let entries: [(Markup, String); 5] = [
        (star(at(0)).into(), format!("chosen{chosen}")),
        (diamond(at(1)).into(), format!("highest{highest}")),
        (circled_cross(at(2)).into(), format!("current{current}")),
        (
            swatch(place(3), "outline"),
            "within 1 standard error of the highest".into(),
        ),
        (
            swatch(place(4), "outline wide"),
            "within 2 standard errors".into(),
        ),
    ];
    for (row, (mark, name)) in (0..).zip(entries) {
        parts.push(mark);
        parts.push(label(x + 28.0, place(row) + 4.0, "", name).into());
    }
    parts
}

/// Where weights lie on the page.
struct Triangle {
    corners: [StageName; 3],
    /// Room around it that large cells need beside the usual.
    margin: f64,
}

impl Triangle {
    fn place(&self, weights: &Weights) -> (f64, f64) {
        self.mix(self.corners.map(|stage| weights.weight(stage)))
    }

    /// Barycentric: the share of the top, the left and the right corner.
    fn mix(&self, shares: [f64; 3]) -> (f64, f64) {
        let height = SIDE * 3_f64.sqrt() / 2.0;
        let [top, _, right] = shares;
        (
            LEFT + self.margin + SIDE * (right + top / 2.0),
            TOP + self.margin + height * (1.0 - top),
        )
    }
}

fn hexagon((x, y): (f64, f64), radius: f64) -> Vec<(f64, f64)> {
    let corner = |at: u32| {
        let angle = f64::from(at) * std::f64::consts::FRAC_PI_3 + std::f64::consts::FRAC_PI_6;
        (x + radius * angle.cos(), y + radius * angle.sin())
    };
    (0..6).map(corner).collect()
}

/// The corners' names, and the weights along the edges.
fn edge_labels(to_plot: &Triangle) -> Vec<Markup> {
    let Triangle { corners, margin } = to_plot;
    let [top, left, right] = *corners;
    let mut labels: Vec<Markup> = Vec::new();
    let mut corner = |shares, dx: f64, dy: f64, class: &str, stage: StageName| {
        let (x, y) = to_plot.mix(shares);
        labels.push(label(x + dx, y + dy, class, format!("{stage} alone")).into());
    };
    corner([1.0, 0.0, 0.0], 0.0, -26.0 - margin, "middle strong", top);
    corner([0.0, 1.0, 0.0], -20.0, 54.0 + margin, "strong", left);
    corner([0.0, 0.0, 1.0], 20.0, 54.0 + margin, "end strong", right);
    for at in 1..5 {
        let share = f64::from(at) / 5.0;
        let mut tick = |shares, dx: f64, dy: f64, class: &str| {
            let (x, y) = to_plot.mix(shares);
            labels.push(label(x + dx, y + dy, class, format!("{share:.1}")).into());
        };
        // Each edge counts the stage in whose corner it ends, counterclockwise.
        tick([share, 0.0, 1.0 - share], 20.0 + margin, 4.0, "");
        tick([1.0 - share, share, 0.0], -20.0 - margin, 4.0, "end");
        tick([0.0, 1.0 - share, share], 0.0, 30.0 + margin, "middle");
    }
    let mut edge = |shares, dx: f64, dy: f64, turn: f64, text: String| {
        let (x, y) = to_plot.mix(shares);
        let (x, y) = (x + dx, y + dy);
        let turned = format!("rotate({} {} {})", num(turn), num(x), num(y));
        let text = label(x, y, "middle axis", text).attr("transform", turned);
        labels.push(text.into());
    };
    edge(
        [0.5, 0.0, 0.5],
        52.0 + margin,
        -8.0,
        60.0,
        format!("\u{2190} {top}"),
    );
    edge(
        [0.5, 0.5, 0.0],
        -52.0,
        -8.0,
        -60.0,
        format!("\u{2190} {left}"),
    );
    edge(
        [0.0, 0.5, 0.5],
        0.0,
        54.0 + margin,
        0.0,
        format!("{right} \u{2192}"),
    );
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::tests::rising;

    const STAGES: [StageName; 3] = [StageName::BM25, StageName::DENSE, StageName::CROSS];

    #[test]
    fn every_weighting_of_three_stages_has_a_cell_with_its_value() {
        let plot: Markup = simplex(&rising(10, &STAGES), STAGES).into();
        let plot = plot.as_str();
        assert_eq!(plot.matches("class=\"cell\"").count(), 66);
        assert!(plot.contains("bm25 0.30, dense 0.50, cross 0.20: nDCG@10 0.3000"));
        assert!(plot.contains("aria-label=\"nDCG@10 over 66 weightings, from 0.0000 to 1.0000."));
    }
}
