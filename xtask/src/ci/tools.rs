//! Checks that programs of others make: spelling, unused dependencies, licenses,
//! duplicates, sources and advisories.
//!
//! They come as Python wheels with pinned checksums, since compiling them would take
//! longer than all the rest.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::Outcome;
use crate::python;
use crate::workspace::{Workspace, run as run_command, words};

/// Spelling of everything under version control.
pub(super) fn typos(workspace: &Workspace) -> Result<()> {
    let mut typos = tool(workspace, "typos")?;
    typos.args(["--config", "xtask/typos.toml"]);
    run_command(&mut typos).context(
        "correct the words, or say in xtask/typos.toml why they are right; \
         `--write-changes` corrects those with one correction",
    )
}

/// Dependencies that no code uses.
pub(super) fn unused(workspace: &Workspace) -> Result<()> {
    run_command(&mut tool(workspace, "cargo-shear")?)
}

/// Licenses, duplicates and sources of all dependencies.
pub(super) fn deny(workspace: &Workspace) -> Result<()> {
    let mut deny = cargo_deny(workspace)?;
    deny.args(["check", "--hide-inclusion-graph"]);
    run_command(deny.args(["licenses", "bans", "sources"]))
}

/// Known vulnerabilities, by a database that must be fetched first.
pub(super) fn advisories(workspace: &Workspace) -> Result<Outcome> {
    let mut fetch = cargo_deny(workspace)?;
    fetch.args(["fetch", "db"]).stdin(Stdio::null());
    // No prompt for a password where a proxy wants one.
    fetch.env("GIT_TERMINAL_PROMPT", "0");
    let fetched = fetch
        .output()
        .with_context(|| format!("could not start `{}`", words(&fetch)))?;
    if !fetched.status.success() {
        let said = String::from_utf8_lossy(&fetched.stderr);
        return Ok(Outcome::NotChecked {
            why: format!(
                "the advisory database could not be fetched ({}); run `cargo xtask ci --only \
                 advisories` where it can",
                reason(&said)
            ),
        });
    }
    let mut check = cargo_deny(workspace)?;
    run_command(check.args(["check", "--hide-inclusion-graph", "advisories"]))?;
    Ok(Outcome::Passed)
}

/// git's own words, or else the last thing that was said.
fn reason(said: &str) -> &str {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let fatal = lines().find(|line| line.starts_with("fatal:"));
    fatal
        .or_else(|| lines().next_back())
        .unwrap_or("no reason was given")
}

fn cargo_deny(workspace: &Workspace) -> Result<Command> {
    let mut deny = tool(workspace, "cargo-deny")?;
    deny.args(["--config", "xtask/deny.toml"]);
    Ok(deny)
}

/// A program of xtask/tools.txt, in the root of the workspace.
fn tool(workspace: &Workspace, name: &str) -> Result<Command> {
    let interpreter = python::environment(
        &workspace.target.join("tools"),
        &workspace.root.join("xtask/tools.txt"),
        "the tools of `cargo xtask ci`",
    )?;
    let folder: PathBuf = interpreter.parent().map(Into::into).unwrap_or_default();
    let mut command = Command::new(folder.join(name));
    command.current_dir(&workspace.root);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_that_git_says_the_reason_is_told() {
        let said = "[ERROR] failed to clone: [..]\nCloning into 'x'...\nfatal: no host\n\n";
        assert_eq!(reason(said), "fatal: no host");
        assert_eq!(reason("[ERROR] a\n[ERROR] b\n"), "[ERROR] b");
        assert_eq!(reason("\n"), "no reason was given");
    }
}
