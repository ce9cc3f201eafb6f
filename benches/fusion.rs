//! Fusion: its time in one search, and the preparation of a query by the tuner.
//!
//! Measured:
//! - `fuse_pool`: one call of `fuse`, from raw scores to an explained ranking.
//! - `prepare_pool`: one call of `Prepared::new`, what a tuner does once per query.
//! - `rank_pool`: one call of `Prepared::top` for the 10 best, what a tuner does for every
//!   query and point.
//!
//! benches/tuning.rs measures whole searches for weights.
//!
//! Data: seeded. Pools are hybrid ones of documents of one passage: every candidate has a
//! BM25 and a dense score, the first 100 also have a logit.
//!
//! Caveats: scores are uniform and independent, so there are fewer ties than in real pools
//! and the stages agree less. Real pools are also less likely to be in the cache.

use divan::{Bencher, black_box};
use treffer_fusion::{Aggregation, Fusion, Normalization, Normalizer, Prepared, Weights, fuse};
use treffer_testkit::Random;
use treffer_types::{Candidate, DocId, Evidence, Score, StageMap, StageName};

const STAGES: [StageName; 3] = [StageName::BM25, StageName::DENSE, StageName::CROSS];

fn main() {
    divan::main();
}

#[divan::bench(args = [200, 1000])]
fn fuse_pool(bencher: Bencher, n_candidates: u32) {
    let pool = pool(1, n_candidates);
    let fusion = Fusion {
        normalization: normalization(),
        weights: weights(),
    };
    bencher.bench(|| fuse(black_box(&pool), black_box(&fusion)));
}

#[divan::bench(args = [200, 1000])]
fn prepare_pool(bencher: Bencher, n_candidates: u32) {
    let (pool, normalization) = (pool(1, n_candidates), normalization());
    bencher.bench(|| Prepared::new(black_box(&pool), black_box(&normalization)));
}

#[divan::bench(args = [200, 1000])]
fn rank_pool(bencher: Bencher, n_candidates: u32) {
    let prepared = Prepared::new(&pool(1, n_candidates), &normalization());
    let weights = weights();
    bencher.bench(|| black_box(&prepared).top(black_box(&weights), 10));
}

fn weights() -> Weights {
    "0.2,0.3,0.5".parse().expect("these sum to 1")
}

fn normalization() -> Normalization {
    Normalization {
        normalizers: StageMap::from_fn(&STAGES, |_| Normalizer::MinMax),
        aggregation: Aggregation::Max,
        reranker: Some(StageName::CROSS),
        stand_in: None,
    }
}

fn pool(seed: u64, n_candidates: u32) -> Vec<Candidate> {
    let mut random = Random::new(seed);
    let mut between = |low: f64, high: f64| {
        let value = low + (high - low) * random.unit();
        Score::new(value as f32).expect("a number between two finite ones")
    };
    (0..n_candidates)
        .map(|doc| {
            let mut candidate = Candidate::new(DocId(doc));
            let mut add = |stage, score| candidate.add(stage, Evidence::new(0, score));
            add(StageName::BM25, between(0.0, 30.0));
            add(StageName::DENSE, between(0.2, 0.9));
            if doc < 100 {
                add(StageName::CROSS, between(-11.0, 11.0));
            }
            candidate
        })
        .collect()
}
