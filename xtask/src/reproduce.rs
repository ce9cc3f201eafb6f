//! `cargo xtask reproduce`: published and recorded figures, measured again.
//!
//! An experiment is a file in `configs/reproduce/` ([`definition`]). The program is
//! built once, indexes the collection as the file says, evaluates, and what it
//! measures is printed beside what was expected ([`report`]). A figure outside its
//! tolerance fails the command. Where a definition asks for it, the fusion methods are
//! compared in one table over all collections ([`fusions`]); a collection on which the
//! tuned profile is significantly worse than the best single stage fails the command too.
//! Collections of worked examples are counted example by example ([`order`]).
//! With `--all`, the tables are also written into the pages that show them ([`generated`]).

mod bench;
mod definition;
mod fusions;
pub(crate) mod generated;
mod order;
mod outputs;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use self::bench::{Bench, Measured};
use self::definition::Experiment;
use self::report::Finding;
use crate::workspace::{Workspace, sha256};

/// What generates the tables, as their pages name it.
const COMMAND: &str = "cargo xtask reproduce --all";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Experiments by name: files in configs/reproduce/ without their ending
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// Every experiment; also writes the tables into the pages that show them
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Folder that holds one folder per collection that is not in data/ [default:
    /// $TREFFER_COLLECTIONS]
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
    /// Go on with earlier runs, of all experiments or of single ones: what they have measured
    /// is not measured again
    #[arg(long)]
    resume: bool,
}

/// Runs the experiments and prints the table. Fails if a figure has drifted.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let experiments = chosen(&workspace.root.join("configs/reproduce"), arguments)?;
    // Everything that can be missing is looked for before anything slow begins.
    let collections = Collections::of(workspace, arguments)?;
    for experiment in &experiments {
        files_of(experiment, &collections)?;
    }
    let binary = workspace.build_program()?;
    let program =
        fs::read(&binary).with_context(|| format!("could not read {}", binary.display()))?;
    let bench = Bench {
        binary,
        checksum: sha256(&program),
        indexes: workspace.target.join("reproduce"),
        collections,
        arguments,
    };
    let mut all = Measured::default();
    for experiment in &experiments {
        for index in &experiment.index {
            let measured = bench.measure(experiment, index)?;
            all.findings.extend(measured.findings);
            all.lines.extend(measured.lines);
            all.orders.extend(measured.orders);
        }
    }
    print!("{}", report::table(&all.findings));
    if !all.lines.is_empty() {
        print!("\n{}", fusions::tables(&all.lines));
    }
    if !all.orders.is_empty() {
        print!("\n{}", order::table(&all.orders));
    }
    if arguments.all && arguments.limit.is_none() {
        // Also if a figure has drifted: the change of the pages shows which.
        write_pages(workspace, &all)?;
    }
    judge(&all)
}

fn write_pages(workspace: &Workspace, measured: &Measured) -> Result<()> {
    for (page, tables) in [
        ("README.md", fusions::summary(&measured.lines)),
        (
            "configs/reproduce/README.md",
            fusions::tables(&measured.lines),
        ),
        (
            "data/seed-examples/README.md",
            order::table(&measured.orders),
        ),
    ] {
        generated::rewrite(&workspace.root.join(page), COMMAND, &tables)?;
    }
    Ok(())
}

/// Fails if a figure has drifted, or if tuning is significantly worse than a single stage.
fn judge(measured: &Measured) -> Result<()> {
    let mut wrong: Vec<String> = Vec::new();
    let is_failure = |finding: &&Finding| finding.verdict().is_failure();
    let n_drifted = measured.findings.iter().filter(is_failure).count();
    if n_drifted > 0 {
        let n_all = measured.findings.len();
        wrong.push(format!(
            "{n_drifted} of {n_all} figures are not as expected"
        ));
    }
    wrong.extend(measured.lines.iter().filter_map(fusions::Line::harm));
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
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

/// Where collections lie.
struct Collections {
    /// The user's folder, with one folder per collection.
    given: Option<PathBuf>,
    /// The repository's own.
    shipped: PathBuf,
}

impl Collections {
    fn of(workspace: &Workspace, arguments: &Arguments) -> Result<Self> {
        let named = arguments.collections.clone();
        let given = named.or_else(|| Some(std::env::var_os("TREFFER_COLLECTIONS")?.into()));
        if let Some(folder) = &given {
            ensure!(
                folder.is_dir(),
                "there is no folder of collections at {}",
                folder.display()
            );
        }
        Ok(Collections {
            given,
            shipped: workspace.root.join("data"),
        })
    }

    fn folder(&self, experiment: &Experiment) -> Result<PathBuf> {
        let all = match &self.given {
            _ if experiment.shipped => &self.shipped,
            Some(given) => given,
            None => bail!(
                "no collections named: give the folder that holds one folder per collection with \
                 --collections or in TREFFER_COLLECTIONS"
            ),
        };
        Ok(all.join(&experiment.collection))
    }
}

/// A collection in the layout of the BEIR benchmark.
struct Files {
    folder: PathBuf,
    corpus: PathBuf,
    queries: PathBuf,
    qrels: PathBuf,
}

impl Files {
    fn qrels(&self, split: &str) -> PathBuf {
        self.qrels.join(format!("{split}.tsv"))
    }
}

fn files_of(experiment: &Experiment, collections: &Collections) -> Result<Files> {
    let folder = collections.folder(experiment)?;
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
    for run in experiment.runs() {
        present(run)?;
    }
    Ok(Files {
        corpus: present("corpus.jsonl")?,
        queries: present("queries.jsonl")?,
        qrels: folder.join("qrels"),
        folder,
    })
}

#[cfg(all(test, unix))]
mod tests;
