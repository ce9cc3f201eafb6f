//! Every fusion method on every collection; [`table`] shows them.
//!
//! All means are out of fold where something was tuned. The tuner's baselines keep their
//! own names, so that a new one appears by itself.

mod table;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::report::Output;

pub(super) use self::table::{summary, tables};

/// Where a corrected p-value counts as significant.
const LEVEL: f64 = 0.05;
/// Of a mean's usual 95% interval, in standard errors.
const HALF_WIDTH: f64 = 1.96;
/// How the tuner ends the name of a single stage.
const ALONE: &str = " alone";
/// The row of the tuned profile.
const TUNED: &str = "tuned";
/// The row of the trees over it.
const LEARNED: &str = "learned";

/// What `treffer tune --format json` prints; only the parts that are shown.
#[derive(Debug, Deserialize)]
pub(super) struct Tuned {
    metric: String,
    best: Best,
    against: Vec<Against>,
    per_query: Vec<Outcome>,
    learned: Option<Learned>,
}

/// A learned fusion; differences are of it less the tuned profile.
#[derive(Debug, Deserialize)]
struct Learned {
    out_of_fold: f64,
    against_tuned: Difference,
}

#[derive(Debug, Deserialize)]
struct Difference {
    difference: f64,
    interval: [f64; 2],
    adjusted_p: f64,
}

#[derive(Debug, Deserialize)]
struct Best {
    out_of_fold: f64,
    weights: BTreeMap<String, f64>,
}

/// One baseline; differences are of the tuned profile less the baseline.
#[derive(Clone, Debug, Deserialize)]
struct Against {
    baseline: String,
    mean: f64,
    difference: f64,
    interval: [f64; 2],
    /// Corrected by Holm for all baselines of the collection.
    adjusted_p: f64,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    out_of_fold: f64,
}

impl Tuned {
    /// What was maximized.
    pub(super) fn metric(&self) -> &str {
        &self.metric
    }

    /// A row for each baseline, `learned` and `tuned`.
    pub(super) fn output(&self) -> Output {
        let against = self.against();
        let rows = against.iter().map(|one| (one.baseline.as_str(), one.mean));
        Output::of(&self.metric, rows.chain([(TUNED, self.best.out_of_fold)]))
    }

    /// The baselines, and what was learned as if it were one.
    fn against(&self) -> Vec<Against> {
        let learned = self.learned.iter().map(|learned| {
            let &Difference {
                difference,
                interval: [low, high],
                adjusted_p,
            } = &learned.against_tuned;
            Against {
                baseline: LEARNED.to_owned(),
                mean: learned.out_of_fold,
                difference: -difference,
                interval: [-high, -low],
                adjusted_p,
            }
        });
        self.against.iter().cloned().chain(learned).collect()
    }

    /// As a line of the table.
    pub(super) fn line(self, collection: &str) -> Line {
        let values: Vec<f64> = self.per_query.iter().map(|one| one.out_of_fold).collect();
        Line {
            collection: collection.to_owned(),
            n_queries: values.len(),
            against: self.against(),
            tuned: self.best.out_of_fold,
            half_width: half_width(&values),
            weights: self.best.weights,
        }
    }
}

/// Half of a mean's 95% interval, by the normal approximation.
fn half_width(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    HALF_WIDTH * (squares / (n - 1.0) / n).sqrt()
}

/// One collection of the table.
#[derive(Debug)]
pub(super) struct Line {
    collection: String,
    n_queries: usize,
    against: Vec<Against>,
    tuned: f64,
    half_width: f64,
    /// What all queries chose.
    weights: BTreeMap<String, f64>,
}

impl Line {
    /// That the tuned profile is significantly worse than the best single stage, if it is.
    pub(super) fn harm(&self) -> Option<String> {
        let alone = self
            .against
            .iter()
            .filter(|one| one.baseline.ends_with(ALONE));
        let best = alone.max_by(|a, b| a.mean.total_cmp(&b.mean))?;
        (best.mark() == WORSE).then(|| {
            format!(
                "on {} the tuned profile is significantly worse than {}: {:+.4}, p = {:.4}",
                self.collection, best.baseline, best.difference, best.adjusted_p
            )
        })
    }
}

/// The tuned profile is significantly better than this.
const BETTER: &str = "\\*";
/// The tuned profile is significantly worse than this.
const WORSE: &str = "†";

impl Against {
    fn mark(&self) -> &'static str {
        // Written so that a NaN is no gain.
        match self.difference {
            _ if self.adjusted_p >= LEVEL => "",
            difference if difference > 0.0 => BETTER,
            _ => WORSE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two queries, BM25 and one more baseline, whose name, gain and p-value are given.
    pub(super) fn tuned(baseline: &str, difference: f64, p: f64) -> Tuned {
        let mean = 0.7 - difference;
        let json = format!(
            r#"{{"metric": "nDCG@10", "queries": 2, "seed": 42,
                "best": {{"out_of_fold": 0.7, "in_sample": 0.9,
                    "weights": {{"bm25": 0.1, "dense": 0.35, "cross": 0.55}}}},
                "against": [
                    {{"baseline": "{baseline}", "mean": {mean}, "difference": {difference},
                      "interval": [-1.25, 0.5], "adjusted_p": {p}, "wins": 1}},
                    {{"baseline": "bm25 alone", "mean": 0.4, "difference": 0.3,
                      "interval": [0.2, 0.40049], "adjusted_p": 0.01, "wins": 2}}],
                "per_query": [{{"id": "a", "out_of_fold": 0.6}}, {{"id": "b", "out_of_fold": 0.8}}]}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn harm_is_being_significantly_worse_than_the_best_stage() {
        let harm = |baseline, difference, p| tuned(baseline, difference, p).line("one").harm();
        let said = harm("dense alone", -0.1, 0.04).unwrap();
        assert_eq!(
            said,
            "on one the tuned profile is significantly worse than dense alone: -0.1000, p = 0.0400"
        );
        assert_eq!(harm("dense alone", -0.1, 0.05), None);
        assert_eq!(harm("dense alone", 0.1, 0.001), None);
        // Another fusion may be better: that is what the table shows.
        assert_eq!(harm("learned", -0.1, 0.001), None);
    }

    #[test]
    fn figures_of_the_table_can_be_expected() {
        let expect = toml::from_str::<super::super::definition::Fusions>(
            r#"
            split = "test"
            expect = [
              { row = "tuned", value = 0.7, tolerance = 0.001, source = "us" },
              { row = "bm25 alone", value = 0.41, tolerance = 0.001, source = "us" },
              { row = "gone", value = 0.41, tolerance = 0.001, source = "us" },
            ]
            "#,
        );
        let expect = expect.unwrap().expect;
        let output = tuned("some other", 0.0, 1.0).output();
        let metrics = ["nDCG@10".to_owned()];
        let findings = super::super::report::findings("x", &metrics, &expect, &output, true);
        let failures: Vec<bool> = findings
            .iter()
            .map(|finding| finding.verdict().is_failure())
            .collect();
        // learned, bm25 alone, tuned, gone.
        assert_eq!(failures, [false, true, false, true]);
    }
}
