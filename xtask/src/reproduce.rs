//! `cargo xtask reproduce`: published and recorded figures, measured again.
//!
//! An experiment is a file in `configs/reproduce/` ([`definition`]). The program is
//! built once, indexes the collection as the file says, evaluates, and what it
//! measures is printed beside what was expected ([`report`]). A figure outside its
//! tolerance fails the command.

mod definition;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use self::definition::{Evaluation, Experiment, Index};
use self::report::{Finding, Output};
use crate::workspace::{Workspace, output, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Experiments by name: files in configs/reproduce/ without their ending
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// Every experiment
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Folder that holds one folder per collection [default: $TREFFER_COLLECTIONS]
    #[arg(long)]
    collections: Option<PathBuf>,
    /// Model cache to use instead of the program's own
    #[arg(long)]
    models_cache: Option<PathBuf>,
    /// Evaluate and tune on so many queries at most; figures are then not compared
    #[arg(long)]
    limit: Option<usize>,
    /// Use indexes that an earlier run has left
    #[arg(long)]
    keep_indexes: bool,
}

/// Runs the experiments and prints the table. Fails if a figure has drifted.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let experiments = chosen(&workspace.root.join("configs/reproduce"), arguments)?;
    // Everything that can be missing is looked for before anything slow begins.
    let collections = collections(arguments)?;
    for experiment in &experiments {
        files_of(experiment, &collections)?;
    }
    run_command(
        workspace
            .cargo()
            .args(["build", "--release", "--bin", "treffer"]),
    )?;
    let bench = Bench {
        binary: workspace.target.join("release").join("treffer"),
        indexes: workspace.target.join("reproduce"),
        collections,
        arguments,
    };
    let mut findings = Vec::new();
    for experiment in &experiments {
        for index in &experiment.index {
            findings.extend(bench.measure(experiment, index)?);
        }
    }
    print!("{}", report::table(&findings));
    match findings
        .iter()
        .filter(|finding| finding.verdict().is_failure())
        .count()
    {
        0 => Ok(()),
        n => bail!("{n} of {} figures are not as expected", findings.len()),
    }
}

fn chosen(folder: &Path, arguments: &Arguments) -> Result<Vec<Experiment>> {
    let known = Experiment::names_in(folder)?;
    if arguments.all {
        return known
            .iter()
            .map(|name| Experiment::read(folder, name))
            .collect();
    }
    let read = |name: &String| {
        ensure!(
            known.contains(name),
            "there is no experiment `{name}`; there are {}",
            known.join(", ")
        );
        Experiment::read(folder, name)
    };
    arguments.names.iter().map(read).collect()
}

fn collections(arguments: &Arguments) -> Result<PathBuf> {
    let folder = match &arguments.collections {
        Some(folder) => folder.clone(),
        None => match std::env::var_os("TREFFER_COLLECTIONS") {
            Some(folder) => folder.into(),
            None => bail!(
                "no collections named: give the folder that holds one folder per collection with \
                 --collections or in TREFFER_COLLECTIONS"
            ),
        },
    };
    ensure!(
        folder.is_dir(),
        "there is no folder of collections at {}",
        folder.display()
    );
    Ok(folder)
}

/// A collection in the layout of the BEIR benchmark.
struct Files {
    corpus: PathBuf,
    queries: PathBuf,
    qrels: PathBuf,
}

impl Files {
    fn qrels(&self, split: &str) -> PathBuf {
        self.qrels.join(format!("{split}.tsv"))
    }
}

fn files_of(experiment: &Experiment, collections: &Path) -> Result<Files> {
    let folder = collections.join(&experiment.collection);
    let present = |name: &str| {
        [name.to_owned(), format!("{name}.gz")]
            .into_iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
            .with_context(|| {
                format!(
                    "experiment `{}` needs {} of {}, which is not in {}; {}",
                    experiment.name,
                    name,
                    experiment.title,
                    folder.display(),
                    experiment.obtain
                )
            })
    };
    for split in experiment.splits() {
        present(&format!("qrels/{split}.tsv"))?;
    }
    Ok(Files {
        corpus: present("corpus.jsonl")?,
        queries: present("queries.jsonl")?,
        qrels: folder.join("qrels"),
    })
}

/// What every measurement shares.
struct Bench<'a> {
    binary: PathBuf,
    indexes: PathBuf,
    collections: PathBuf,
    arguments: &'a Arguments,
}

impl Bench<'_> {
    fn measure(&self, experiment: &Experiment, index: &Index) -> Result<Vec<Finding>> {
        let files = files_of(experiment, &self.collections)?;
        let indexes = self.indexes.join(&experiment.name);
        fs::create_dir_all(&indexes)
            .with_context(|| format!("could not make {}", indexes.display()))?;
        let folder = indexes.join(&index.name);
        self.build(index, &files, &folder)?;
        let mut findings = Vec::new();
        for evaluation in &index.eval {
            let output = self
                .evaluate(evaluation, &files, &folder)
                .with_context(|| {
                    format!(
                        "in experiment `{}`, index `{}`",
                        experiment.name, index.name
                    )
                })?;
            let place = format!("{} {} {}", experiment.name, index.name, evaluation.name());
            let compared = self.arguments.limit.is_none();
            findings.extend(report::findings(&place, evaluation, &output, compared));
        }
        Ok(findings)
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
            self.timed(self.treffer().args(["model", "pull", model]), run_command)?;
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
        self.timed(&mut command, run_command)
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
            eprint!("{}", self.timed(&mut command, output)?);
        }
        let mut command =
            self.over_queries("eval", folder, files, &evaluation.split, evaluation.limit);
        command.args(["--format", "json"]);
        add_stages(&mut command, &evaluation.stages);
        if let Some(profile) = &evaluation.profile {
            command.args(["--profile", profile]);
        }
        let json = self.timed(&mut command, output)?;
        serde_json::from_str(&json).context("could not understand what `treffer eval` printed")
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

    fn timed<T>(
        &self,
        command: &mut Command,
        run: impl FnOnce(&mut Command) -> Result<T>,
    ) -> Result<T> {
        eprintln!("$ {}", crate::workspace::words(command));
        let start = Instant::now();
        let done = run(command)?;
        eprintln!("  {:.1} s", start.elapsed().as_secs_f64());
        Ok(done)
    }
}

fn add_stages(command: &mut Command, stages: &[String]) {
    if !stages.is_empty() {
        command.args(["--stages", &stages.join(",")]);
    }
}

/// The environment variable by which the program is told of another model cache.
const CACHE_VARIABLE: &str = "TREFFER_MODELS";

#[cfg(all(test, unix))]
mod tests;
