//! `cargo xtask bench`: runs one benchmark, with a word on what its figures are worth.
//!
//! Most are files in benches/ that run on their own. [`encoder`] compares with other
//! programs, which have to be prepared first.

mod encoder;

use anyhow::Result;

use crate::workspace::{Workspace, run as run_command};

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
}

/// Runs the benchmark.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let name = match (&arguments.compared, &arguments.name) {
        (Some(_), _) => "encoder",
        (None, name) => name.as_deref().unwrap_or_default(),
    };
    eprintln!(
        "note: figures compare only with figures of the same machine, taken in the same quiet hour; \
         benches/{name}.rs says what is measured"
    );
    if let Some(Compared::Encoder(arguments)) = &arguments.compared {
        return encoder::run(workspace, arguments);
    }
    let mut command = workspace.cargo();
    command.args(["bench", "--bench", name, "--"]);
    run_command(command.args(&arguments.rest))
}
