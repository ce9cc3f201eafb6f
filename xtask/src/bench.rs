//! `cargo xtask bench`: runs one benchmark, with a word on what its figures are worth.
//!
//! Most are files in benches/ that run on their own. [`passages`] measures rankings. [`encoder`],
//! [`scale`], [`training`] and [`tuning`] compare with other programs, which have to be prepared
//! first: in an environment of [`peers`], each as a [`contestant`].

mod contestant;
mod encoder;
mod figures;
mod machine;
mod passages;
mod peers;
mod scale;
mod training;
mod tuning;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::reproduce::generated;
use crate::workspace::{Workspace, executable, output, run as run_command};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    /// Name of a file in benches/, without its ending
    #[arg(required = true)]
    name: Option<String>,
    /// Handed on to the benchmark
    #[arg(last = true)]
    rest: Vec<String>,
    #[command(subcommand)]
    compared: Option<Compared>,
}

#[derive(clap::Subcommand)]
enum Compared {
    /// Our models beside PyTorch and ONNX Runtime, on the same work in turn
    Encoder(encoder::Arguments),
    /// Long documents cut to what models read, and split into passages
    Passages(passages::Arguments),
    /// How an index grows, and other programs' with it
    Scale(scale::Arguments),
    /// A step of training beside PyTorch's, on the same work in turn
    Training(peers::Arguments),
    /// Our search for weights beside ranx's, on the same scores in turn
    Tuning(peers::Arguments),
}

/// Runs the benchmark.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    if let Some(Compared::Passages(arguments)) = &arguments.compared {
        return passages::run(workspace, arguments); // rankings, which do not depend on the machine
    }
    let name = match (&arguments.compared, &arguments.name) {
        (Some(Compared::Encoder(_)), _) => "encoder",
        (Some(Compared::Training(_)), _) => "training",
        (Some(Compared::Tuning(_)), _) => "tuning",
        (Some(Compared::Passages(_)), _) => "passages",
        (Some(Compared::Scale(_)), _) => "scale",
        (None, name) => name.as_deref().unwrap_or_default(),
    };
    eprintln!(
        "note: figures compare only with figures of the same machine, taken in the same quiet hour; \
         benches/{name}.rs says what is measured"
    );
    match &arguments.compared {
        Some(Compared::Encoder(arguments)) => return encoder::run(workspace, arguments),
        Some(Compared::Scale(arguments)) => return scale::run(workspace, arguments),
        Some(Compared::Training(arguments)) => return training::run(workspace, arguments),
        Some(Compared::Tuning(arguments)) => return tuning::run(workspace, arguments),
        Some(Compared::Passages(_)) | None => {}
    }
    let mut command = workspace.cargo();
    command.args(["bench", "--bench", name, "--"]);
    run_command(command.args(&arguments.rest))
}

/// Builds a benchmark and returns where the program lies.
fn build_bench(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let messages = output(workspace.cargo().args([
        "bench",
        "--bench",
        name,
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]))?;
    executable(&messages, name)
}

/// Writes a benchmark's report into the page that shows it.
fn record(workspace: &Workspace, name: &str, report: &str) -> Result<()> {
    let command = format!("cargo xtask bench {name} --record");
    generated::rewrite(&workspace.root.join("benches/README.md"), &command, report)
}

/// Writes a file, with the folders above it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let done = match path.parent() {
        Some(folder) => fs::create_dir_all(folder).and_then(|()| fs::write(path, bytes)),
        None => fs::write(path, bytes),
    };
    done.with_context(|| format!("could not write {}", path.display()))
}
