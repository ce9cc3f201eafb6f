//! Encoder: our contestant in the comparison with PyTorch and ONNX Runtime.
//!
//! Measured, in milliseconds of wall-clock time per answer:
//! - a cross-encoder's work: one query and its passages, from texts to logits;
//! - a bi-encoder's work: texts to unit vectors, all in one call, or one by one, of
//!   which the median is answered (the latency of a query).
//!
//! Tokenization is part of it; loading the model, which a program does once, is not.
//! It runs in a rayon pool of as many threads as the job says.
//!
//! Data: whatever the job holds. `cargo xtask bench encoder` writes the jobs, runs the
//! peers on the same ones in turn, and prints the table; on its own this says so.
//!
//! Caveats: a time is one run's, so take medians over several; a machine that does
//! other work beside it measures that work too. Peers are Python programs, but spend
//! far below a hundredth of their time in Python.

use std::collections::BTreeMap;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde::Deserialize;
use treffer_encoder::{BiEncoder, CrossEncoder};
use treffer_types::{BoxError, Embedder, ModelFolder, ModelRole, ModelSpec, PairScorer, Pooling};

fn main() -> ExitCode {
    // `cargo bench` hands on `--bench`.
    let Some(path) = std::env::args().skip(1).find(|word| !word.starts_with('-')) else {
        eprintln!("nothing to measure without a job: run `cargo xtask bench encoder`");
        return ExitCode::SUCCESS;
    };
    match answer_requests(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: job {path}: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("caused by: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// What to do; the peers read the same file, and more of it.
#[derive(Deserialize)]
struct Job {
    /// Folder of the model.
    model: PathBuf,
    /// As `treffer_encoder::Device` parses it.
    device: String,
    /// The query of all pairs; none for a bi-encoder.
    query: Option<String>,
    /// Passages, or texts to encode, with any prefix the model wants.
    texts: Vec<String>,
    /// In tokens, special ones included.
    max_length: usize,
    /// Whether every text is a call of its own.
    one_by_one: bool,
    threads: usize,
}

/// Says that it is ready, then answers every line of stdin by a line on stdout.
fn answer_requests(path: &str) -> Result<(), BoxError> {
    let job: Job = serde_json::from_slice(&std::fs::read(path)?)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(job.threads)
        .build()?;
    let work = Work::load(job)?;
    // The first calls allocate, and fill the caches.
    pool.install(|| work.results())?;
    let settings = format!("device {}", work.job.device);
    println!("{}", serde_json::json!({ "settings": settings }));
    for request in stdin().lock().lines() {
        let answer = match request?.trim() {
            "run" => serde_json::to_string(&pool.install(|| work.milliseconds())?)?,
            "scores" => serde_json::to_string(&pool.install(|| work.results())?)?,
            other => return Err(format!("there is no request `{other}`").into()),
        };
        println!("{answer}");
        stdout().flush()?;
    }
    Ok(())
}

struct Work {
    job: Job,
    model: Model,
}

enum Model {
    Cross(CrossEncoder),
    Bi(BiEncoder),
}

impl Work {
    fn load(job: Job) -> Result<Self, BoxError> {
        let role = match job.query {
            Some(_) => ModelRole::CrossEncoder,
            None => ModelRole::BiEncoder,
        };
        let folder = ModelFolder {
            path: job.model.clone(),
            spec: ModelSpec {
                name: "benchmark".to_owned(),
                role,
                pooling: Pooling::Cls,
                query_prefix: String::new(),
                passage_prefix: String::new(),
                max_length: job.max_length,
                license: "unknown".to_owned(),
            },
            sha256: BTreeMap::new(),
        };
        let device = job.device.parse()?;
        let model = match role {
            ModelRole::CrossEncoder => Model::Cross(CrossEncoder::load(&folder, device)?),
            ModelRole::BiEncoder => Model::Bi(BiEncoder::load(&folder, device)?),
        };
        Ok(Work { job, model })
    }

    /// One row per text: its logit or its vector.
    fn results(&self) -> Result<Vec<Vec<f32>>, BoxError> {
        let texts: Vec<&str> = self.job.texts.iter().map(String::as_str).collect();
        if !self.job.one_by_one {
            return self.rows(&texts);
        }
        let mut rows = Vec::with_capacity(texts.len());
        for text in texts {
            rows.extend(self.rows(&[text])?);
        }
        Ok(rows)
    }

    fn rows(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, BoxError> {
        match &self.model {
            Model::Cross(model) => {
                let query = self.job.query.as_deref().unwrap_or_default();
                let scores = model.score_pairs(query, texts)?;
                Ok(scores.iter().map(|score| vec![score.logit]).collect())
            }
            Model::Bi(model) => {
                let embeddings = model.embed_passages(texts)?;
                Ok(embeddings.into_iter().map(|e| e.vector).collect())
            }
        }
    }

    /// Of the whole work, or the median of the texts if they come one by one.
    fn milliseconds(&self) -> Result<f64, BoxError> {
        let texts: Vec<&str> = self.job.texts.iter().map(String::as_str).collect();
        let calls: Vec<&[&str]> = if self.job.one_by_one {
            texts.chunks(1).collect()
        } else {
            vec![&texts]
        };
        let mut times = Vec::with_capacity(calls.len());
        for call in calls {
            let start = Instant::now();
            self.rows(call)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let n = times.len();
        Ok((times[(n - 1) / 2] + times[n / 2]) / 2.0)
    }
}
