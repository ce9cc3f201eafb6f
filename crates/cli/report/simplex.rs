//! The landscape of a metric over the weights: a triangle of cells for three stages, a
//! line for two.

mod outline;

use treffer_fusion::Weights;
use treffer_types::StageName;

use super::color::{color, share, ticks};
use super::markup::{Element, Markup, el, label, levels, line, num, polygon, rect, scrolling, svg};
use super::page::remark;
use outline::{border, outline};

/// What a metric says of every weighting that was tried.
#[derive(Clone, Debug)]
pub(super) struct Landscape<'a> {
    /// What was measured, as in `nDCG@10`.
    pub(super) metric: &'a str,
    /// The stages that were weighed, two or three.
    pub(super) stages: &'a [StageName],
    /// Steps from weight 0 to weight 1.
    pub(super) steps: u32,
    /// Every weighting that was tried.
    pub(super) points: &'a [Point],
    /// The winner.
    pub(super) winner: Weights,
    /// What the profile had.
    pub(super) current: Weights,
}

/// One weighting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// The weights.
    pub(super) weights: Weights,
    /// Mean of the metric over the queries.
    pub(super) mean: f64,
    /// How many standard errors of the difference it lies behind the highest.
    pub(super) errors_behind: f64,
}

impl Point {
    /// Whether it cannot be told from the highest: within one standard error.
    pub(super) fn is_near(&self) -> bool {
        self.errors_behind <= 1.0
    }
}

impl Landscape<'_> {
    /// The plot; nothing for one stage.
    pub(super) fn plot(&self) -> Markup {
        match self.stages {
            [a, b, c] => scrolling(self.triangle([*a, *b, *c])),
            [a, b] => {
                let mut plot = scrolling(self.curve(*a, *b));
                plot.push(remark("The star is what was chosen, the circled cross the weights as they were; large dots are within one standard error of the highest."));
                plot
            }
            _ => Markup::new(),
        }
    }

    /// The weighting of the highest mean, of equals the chosen one.
    fn highest(&self) -> Option<&Point> {
        let is_chosen = |point: &Point| point.weights == self.winner;
        self.points.iter().max_by(|a, b| {
            let means = a.mean.total_cmp(&b.mean);
            means.then(is_chosen(a).cmp(&is_chosen(b)))
        })
    }

    fn range(&self) -> (f64, f64) {
        let means = self.points.iter().map(|point| point.mean);
        means.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| {
            (low.min(mean), high.max(mean))
        })
    }

    fn in_words(&self) -> String {
        let (low, high) = self.range();
        format!(
            "{} over {} weightings, from {low:.4} to {high:.4}. Chosen is {}; the profile had {}.",
            self.metric,
            self.points.len(),
            in_words(&self.winner),
            in_words(&self.current),
        )
    }

    /// A hexagon for each weighting; the first stage's corner is at the top, the second's
    /// at the left, the third's at the right.
    fn triangle(&self, corners: [StageName; 3]) -> Element {
        let (low, high) = self.range();
        let to_plot = Triangle { corners };
        let radius = SIDE / f64::from(self.steps) / 3_f64.sqrt();
        let mut cells = el("g");
        // Weights off the grid compete too, but have no cell.
        let on_grid = || self.points.iter().filter(|p| self.is_on_grid(&p.weights));
        for point in on_grid() {
            let title = format!(
                "{}: {} {:.4}",
                in_words(&point.weights),
                self.metric,
                point.mean
            );
            let cell = polygon(&hexagon(to_plot.place(&point.weights), radius), "cell")
                .attr("fill", color(share(point.mean, low, high)))
                .add(el("title").text(title));
            cells = cells.add(cell);
        }
        let within = |errors: f64| -> Vec<&Point> {
            on_grid().filter(|p| p.errors_behind <= errors).collect()
        };
        let highest = self.highest().map(|p| to_plot.place(&p.weights));
        svg(WIDTH, HEIGHT, &self.in_words())
            .add(cells)
            .add(border(
                &within(2.0),
                &within(f64::INFINITY),
                &to_plot,
                radius,
            ))
            .add(outline(&within(1.0), &to_plot, radius))
            .add_all(edge_labels(&to_plot))
            .add(cross_mark(to_plot.place(&self.current)))
            .add_all(highest.map(diamond))
            .add(star(to_plot.place(&self.winner)))
            .add_all(self.legend(610.0, low, high))
    }

    fn is_on_grid(&self, weights: &Weights) -> bool {
        StageName::ALL.into_iter().all(|stage| {
            let parts = weights.weight(stage) * f64::from(self.steps);
            (parts - parts.round()).abs() < 1e-6
        })
    }

    fn legend(&self, x: f64, low: f64, high: f64) -> Vec<Markup> {
        let (top, height, n) = (70.0, 220.0, 44);
        let mut parts: Vec<Markup> = vec![label(x, top - 14.0, "strong", self.metric).into()];
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
        let value = |point: Option<f64>| point.map_or(String::new(), |v| format!(" ({v:.4})"));
        let of = |weights: &Weights| value(share_of(self.points, weights));
        let highest = value(self.highest().map(|point| point.mean));
        let swatch = |y: f64, class: &str| -> Markup {
            let under = polygon(&hexagon((x + 9.0, y), 10.0), "swatch").attr("fill", color(0.8));
            let over = polygon(&hexagon((x + 9.0, y), 10.0), class);
            el("g").add(under).add(over).into()
        };
        let place = |at: u32| top + height + 40.0 + 30.0 * f64::from(at);
        let at = |row: u32| (x + 9.0, place(row));
        let entries: [(Markup, String); 5] = [
            (star(at(0)).into(), format!("chosen{}", of(&self.winner))),
            (diamond(at(1)).into(), format!("highest{highest}")),
            (
                cross_mark(at(2)).into(),
                format!("weights as they were{}", of(&self.current)),
            ),
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

    /// The metric by the weight of the second of two stages.
    fn curve(&self, first: StageName, second: StageName) -> Element {
        let (width, height) = (820.0, 320.0);
        let (left, right, top, bottom) = (64.0, 24.0, 24.0, 64.0);
        let (low, high) = self.range();
        let (ticks, decimals) = ticks(low, high.max(low + 1e-3));
        let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
        let x = |weight: f64| left + weight * (width - left - right);
        let y = |mean: f64| top + (1.0 - share(mean, low, high)) * (height - top - bottom);
        let place = |weights: &Weights, mean: f64| (x(weights.weight(second)), y(mean));
        let mut points: Vec<&Point> = self.points.iter().collect();
        points.sort_by(|a, b| {
            let weight = |point: &Point| point.weights.weight(second);
            weight(a).total_cmp(&weight(b))
        });
        let plot = svg(width, height, &self.in_words());
        let mut plot = levels(plot, (&ticks, decimals), y, (left, width - right));
        for at in 0..=5 {
            let weight = f64::from(at) / 5.0;
            let shown = format!("{weight:.1}");
            plot = plot.add(label(x(weight), height - bottom + 20.0, "middle", shown));
        }
        let caption = format!("weight of {second} (the rest is {first}'s)");
        let path: Vec<String> = points
            .iter()
            .map(|point| place(&point.weights, point.mean))
            .map(|(x, y)| format!("{},{}", num(x), num(y)))
            .collect();
        plot = plot
            .add(label(left + 4.0, top - 8.0, "strong", self.metric))
            .add(label(x(0.5), height - 16.0, "middle", caption))
            .add(el("polyline").attr("points", path.join(" ")).class("curve"));
        for point in points {
            let (x, y) = place(&point.weights, point.mean);
            let dot = el("circle")
                .attr("cx", num(x))
                .attr("cy", num(y))
                .attr("r", if point.is_near() { 4.5 } else { 2.5 })
                .class(if point.is_near() { "dot near" } else { "dot" });
            let title = format!("{}: {:.4}", in_words(&point.weights), point.mean);
            plot = plot.add(dot.add(el("title").text(title)));
        }
        for (weights, is_winner) in [(&self.current, false), (&self.winner, true)] {
            if let Some(mean) = share_of(self.points, weights) {
                let at = place(weights, mean);
                plot = plot.add(if is_winner { star(at) } else { cross_mark(at) });
            }
        }
        plot
    }
}

const WIDTH: f64 = 890.0;
const HEIGHT: f64 = 540.0;
/// Length of the triangle's sides.
const SIDE: f64 = 480.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 56.0;

/// Where weights lie on the page.
struct Triangle {
    corners: [StageName; 3],
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
            LEFT + SIDE * (right + top / 2.0),
            TOP + height * (1.0 - top),
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
    let [top, left, right] = to_plot.corners;
    let mut labels: Vec<Markup> = Vec::new();
    let mut corner = |shares, dx: f64, dy: f64, class: &str, stage: StageName| {
        let (x, y) = to_plot.mix(shares);
        labels.push(label(x + dx, y + dy, class, format!("{stage} alone")).into());
    };
    corner([1.0, 0.0, 0.0], 0.0, -26.0, "middle strong", top);
    corner([0.0, 1.0, 0.0], -20.0, 54.0, "strong", left);
    corner([0.0, 0.0, 1.0], 20.0, 54.0, "end strong", right);
    for at in 1..5 {
        let share = f64::from(at) / 5.0;
        let mut tick = |shares, dx: f64, dy: f64, class: &str| {
            let (x, y) = to_plot.mix(shares);
            labels.push(label(x + dx, y + dy, class, format!("{share:.1}")).into());
        };
        // Each edge counts the stage in whose corner it ends, against the clock.
        tick([share, 0.0, 1.0 - share], 20.0, 4.0, "");
        tick([1.0 - share, share, 0.0], -20.0, 4.0, "end");
        tick([0.0, 1.0 - share, share], 0.0, 30.0, "middle");
    }
    let mut edge = |shares, dx: f64, dy: f64, turn: f64, stage: StageName| {
        let (x, y) = to_plot.mix(shares);
        let (x, y) = (x + dx, y + dy);
        let turned = format!("rotate({} {} {})", num(turn), num(x), num(y));
        let text = match turn == 60.0 {
            true => format!("\u{2190} {stage}"),
            false if turn == -60.0 => format!("\u{2190} {stage}"),
            false => format!("{stage} \u{2192}"),
        };
        labels.push(
            label(x, y, "middle axis", text)
                .attr("transform", turned)
                .into(),
        );
    };
    edge([0.5, 0.0, 0.5], 52.0, -8.0, 60.0, top);
    edge([0.5, 0.5, 0.0], -52.0, -8.0, -60.0, left);
    edge([0.0, 0.5, 0.5], 0.0, 54.0, 0.0, right);
    labels
}

/// The winner's mark, seen on every color.
pub(super) fn star((x, y): (f64, f64)) -> Element {
    let corner = |at: u32| {
        let angle = f64::from(at) * std::f64::consts::PI / 5.0 - std::f64::consts::FRAC_PI_2;
        let radius = if at.is_multiple_of(2) { 11.0 } else { 4.8 };
        (x + radius * angle.cos(), y + radius * angle.sin())
    };
    let points: Vec<(f64, f64)> = (0..10).map(corner).collect();
    polygon(&points, "mark")
}

/// The mark of the weights that the profile had: a circle with a cross in it.
fn cross_mark((x, y): (f64, f64)) -> Element {
    let ring = el("circle")
        .attr("cx", num(x))
        .attr("cy", num(y))
        .attr("r", 8)
        .class("mark");
    let cross = format!(
        "M{} {}H{}M{} {}V{}",
        num(x - 8.0),
        num(y),
        num(x + 8.0),
        num(x),
        num(y - 8.0),
        num(y + 8.0)
    );
    el("g")
        .add(ring)
        .add(el("path").attr("d", cross).class("markline"))
}

/// The mark of the highest mean.
fn diamond((x, y): (f64, f64)) -> Element {
    let points = [(x, y - 7.0), (x + 7.0, y), (x, y + 7.0), (x - 7.0, y)];
    polygon(&points, "mark")
}

fn share_of(points: &[Point], weights: &Weights) -> Option<f64> {
    let point = points.iter().find(|point| point.weights == *weights)?;
    Some(point.mean)
}

/// As in "bm25 0.20, dense 0.30, cross 0.50"; a stage without weight is not named.
pub(super) fn in_words(weights: &Weights) -> String {
    let weighs = |stage: &StageName| weights.weight(*stage) > 0.0;
    let parts: Vec<String> = StageName::ALL
        .into_iter()
        .filter(weighs)
        .map(|stage| format!("{stage} {:.2}", weights.weight(stage)))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn landscape(steps: u32, stages: &[StageName]) -> (Vec<Point>, Weights) {
        let points: Vec<Point> = Weights::simplex(steps, stages)
            .map(|weights| Point {
                weights,
                mean: weights.weight(StageName::Bm25),
                errors_behind: match weights.weight(StageName::Bm25) {
                    weight if weight > 0.7 => 0.5,
                    weight if weight > 0.5 => 1.5,
                    _ => 9.0,
                },
            })
            .collect();
        let winner = Weights::equal(&[StageName::Bm25]).unwrap();
        (points, winner)
    }

    fn plot(steps: u32, stages: &[StageName]) -> String {
        let (points, winner) = landscape(steps, stages);
        let landscape = Landscape {
            metric: "nDCG@10",
            stages,
            steps,
            points: &points,
            winner,
            current: Weights::equal(stages).unwrap(),
        };
        landscape.plot().as_str().to_owned()
    }

    #[test]
    fn every_weighting_of_three_stages_has_a_cell_with_its_value() {
        let plot = plot(10, &StageName::ALL);
        assert_eq!(plot.matches("class=\"cell\"").count(), 66);
        assert!(plot.contains("bm25 0.30, dense 0.50, cross 0.20: nDCG@10 0.3000"));
        assert!(plot.contains("aria-label=\"nDCG@10 over 66 weightings, from 0.0000 to 1.0000."));
    }

    #[test]
    fn two_stages_are_a_line() {
        let plot = plot(20, &[StageName::Bm25, StageName::Cross]);
        assert_eq!(plot.matches("<circle").count(), 21 + 1);
        assert!(plot.contains("weight of cross (the rest is bm25&#39;s)"));
    }

    #[test]
    fn a_flat_landscape_is_drawn() {
        let stages = [StageName::Bm25, StageName::Dense];
        let points: Vec<Point> = Weights::simplex(4, &stages)
            .map(|weights| Point {
                weights,
                mean: 0.0,
                errors_behind: 0.0,
            })
            .collect();
        let even = Weights::equal(&stages).unwrap();
        let landscape = Landscape {
            metric: "MAP",
            stages: &stages,
            steps: 4,
            points: &points,
            winner: even,
            current: even,
        };
        assert!(!landscape.plot().as_str().contains("NaN"));
    }
}
