//! The `treffer` program: arguments in, results out.
//!
//! Data goes to standard output, everything else to standard error. The exit code
//! is 0 if something was found or done, 1 if nothing was found, 2 on an error, 101 on a
//! bug; a reader that stops reading (`treffer search ... | head`) is no error.
//!
//! Reading order: `commands` holds the commands, one file each with its arguments;
//! `options` are the arguments that several share, `corpus` those of commands that read documents. `input` reads what commands work on and
//! `problems` reports what is wrong with it, `format` turns results into text, `terminal` prints and `output` writes files.

#![deny(clippy::print_stderr, clippy::print_stdout)] // they panic where they cannot print

mod commands;
mod corpus;
mod date;
mod deadline;
mod filtered;
mod format;
mod input;
mod options;
mod output;
mod panic;
mod problems;
mod progress;
mod report;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

/// A multi-stage retrieval engine: BM25, a bi-encoder, late interaction and a cross-encoder, fused
/// with weights tuned per index
#[derive(Debug, Parser)]
#[command(name = "treffer", version, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    global: options::Global,
    #[command(subcommand)]
    command: commands::Command,
}

/// What a command has to say to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Something was found or done.
    Found,
    /// The work was done and found nothing.
    NothingFound,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match panic::guarded(|| args.command.run(&args.global)) {
        Some(Ok(Outcome::Found)) => ExitCode::SUCCESS,
        Some(Ok(Outcome::NothingFound)) => ExitCode::from(1),
        Some(Err(error)) => {
            terminal::print_error(&error);
            ExitCode::from(2)
        }
        None => ExitCode::from(101),
    }
}
