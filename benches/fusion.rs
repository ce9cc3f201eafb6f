//! Fusion: how long one search spends on it, and how long a tuner does.
//!
//! Measured:
//! - `fuse_pool`: one call of `fuse`, from raw scores to an explained ranking.
//! - `prepare_pool`: one call of `Prepared::new`, what a tuner does once per query.
//! - `tune_grid`: the ten best of every prepared pool under every point of the
//!   weight simplex with step 0.02, on one thread. The metric is not computed.
//! - `tune_weights` and `tune_full`: the whole tuner on scores that are gathered: the
//!   search on every fold, the metric, baselines and tests; on all cores.
//!
//! Data: seeded. Pools are hybrid ones: every candidate has a BM25 and a dense score,
//! the first 100 also have a logit. `tune_grid` has 300 queries of 100 candidates.
//!
//! Caveats: scores are uniform and independent, so ties are rarer than in real
//! pools and the three orders agree less; a real pool is also colder in the caches.

use divan::{Bencher, black_box};
use treffer_engine::profile::Profile;
use treffer_engine::tune::{DRAWS, Pool, Search, TuneReport, TuneRequest, tune_pools};
use treffer_eval::Topic;
use treffer_fusion::{Fusion, Lengths, Normalizer, Prepared, Weights, fuse};
use treffer_testkit::Random;
use treffer_types::{Candidate, DocId, PassageId, Query, Score, StageMap, StageName};

fn main() {
    divan::main();
}

#[divan::bench(args = [200, 1000])]
fn fuse_pool(bencher: Bencher, n_candidates: u32) {
    let pool = pool(1, n_candidates);
    let fusion = Fusion {
        normalizers: normalizers(),
        weights: "0.2,0.3,0.5".parse().expect("these sum to 1"),
    };
    bencher.bench(|| fuse(black_box(&pool), black_box(&fusion)));
}

#[divan::bench(args = [200, 1000])]
fn prepare_pool(bencher: Bencher, n_candidates: u32) {
    let (pool, normalizers) = (pool(1, n_candidates), normalizers());
    bencher.bench(|| Prepared::new(black_box(&pool), black_box(&normalizers)));
}

#[divan::bench(sample_count = 10)]
fn tune_grid(bencher: Bencher) {
    let normalizers = normalizers();
    let pools: Vec<Prepared> = (0..300)
        .map(|query| Prepared::new(&pool(query, 100), &normalizers))
        .collect();
    let grid: Vec<Weights> = Weights::simplex(50, &StageName::ALL).collect();
    assert_eq!(grid.len(), 1326);
    bencher.bench(|| {
        for weights in &grid {
            for pool in &pools {
                black_box(pool.top(black_box(weights), 10));
            }
        }
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn tune_weights(bencher: Bencher) {
    let pools = judged_pools();
    bencher.bench(|| tuned(black_box(&pools), Search::Weights));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn tune_full(bencher: Bencher) {
    let pools = judged_pools();
    bencher.bench(|| tuned(black_box(&pools), Search::Full));
}

fn tuned(pools: &[Pool], search: Search) -> TuneReport {
    let request = TuneRequest {
        profile: &Profile::default(),
        stages: None,
        metric: "nDCG@10".parse().expect("a metric"),
        search,
        steps: 50,
        folds: 5,
        seed: 42,
        draws: DRAWS,
        budget_ms: None,
        cache: false,
        learn: false,
    };
    tune_pools(pools, &request, &StageName::ALL).expect("three stages, many queries")
}

/// Three relevant ones among 100 candidates, at random.
fn judged_pools() -> Vec<Pool> {
    (0..300)
        .map(|query| {
            let candidates = pool(query, 100);
            let grades: Vec<Option<i32>> = (0..100).map(|at| (at % 33 == 1).then_some(1)).collect();
            let judged = grades.iter().enumerate();
            let judged = judged.filter_map(|(at, grade)| Some((at.to_string(), (*grade)?)));
            Pool {
                query: Query {
                    id: query.to_string(),
                    ..Query::text("simulated")
                },
                topic: Topic::new(&judged.collect()),
                candidates,
                grades,
                lengths: Lengths::default(),
                traces: Vec::new(),
            }
        })
        .collect()
}

fn normalizers() -> StageMap<Normalizer> {
    StageMap::from_fn(|_| Normalizer::MinMax)
}

fn pool(seed: u64, n_candidates: u32) -> Vec<Candidate> {
    let mut random = Random::new(seed);
    let mut between = |low: f64, high: f64| {
        let value = low + (high - low) * random.unit();
        Score::new(value as f32).expect("a number between two finite ones")
    };
    (0..n_candidates)
        .map(|doc| {
            let mut candidate = Candidate::new(PassageId::whole(DocId(doc)));
            candidate.scores.set(StageName::Bm25, between(0.0, 30.0));
            candidate.scores.set(StageName::Dense, between(0.2, 0.9));
            if doc < 100 {
                candidate.scores.set(StageName::Cross, between(-11.0, 11.0));
            }
            candidate
        })
        .collect()
}
