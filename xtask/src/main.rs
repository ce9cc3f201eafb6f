//! The project's own commands, one file each: `cargo xtask COMMAND`.

mod bench;
mod ci;
mod crash;
mod cuda;
mod gpu;
mod python;
mod reproduce;
mod texts;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that has to hold before a change lands
    Ci(ci::Arguments),
    /// The project's rules that no other tool checks
    Tidy,
    /// Published and recorded figures, measured again
    Reproduce(reproduce::Arguments),
    /// The program killed at random moments while it writes
    Crash(crash::Arguments),
    /// The binary with the CUDA device, built without a GPU or a toolkit
    Cuda(cuda::Arguments),
    /// The check of a GPU: packed here, run on a machine that has one
    Gpu(gpu::Arguments),
    /// One of the benchmarks in benches/
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Workspace::find().and_then(|workspace| match arguments.command {
        Command::Ci(arguments) => ci::run(&workspace, &arguments),
        Command::Tidy => tidy::run(&workspace),
        Command::Reproduce(arguments) => reproduce::run(&workspace, &arguments),
        Command::Crash(arguments) => crash::run(&workspace, &arguments),
        Command::Cuda(arguments) => cuda::run(&workspace, &arguments),
        Command::Gpu(arguments) => gpu::run(&workspace, &arguments),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("caused by: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}
