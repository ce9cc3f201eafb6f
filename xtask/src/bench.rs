//! `cargo xtask bench`: runs one benchmark, with a word on what its figures are worth.

use anyhow::Result;

use crate::workspace::{Workspace, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Name of a file in benches/, without its ending
    name: String,
    /// Handed on to the benchmark
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs the benchmark.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    eprintln!(
        "note: figures compare only with figures of the same machine, taken in the same quiet hour; \
         benches/{}.rs says what is measured",
        arguments.name
    );
    let mut command = workspace.cargo();
    command.args(["bench", "--bench", &arguments.name, "--"]);
    run_command(command.args(&arguments.rest))
}
