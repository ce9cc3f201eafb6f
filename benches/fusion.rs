//! Fusion: how long one search spends on it, and a tuner once per query.
//!
//! Measured:
//! - `fuse_pool`: one call of `fuse`, from raw scores to an explained ranking.
//! - `prepare_pool`: one call of `Prepared::new`, what a tuner does once per query.
//!
//! benches/tuning.rs measures what a tuner then does with prepared pools.
//!
//! Data: seeded. Pools are hybrid ones: every candidate has a BM25 and a dense score,
//! the first 100 also have a logit.
//!
//! Caveats: scores are uniform and independent, so ties are rarer than in real
//! pools and the three orders agree less; a real pool is also colder in the caches.

use divan::{Bencher, black_box};
use treffer_fusion::{Fusion, Normalizer, Prepared, fuse};
use treffer_testkit::Random;
use treffer_types::{Candidate, DocId, PassageId, Score, StageMap, StageName};

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
