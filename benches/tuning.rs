//! Tuning: the time of the search for weights on gathered scores, and Treffer's part of the
//! comparison with ranx.
//!
//! Measured, in wall-clock time on all cores:
//! - `grid`: every point of the weight simplex with step 0.02 fused and scored: pools
//!   normalized, nDCG@10 of every query, means. It is what ranx's `optimize_fusion` does.
//! - `weights`: the whole tuner over the same points: the search within every fold,
//!   baselines, intervals and tests.
//! - `full`: as `weights`, with normalizers, depths and the reranking order.
//!
//! Data: seeded. 300 queries of 100 candidates, each with a score of every stage that
//! depends on its grade; about 2 of 100 have grade 2 and 6 grade 1.
//!
//! `cargo xtask bench tuning` runs `grid` and `weights` in turn with ranx on the same scores,
//! which this program writes. Without a job, this program measures all three.
//!
//! Caveats: noise is uniform and independent, so there are fewer ties than in real pools and
//! the stages agree less. Real pools have candidates without a cross-encoder score.

use std::fs::{self, File};
use std::io::{BufRead, BufWriter, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use divan::{Bencher, black_box};
use rayon::prelude::*;
use serde::Deserialize;
use treffer_engine::pipeline::{Available, Pipeline};
use treffer_engine::profile::Profile;
use treffer_engine::stages::Registry;
use treffer_engine::tune::{DRAWS, Pool, Prior, Search, TuneReport, TuneRequest, tune_pools};
use treffer_eval::{Metric, Topic};
use treffer_fusion::{Lengths, Normalization, Normalizer, Prepared, Weights};
use treffer_testkit::Random;
use treffer_types::{
    BoxError, Candidate, DocId, Evidence, Grade, Query, Score, StageMap, StageName,
};

const STAGES: [StageName; 3] = [StageName::BM25, StageName::DENSE, StageName::CROSS];
const N_QUERIES: u64 = 300;
const N_CANDIDATES: u32 = 100;
/// Number of steps from weight 0 to weight 1.
const STEPS: u32 = 50;

fn main() -> ExitCode {
    // Other arguments are flags and filters of `cargo bench`.
    let job = std::env::args()
        .skip(1)
        .find(|word| word.ends_with(".json"));
    let Some(path) = job else {
        divan::main();
        return ExitCode::SUCCESS;
    };
    match answer_requests(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: job {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn grid(bencher: Bencher) {
    let pools = pools();
    bencher.bench(|| means(black_box(&pools)));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn weights(bencher: Bencher) {
    let pools = pools();
    bencher.bench(|| tuned(black_box(&pools), Search::Weights));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn full(bencher: Bencher) {
    let pools = pools();
    bencher.bench(|| tuned(black_box(&pools), Search::Full));
}

/// A job. The script that runs ranx reads the same file.
#[derive(Deserialize)]
struct Job {
    /// Where the runs and judgments are written that ranx reads.
    folder: PathBuf,
    work: Work,
    threads: usize,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Work {
    Grid,
    Weights,
}

/// Prints a line when ready, then answers each line of stdin with a line on stdout.
fn answer_requests(path: &str) -> Result<(), BoxError> {
    let job: Job = serde_json::from_slice(&fs::read(path)?)?;
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(job.threads)
        .build()?;
    let pools = pools();
    write_runs(&job.folder, &pools)?;
    let run = || match job.work {
        Work::Grid => drop(black_box(means(&pools))),
        Work::Weights => drop(black_box(tuned(&pools, Search::Weights))),
    };
    threads.install(run); // warm-up
    let settings = match job.work {
        Work::Grid => "every point fused and scored",
        Work::Weights => "and within 5 folds, with baselines and tests",
    };
    println!("{}", serde_json::json!({ "settings": settings }));
    for request in stdin().lock().lines() {
        let answer = match request?.trim() {
            "run" => {
                let start = Instant::now();
                threads.install(run);
                serde_json::to_string(&(start.elapsed().as_secs_f64() * 1000.0))?
            }
            "scores" => serde_json::to_string(&threads.install(|| means(&pools)))?,
            other => return Err(format!("there is no request `{other}`").into()),
        };
        println!("{answer}");
        stdout().flush()?;
    }
    Ok(())
}

/// The weights of every point, in the order of the stages, and its mean nDCG@10.
fn means(pools: &[Pool]) -> Vec<[f64; 4]> {
    let (points, metric) = (points(), metric());
    let normalization = Normalization {
        normalizers: StageMap::from_fn(&STAGES, |_| Normalizer::MinMax),
        reranker: Some(StageName::CROSS),
        ..Normalization::default()
    };
    let by_query: Vec<Vec<f64>> = pools
        .par_iter()
        .map(|pool| {
            let prepared = Prepared::new(&pool.candidates, &normalization);
            let value = |weights: &Weights| {
                let order = prepared.top(weights, 10).into_iter();
                let grades: Vec<Option<Grade>> = order.map(|at| pool.grades[at]).collect();
                metric.score_grades(&grades, &pool.topic)
            };
            points.iter().map(value).collect()
        })
        .collect();
    let row = |(at, weights): (usize, &Weights)| {
        let sum: f64 = by_query.iter().map(|values| values[at]).sum();
        let [bm25, dense, cross] = STAGES.map(|stage| weights.weight(stage));
        [bm25, dense, cross, sum / pools.len() as f64]
    };
    points.iter().enumerate().map(row).collect()
}

fn tuned(pools: &[Pool], search: Search) -> TuneReport {
    let profile = Profile::default();
    let available = Available::all(Registry::standard(), N_CANDIDATES);
    let pipeline = Pipeline::of(&profile, &available).expect("the default profile is valid");
    let request = TuneRequest {
        profile: &profile,
        stages: None,
        metric: metric(),
        search,
        prior: Prior::Preset,
        steps: STEPS,
        folds: 5,
        seed: 42,
        draws: DRAWS,
        budget_ms: None,
        cache: false,
        learn: false,
    };
    tune_pools(pools, &request, &pipeline).expect("three stages, many queries")
}

fn metric() -> Metric {
    "nDCG@10".parse().expect("a metric")
}

fn points() -> Vec<Weights> {
    let points: Vec<Weights> = Weights::simplex(STEPS, &STAGES).collect();
    assert_eq!(points.len(), 1326);
    points
}

fn pools() -> Vec<Pool> {
    (0..N_QUERIES).map(pool).collect()
}

fn pool(query: u64) -> Pool {
    let mut random = Random::new(query);
    // Scale of each stage's scores, and how much a grade adds to noise from 0 to 1.
    let stages = STAGES
        .into_iter()
        .zip([(30.0, 0.1), (1.0, 0.2), (20.0, 0.3)]);
    let (mut candidates, mut grades) = (Vec::new(), Vec::new());
    for doc in 0..N_CANDIDATES {
        let grade = match random.below(100) {
            0..2 => 2,
            2..8 => 1,
            _ => 0,
        };
        let mut candidate = Candidate::new(DocId(doc));
        for (stage, (scale, signal)) in stages.clone() {
            let value = scale * (random.unit() + signal * f64::from(grade));
            let score = Score::new(value as f32).expect("a number");
            candidate.add(stage, Evidence::new(0, score));
        }
        candidates.push(candidate);
        grades.push(Some(grade));
    }
    let judged = (0..).zip(&grades);
    let judged = judged.filter_map(|(doc, grade)| Some((name(DocId(doc)), (*grade)?)));
    Pool {
        query: Query {
            id: format!("q{query}"),
            ..Query::text("simulated")
        },
        topic: Topic::new(&judged.collect()),
        candidates,
        grades,
        lengths: Lengths::default(),
        traces: Vec::new(),
    }
}

fn name(doc: DocId) -> String {
    format!("d{}", doc.0)
}

/// A run of every stage and the judgments, in TREC's formats. Scores have all their
/// digits: whoever reads them in double precision has what we have.
fn write_runs(folder: &Path, pools: &[Pool]) -> Result<(), BoxError> {
    fs::create_dir_all(folder)?;
    for stage in STAGES {
        let file = File::create(folder.join(format!("{stage}.trec")))?;
        let mut out = BufWriter::new(file);
        for pool in pools {
            let mut scored: Vec<(DocId, f64)> = Vec::new();
            for candidate in &pool.candidates {
                let score = candidate.best_score(stage).ok_or("a score is missing")?;
                scored.push((candidate.doc, f64::from(score.value())));
            }
            scored.sort_by(|a, b| b.1.total_cmp(&a.1));
            for (rank, (doc, score)) in (1..).zip(scored) {
                let (query, doc) = (&pool.query.id, name(doc));
                writeln!(out, "{query} Q0 {doc} {rank} {score} {stage}")?;
            }
        }
        out.flush()?;
    }
    let mut out = BufWriter::new(File::create(folder.join("qrels.txt"))?);
    for pool in pools {
        for (candidate, grade) in pool.candidates.iter().zip(&pool.grades) {
            let (query, doc) = (&pool.query.id, name(candidate.doc));
            writeln!(out, "{query} 0 {doc} {}", grade.unwrap_or(0))?;
        }
    }
    Ok(out.flush()?)
}
