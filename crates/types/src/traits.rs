//! The traits by which the engine uses models, clocks and progress reports. No type of an
//! inference library appears in them.

use std::any::Any;
use std::time::Duration;

use crate::model::{Fingerprint, ModelSpec};

/// An error of an implementation of these traits, kept as the source of the caller's error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One text as a unit vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Euclidean length 1; as long as [`Embedder::dimension`] says.
    pub vector: Vec<f32>,
    /// Tokens beyond the model's maximal length, not read.
    pub tokens_cut: u32,
}

/// A bi-encoder: texts to unit vectors, which may encode queries and passages differently.
///
/// It is `Any` so that a model of late interaction can tell whether it is the same network, see
/// [`TokenEmbedder::embed_passages_with`].
pub trait Embedder: Any + Send + Sync {
    /// What the model is.
    fn spec(&self) -> &ModelSpec;

    /// Identity of the model as loaded.
    fn fingerprint(&self) -> &Fingerprint;

    /// Length of every vector.
    fn dimension(&self) -> usize;

    /// One embedding per query, in order. The query prefix is added here.
    ///
    /// # Errors
    /// If the model cannot be run.
    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Embedding>, BoxError>;

    /// One embedding per passage, in order. The passage prefix is added here. A
    /// text's embedding does not depend on the texts beside it.
    ///
    /// # Errors
    /// If the model cannot be run.
    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<Embedding>, BoxError>;

    /// Where each token of `text` ends, in bytes, ascending: of the whole text, however long,
    /// without prefix and special tokens.
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError>;

    /// The number of tokens that a passage may have without being cut.
    ///
    /// # Errors
    /// If the prefix cannot be tokenized.
    fn passage_room(&self) -> Result<usize, BoxError>;
}

/// A cross-encoder's score of one pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairScore {
    /// What the spec of the model says that it is, see [`Scoring`](crate::Scoring): larger is
    /// better. Never squashed, so that no two good pairs round to the same value.
    pub score: f32,
    /// Tokens of the passage that were cut to fit the pair; the query is never cut
    /// unless it alone leaves no room.
    pub tokens_cut: u32,
}

/// A cross-encoder: a query and passages to scores.
pub trait PairScorer: Send + Sync {
    /// What the model is, and by its [`scoring`](crate::ModelDetails::scoring) what its scores
    /// are.
    fn spec(&self) -> &ModelSpec;

    /// Identity of the model as loaded.
    fn fingerprint(&self) -> &Fingerprint;

    /// One score per passage, in order. A pair's score does not depend on the
    /// pairs beside it.
    ///
    /// # Errors
    /// If the model cannot be run.
    fn score_pairs(&self, query: &str, passages: &[&str]) -> Result<Vec<PairScore>, BoxError>;

    /// Where each token of `text` ends, in bytes, ascending: of the whole text, however long,
    /// without prefix and special tokens.
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError>;

    /// The number of tokens that a query and a passage may have together without one being cut.
    ///
    /// # Errors
    /// If the prefixes cannot be tokenized.
    fn pair_room(&self) -> Result<usize, BoxError>;
}

/// One text as a unit vector for each of its tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenEmbedding {
    /// The vectors of the tokens, one after the other, each of Euclidean length 1 and as long as
    /// [`TokenEmbedder::width`] says. There is at least one.
    pub vectors: Vec<f32>,
    /// Tokens beyond the model's maximal length, not read.
    pub tokens_cut: u32,
}

/// Texts as vectors of their own and as vectors of their tokens, both in the order of the texts.
pub type BothEmbeddings = (Vec<Embedding>, Vec<TokenEmbedding>);

/// What a token vector stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextToken {
    /// The part of the text, or the name of a token that is in no text, such as `[MASK]`.
    pub text: String,
    /// Where the part begins and ends, in bytes of the text; `None` for a token that the model adds.
    pub place: Option<(u32, u32)>,
}

/// A model of late interaction: texts to one unit vector for each token (ColBERT: Khattab and
/// Zaharia 2020, <https://arxiv.org/abs/2004.12832>).
///
/// The similarity of a query and a passage is the sum, over the tokens of the query, of the
/// greatest dot product with a token of the passage (MaxSim).
pub trait TokenEmbedder: Send + Sync {
    /// What the model is.
    fn spec(&self) -> &ModelSpec;

    /// Identity of the model as loaded.
    fn fingerprint(&self) -> &Fingerprint;

    /// Length of the vector of each token.
    fn width(&self) -> usize;

    /// The token vectors of each query, in order. The query prefix is added here.
    ///
    /// # Errors
    /// If the model cannot be run.
    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError>;

    /// The token vectors of each passage, in order. The passage prefix is added here. A
    /// text's vectors do not depend on the texts beside it.
    ///
    /// # Errors
    /// If the model cannot be run.
    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError>;

    /// The vectors of `embedder` too, if it is the same network as this one and reads passages
    /// alike, so that one pass gives both: what [`Embedder::embed_passages`] and
    /// [`embed_passages`](Self::embed_passages) give, up to rounding. `None` if it is not; a model
    /// that does not implement this knows of none.
    ///
    /// # Errors
    /// If the model cannot be run.
    fn embed_passages_with(
        &self,
        embedder: &dyn Embedder,
        passages: &[&str],
    ) -> Result<Option<BothEmbeddings>, BoxError> {
        let _ = (embedder, passages);
        Ok(None)
    }

    /// What each vector of a query stands for, in their order. A model that does not implement this
    /// tells nothing.
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    fn query_tokens(&self, query: &str) -> Result<Vec<TextToken>, BoxError> {
        let _ = query;
        Ok(Vec::new())
    }

    /// What each vector of a passage stands for, as [`query_tokens`](Self::query_tokens).
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    fn passage_tokens(&self, passage: &str) -> Result<Vec<TextToken>, BoxError> {
        let _ = passage;
        Ok(Vec::new())
    }

    /// Where each token of `text` ends, in bytes, ascending: of the whole text, however long,
    /// without prefix and special tokens.
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError>;

    /// The number of tokens that a passage may have without being cut.
    ///
    /// # Errors
    /// If the prefix cannot be tokenized.
    fn passage_room(&self) -> Result<usize, BoxError>;
}

/// A clock, passed in so that code that depends on time can be tested without waiting.
pub trait Clock: Send + Sync {
    /// Time since some moment that stays the same for the life of the clock; never less
    /// than before.
    fn now(&self) -> Duration;
}

/// How long-running work reports progress, and how it is stopped. Libraries never print.
pub trait Progress: Send + Sync {
    /// A new step begins. `total` is in `unit`s, `None` if unknown.
    fn begin(&self, step: &str, total: Option<u64>, unit: &str);

    /// `done` more units of the current step are done.
    fn advance(&self, done: u64);

    /// The current step is over.
    fn end(&self);

    /// Whether the work should stop at the next safe point.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Reports nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _step: &str, _total: Option<u64>, _unit: &str) {}
    fn advance(&self, _done: u64) {}
    fn end(&self) {}
}
