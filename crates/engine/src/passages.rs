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
    /// [`MIN_TOKENS`], at most what the model reads. `None`: [`USUAL_TOKENS`], or what the model
    /// reads if that is less. The blueprint of an index has the number that it was built with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
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
/// Most tokens of a passage if nothing is set.
pub const USUAL_TOKENS: usize = 256;

impl Default for PassageConfig {
    fn default() -> Self {
        PassageConfig {
            tokens: None,
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
        if let Some(tokens) = tokens.filter(|tokens| *tokens < MIN_TOKENS) {
            return Err(format!(
                "tokens is {tokens}; a passage must have room for at least {MIN_TOKENS}"
            ));
        }
        let quarter = tokens.unwrap_or(USUAL_TOKENS) / 4;
        if overlap > quarter {
            return Err(format!(
                "overlap is {overlap}; it must be at most a quarter of tokens, {quarter}"
            ));
        }
        Ok(())
    }

    /// The values for a model that reads at most `room` tokens of a passage; `None` reads any
    /// number.
    ///
    /// # Errors
    /// The number of tokens, if that is more than the model reads.
    pub(crate) fn resolved(&self, room: Option<usize>) -> Result<Resolved, usize> {
        let room = room.unwrap_or(usize::MAX);
        match self.tokens {
            Some(tokens) if tokens > room => Err(tokens),
            Some(tokens) => Ok(Resolved {
                tokens,
                overlap: self.overlap,
            }),
            None => {
                let tokens = USUAL_TOKENS.min(room);
                let overlap = self.overlap.min(tokens / 4);
                Ok(Resolved { tokens, overlap })
            }
        }
    }
}

/// The values that an index is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) tokens: usize,
    pub(crate) overlap: usize,
}
