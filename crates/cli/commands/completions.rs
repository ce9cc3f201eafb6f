//! `treffer completions`: scripts for shells.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Args, Outcome, terminal};

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(command: &Completions) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Args::command(), "treffer", &mut script);
    terminal::print(|out| Ok(out.write_all(&script)?))?;
    Ok(Outcome::Found)
}
