//! Late interaction without a model: a vector for each word.

use std::sync::Arc;

use treffer_types::{
    BoxError, Embedder, Fingerprint, ModelRole, ModelSpec, Pooling, TextToken, TokenEmbedder,
    TokenEmbedding,
};

use crate::embedder::FakeEmbedder;
use crate::words::{fingerprint, word_ends, word_places, words};

/// Each word is a token, whose vector is that of [`FakeEmbedder`] for the word alone. So MaxSim
/// counts, in the mean, the words of the query that a passage has. A text without words has one
/// token.
#[derive(Clone, Debug)]
pub struct FakeTokenEmbedder {
    spec: ModelSpec,
    fingerprint: Fingerprint,
    words: FakeEmbedder,
}

impl FakeTokenEmbedder {
    /// A model named `fake-token-embedder`: tokens of 64 values, no prefixes, reads 256 words.
    pub fn new() -> Self {
        Self::with_spec(ModelSpec {
            name: "fake-token-embedder".to_owned(),
            role: ModelRole::LateInteraction,
            pooling: Pooling::Mean,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            max_length: 256,
            license: "unknown".to_owned(),
            details: Default::default(),
        })
    }

    fn with_spec(spec: ModelSpec) -> Self {
        FakeTokenEmbedder {
            fingerprint: fingerprint(&spec),
            spec,
            words: FakeEmbedder::new(),
        }
    }

    /// The same model under another name, and so another fingerprint.
    pub fn named(self, name: &str) -> Self {
        let spec = ModelSpec {
            name: name.to_owned(),
            ..self.spec
        };
        FakeTokenEmbedder {
            words: self.words,
            ..Self::with_spec(spec)
        }
    }

    /// The same model, with the same fingerprint, but tokens of another width, at least 1.
    pub fn with_width(self, width: usize) -> Self {
        FakeTokenEmbedder {
            words: self.words.with_dimension(width),
            ..self
        }
    }

    /// The model behind a shared trait object, as an engine holds it.
    pub fn shared(self) -> Arc<dyn TokenEmbedder> {
        Arc::new(self)
    }

    /// The words, of which those of the prefix have no place; without any there is one token.
    fn tokens(&self, prefix: &str, text: &str) -> Vec<TextToken> {
        let added = |word: String| TextToken {
            text: word,
            place: None,
        };
        let of_text = |(start, end): (u32, u32)| TextToken {
            text: text[start as usize..end as usize].to_owned(),
            place: Some((start, end)),
        };
        let mut tokens: Vec<TextToken> = words(prefix).into_iter().map(added).collect();
        tokens.extend(word_places(text).into_iter().map(of_text));
        tokens.truncate(self.spec.max_length);
        if tokens.is_empty() {
            tokens.push(added(String::new()));
        }
        tokens
    }

    fn embed(&self, prefix: &str, text: &str) -> Result<TokenEmbedding, BoxError> {
        let mut read = words(&format!("{prefix}{text}"));
        let cut = read.len().saturating_sub(self.spec.max_length);
        read.truncate(self.spec.max_length);
        if read.is_empty() {
            read.push(String::new());
        }
        let read: Vec<&str> = read.iter().map(String::as_str).collect();
        let vectors = self.words.embed_passages(&read)?;
        Ok(TokenEmbedding {
            vectors: vectors.into_iter().flat_map(|one| one.vector).collect(),
            tokens_cut: u32::try_from(cut).unwrap_or(u32::MAX),
        })
    }
}

impl Default for FakeTokenEmbedder {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenEmbedder for FakeTokenEmbedder {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.words.dimension()
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError> {
        let embed = |text: &&str| self.embed(&self.spec.query_prefix, text);
        queries.iter().map(embed).collect()
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError> {
        let embed = |text: &&str| self.embed(&self.spec.passage_prefix, text);
        passages.iter().map(embed).collect()
    }

    fn query_tokens(&self, query: &str) -> Result<Vec<TextToken>, BoxError> {
        Ok(self.tokens(&self.spec.query_prefix, query))
    }

    fn passage_tokens(&self, passage: &str) -> Result<Vec<TextToken>, BoxError> {
        Ok(self.tokens(&self.spec.passage_prefix, passage))
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

    #[test]
    fn every_word_has_the_unit_vector_of_its_own() {
        let model = FakeTokenEmbedder::new().with_width(8);
        let texts = ["a cold box", "box", " ", "Cold cold"];
        let found = model.embed_passages(&texts).unwrap();
        let counts: Vec<usize> = found.iter().map(|one| one.vectors.len() / 8).collect();
        assert_eq!(counts, [3, 1, 1, 2]);
        assert_eq!(found[0].vectors[16..], found[1].vectors);
        assert_eq!(found[3].vectors[..8], found[3].vectors[8..]);
        assert_eq!(found[3].vectors[..8], found[0].vectors[8..16]);
        for token in found.iter().flat_map(|one| one.vectors.chunks_exact(8)) {
            let squared: f32 = token.iter().map(|value| value * value).sum();
            assert!((squared - 1.0).abs() < 1e-5);
        }
    }
}
