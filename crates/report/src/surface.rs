//! A metric over all weightings that were tried; `simplex` and `profile` draw it.

use treffer_engine::tune::TuneReport;
use treffer_fusion::Weights;
use treffer_types::StageName;

/// The mean of a metric by weighting.
#[derive(Clone, Debug)]
pub(crate) struct Surface {
    /// What was measured, as in `nDCG@10`.
    pub(crate) metric: String,
    /// The stages that were weighed, two or more.
    pub(crate) stages: Vec<StageName>,
    /// Steps from weight 0 to weight 1.
    pub(crate) steps: u32,
    /// Every weighting that was tried.
    pub(crate) points: Vec<Point>,
    /// What was chosen.
    pub(crate) chosen: Weights,
    /// What the profile has.
    pub(crate) current: Weights,
}

/// One weighting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// The weights.
    pub(crate) weights: Weights,
    /// Mean of the metric over the queries.
    pub(crate) mean: f64,
    /// By how much the mean is below the highest.
    pub(crate) behind: f64,
    /// Standard error of that difference.
    pub(crate) standard_error: f64,
}

impl Point {
    /// How many standard errors it is behind the highest: infinite where it is behind on
    /// every query alike.
    pub(crate) fn errors_behind(&self) -> f64 {
        if self.behind > 0.0 {
            self.behind / self.standard_error
        } else {
            0.0
        }
    }

    /// Whether it is within one standard error of the highest.
    pub(crate) fn is_near(&self) -> bool {
        self.errors_behind() <= 1.0
    }
}

impl Surface {
    /// The surface that a tuning measured.
    pub(crate) fn new(report: &TuneReport) -> Self {
        let points = report.surface.iter().map(|point| Point {
            weights: point.weights.clone(),
            mean: point.mean,
            behind: point.behind,
            standard_error: point.standard_error,
        });
        Surface {
            metric: report.metric.to_string(),
            stages: report.stages.clone(),
            steps: report.steps,
            points: points.collect(),
            chosen: report.best.choice.weights.clone(),
            current: report.current.choice.weights.clone(),
        }
    }

    /// The weighting of the highest mean, of equals the chosen one.
    pub(crate) fn highest(&self) -> Option<&Point> {
        let is_chosen = |point: &Point| point.weights == self.chosen;
        self.points.iter().max_by(|a, b| {
            let means = a.mean.total_cmp(&b.mean);
            means.then(is_chosen(a).cmp(&is_chosen(b)))
        })
    }

    /// The mean of a weighting, if it was tried.
    pub(crate) fn mean_of(&self, weights: &Weights) -> Option<f64> {
        let point = self.points.iter().find(|point| point.weights == *weights)?;
        Some(point.mean)
    }

    /// The lowest and the highest mean.
    pub(crate) fn range(&self) -> (f64, f64) {
        range(self.points.iter().map(|point| point.mean))
    }

    /// The weightings of the grid. Others compete too, as the profile's own does, but have
    /// no neighbors.
    pub(crate) fn on_grid(&self) -> impl Iterator<Item = &Point> {
        let is_whole = |parts: f64| (parts - parts.round()).abs() < 1e-6;
        self.points.iter().filter(move |point| {
            let mut stages = point.weights.stages();
            stages.all(|stage| is_whole(point.weights.weight(stage) * f64::from(self.steps)))
        })
    }

    /// The surface in a sentence or two.
    pub(crate) fn error_chain(&self) -> String {
        let (low, high) = self.range();
        format!(
            "{} over {} weightings, from {low:.4} to {high:.4}. Chosen is {}; the profile has {}.",
            self.metric,
            self.points.len(),
            error_chain(&self.chosen),
            error_chain(&self.current),
        )
    }
}

/// The least and the largest of some values.
pub(crate) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// As in "bm25 0.20, dense 0.30, cross 0.50"; a stage without weight is not named.
pub(crate) fn error_chain(weights: &Weights) -> String {
    let weighed = weights
        .stages()
        .filter(|stage| weights.weight(*stage) > 0.0);
    let parts = weighed.map(|stage| format!("{stage} {:.2}", weights.weight(stage)));
    parts.collect::<Vec<String>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A surface that rises with the weight of the first stage.
    pub(crate) fn rising(steps: u32, stages: &[StageName]) -> Surface {
        let points = Weights::simplex(steps, stages).map(|weights| {
            let first = weights.weight(stages[0]);
            Point {
                mean: first,
                behind: 1.0 - first,
                standard_error: match first {
                    first if first > 0.7 => 2.0 * (1.0 - first),
                    first if first > 0.5 => (1.0 - first) / 1.5,
                    first => (1.0 - first) / 9.0,
                },
                weights,
            }
        });
        Surface {
            metric: "nDCG@10".into(),
            stages: stages.to_vec(),
            steps,
            points: points.collect(),
            chosen: Weights::equal(&stages[..1]).unwrap(),
            current: Weights::equal(stages).unwrap(),
        }
    }

    #[test]
    fn weightings_between_the_grid_points_are_not_on_the_grid() {
        let mut surface = rising(4, &[StageName::BM25, StageName::DENSE]);
        surface.points.push(Point {
            weights: "bm25=0.3,dense=0.7".parse().unwrap(),
            ..surface.points[0].clone()
        });
        assert_eq!(surface.points.len(), 6);
        assert_eq!(surface.on_grid().count(), 5);
    }

    #[test]
    fn stages_without_weight_are_not_named() {
        let weights: Weights = "bm25=0.25,late=0.75,dense=0".parse().unwrap();
        assert_eq!(error_chain(&weights), "bm25 0.25, late 0.75");
    }
}
