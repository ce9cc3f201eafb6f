//! The `treffer` program: words in, words out.
//!
//! Data goes to standard output, everything else to standard error. The exit code
//! is 0 if something was found or done, 1 if nothing was found, 2 on an error; a
//! reader that stops reading (`treffer search ... | head`) is no error.

mod args;
mod commands;
mod cuts;
mod output;
mod progress;
mod report;
mod source;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

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
    let result = match &args.command {
        Command::Index(command) => commands::index::run(command, &args.global),
        Command::Search(command) => commands::search::run(command, &args.global),
        Command::Eval(command) => commands::eval::run(command, &args.global),
        Command::Tune(command) => commands::tune::run(command, &args.global),
        Command::Explain(command) => commands::explain::run(command, &args.global),
        Command::Compare(command) => commands::compare::run(command),
        Command::Fuse(command) => commands::fuse::run(command),
        Command::Rerank(command) => commands::rerank::run(command, &args.global),
        Command::Judge(command) => commands::judge::run(command, &args.global),
        Command::Info(command) => commands::info::run(command),
        Command::Model(command) => commands::model::run(command, &args.global),
        Command::Quickstart(command) => commands::quickstart::run(command, &args.global),
        Command::Completions(command) => commands::completions::run(command),
    };
    match result {
        Ok(Outcome::Found) => ExitCode::SUCCESS,
        Ok(Outcome::NothingFound) => ExitCode::from(1),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            ExitCode::from(2)
        }
    }
}
