//! A bi-encoder without a model: hashed bags of words.

use std::sync::Arc;

use treffer_types::{BoxError, Embedder, Embedding, Fingerprint, ModelRole, ModelSpec, Pooling};

use crate::words::{fingerprint, hash, word_ends, words};

/// Each word adds 1 or -1 to two dimensions chosen by its hash; the sum is
/// normalized to Euclidean length 1. Texts that share words are therefore close, and the
/// order of the words does not matter.
#[derive(Clone, Debug)]
pub struct FakeEmbedder {
    spec: ModelSpec,
    fingerprint: Fingerprint,
    dimension: usize,
}

impl FakeEmbedder {
    /// A model named `fake-embedder`: 64 dimensions, no prefixes, reads 256 words.
    pub fn new() -> Self {
        Self::with_spec(ModelSpec {
            name: "fake-embedder".to_owned(),
            role: ModelRole::BiEncoder,
            pooling: Pooling::Mean,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            max_length: 256,
            license: "unknown".to_owned(),
            details: Default::default(),
        })
    }

    /// A model with the given name, prefixes and maximal length (in words, prefix
    /// included). The fingerprint depends on the whole spec.
    pub fn with_spec(spec: ModelSpec) -> Self {
        FakeEmbedder {
            fingerprint: fingerprint(&spec),
            spec,
            dimension: 64,
        }
    }

    /// The same embedder under another name, and so another fingerprint.
    pub fn named(self, name: &str) -> Self {
        let spec = ModelSpec {
            name: name.to_owned(),
            ..self.spec
        };
        FakeEmbedder {
            dimension: self.dimension,
            ..Self::with_spec(spec)
        }
    }

    /// The same embedder reading at most `max_length` words, and so with another
    /// fingerprint.
    pub fn reading(self, max_length: usize) -> Self {
        let spec = ModelSpec {
            max_length,
            ..self.spec
        };
        FakeEmbedder {
            dimension: self.dimension,
            ..Self::with_spec(spec)
        }
    }

    /// The same embedder with this fingerprint instead of the one that follows from its spec.
    pub fn with_fingerprint(self, fingerprint: &str) -> Self {
        FakeEmbedder {
            fingerprint: Fingerprint(fingerprint.to_owned()),
            ..self
        }
    }

    /// The same embedder with vectors of another length, at least 1.
    pub fn with_dimension(self, dimension: usize) -> Self {
        FakeEmbedder {
            dimension: dimension.max(1),
            ..self
        }
    }

    /// The embedder behind a shared trait object, as an engine holds it.
    pub fn shared(self) -> Arc<dyn Embedder> {
        Arc::new(self)
    }

    fn embed(&self, prefix: &str, text: &str) -> Embedding {
        let read = words(&format!("{prefix}{text}"));
        let cut = read.len().saturating_sub(self.spec.max_length);
        let mut counts = vec![0_i64; self.dimension];
        for word in &read[..read.len() - cut] {
            let hash = hash(word.as_bytes());
            for half in [hash & 0xffff_ffff, hash >> 32] {
                let sign = if half & 1 == 0 { 1 } else { -1 };
                counts[(half >> 1) as usize % self.dimension] += sign;
            }
        }
        // No words, or words that cancel each other out: any direction will do, but a
        // zero vector cannot be normalized.
        if counts.iter().all(|&count| count == 0) {
            counts[0] = 1;
        }
        // Integer sums and one square root, so the result is bit-identical on every platform.
        let norm = (counts.iter().map(|c| c * c).sum::<i64>() as f64).sqrt();
        Embedding {
            vector: counts.iter().map(|&c| (c as f64 / norm) as f32).collect(),
            tokens_cut: u32::try_from(cut).unwrap_or(u32::MAX),
        }
    }
}

impl Default for FakeEmbedder {
    fn default() -> Self {
        Self::new()
    }
}

impl Embedder for FakeEmbedder {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        let prefix = &self.spec.query_prefix;
        Ok(queries
            .iter()
            .map(|text| self.embed(prefix, text))
            .collect())
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        let prefix = &self.spec.passage_prefix;
        Ok(passages
            .iter()
            .map(|text| self.embed(prefix, text))
            .collect())
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        Ok(word_ends(text))
    }

    fn passage_room(&self) -> Result<usize, BoxError> {
        let prefix = words(&self.spec.passage_prefix).len();
        Ok(self.spec.max_length.saturating_sub(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::random_corpus;

    fn cosine(a: &Embedding, b: &Embedding) -> f32 {
        a.vector.iter().zip(&b.vector).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn every_vector_has_unit_length() {
        let documents = random_corpus(3, 200);
        let mut texts: Vec<&str> = documents.iter().map(|d| d.text.as_str()).collect();
        texts.extend(["", " ", "?!", "\u{0}", "🦀"]);
        for dimension in [1, 2, 64] {
            let embedder = FakeEmbedder::new().with_dimension(dimension);
            for embedding in embedder.embed_passages(&texts).unwrap() {
                assert_eq!(embedding.vector.len(), dimension);
                assert!((cosine(&embedding, &embedding) - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn texts_that_share_words_are_closer() {
        let texts = [
            "cold box for samples",
            "samples in a cold box",
            "winter coat",
        ];
        let embeddings = FakeEmbedder::new().embed_passages(&texts).unwrap();
        assert!(cosine(&embeddings[0], &embeddings[1]) > cosine(&embeddings[0], &embeddings[2]));
    }

    #[test]
    fn words_beyond_the_maximal_length_are_cut_and_counted() {
        let embedder = FakeEmbedder::new().reading(2);
        let embeddings = embedder
            .embed_queries(&["one two three four", "two one"])
            .unwrap();
        assert_eq!(embeddings[0].tokens_cut, 2);
        assert_eq!(embeddings[1].tokens_cut, 0);
        assert_eq!(embeddings[0].vector, embeddings[1].vector);
    }

    #[test]
    fn queries_and_passages_get_their_own_prefix() {
        let spec = ModelSpec {
            query_prefix: "query: ".to_owned(),
            ..FakeEmbedder::new().spec
        };
        let embedder = FakeEmbedder::with_spec(spec);
        let query = embedder.embed_queries(&["box"]).unwrap();
        assert_ne!(query, embedder.embed_passages(&["box"]).unwrap());
        assert_eq!(query, embedder.embed_passages(&["query box"]).unwrap());
    }

    #[test]
    fn the_fingerprint_depends_on_the_spec_alone() {
        let plain = FakeEmbedder::new();
        assert_eq!(plain.fingerprint(), FakeEmbedder::new().fingerprint());
        assert_eq!(plain.fingerprint().0.len(), 64);
        assert_ne!(
            plain.fingerprint(),
            plain.clone().named("other").fingerprint()
        );
        assert_ne!(plain.fingerprint(), plain.clone().reading(7).fingerprint());
        assert_eq!(plain.with_fingerprint("abc").fingerprint().0, "abc");
    }
}
