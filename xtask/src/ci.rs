//! `cargo xtask ci`: everything that has to hold before a change lands, cheapest first.
//!
//! clippy, doc and test share one target folder: clippy's pass over the
//! dependencies also serves doc, and nothing is built twice under another profile
//! or other features. Only the CUDA type-check keeps its own folder.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::workspace::{Workspace, run as run_command};
use crate::{cuda, tidy};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these steps
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
    /// Run the other steps even if one has failed
    #[arg(long)]
    keep_going: bool,
}

/// The steps, in the order in which they run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// House rules: see `cargo xtask tidy`
    Tidy,
    /// Lints over all targets, warnings refused
    Clippy,
    /// Documentation of the workspace, warnings refused
    Doc,
    /// Type-check of the CUDA code without CUDA
    Cuda,
    /// Unit, integration and documentation tests
    Test,
}

/// Runs the steps. Fails if one fails.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let mut finished: Vec<(Step, Duration, bool)> = Vec::new();
    for step in Step::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(step) {
            continue;
        }
        println!("== {} ==", step.name());
        let start = Instant::now();
        let outcome = step.run(workspace);
        if let Err(error) = &outcome {
            eprintln!("{} failed: {error:#}", step.name());
        }
        finished.push((*step, start.elapsed(), outcome.is_ok()));
        if outcome.is_err() && !arguments.keep_going {
            break;
        }
    }
    report(&finished)
}

fn report(finished: &[(Step, Duration, bool)]) -> Result<()> {
    println!("== summary ==");
    for (step, elapsed, passed) in finished {
        let outcome = if *passed { "ok" } else { "FAILED" };
        println!(
            "{:<8}{:>7.1} s  {outcome}",
            step.name(),
            elapsed.as_secs_f64()
        );
    }
    let failed: Vec<&str> = finished
        .iter()
        .filter(|(_, _, passed)| !passed)
        .map(|(step, _, _)| step.name())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!(
        "these steps failed: {0}; run them alone with `cargo xtask ci --only {0}`",
        failed.join(",")
    )
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Fmt => "fmt",
            Step::Tidy => "tidy",
            Step::Clippy => "clippy",
            Step::Doc => "doc",
            Step::Cuda => "cuda",
            Step::Test => "test",
        }
    }

    fn run(self, workspace: &Workspace) -> Result<()> {
        let mut command = workspace.cargo();
        let command = match self {
            Step::Tidy => return tidy::run(workspace),
            Step::Cuda => return cuda::check(workspace),
            Step::Fmt => command.args(["fmt", "--all", "--check"]),
            Step::Clippy => {
                command.args(["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"])
            }
            Step::Doc => {
                command
                    .env("RUSTDOCFLAGS", "-Dwarnings")
                    .args(["doc", "--workspace", "--no-deps"])
            }
            Step::Test => command.args(["test", "--workspace"]),
        };
        run_command(command)
    }
}
