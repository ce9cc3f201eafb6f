//! The program, told what a definition says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::definition::{Evaluation, Expectation, Experiment, Fusions, Index, Order, Rerank};
use super::fusions::{Line, Tuned};
use super::order::{self, Column};
use super::report::{self, Finding, Output, Reread};
use super::{Arguments, Collections, Files, files_of};
use crate::workspace::{output, run as run_command};

/// What every measurement shares.
pub(super) struct Bench<'a> {
    pub(super) binary: PathBuf,
    pub(super) indexes: PathBuf,
    pub(super) collections: Collections,
    pub(super) arguments: &'a Arguments,
}

/// What was measured on an index.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) findings: Vec<Finding>,
    /// Its lines of the table of fusions.
    pub(super) lines: Vec<Line>,
    /// Its columns of the table of examples.
    pub(super) orders: Vec<Column>,
}

impl Bench<'_> {
    /// Builds an index and measures on it whatever its definition says.
    pub(super) fn measure(&self, experiment: &Experiment, index: &Index) -> Result<Measured> {
        let files = files_of(experiment, &self.collections)?;
        let indexes = self.indexes.join(&experiment.name);
        fs::create_dir_all(&indexes)
            .with_context(|| format!("could not make {}", indexes.display()))?;
        let folder = indexes.join(&index.name);
        self.build(index, &files, &folder)?;
        self.measure_built(experiment, index, &files, &folder)
            .with_context(|| {
                format!(
                    "in experiment `{}`, index `{}`",
                    experiment.name, index.name
                )
            })
    }

    fn measure_built(
        &self,
        experiment: &Experiment,
        index: &Index,
        files: &Files,
        folder: &Path,
    ) -> Result<Measured> {
        let mut findings = Vec::new();
        let compared = self.arguments.limit.is_none();
        let mut add =
            |what: String, metrics: &[String], expect: &[Expectation], output: &Output| {
                let place = format!("{} {} {what}", experiment.name, index.name);
                let found = report::findings(&place, metrics, expect, output, compared);
                findings.extend(found);
            };
        for one in &index.eval {
            let output = self.evaluate(one, files, folder)?;
            add(one.name(), &one.metrics, &one.expect, &output);
        }
        for one in &index.rerank {
            let output = self.rerank(one, files, folder)?.output();
            add(one.name(), &one.metrics, &one.expect, &output);
        }
        let mut lines = Vec::new();
        for one in &index.fusions {
            let tuned = self.tune(one, files, folder)?;
            let metrics = [tuned.metric().to_owned()];
            add(one.name(), &metrics, &one.expect, &tuned.output());
            lines.push(tuned.line(&experiment.name));
        }
        let mut orders = Vec::new();
        for one in &index.order {
            let columns = self.order(one, files, folder)?;
            let metrics = [order::METRIC.to_owned()];
            add(one.name(), &metrics, &one.expect, &order::output(&columns));
            orders.extend(columns);
        }
        Ok(Measured {
            findings,
            lines,
            orders,
        })
    }

    fn build(&self, index: &Index, files: &Files, folder: &Path) -> Result<()> {
        if self.arguments.keep_indexes && folder.join("manifest.json").exists() {
            eprintln!("using the index at {}", folder.display());
            return Ok(());
        }
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("could not remove {}", folder.display()))?;
        }
        for model in &index.models {
            timed(self.treffer().args(["model", "pull", model]), run_command)?;
        }
        let mut command = self.treffer();
        command.arg("index").arg(folder).arg(&files.corpus);
        match (&index.preset, &index.config) {
            (Some(preset), _) => {
                command.args(["--preset", preset]);
            }
            (None, config) => {
                let path = folder.with_extension("toml");
                let text = toml::to_string(config).context("could not write the configuration")?;
                fs::write(&path, text)
                    .with_context(|| format!("could not write {}", path.display()))?;
                command.arg("--config").arg(path);
            }
        }
        for setting in &index.set {
            command.args(["--set", setting]);
        }
        timed(&mut command, run_command)
    }

    fn evaluate(&self, evaluation: &Evaluation, files: &Files, folder: &Path) -> Result<Output> {
        if let Some(tune) = &evaluation.tune {
            let mut command = self.over_queries("tune", folder, files, &tune.split, tune.limit);
            // What is asked for is the winner's figure, whether or not it is a sure gain.
            command.arg("--force");
            add_stages(&mut command, &evaluation.stages);
            if let Some(profile) = &evaluation.profile {
                command.args(["--save-as", profile]);
            }
            // stdout is for the one table at the end.
            eprint!("{}", timed(&mut command, output)?);
        }
        let mut command =
            self.over_queries("eval", folder, files, &evaluation.split, evaluation.limit);
        command.args(["--format", "json"]);
        add_stages(&mut command, &evaluation.stages);
        if let Some(profile) = &evaluation.profile {
            command.args(["--profile", profile]);
        }
        let json = timed(&mut command, output)?;
        serde_json::from_str(&json).context("could not understand what `treffer eval` printed")
    }

    /// Re-ranks the given run and compares the two.
    fn rerank(&self, rerank: &Rerank, files: &Files, folder: &Path) -> Result<Reread> {
        let given = files.folder.join(&rerank.run);
        let reranked = folder.with_extension("trec");
        let mut command = self.treffer();
        command.arg("rerank").arg(folder).arg(&given);
        command.arg("--queries").arg(&files.queries);
        if let Some(depth) = rerank.depth {
            command.arg("--depth").arg(depth.to_string());
        }
        command.arg("--output").arg(&reranked);
        timed(&mut command, run_command)?;
        let mut command = self.treffer();
        command.arg("compare").arg(&given).arg(&reranked);
        command.arg("--qrels").arg(files.qrels(&rerank.split));
        command.args(["--metrics", &rerank.metrics.join(","), "--format", "json"]);
        let json = timed(&mut command, output)?;
        serde_json::from_str(&json).context("could not understand what `treffer compare` printed")
    }

    /// Tunes to see what it would give: the profile stays as it is.
    fn tune(&self, fusions: &Fusions, files: &Files, folder: &Path) -> Result<Tuned> {
        let mut command = self.over_queries("tune", folder, files, &fusions.split, fusions.limit);
        command.args(["--learn", "--dry-run", "--format", "json"]);
        let json = timed(&mut command, output)?;
        serde_json::from_str(&json).context("could not understand what `treffer tune` printed")
    }

    /// Searches, and looks which examples hold.
    fn order(&self, order: &Order, files: &Files, folder: &Path) -> Result<Vec<Column>> {
        let mut command = self.treffer();
        command.arg("search").arg(folder);
        command.arg("--queries").arg(&files.queries);
        command.args(["--explain", "--top-k", "1000", "--format", "json"]);
        if let Some(profile) = &order.profile {
            command.args(["--profile", profile]);
        }
        let searched = timed(&mut command, output)?;
        let path = files.qrels(&order.split);
        let qrels = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        order::columns(order, &qrels, &searched, self.arguments.limit)
    }

    fn over_queries(
        &self,
        verb: &str,
        folder: &Path,
        files: &Files,
        split: &str,
        limit: Option<usize>,
    ) -> Command {
        let mut command = self.treffer();
        command.arg(verb).arg(folder);
        command.arg("--queries").arg(&files.queries);
        command.arg("--qrels").arg(files.qrels(split));
        if let Some(limit) = self.arguments.limit.or(limit) {
            command.arg("--limit").arg(limit.to_string());
        }
        command
    }

    fn treffer(&self) -> Command {
        let mut command = Command::new(&self.binary);
        if let Some(cache) = &self.arguments.models_cache {
            command.env(CACHE_VARIABLE, cache);
        }
        command
    }
}

fn timed<T>(command: &mut Command, run: impl FnOnce(&mut Command) -> Result<T>) -> Result<T> {
    eprintln!("$ {}", crate::workspace::words(command));
    let start = Instant::now();
    let done = run(command)?;
    eprintln!("  {:.1} s", start.elapsed().as_secs_f64());
    Ok(done)
}

fn add_stages(command: &mut Command, stages: &[String]) {
    if !stages.is_empty() {
        command.args(["--stages", &stages.join(",")]);
    }
}

/// The environment variable by which the program is told of another model cache.
const CACHE_VARIABLE: &str = "TREFFER_MODELS";
