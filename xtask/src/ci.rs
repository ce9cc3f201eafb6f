//! `cargo xtask ci`: everything that has to hold before a change lands, cheapest first.
//!
//! clippy, doc and test share one target folder: clippy's pass over the
//! dependencies also serves doc, and nothing is built twice under another profile
//! or other features. Only the type-checks of CUDA and of the fuzz targets keep folders of their own.
//!
//! [`tools`] are programs of others, [`versions`] looks at the minimum Rust version,
//! [`features`] at every set of features.

mod features;
mod tools;
mod versions;

use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
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
    /// Fail also if a step could not check anything, as for want of a network
    #[arg(long)]
    complete: bool,
}

/// The steps, in the order in which they run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// The project's rules: see `cargo xtask tidy`
    Tidy,
    /// No dependency needs a newer Rust than we say
    Versions,
    /// Spelling, American: see xtask/typos.toml
    Typos,
    /// No dependency that is not used
    Unused,
    /// Licenses, duplicates and sources of dependencies: see xtask/deny.toml
    Deny,
    /// No dependency with a known vulnerability; needs the advisory database
    Advisories,
    /// Lints over all targets, warnings refused
    Clippy,
    /// Documentation of the workspace, warnings refused
    Doc,
    /// Lints with every set of features but CUDA
    Features,
    /// Type-checks the fuzz targets
    Fuzz,
    /// Type-check of the CUDA code without CUDA
    Cuda,
    /// Unit, integration and documentation tests
    Test,
}

/// What came of a step.
enum Outcome {
    Passed,
    /// Nothing was found because nothing was looked at.
    NotChecked {
        why: String,
    },
    Failed(Error),
}

struct Finished {
    step: Step,
    elapsed: Duration,
    outcome: Outcome,
}

/// Runs the steps. Fails if one fails.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let mut finished: Vec<Finished> = Vec::new();
    for &step in Step::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(&step) {
            continue;
        }
        println!("== {} ==", step.name());
        let start = Instant::now();
        let outcome = step.run(workspace).unwrap_or_else(Outcome::Failed);
        match &outcome {
            Outcome::Passed => {}
            Outcome::NotChecked { why } => eprintln!("{} NOT CHECKED: {why}", step.name()),
            Outcome::Failed(error) => eprintln!("{} failed: {error:#}", step.name()),
        }
        let failed = outcome.is_failure(arguments.complete);
        finished.push(Finished {
            step,
            elapsed: start.elapsed(),
            outcome,
        });
        if failed && !arguments.keep_going {
            break;
        }
    }
    print!("{}", summary(&finished));
    verdict(&finished, arguments.complete)
}

/// A table of what was done.
fn summary(finished: &[Finished]) -> String {
    let mut text = "== summary ==\n".to_owned();
    for Finished {
        step,
        elapsed,
        outcome,
    } in finished
    {
        let outcome = match outcome {
            Outcome::Passed => "ok",
            Outcome::NotChecked { .. } => "NOT CHECKED",
            Outcome::Failed(_) => "FAILED",
        };
        let seconds = elapsed.as_secs_f64();
        text += &format!("{:<10}{seconds:>7.1} s  {outcome}\n", step.name());
    }
    text
}

fn verdict(finished: &[Finished], complete: bool) -> Result<()> {
    let failed: Vec<&str> = finished
        .iter()
        .filter(|finished| finished.outcome.is_failure(complete))
        .map(|finished| finished.step.name())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!(
        "these steps failed: {0}; run them alone with `cargo xtask ci --only {0}`",
        failed.join(",")
    )
}

impl Outcome {
    fn is_failure(&self, complete: bool) -> bool {
        match self {
            Outcome::Passed => false,
            Outcome::NotChecked { .. } => complete,
            Outcome::Failed(_) => true,
        }
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Fmt => "fmt",
            Step::Tidy => "tidy",
            Step::Versions => "versions",
            Step::Typos => "typos",
            Step::Unused => "unused",
            Step::Deny => "deny",
            Step::Advisories => "advisories",
            Step::Clippy => "clippy",
            Step::Doc => "doc",
            Step::Features => "features",
            Step::Fuzz => "fuzz",
            Step::Cuda => "cuda",
            Step::Test => "test",
        }
    }

    fn run(self, workspace: &Workspace) -> Result<Outcome> {
        let mut command = workspace.cargo();
        match self {
            Step::Advisories => return tools::advisories(workspace),
            Step::Tidy => tidy::run(workspace)?,
            Step::Versions => versions::check(workspace)?,
            Step::Typos => tools::typos(workspace)?,
            Step::Unused => tools::unused(workspace)?,
            Step::Deny => tools::deny(workspace)?,
            Step::Features => features::check(workspace)?,
            // Type-checks alone: running them needs a nightly compiler.
            Step::Fuzz => run_command(
                command
                    .args(["check", "--bins", "--manifest-path", "fuzz/Cargo.toml"])
                    .arg("--target-dir")
                    .arg(workspace.target.join("fuzz")),
            )?,
            Step::Cuda => cuda::check(workspace)?,
            Step::Fmt => run_command(command.args(["fmt", "--all", "--check"]))?,
            Step::Clippy => run_command(command.args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-Dwarnings",
            ]))?,
            Step::Doc => run_command(command.env("RUSTDOCFLAGS", "-Dwarnings").args([
                "doc",
                "--workspace",
                "--no-deps",
            ]))?,
            Step::Test => run_command(command.args(["test", "--workspace"]))?,
        }
        Ok(Outcome::Passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(step: Step, outcome: Outcome) -> Finished {
        Finished {
            step,
            elapsed: Duration::from_millis(1500),
            outcome,
        }
    }

    fn not_checked() -> Outcome {
        Outcome::NotChecked {
            why: "offline".into(),
        }
    }

    #[test]
    fn every_step_goes_by_the_name_that_it_is_asked_for_with() {
        for step in Step::value_variants() {
            let asked = step.to_possible_value().unwrap();
            assert_eq!(step.name(), asked.get_name());
        }
    }

    #[test]
    fn what_was_not_checked_is_never_called_ok() {
        let all = [
            finished(Step::Fmt, Outcome::Passed),
            finished(Step::Advisories, not_checked()),
        ];
        assert_eq!(
            summary(&all),
            "== summary ==\nfmt           1.5 s  ok\nadvisories    1.5 s  NOT CHECKED\n"
        );
        assert!(verdict(&all, false).is_ok());
        let error = verdict(&all, true).unwrap_err().to_string();
        assert!(error.contains("--only advisories"), "{error}");
    }

    #[test]
    fn a_failed_step_fails_the_run_and_is_named() {
        let failed = || Outcome::Failed(Error::msg("it"));
        let all = [
            finished(Step::Typos, failed()),
            finished(Step::Test, failed()),
        ];
        let error = verdict(&all, false).unwrap_err().to_string();
        assert!(error.contains("--only typos,test"), "{error}");
    }
}
