//! A step of training: Treffer's part of the comparison with PyTorch.
//!
//! `cargo xtask bench training` starts this program with a job and runs it in turn with
//! xtask/peers/training.py, on the same base, texts and loss. One run of the work is the mean time
//! of two steps of AdamW, each over the whole data, all layers but the table of words being
//! trained; reading and tokenizing the data and writing the model are no part of it.

use std::fs;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use treffer_encoder::parts::Parts;
use treffer_train::{
    Event, Examples, Loss, Options, Precision, Running, Task, ValueKind, base_folder,
    read_examples, train,
};
use treffer_types::{BoxError, NoProgress};

type Result<T> = std::result::Result<T, BoxError>;

/// A job. The script that runs PyTorch reads the same file.
#[derive(Deserialize)]
struct Job {
    /// The folder of the model to begin with.
    base: PathBuf,
    /// Lists with a teacher's scores.
    data: PathBuf,
    /// Where the trained model goes.
    out: PathBuf,
    precision: Precision,
    threads: usize,
    steps: u64,
    rate: f64,
    max_length: usize,
}

fn main() -> anyhow::Result<()> {
    run().map_err(anyhow::Error::from_boxed)
}

fn run() -> Result<()> {
    // Other arguments are flags of `cargo bench`.
    let mut words = std::env::args().skip(1);
    let path = words.find(|word| word.ends_with(".json"));
    let path = path.ok_or("run it by `cargo xtask bench training`, which names a job")?;
    let job: Job = serde_json::from_slice(&fs::read(path)?)?;
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(job.threads)
        .build()?;
    let mut data = Examples::default();
    let mut bad = Vec::new();
    read_examples(&job.data, ValueKind::Scores, &mut data, &mut |line| {
        bad.push(line.reason);
    })?;
    if let Some(reason) = bad.first() {
        return Err(format!("{} holds a bad line: {reason}", job.data.display()).into());
    }
    let options = Options {
        loss: Loss::List,
        batch: data.all.len(),
        steps: job.steps,
        rate: job.rate,
        warm_up: 0.0,
        dropout: 0.0,
        max_length: job.max_length,
        precision: job.precision,
        ..Options::default()
    };
    let settings = format!("{} lanes, {} tokens each", options.lanes, options.pack);
    println!("{}", serde_json::json!({ "settings": settings }));
    stdout().flush()?;
    let mut losses = Vec::new();
    for request in stdin().lock().lines() {
        let answer = match request?.trim() {
            "run" => {
                let (ms, found) = threads.install(|| steps(&job, &data, &options))?;
                losses = found;
                serde_json::to_string(&ms)?
            }
            "scores" => serde_json::to_string(&losses)?,
            other => return Err(format!("there is no request `{other}`").into()),
        };
        println!("{answer}");
        stdout().flush()?;
    }
    Ok(())
}

/// Milliseconds of a step, and the loss and the tokens of each.
fn steps(job: &Job, data: &Examples, options: &Options) -> Result<(f64, Vec<[f64; 2]>)> {
    let folder = base_folder("base", job.base.clone());
    let mut base = Parts::open(&folder, options.max_length)?;
    if job.out.exists() {
        fs::remove_dir_all(&job.out)?;
    }
    let task = Task {
        data,
        held_out: None,
        out: &job.out,
        options,
    };
    let running = Running {
        resume: false,
        replace: false,
        checkpoint_every: Duration::from_secs(3600),
    };
    let (mut sum, mut losses) = (Duration::ZERO, Vec::new());
    train(&mut base, &task, running, &NoProgress, &mut |event| {
        if let Event::Step { did, took, .. } = event {
            sum += took;
            losses.push([did.loss, did.tokens as f64]);
        }
    })?;
    let ms = sum.as_secs_f64() * 1000.0 / losses.len().max(1) as f64;
    Ok((ms, losses))
}
