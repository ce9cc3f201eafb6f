//! A metric along the weight of each stage: what the best weighting with that weight
//! reaches, whatever the other stages' weights are. Any number of stages can be shown so.

use treffer_types::StageName;

use crate::color::{share, ticks};
use crate::marks::{circled_cross, star};
use crate::markup::{Element, Markup, el, label, levels, line, num, polygon, scrolling, svg};
use crate::page::remark;
use crate::surface::{Point, Surface, error_chain, range};

/// A plot for each stage; for two stages one, of which the other would be the mirror image.
pub(crate) fn profiles(surface: &Surface) -> Markup {
    let mut body = Markup::new();
    if let [first, second] = *surface.stages.as_slice() {
        let caption = format!("weight of {second} (the rest is {first}'s)");
        let frame = Frame::new(surface, (820.0, 340.0));
        body.push(scrolling(frame.plot(second, &caption)));
    } else {
        let frame = Frame::new(surface, (480.0, 280.0));
        let plots = surface.stages.iter().map(|stage| {
            let plot = frame.plot(*stage, &format!("weight of {stage}"));
            el("div").class("panel").add(plot)
        });
        body.push(el("div").class("multiples").add_all(plots));
    }
    body.push(remark(format!(
        "For each weight of the stage, the highest {} that any weighting with that weight reaches. The band is one standard error of its difference from the highest of all, the dashed line; weightings within one standard error have large dots. The star is the chosen weighting, the circled cross the current one.",
        surface.metric
    )));
    body
}

/// What all plots of a surface share: size and scale.
struct Frame<'a> {
    surface: &'a Surface,
    width: f64,
    height: f64,
    ticks: Vec<f64>,
    decimals: usize,
}

const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 56.0;

impl<'a> Frame<'a> {
    fn new(surface: &'a Surface, (width, height): (f64, f64)) -> Self {
        let stages = surface.stages.iter();
        let shown = stages.flat_map(|stage| along(surface, *stage));
        let ends = shown.flat_map(|point| {
            let error = point.standard_error;
            [point.mean - error, point.mean + error]
        });
        let marked = [&surface.chosen, &surface.current];
        let marked = marked.into_iter().filter_map(|it| surface.mean_of(it));
        let (low, high) = range(ends.chain(marked));
        // Without points there is nothing to scale.
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let (ticks, decimals) = ticks(low, high.max(low + 1e-3));
        Frame {
            surface,
            width,
            height,
            ticks,
            decimals,
        }
    }

    fn x(&self, weight: f64) -> f64 {
        LEFT + weight * (self.width - LEFT - RIGHT)
    }

    fn y(&self, mean: f64) -> f64 {
        let (low, high) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        TOP + (1.0 - share(mean, low, high)) * (self.height - TOP - BOTTOM)
    }

    fn plot(&self, stage: StageName, caption: &str) -> Element {
        let surface = self.surface;
        let points = along(surface, stage);
        let x = |point: &Point| self.x(point.weights.weight(stage));
        let alternative = format!("{caption}: {}", surface.error_chain());
        let plot = svg(self.width, self.height, &alternative);
        let right = self.width - RIGHT;
        let scale = (self.ticks.as_slice(), self.decimals);
        let mut plot = levels(plot, scale, |mean| self.y(mean), (LEFT, right));
        for at in 0..=5 {
            let weight = f64::from(at) / 5.0;
            let y = self.height - BOTTOM + 20.0;
            plot = plot.add(label(self.x(weight), y, "middle", format!("{weight:.1}")));
        }
        plot = plot
            .add(label(LEFT + 4.0, TOP - 12.0, "strong", &surface.metric))
            .add(label(self.x(0.5), self.height - 12.0, "middle", caption));
        if points.is_empty() {
            return plot;
        }
        let edge = |sign: f64| {
            let y = move |point: &Point| self.y(point.mean + sign * point.standard_error);
            points.iter().map(move |point| (x(point), y(point)))
        };
        let band: Vec<(f64, f64)> = edge(1.0).chain(edge(-1.0).rev()).collect();
        let path = points.iter().map(|point| (x(point), self.y(point.mean)));
        let path: Vec<String> = path
            .map(|(x, y)| format!("{},{}", num(x), num(y)))
            .collect();
        plot = plot
            .add(polygon(&band, "band"))
            .add(el("polyline").attr("points", path.join(" ")).class("curve"));
        if let Some(highest) = surface.highest() {
            let y = self.y(highest.mean);
            plot = plot.add(line((LEFT, y), (right, y), "best-level"));
        }
        for point in &points {
            plot = plot.add(self.dot(x(point), point));
        }
        for (weights, is_chosen) in [(&surface.current, false), (&surface.chosen, true)] {
            if let Some(mean) = surface.mean_of(weights) {
                let at = (self.x(weights.weight(stage)), self.y(mean));
                let mark = if is_chosen {
                    star(at)
                } else {
                    circled_cross(at)
                };
                plot = plot.add(mark);
            }
        }
        plot
    }

    fn dot(&self, x: f64, point: &Point) -> Element {
        let (radius, class) = if point.is_near() {
            (4.5, "dot near")
        } else {
            (2.5, "dot")
        };
        let title = format!("{}: {:.4}", error_chain(&point.weights), point.mean);
        el("circle")
            .attr("cx", num(x))
            .attr("cy", num(self.y(point.mean)))
            .attr("r", radius)
            .class(class)
            .add(el("title").text(title))
    }
}

/// The best weighting of the grid for each weight of a stage, by rising weight.
fn along(surface: &Surface, stage: StageName) -> Vec<&Point> {
    let steps = f64::from(surface.steps);
    let mut best: Vec<Option<&Point>> = vec![None; surface.steps as usize + 1];
    for point in surface.on_grid() {
        let at = (point.weights.weight(stage) * steps).round() as usize;
        let place = &mut best[at.min(surface.steps as usize)];
        if place.is_none_or(|before| point.mean > before.mean) {
            *place = Some(point);
        }
    }
    best.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use treffer_fusion::Weights;

    use super::*;
    use crate::surface::tests::rising;

    const LATE: StageName = StageName::from_static("late");

    #[test]
    fn two_stages_have_one_plot_with_every_weighting() {
        let plot = profiles(&rising(20, &[StageName::BM25, StageName::CROSS]));
        let plot = plot.as_str();
        assert_eq!(plot.matches("<svg").count(), 1);
        assert_eq!(plot.matches("class=\"dot").count(), 21);
        assert!(plot.contains("weight of cross (the rest is bm25&#39;s)"));
    }

    #[test]
    fn four_stages_have_a_plot_each() {
        let stages = [StageName::BM25, StageName::DENSE, LATE, StageName::CROSS];
        let plot = profiles(&rising(10, &stages));
        let plot = plot.as_str();
        assert_eq!(plot.matches("<svg").count(), 4);
        assert_eq!(plot.matches("class=\"dot").count(), 4 * 11);
        assert_eq!(plot.matches("class=\"band\"").count(), 4);
        for stage in stages {
            assert!(plot.contains(&format!(">weight of {stage}<")), "{stage}");
        }
    }

    #[test]
    fn a_profile_holds_the_best_for_each_weight() {
        let stages = [StageName::BM25, StageName::DENSE, LATE, StageName::CROSS];
        let surface = rising(4, &stages);
        let means = |stage| -> Vec<f64> {
            let points = along(&surface, stage);
            points.iter().map(|point| point.mean).collect()
        };
        assert_eq!(means(StageName::BM25), [0.0, 0.25, 0.5, 0.75, 1.0]);
        // What the other stages take, the first one lacks.
        assert_eq!(means(LATE), [1.0, 0.75, 0.5, 0.25, 0.0]);
    }

    #[test]
    fn a_flat_surface_is_drawn() {
        let stages = [StageName::BM25, StageName::DENSE];
        let mut surface = rising(4, &stages);
        for point in &mut surface.points {
            (point.mean, point.behind, point.standard_error) = (0.0, 0.0, 0.0);
        }
        surface.chosen = Weights::equal(&stages).unwrap();
        assert!(!profiles(&surface).as_str().contains("NaN"));
    }
}
