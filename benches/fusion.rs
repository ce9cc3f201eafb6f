//! Fusion: its time in one search, and the preparation of a query by the tuner.
//!
//! Measured:
//! - `fuse_pool`: one call of `fuse`, from raw scores to a ranking with explanations.
//! - `prepare_pool`: one call of `Prepared::new`, which the tuner does once per query.
//!
//! benches/tuning.rs measures the tuner's work on prepared pools.
//!
//! Data: synthetic and seeded. As in hybrid mode, every candidate has a BM25 and a dense
//! score, and the first 100 also have a cross-encoder logit.
//!
//! Caveats: scores are uniform and independent, so there are fewer ties than in real pools
//! and the stages agree less. Real pools are also less likely to be in the cache.

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
