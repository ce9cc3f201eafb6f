//! `cargo xtask bench scale`: how an index grows, and with `--peers` also those of other programs.
//!
//! benches/scale.rs does all of it, and starts xtask/peers/scale.py once for each peer.

use std::path::PathBuf;

use anyhow::Result;

use super::peers;
use crate::workspace::{Workspace, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also tantivy's collector, bm25s, hnswlib, faiss and usearch, on the same data
    #[arg(long)]
    peers: bool,
    /// Environment of the peers, made if it is not there [default: in the user's cache folder]
    #[arg(long, requires = "peers")]
    python: Option<PathBuf>,
    /// Handed on to benches/scale.rs: numbers of documents, `--filters`, `--storage`, `--folder`
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Prepares the peers and runs the benchmark.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let mut command = workspace.cargo();
    command.args(["bench", "--bench", "scale", "--"]);
    command.args(&arguments.rest);
    if arguments.peers {
        let interpreter = peers::prepare(workspace, "scale", arguments.python.as_deref())?;
        command.arg("--python").arg(interpreter);
    }
    run_command(&mut command)
}
