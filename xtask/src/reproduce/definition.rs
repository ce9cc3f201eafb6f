//! What an experiment is: a file in `configs/reproduce/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// A collection, the indexes made of it, and what is measured on each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Experiment {
    /// The file's name without its ending.
    #[serde(skip)]
    pub(super) name: String,
    /// What is measured, in a few words.
    pub(super) title: String,
    /// Folder below the collections, in BEIR's layout.
    pub(super) collection: String,
    /// The collection is one of this repository: a folder below `data/`.
    #[serde(default)]
    pub(super) shipped: bool,
    /// How one gets the collection: the end of a sentence.
    pub(super) obtain: String,
    /// The indexes, in the order in which they are built.
    pub(super) index: Vec<Index>,
}

/// One index and its evaluations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    pub(super) name: String,
    /// A shipped preset; else `config` says everything.
    pub(super) preset: Option<String>,
    /// A whole configuration.
    pub(super) config: Option<toml::Table>,
    /// Single keys on top, as `key=value`.
    #[serde(default)]
    pub(super) set: Vec<String>,
    /// Models to pull first.
    #[serde(default)]
    pub(super) models: Vec<String>,
    /// In their order: a later one sees what an earlier one has tuned.
    #[serde(default)]
    pub(super) eval: Vec<Evaluation>,
    /// Runs of other programs for its cross-encoder to read.
    #[serde(default)]
    pub(super) rerank: Vec<Rerank>,
    /// Lines of the table of fusions.
    #[serde(default)]
    pub(super) fusions: Vec<Fusions>,
    /// Columns of the table of examples.
    #[serde(default)]
    pub(super) order: Vec<Order>,
}

/// One run of `treffer eval`, after `treffer tune` where that is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Evaluation {
    /// Which judgments: `qrels/SPLIT.tsv`.
    pub(super) split: String,
    /// Stages to evaluate; empty for all that the index has.
    #[serde(default)]
    pub(super) stages: Vec<String>,
    /// Queries at most.
    pub(super) limit: Option<usize>,
    /// Profile to evaluate and to write tuned weights to; else the default one.
    pub(super) profile: Option<String>,
    /// Tune these stages first, from the default profile.
    pub(super) tune: Option<Tuning>,
    /// What to print of every row.
    #[serde(default = "default_metrics")]
    pub(super) metrics: Vec<String>,
    /// Figures to compare with; other figures are only printed.
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
}

/// One run of `treffer rerank`, compared with the run that it was given: rows `given`
/// and `reranked`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rerank {
    /// The run: a file below the collection.
    pub(super) run: String,
    /// Which judgments: `qrels/SPLIT.tsv`.
    pub(super) split: String,
    /// Documents to read for each query; else the program's own number.
    pub(super) depth: Option<usize>,
    #[serde(default = "default_metrics")]
    pub(super) metrics: Vec<String>,
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
}

/// One run of `treffer tune` that changes no profile: every way to fuse, out of fold.
/// Rows have the names of the tuner's baselines, and `tuned`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fusions {
    /// Which judgments: `qrels/SPLIT.tsv`.
    pub(super) split: String,
    /// Queries at most.
    pub(super) limit: Option<usize>,
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
}

/// One run of `treffer search`, query by query: an example holds in a row if each of its
/// judged documents has a higher score than each one of a lower grade. Rows count those that
/// hold: their metric is `examples`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// Which judgments: `qrels/SPLIT.tsv`.
    pub(super) split: String,
    /// Profile to search with; else the default one.
    pub(super) profile: Option<String>,
    /// Whose scores: stages that the profile runs, and `fusion`.
    pub(super) rows: Vec<String>,
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
}

/// Queries to tune on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tuning {
    pub(super) split: String,
    pub(super) limit: Option<usize>,
}

/// A figure that somebody has published or that we have recorded.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    pub(super) row: String,
    #[serde(default = "default_metric")]
    pub(super) metric: String,
    pub(super) value: f64,
    /// Largest difference, either way, that is no drift.
    pub(super) tolerance: f64,
    /// Who says so.
    pub(super) source: String,
}

fn default_metrics() -> Vec<String> {
    vec![default_metric()]
}

fn default_metric() -> String {
    "nDCG@10".to_owned()
}

impl Experiment {
    /// Names of the definitions in `folder`, in order.
    pub(super) fn names_in(folder: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let listing = fs::read_dir(folder)
            .with_context(|| format!("could not list the experiments in {}", folder.display()))?;
        for entry in listing {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "toml")
                && let Some(name) = path.file_stem()
            {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads and checks one definition.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!("{name}.toml"));
        let text = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        Self::parse(name, &text).with_context(|| format!("could not use {}", path.display()))
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let experiment: Experiment = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        for index in &experiment.index {
            ensure!(
                index.preset.is_some() != index.config.is_some(),
                "index `{}` needs either `preset` or `config`",
                index.name
            );
            ensure!(
                names.insert(&index.name),
                "two indexes are called `{}`",
                index.name
            );
            index.check()?;
        }
        Ok(Experiment {
            name: name.to_owned(),
            ..experiment
        })
    }

    /// Every split that something needs.
    pub(super) fn splits(&self) -> BTreeSet<&str> {
        let mut splits = BTreeSet::new();
        for index in &self.index {
            for evaluation in &index.eval {
                splits.insert(evaluation.split.as_str());
                splits.extend(evaluation.tune.iter().map(|tune| tune.split.as_str()));
            }
            splits.extend(index.rerank.iter().map(|rerank| rerank.split.as_str()));
            splits.extend(index.fusions.iter().map(|fusions| fusions.split.as_str()));
            splits.extend(index.order.iter().map(|order| order.split.as_str()));
        }
        splits
    }

    /// Every run that is given.
    pub(super) fn runs(&self) -> BTreeSet<&str> {
        let reranks = self.index.iter().flat_map(|index| &index.rerank);
        reranks.map(|rerank| rerank.run.as_str()).collect()
    }
}

impl Index {
    fn check(&self) -> Result<()> {
        ensure!(
            !(self.eval.is_empty()
                && self.rerank.is_empty()
                && self.fusions.is_empty()
                && self.order.is_empty()),
            "nothing is measured on index `{}`: it needs `eval`, `rerank`, `fusions` or `order`",
            self.name
        );
        for evaluation in &self.eval {
            evaluation.check()?;
        }
        let expect = self.eval.iter().flat_map(|evaluation| &evaluation.expect);
        let expect = expect.chain(self.rerank.iter().flat_map(|rerank| &rerank.expect));
        let expect = expect.chain(self.fusions.iter().flat_map(|fusions| &fusions.expect));
        let mut expect = expect.chain(self.order.iter().flat_map(|order| &order.expect));
        expect.try_for_each(Expectation::check)
    }
}

impl Evaluation {
    /// Split and stages, to tell it from its neighbors.
    pub(super) fn name(&self) -> String {
        let mut name = with_profile(&self.split, self.profile.as_deref());
        if self.tune.is_some() {
            name += " (tuned)";
        }
        with_limit(name, self.limit)
    }

    fn check(&self) -> Result<()> {
        if let Some(tune) = &self.tune {
            ensure!(
                tune.split != self.split,
                "nothing is reported on the queries that chose it: tune on another split than `{}`",
                self.split
            );
        }
        Ok(())
    }
}

impl Rerank {
    /// Split and run.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.split, self.run)
    }
}

impl Fusions {
    /// Split and what is done there.
    pub(super) fn name(&self) -> String {
        with_limit(format!("{} (out of fold)", self.split), self.limit)
    }
}

impl Order {
    /// Split and profile.
    pub(super) fn name(&self) -> String {
        with_profile(&self.split, self.profile.as_deref())
    }
}

impl Expectation {
    fn check(&self) -> Result<()> {
        ensure!(
            self.tolerance > 0.0 && self.value.is_finite(),
            "row `{}` needs a finite value and a tolerance above 0",
            self.row
        );
        ensure!(
            !self.source.trim().is_empty(),
            "row `{}` does not say where its value comes from",
            self.row
        );
        Ok(())
    }
}

fn with_profile(split: &str, profile: Option<&str>) -> String {
    match profile {
        Some(profile) => format!("{split} {profile}"),
        None => split.to_owned(),
    }
}

fn with_limit(name: String, limit: Option<usize>) -> String {
    match limit {
        Some(limit) => format!("{name} first {limit}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = r#"
        title = "A collection"
        collection = "some"
        obtain = "ask its makers"

        [[index]]
        name = "bm25"
        config.bm25.analyzer = "english"

        [[index.eval]]
        split = "test"
        tune = { split = "train" }
    "#;

    #[test]
    fn every_shipped_experiment_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/reproduce");
        let names = Experiment::names_in(&folder).unwrap();
        assert!(names.contains(&"scifact".to_owned()), "{names:?}");
        for name in names {
            let experiment = Experiment::read(&folder, &name).unwrap();
            assert_eq!(experiment.name, name);
            assert!(!experiment.index.is_empty());
        }
    }

    #[test]
    fn a_short_definition_has_sensible_defaults() {
        let experiment = Experiment::parse("short", SHORT).unwrap();
        let evaluation = &experiment.index[0].eval[0];
        assert_eq!(evaluation.metrics, ["nDCG@10"]);
        assert_eq!(evaluation.name(), "test (tuned)");
        assert_eq!(Vec::from_iter(experiment.splits()), ["test", "train"]);
    }

    #[test]
    fn definitions_that_mislead_are_refused() {
        let refused = |text: &str| format!("{:#}", Experiment::parse("x", text).unwrap_err());
        let same_split = SHORT.replace("\"train\"", "\"test\"");
        assert!(refused(&same_split).contains("queries that chose it"));
        let neither = SHORT.replace("config.bm25.analyzer = \"english\"", "");
        assert!(refused(&neither).contains("either `preset` or `config`"));
        let unsourced = SHORT.to_owned()
            + "expect = [{ row = \"bm25\", metric = \"MAP\", value = 0.5, tolerance = 0.1, source = \"\" }]";
        assert!(refused(&unsourced).contains("where its value comes from"));
        assert!(refused(&SHORT.replace("title", "titel")).contains("titel"));
        let nothing = &SHORT[..SHORT.find("[[index.eval]]").unwrap()];
        assert!(refused(nothing).contains("nothing is measured on index `bm25`"));
        let unsourced = nothing.to_owned()
            + "fusions = [{ split = \"a\", expect = [{ row = \"tuned\", value = 0.5, tolerance = 0.1, source = \"\" }] }]";
        assert!(refused(&unsourced).contains("where its value comes from"));
    }

    #[test]
    fn splits_and_runs_of_every_measurement_are_needed() {
        let text = SHORT.to_owned()
            + r#"
            [[index.rerank]]
            run = "runs/given.trec"
            split = "dev"

            [[index.fusions]]
            split = "other"
            limit = 7
            expect = [{ row = "tuned", value = 0.5, tolerance = 0.1, source = "us" }]
            "#;
        let experiment = Experiment::parse("short", &text).unwrap();
        let splits = Vec::from_iter(experiment.splits());
        assert_eq!(splits, ["dev", "other", "test", "train"]);
        assert_eq!(Vec::from_iter(experiment.runs()), ["runs/given.trec"]);
        let index = &experiment.index[0];
        assert_eq!(index.rerank[0].name(), "dev runs/given.trec");
        assert_eq!(index.fusions[0].name(), "other (out of fold) first 7");
        assert_eq!(index.fusions[0].expect[0].metric, "nDCG@10");
    }
}
