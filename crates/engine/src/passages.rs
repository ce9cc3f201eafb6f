//! Passages: a document that a model cannot read at once is split along its structure, so that
//! all of it is read.
//!
//! | file | holds |
//! |---|---|
//! | `splitter` | from a document to its passages |
//! | `breaks` | where a text may be broken |
//! | `counter` | how many tokens a text has |

mod breaks;
mod counter;
mod splitter;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(crate) use counter::Counter;
pub(crate) use splitter::{Split, Splitter};

/// How documents are split into passages. Without it, each is one passage, of which a model reads
/// what it can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PassageConfig {
    /// Most tokens of a passage with the title and headings before it, as the bi-encoder counts
    /// them; without one, as the cross-encoder does; without either, words. At least
    /// [`MIN_TOKENS`], at most what the model reads.
    pub tokens: usize,
    /// How many tokens at most a passage repeats of the one before it, at most a quarter of
    /// `tokens`.
    pub overlap: usize,
    /// What BM25 scores.
    pub bm25: Unit,
}

/// What BM25 scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Each document as a whole.
    #[default]
    Document,
    /// Each passage.
    Passage,
}

/// Fewest tokens of a passage that can be set.
pub const MIN_TOKENS: usize = 16;

impl Default for PassageConfig {
    fn default() -> Self {
        PassageConfig {
            tokens: 256,
            overlap: 32,
            bm25: Unit::Document,
        }
    }
}

impl PassageConfig {
    /// Checks the values, as far as they do not depend on a model.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let PassageConfig {
            tokens,
            overlap,
            bm25: Unit::Document | Unit::Passage,
        } = *self;
        if tokens < MIN_TOKENS {
            return Err(format!(
                "tokens is {tokens}; a passage must have room for at least {MIN_TOKENS}"
            ));
        }
        if overlap > tokens / 4 {
            return Err(format!(
                "overlap is {overlap}; it must be at most a quarter of tokens, {}",
                tokens / 4
            ));
        }
        Ok(())
    }
}
