//! How many tokens a text has: as the model counts them that will read it.

use std::sync::Arc;

use treffer_types::{BoxError, Embedder, PairScorer, TokenEmbedder};

/// Counts tokens.
pub(crate) enum Counter {
    Embedder(Arc<dyn Embedder>),
    TokenEmbedder(Arc<dyn TokenEmbedder>),
    Scorer(Arc<dyn PairScorer>),
    /// For an index without a model.
    Words,
}

/// The longest word that counts as one, in bytes: a text without blanks has to be broken too.
const LONGEST_WORD: usize = 32;

impl Counter {
    /// Where each token of `text` ends, in bytes, ascending.
    pub(crate) fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        match self {
            Counter::Embedder(embedder) => embedder.token_ends(text),
            Counter::TokenEmbedder(embedder) => embedder.token_ends(text),
            Counter::Scorer(scorer) => scorer.token_ends(text),
            Counter::Words => Ok(word_ends(text)),
        }
    }

    pub(crate) fn count(&self, text: &str) -> Result<usize, BoxError> {
        Ok(self.token_ends(text)?.len())
    }

    /// Most tokens that a passage may have, and the name of the model that says so; `None` if
    /// nothing does. A cross-encoder reads the query with it, for which an eighth is left.
    pub(crate) fn room(&self) -> Result<Option<(usize, &str)>, BoxError> {
        Ok(match self {
            Counter::Embedder(embedder) => {
                Some((embedder.passage_room()?, embedder.spec().name.as_str()))
            }
            Counter::TokenEmbedder(embedder) => {
                Some((embedder.passage_room()?, embedder.spec().name.as_str()))
            }
            Counter::Scorer(scorer) => {
                let room = scorer.pair_room()?;
                Some((room - room / 8, scorer.spec().name.as_str()))
            }
            Counter::Words => None,
        })
    }
}

fn word_ends(text: &str) -> Vec<u32> {
    let mut ends = Vec::new();
    let (mut start, mut is_open) = (0, false);
    for (at, character) in text.char_indices() {
        if character.is_whitespace() {
            if is_open {
                ends.push(at as u32);
            }
            is_open = false;
        } else if !is_open {
            (start, is_open) = (at, true);
        } else if at - start >= LONGEST_WORD {
            ends.push(at as u32);
            start = at;
        }
    }
    if is_open {
        ends.push(text.len() as u32);
    }
    ends
}
