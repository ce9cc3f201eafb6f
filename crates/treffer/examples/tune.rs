//! Finds the fusion weights that suit an index, and says what they are worth on queries
//! that had no part in choosing them. Changes nothing.
//!
//!     cargo run --release -p treffer --example tune -- my-index queries.jsonl qrels.tsv

use std::path::PathBuf;

use treffer::corpus::{JudgmentOptions, Problem, QueryOptions, read_judgments, read_queries};
use treffer::engine::topics::Topics;
use treffer::engine::tune::{DRAWS, Prior, Search, TuneRequest, tune};
use treffer::types::NoProgress;
use treffer::{Engine, OpenOptions, StandardModels};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [dir, queries, qrels] = &paths[..] else {
        return Err("give the folder of an index, queries and judgments".into());
    };

    let models = StandardModels::from_default_cache()?;
    let engine = Engine::open(dir, &OpenOptions::default(), &models)?;
    let mut report = |problem: &Problem| eprintln!("skipped: {problem}");
    let queries = read_queries(queries, &QueryOptions::default(), &mut report)?;
    let qrels = read_judgments(qrels, &JudgmentOptions::default(), &mut report)?.qrels;
    let topics = Topics::new(&engine, queries, qrels, None)?;

    let profile = engine.settings().profile("default")?;
    let request = TuneRequest {
        profile,
        stages: None,
        metric: "nDCG@10".parse()?,
        search: Search::Weights,
        prior: Prior::Preset,
        steps: 20,
        folds: 5,
        seed: 42,
        draws: DRAWS,
        budget_ms: None,
        cache: true,
        learn: false,
    };
    let report = tune(&engine, &request, &topics, &NoProgress)?;
    let (found, interval) = (report.gain().comparison, report.gain().comparison.interval);
    println!("weights: {:?}", report.best.choice.weights);
    println!(
        "out of fold: {:.3}, the current profile {:.3} (95 % interval of the gain {:+.3} to {:+.3})",
        found.mean, found.baseline, interval.low, interval.high
    );
    println!("a sure gain: {}", report.is_gain());
    Ok(())
}
