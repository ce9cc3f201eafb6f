//! A cross-encoder without a model: the share of the query's words that occur in the passage.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use treffer_types::{BoxError, Fingerprint, ModelRole, ModelSpec, PairScore, PairScorer, Pooling};

use crate::clock::FakeClock;
use crate::words::{fingerprint, word_ends, words};

/// Scores a pair by
///
/// ```text
/// logit = 12 * |distinct query words in the passage| / |distinct query words| - 6 + 1 / (1 + n)
/// ```
///
/// where `n` is the number of passage words read, so that of two passages with the same
/// matches the shorter scores higher. A query without words gets `-6 + 1 / (1 + n)`.
#[derive(Clone, Debug)]
pub struct FakeScorer {
    spec: ModelSpec,
    fingerprint: Fingerprint,
    reads: Arc<Reads>,
    time_per_pair: Option<(FakeClock, Duration)>,
}

/// How much a [`FakeScorer`] and its clones have read. Get a handle from
/// [`FakeScorer::reads`] before moving the scorer.
#[derive(Debug, Default)]
pub struct Reads {
    calls: AtomicUsize,
    pairs: AtomicUsize,
}

impl Reads {
    /// Calls of `score_pairs`.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Pairs scored, over all calls.
    pub fn pairs(&self) -> usize {
        self.pairs.load(Ordering::SeqCst)
    }
}

impl FakeScorer {
    /// A model named `fake-scorer` that reads 256 words of a passage.
    pub fn new() -> Self {
        Self::with_spec(ModelSpec {
            name: "fake-scorer".to_owned(),
            role: ModelRole::CrossEncoder,
            pooling: Pooling::Cls,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            max_length: 256,
            license: "unknown".to_owned(),
            details: Default::default(),
        })
    }

    /// A model with the given name and maximal length (in words of the passage; the
    /// query is never cut). The fingerprint depends on the whole spec.
    pub fn with_spec(spec: ModelSpec) -> Self {
        FakeScorer {
            fingerprint: fingerprint(&spec),
            spec,
            reads: Arc::default(),
            time_per_pair: None,
        }
    }

    /// The same scorer under another name, and so another fingerprint.
    pub fn named(self, name: &str) -> Self {
        let spec = ModelSpec {
            name: name.to_owned(),
            ..self.spec
        };
        FakeScorer {
            reads: self.reads,
            time_per_pair: self.time_per_pair,
            ..Self::with_spec(spec)
        }
    }

    /// The same scorer reading at most `max_length` words, and so with another fingerprint.
    pub fn reading(self, max_length: usize) -> Self {
        let spec = ModelSpec {
            max_length,
            ..self.spec
        };
        FakeScorer {
            reads: self.reads,
            time_per_pair: self.time_per_pair,
            ..Self::with_spec(spec)
        }
    }

    /// The same scorer with this fingerprint instead of the one that follows from its spec.
    pub fn with_fingerprint(self, fingerprint: &str) -> Self {
        FakeScorer {
            fingerprint: Fingerprint(fingerprint.to_owned()),
            ..self
        }
    }

    /// The same scorer advancing `clock` by `time` for each pair, without really waiting.
    pub fn taking(self, time: Duration, clock: FakeClock) -> Self {
        FakeScorer {
            time_per_pair: Some((clock, time)),
            ..self
        }
    }

    /// The live counts of what this scorer and its clones read.
    pub fn reads(&self) -> Arc<Reads> {
        Arc::clone(&self.reads)
    }

    /// The scorer behind a shared trait object, as an engine holds it.
    pub fn shared(self) -> Arc<dyn PairScorer> {
        Arc::new(self)
    }

    fn score(&self, query: &BTreeSet<String>, passage: &str) -> PairScore {
        let mut read = words(passage);
        let cut = read.len().saturating_sub(self.spec.max_length);
        read.truncate(self.spec.max_length);
        let brevity = 1.0 / (1.0 + read.len() as f64);
        let read: BTreeSet<String> = read.into_iter().collect();
        let found = query.intersection(&read).count() as f64;
        let share = found / query.len().max(1) as f64;
        PairScore {
            score: (12.0 * share - 6.0 + brevity) as f32,
            tokens_cut: u32::try_from(cut).unwrap_or(u32::MAX),
        }
    }
}

impl Default for FakeScorer {
    fn default() -> Self {
        Self::new()
    }
}

impl PairScorer for FakeScorer {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn score_pairs(&self, query: &str, passages: &[&str]) -> Result<Vec<PairScore>, BoxError> {
        self.reads.calls.fetch_add(1, Ordering::SeqCst);
        self.reads.pairs.fetch_add(passages.len(), Ordering::SeqCst);
        if let Some((clock, time)) = &self.time_per_pair {
            clock.advance(*time * passages.len() as u32);
        }
        let query: BTreeSet<String> = words(query).into_iter().collect();
        Ok(passages
            .iter()
            .map(|passage| self.score(&query, passage))
            .collect())
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        Ok(word_ends(text))
    }

    fn pair_room(&self) -> Result<usize, BoxError> {
        Ok(self.spec.max_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(query: &str, passages: &[&str]) -> Vec<f32> {
        let scores = FakeScorer::new().score_pairs(query, passages).unwrap();
        scores.iter().map(|score| score.score).collect()
    }

    #[test]
    fn the_logit_follows_its_formula() {
        assert_eq!(
            logits("cold box", &["Box, cold!", "a box 7", "coat", ""]),
            [6.0 + 1.0 / 3.0, 0.25, -5.5, -5.0]
        );
        assert_eq!(logits("?!", &["coat"]), [-5.5]);
    }

    #[test]
    fn a_word_beyond_the_maximal_length_is_not_found() {
        let scorer = FakeScorer::new().reading(2);
        let scores = scorer.score_pairs("cold", &["a b cold", "a cold"]).unwrap();
        assert_eq!(scores[0].tokens_cut, 1);
        assert!(scores[0].score < -5.0);
        assert!(scores[1].score > 5.0);
    }

    #[test]
    fn reads_are_counted_across_clones_and_after_the_scorer_moved() {
        let scorer = FakeScorer::new();
        let reads = scorer.reads();
        scorer.clone().score_pairs("a", &["b", "c"]).unwrap();
        let moved = scorer.reading(3).named("x").shared();
        moved.score_pairs("a", &[]).unwrap();
        assert_eq!((reads.calls(), reads.pairs()), (2, 2));
    }
}
