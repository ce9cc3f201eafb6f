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

use serde::Deserialize;
use treffer_types::{BoxError, Device};

use crate::work::Work;

/// One step of the check of a device: the only argument, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    /// Folder with work.json and models/.
    work: PathBuf,
    /// The device that is checked.
    device: Device,
    /// For each figure.
    seconds: f64,
    /// Threads on which tokenization runs; as many as the processor has unless it is said.
    threads: Option<usize>,
    step: Step,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    /// Logits and vectors of so many pairs and texts beside those of another device, whose
    /// results are right.
    Parity { reference: Device, pairs: usize },
    /// nDCG@10 of topics ranked by either.
    Rerank { reference: Device },
    /// Pairs a second of the model in this folder of models/, with so many queries at a time.
    /// No sets are all of them.
    Speed {
        model: String,
        sets: Vec<String>,
        callers: usize,
    },
    /// Documents a second.
    Documents,
    /// What the time goes into.
    Shares { model: String },
}

fn main() -> ExitCode {
    let Some(job) = std::env::args().nth(1) else {
        eprintln!("nothing to measure without a job: run `cargo xtask gpu check`");
        return ExitCode::FAILURE;
    };
    match run(&job) {
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

fn run(job: &str) -> Result<(), BoxError> {
    let job: Job = serde_json::from_str(job)
        .map_err(|error| format!("could not understand the job `{job}`: {error}"))?;
    let work = Work::read(&job.work)?;
    if let Some(threads) = job.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()?;
    }
    let (device, seconds) = (job.device, job.seconds);
    match &job.step {
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
