//! GPU: one step of `cargo xtask gpu check`, which runs this program once for each.
//!
//! Measured, each on the texts of a `work.json` that `cargo xtask gpu pack` wrote:
//! - `parity`: logits and vectors of a device beside those of another, which is the reference;
//! - `rerank`: nDCG@10 of topics whose candidates either of the two ranks;
//! - `speed`: a cross-encoder from texts to scores, one query at a time and many at a time;
//! - `documents`: a bi-encoder from texts to unit vectors;
//! - `shares`: which part of the time goes into tokenization, copies and computation.
//!
//! Each figure is a line of JSON on stdout, printed as soon as it is known.
//!
//! Times are wall-clock times and include tokenization, but not loading the model. Percentiles
//! are those of calls. Every figure has a budget of seconds, and says how many calls it saw.
//!
//! Caveats: the first calls of a process compile kernels for the card and are not counted; a
//! model that was cut to fewer layers has the speed of one that was trained so, and scores
//! without meaning.

mod accuracy;
mod speed;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use treffer_types::{BoxError, Device};

use crate::work::Work;

/// One step of the check of a device.
#[derive(Parser)]
struct Arguments {
    /// Folder with work.json and models/
    #[arg(long, global = true, default_value = ".")]
    work: PathBuf,
    /// The device that is checked
    #[arg(long, global = true, default_value = "cuda")]
    device: Device,
    /// Seconds for each figure
    #[arg(long, global = true, default_value_t = 4.0)]
    seconds: f64,
    /// Threads on which tokenization runs [default: as many as the processor has]
    #[arg(long, global = true)]
    threads: Option<usize>,
    /// `cargo bench` passes it
    #[arg(long, global = true, hide = true)]
    bench: bool,
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Subcommand)]
enum Step {
    /// Logits and vectors beside those of another device
    Parity {
        /// The device whose results are right
        #[arg(long, default_value = "cpu:candle")]
        reference: Device,
        /// Pairs, and texts
        #[arg(long, default_value_t = 100)]
        pairs: usize,
    },
    /// nDCG@10 of topics ranked by either
    Rerank {
        /// The device whose results are right
        #[arg(long, default_value = "cpu:candle")]
        reference: Device,
    },
    /// Pairs a second
    Speed {
        /// Folder in models/
        #[arg(long)]
        model: String,
        /// Only these sets of texts
        #[arg(long, value_delimiter = ',')]
        sets: Vec<String>,
        /// Queries at a time
        #[arg(long, default_value_t = 16)]
        callers: usize,
    },
    /// Documents a second
    Documents,
    /// What the time goes into
    Shares {
        /// Folder in models/
        #[arg(long)]
        model: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(step) = &arguments.step else {
        eprintln!("nothing to measure without a step: run `cargo xtask gpu check`");
        return ExitCode::SUCCESS;
    };
    match run(&arguments, step) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("caused by: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, step: &Step) -> Result<(), BoxError> {
    let work = Work::read(&arguments.work)?;
    if let Some(threads) = arguments.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()?;
    }
    let (device, seconds) = (arguments.device, arguments.seconds);
    match step {
        Step::Parity { reference, pairs } => accuracy::parity(&work, device, *reference, *pairs),
        Step::Rerank { reference } => accuracy::rerank(&work, device, *reference, seconds),
        Step::Speed {
            model,
            sets,
            callers,
        } => speed::pairs(&work, device, model, sets, *callers, seconds),
        Step::Documents => speed::documents(&work, device, seconds),
        Step::Shares { model } => speed::shares(&work, device, model, seconds),
    }
}

/// Prints a figure: one line of JSON.
fn print(figure: &serde_json::Value) -> Result<(), BoxError> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{figure}")?;
    Ok(stdout.flush()?)
}
