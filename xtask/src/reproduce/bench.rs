//! The program, told what a definition says.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::definition::{Evaluation, Expectation, Experiment, Fusions, Index, Order, Rerank};
use super::fusions::{Line, Tuned};
use super::order::{self, Column};
use super::outputs::Outputs;
use super::report::{self, Finding, Output, Reread};
use super::{Arguments, Collections, Files, files_of};
use crate::workspace::{output, run as run_command, words};

/// What every measurement shares.
pub(super) struct Bench<'a> {
    pub(super) binary: PathBuf,
    /// Its SHA-256.
    pub(super) checksum: String,
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

/// An index, and what is known of it.
struct Place<'a> {
    index: &'a Index,
    files: Files,
    folder: PathBuf,
    /// What was printed about it.
    outputs: Outputs,
    is_built: bool,
}

impl Bench<'_> {
    /// Builds an index and measures on it whatever its definition says.
    pub(super) fn measure(&self, experiment: &Experiment, index: &Index) -> Result<Measured> {
        let files = files_of(experiment, &self.collections)?;
        let indexes = self.indexes.join(&experiment.name);
        fs::create_dir_all(&indexes)
            .with_context(|| format!("could not make {}", indexes.display()))?;
        let outputs = indexes.join(format!("{}.outputs.json", index.name));
        let place = Place {
            index,
            files,
            folder: indexes.join(&index.name),
            outputs: Outputs::open(outputs, &self.checksum, self.arguments.resume)?,
            is_built: false,
        };
        self.measure_at(experiment, place).with_context(|| {
            format!(
                "in experiment `{}`, index `{}`",
                experiment.name, index.name
            )
        })
    }

    fn measure_at(&self, experiment: &Experiment, mut place: Place<'_>) -> Result<Measured> {
        let place = &mut place;
        let index = place.index;
        let mut findings = Vec::new();
        let compared = self.arguments.limit.is_none();
        let mut add =
            |what: String, metrics: &[String], expect: &[Expectation], output: &Output| {
                let place = format!("{} {} {what}", experiment.name, index.name);
                let found = report::findings(&place, metrics, expect, output, compared);
                findings.extend(found);
            };
        for one in &index.eval {
            let output = self.evaluate(one, place)?;
            add(one.name(), &one.metrics, &one.expect, &output);
        }
        for one in &index.rerank {
            let output = self.rerank(one, place)?.output();
            add(one.name(), &one.metrics, &one.expect, &output);
        }
        let mut lines = Vec::new();
        for one in &index.fusions {
            let tuned = self.tune(one, place)?;
            let metrics = [tuned.metric().to_owned()];
            add(one.name(), &metrics, &one.expect, &tuned.output());
            lines.push(tuned.line(&experiment.name));
        }
        let mut orders = Vec::new();
        for one in &index.order {
            let columns = self.order(one, place)?;
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

    /// What the last of these commands prints: as it is kept, or by running all of them.
    fn answer(&self, place: &mut Place<'_>, commands: &mut [Command]) -> Result<String> {
        let asked = commands.iter().map(words).collect::<Vec<_>>().join("; ");
        if let Some(kept) = place.outputs.get(&asked) {
            eprintln!("as measured before: $ {asked}");
            return Ok(kept.to_owned());
        }
        self.build(place)?;
        let mut printed = String::new();
        for command in commands {
            // stdout is for the one table at the end.
            eprint!("{printed}");
            printed = timed(command, output)?;
        }
        place.outputs.keep(asked, printed.clone())?;
        Ok(printed)
    }

    /// Builds the index, if that is still to do.
    fn build(&self, place: &mut Place<'_>) -> Result<()> {
        if std::mem::replace(&mut place.is_built, true) {
            return Ok(());
        }
        let (index, folder) = (place.index, &place.folder);
        let mut command = self.treffer();
        command.arg("index").arg(folder).arg(&place.files.corpus);
        let mut config = None;
        if let Some(preset) = &index.preset {
            command.args(["--preset", preset]);
        } else {
            let text = toml::to_string(&index.config);
            let text = text.context("could not write the configuration")?;
            let path = folder.with_extension("toml");
            command.arg("--config").arg(&path);
            config = Some((path, text));
        }
        for setting in &index.set {
            command.args(["--set", setting]);
        }
        let text = config.as_ref().map_or("", |(_, text)| text);
        let asked = format!("{} {text}", words(&command));
        let was_built = place.outputs.get(&asked).is_some();
        if (self.arguments.keep_indexes || was_built) && folder.join("manifest.json").exists() {
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
        if let Some((path, text)) = &config {
            fs::write(path, text).with_context(|| format!("could not write {}", path.display()))?;
        }
        timed(&mut command, run_command)?;
        place.outputs.keep(asked, String::new())
    }

    fn evaluate(&self, evaluation: &Evaluation, place: &mut Place<'_>) -> Result<Output> {
        let mut commands = Vec::new();
        if let Some(tune) = &evaluation.tune {
            let mut command = self.over_queries("tune", place, &tune.split, tune.limit);
            // What is asked for is the winner's figure, whether or not it is a sure gain.
            command.arg("--force");
            add_stages(&mut command, &evaluation.stages);
            if let Some(profile) = &evaluation.profile {
                command.args(["--save-as", profile]);
            }
            commands.push(command);
        }
        let mut command = self.over_queries("eval", place, &evaluation.split, evaluation.limit);
        command.args(["--format", "json"]);
        add_stages(&mut command, &evaluation.stages);
        if let Some(profile) = &evaluation.profile {
            command.args(["--profile", profile]);
        }
        commands.push(command);
        let json = self.answer(place, &mut commands)?;
        serde_json::from_str(&json).context("could not understand what `treffer eval` printed")
    }

    /// Re-ranks the given run and compares the two.
    fn rerank(&self, rerank: &Rerank, place: &mut Place<'_>) -> Result<Reread> {
        let files = &place.files;
        let given = files.folder.join(&rerank.run);
        let reranked = place.folder.with_extension("trec");
        let mut read = self.treffer();
        read.arg("rerank").arg(&place.folder).arg(&given);
        read.arg("--queries").arg(&files.queries);
        if let Some(depth) = rerank.depth {
            read.arg("--depth").arg(depth.to_string());
        }
        read.arg("--output").arg(&reranked);
        let mut compare = self.treffer();
        compare.arg("compare").arg(&given).arg(&reranked);
        compare.arg("--qrels").arg(files.qrels(&rerank.split));
        compare.args(["--metrics", &rerank.metrics.join(","), "--format", "json"]);
        let json = self.answer(place, &mut [read, compare])?;
        serde_json::from_str(&json).context("could not understand what `treffer compare` printed")
    }

    /// Tunes to see what it would give: the profile stays as it is.
    fn tune(&self, fusions: &Fusions, place: &mut Place<'_>) -> Result<Tuned> {
        let mut command = self.over_queries("tune", place, &fusions.split, fusions.limit);
        command.args(["--learn", "--dry-run", "--format", "json"]);
        let json = self.answer(place, &mut [command])?;
        serde_json::from_str(&json).context("could not understand what `treffer tune` printed")
    }

    /// Searches, and looks which examples hold.
    fn order(&self, order: &Order, place: &mut Place<'_>) -> Result<Vec<Column>> {
        let mut command = self.treffer();
        command.arg("search").arg(&place.folder);
        command.arg("--queries").arg(&place.files.queries);
        command.args(["--explain", "--top-k", "1000", "--format", "json"]);
        if let Some(profile) = &order.profile {
            command.args(["--profile", profile]);
        }
        let searched = self.answer(place, &mut [command])?;
        let path = place.files.qrels(&order.split);
        let qrels = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        order::columns(order, &qrels, &searched, self.arguments.limit)
    }

    fn over_queries(
        &self,
        verb: &str,
        place: &Place<'_>,
        split: &str,
        limit: Option<usize>,
    ) -> Command {
        let mut command = self.treffer();
        command.arg(verb).arg(&place.folder);
        command.arg("--queries").arg(&place.files.queries);
        command.arg("--qrels").arg(place.files.qrels(split));
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
    eprintln!("$ {}", words(command));
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
