//! `treffer train`: trains models on the user's own data.

use anyhow::Result;
use clap::Subcommand;

use crate::Outcome;
use crate::options::Global;

mod bi;
mod cross;
mod learn;
mod log;
mod shared;

pub(super) use bi::Bi;
pub(super) use cross::Cross;
pub(super) use learn::{Student, learn, read_data};

#[derive(Debug, clap::Args)]
pub(crate) struct Train {
    #[command(subcommand)]
    command: TrainCommand,
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    /// Train a cross-encoder, which reads query and passage together
    Cross(Box<Cross>),
    /// Train a bi-encoder, which makes a vector of each text
    Bi(Box<Bi>),
}

/// Trains what was asked for.
pub(crate) fn run(command: &Train, global: &Global) -> Result<Outcome> {
    match &command.command {
        TrainCommand::Cross(command) => learn::run(command.as_ref(), global),
        TrainCommand::Bi(command) => learn::run(command.as_ref(), global),
    }
}
