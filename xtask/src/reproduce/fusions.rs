//! Every way to fuse, over all collections, in one table.
//!
//! All means are out of fold where something was tuned. The rows of a collection are
//! the tuner's baselines by their own names, so that a new one appears by itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use super::report::Output;

/// Where a corrected p-value counts as significant.
const LEVEL: f64 = 0.05;
/// Of a mean's usual 95 % interval, in standard errors.
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

/// Half of a mean's 95 % interval, by the normal approximation.
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

    fn cell(&self, baseline: &str) -> String {
        let found = self.against.iter().find(|one| one.baseline == baseline);
        found.map_or(String::new(), Against::cell)
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

    fn cell(&self) -> String {
        let [low, high] = self.interval.map(|end| short(end, true));
        format!(
            "{}{} ({low} to {high})",
            short(self.mean, false),
            self.mark()
        )
    }
}

/// Three decimals without the zero before them, as such figures are printed.
fn short(value: f64, signed: bool) -> String {
    // What rounds to nothing has no sign.
    let value = if value.abs() < 0.0005 { 0.0 } else { value };
    let text = if signed {
        format!("{value:+.3}")
    } else {
        format!("{value:.3}")
    };
    match text.strip_prefix(['+', '-']) {
        Some(digits) if digits.starts_with("0.") => format!("{}{}", &text[..1], &digits[1..]),
        None if text.starts_with("0.") => text[1..].to_owned(),
        _ => text,
    }
}

/// The tuner's names of the baselines that come first, and what heads their columns.
const HEADINGS: [(&str, &str); 8] = [
    ("bm25 alone", "BM25"),
    ("dense alone", "dense"),
    ("cross alone", "cross"),
    ("rrf (k 60)", "RRF"),
    ("equal weights", "equal weights"),
    ("current profile", "preset's weights"),
    ("best two-way", "two-way, tuned"),
    (LEARNED, "learned"),
];

/// The table in Markdown, with what its signs mean.
pub(super) fn table(lines: &[Line]) -> String {
    let columns = columns(lines);
    let heading = |baseline: &&str| {
        let known = HEADINGS.iter().find(|(name, _)| name == baseline);
        known.map_or(*baseline, |(_, heading)| heading).to_owned()
    };
    let first = ["collection", "queries"].map(str::to_owned);
    let last = ["tuned", "weights"].map(str::to_owned);
    let head: Vec<String> = (first.into_iter())
        .chain(columns.iter().map(heading))
        .chain(last)
        .collect();
    let mut table = row(&head) + &row(&vec!["---".to_owned(); head.len()]);
    for line in lines {
        let first = [line.collection.clone(), line.n_queries.to_string()];
        let tuned = format!(
            "{} ± {}",
            short(line.tuned, false),
            short(line.half_width, false)
        );
        let cells: Vec<String> = (first.into_iter())
            .chain(columns.iter().map(|baseline| line.cell(baseline)))
            .chain([tuned, weights(&line.weights)])
            .collect();
        table += &row(&cells);
    }
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "\nIn brackets: the 95 % interval of what the tuned profile gains, out of fold, not \
         corrected. {BETTER} the tuned profile is significantly better, {WORSE} significantly \
         worse (at {LEVEL}, corrected by Holm within the collection)."
    );
    table
}

/// Names of all baselines: the known ones in their order, then the others as they come.
fn columns(lines: &[Line]) -> Vec<&str> {
    let met = || {
        lines
            .iter()
            .flat_map(|line| &line.against)
            .map(|one| one.baseline.as_str())
    };
    let known = HEADINGS.iter().map(|(name, _)| *name);
    let mut columns: Vec<&str> = known.filter(|name| met().any(|one| one == *name)).collect();
    for name in met() {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn weights(weights: &BTreeMap<String, f64>) -> String {
    let stages = ["bm25", "dense", "cross"].iter();
    let shares = stages.filter_map(|stage| weights.get(*stage));
    let shares: Vec<String> = shares.map(f64::to_string).collect();
    shares.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two queries, BM25 and one more baseline, whose name, gain and p-value are given.
    fn tuned(baseline: &str, difference: f64, p: f64) -> Tuned {
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
    fn every_baseline_has_a_column_and_unknown_ones_their_own_name() {
        let lines = [
            tuned("some other", 0.0, 1.0).line("one"),
            tuned("dense alone", -0.2, 0.051).line("two"),
        ];
        let table = table(&lines);
        let mut rows = table.lines();
        assert_eq!(
            rows.next(),
            Some("| collection | queries | BM25 | dense | some other | tuned | weights |")
        );
        assert_eq!(
            rows.next(),
            Some("| --- | --- | --- | --- | --- | --- | --- |")
        );
        let one = "| one | 2 | .400\\* (+.200 to +.400) |  | .700 (-1.250 to +.500) | .700 ± .196 | 0.1, 0.35, 0.55 |";
        assert_eq!(rows.next(), Some(one));
        let two = "| two | 2 | .400\\* (+.200 to +.400) | .900 (-1.250 to +.500) |  | .700 ± .196 | 0.1, 0.35, 0.55 |";
        assert_eq!(rows.next(), Some(two));
    }

    #[test]
    fn what_was_learned_is_a_column_with_the_tuned_profiles_gain_over_it() {
        let mut tuned = tuned("dense alone", 0.1, 0.01);
        let learned = r#"{"out_of_fold": 0.71, "against_tuned":
            {"difference": 0.01, "interval": [-0.02, 0.04], "adjusted_p": 0.2}}"#;
        tuned.learned = Some(serde_json::from_str(learned).unwrap());
        let table = table(&[tuned.line("one")]);
        assert!(table.contains("| learned |"), "{table}");
        assert!(table.contains("| .710 (-.040 to +.020) |"), "{table}");
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
        let table = table(&[tuned("some other", -0.1, 0.001).line("one")]);
        assert!(table.contains("| .800† ("), "{table}");
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
