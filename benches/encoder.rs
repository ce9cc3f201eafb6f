//! Encoder: Treffer's part of the comparison with PyTorch and ONNX Runtime.
//!
//! Measured, in milliseconds of wall-clock time per request:
//! - cross-encoder: one query and its passages, from texts to logits;
//! - bi-encoder: texts to unit vectors, either all in one call, or one text per call, with
//!   the median over the calls as the result (the latency of a query).
//!
//! Times include tokenization, but not loading the model, which a program does once. The
//! number of threads is that of the job.
//!
//! Data: the texts of the job. `cargo xtask bench encoder` writes the jobs, runs this program
//! and its peers on them in turn, and prints the table. Without a job, this program only
//! prints a hint.
//!
//! Caveats: a time is that of a single run, so take medians over several; other work on the
//! machine disturbs the measurement. The peers are Python programs, but spend less than 1% of
//! their time in Python.

use std::collections::BTreeMap;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde::Deserialize;
use treffer_encoder::{BiEncoder, CrossEncoder};
use treffer_types::{BoxError, Embedder, ModelFolder, ModelRole, ModelSpec, PairScorer, Pooling};

fn main() -> ExitCode {
    // `cargo bench` passes `--bench`.
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

/// A job. The peers read the same file and use more of its keys.
#[derive(Deserialize)]
struct Job {
    /// The model folder.
    model: PathBuf,
    /// Name of a `treffer_encoder::Device`.
    device: String,
    /// The query of all pairs; `None` for a bi-encoder.
    query: Option<String>,
    /// Passages, or texts to encode, including the model's prefix.
    texts: Vec<String>,
    /// Maximal number of tokens, special tokens included.
    max_length: usize,
    /// Whether to encode one text per call.
    one_by_one: bool,
    threads: usize,
}

/// Prints a line when ready, then answers each line of stdin with a line on stdout.
fn answer_requests(path: &str) -> Result<(), BoxError> {
    let job: Job = serde_json::from_slice(&std::fs::read(path)?)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(job.threads)
        .build()?;
    let work = Work::load(job)?;
    // Warm-up: the first calls allocate memory and fill the caches.
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
                details: Default::default(),
            },
            sha256: BTreeMap::new(),
        };
        let device = job.device.parse()?;
        let model = match role {
            ModelRole::CrossEncoder => Model::Cross(CrossEncoder::load(&folder, device)?),
            ModelRole::BiEncoder => Model::Bi(BiEncoder::load(&folder, device)?),
            ModelRole::LateInteraction => {
                return Err("models of late interaction are not measured here".into());
            }
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
                Ok(scores.iter().map(|score| vec![score.score]).collect())
            }
            Model::Bi(model) => {
                let embeddings = model.embed_passages(texts)?;
                Ok(embeddings.into_iter().map(|e| e.vector).collect())
            }
        }
    }

    /// The time of all texts in one call, or the median time of the calls if there is one per
    /// text.
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
