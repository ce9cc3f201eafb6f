//! `treffer completions`: a script that teaches a shell our commands.

use std::io;

use anyhow::Result;
use clap::CommandFactory;

use crate::Outcome;
use crate::args::{Args, Completions};

/// Prints the script for one shell.
pub(crate) fn run(command: &Completions) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Args::command(), "treffer", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(Outcome::Found)
}
