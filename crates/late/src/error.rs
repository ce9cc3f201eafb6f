//! Errors of an index of token vectors.

use std::io;
use std::path::PathBuf;

use treffer_types::{DocId, PassageId};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A number of the configuration is out of range.
    #[error("`late.{key}` is {value}; it must be from {least} to {most}")]
    Config {
        /// The configuration key.
        key: &'static str,
        /// What it was set to.
        value: usize,
        /// The least value allowed.
        least: usize,
        /// The greatest value allowed.
        most: usize,
    },

    /// Tokens of this width cannot be indexed.
    #[error("tokens of {width} values cannot be indexed; of 2 to 4096 can")]
    Width {
        /// The width asked for.
        width: usize,
    },

    /// A projection for vectors of another width, or to another.
    #[error(
        "the projection turns {from} values into {to}, but tokens have {width} values, of which \
         {kept} are to be kept; build the index again"
    )]
    OtherProjection {
        /// Values that the projection takes.
        from: usize,
        /// Values that it makes of them.
        to: usize,
        /// Values of each token.
        width: usize,
        /// Values of each token that the configuration keeps.
        kept: usize,
    },

    /// Too few tokens to learn a projection from.
    #[error("a projection to {to} values cannot be learned from {tokens} tokens")]
    TooFewTokens {
        /// Tokens that were given.
        tokens: usize,
        /// Values that it should make of them.
        to: usize,
    },

    /// No tokens to learn centroids from.
    #[error("centroids cannot be learned without any token")]
    NoTokens,

    /// Residuals without centroids, or with those of other vectors.
    #[error(
        "tokens of {kept} values are to be kept as residuals of {bits} bits, but the centroids are \
         {found}; build the index again"
    )]
    OtherCodebook {
        /// Values of each token that are kept.
        kept: usize,
        /// Bits for each of them.
        bits: usize,
        /// What the centroids are for.
        found: String,
    },

    /// Parts whose vectors cannot be compared.
    #[error(
        "the token vectors in {} are not kept as those in {}: {what}; the parts of an index hold \
         vectors of one model in one form: build the index again",
        .path.display(), .first.display()
    )]
    Mixed {
        /// A part.
        path: PathBuf,
        /// The first part.
        first: PathBuf,
        /// What differs.
        what: String,
    },

    /// Two parts with documents of the same number.
    #[error(
        "both {} and {} have a document {}; each part must begin after the last document of \
         the one before it", .path.display(), .other.display(), .doc.0
    )]
    Overlap {
        /// A part.
        path: PathBuf,
        /// The other part.
        other: PathBuf,
        /// A document's number that belongs to both.
        doc: DocId,
    },

    /// Token vectors of another width than the index's.
    #[error(
        "{found} values of {owner} are not whole tokens of {expected} values, at least one; the \
         model is another than that of the index"
    )]
    WrongWidth {
        /// What the vectors stand for.
        owner: Owner,
        /// Values of each token of the index.
        expected: usize,
        /// Values of all tokens.
        found: usize,
    },

    /// A vector that is not of length 1, or not a number.
    #[error(
        "the vector of token {token} of {owner} has the length {length}; it must be finite and of \
         length 1, so normalize it first"
    )]
    NotUnit {
        /// What the vector stands for.
        owner: Owner,
        /// The token's number, from 0.
        token: usize,
        /// Its Euclidean length.
        length: f64,
    },

    /// Passages must be added in increasing order, each once.
    #[error(
        "{} was added after {}; add passages in increasing order, each once",
        Owner::Passage(*.passage), Owner::Passage(*.last)
    )]
    Order {
        /// The passage that came too late.
        passage: PassageId,
        /// The one before it.
        last: PassageId,
    },

    /// The caller requested a stop; the directory holds no index.
    #[error("listing passages by centroids was cancelled")]
    Cancelled,

    /// More tokens than the format can number.
    #[error("the index is full: a part holds {most} tokens at most")]
    Full {
        /// How many it holds.
        most: u64,
    },

    /// The directory already holds token vectors.
    #[error(
        "{} holds token vectors already; remove it or choose another directory",
        .path.display()
    )]
    Exists {
        /// Its directory.
        path: PathBuf,
    },

    /// The directory holds no complete index.
    #[error(
        "{} holds no complete index of token vectors: {file} is missing; build the index again",
        .path.display()
    )]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The missing file.
        file: String,
    },

    /// A file is not as it was written.
    #[error("{} is damaged: {reason}; build the index again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file of another version of this format.
    #[error(
        "{} has token vectors of version {found}, this program reads version {expected}; build the \
         index again", .path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version read here.
        expected: u32,
        /// The version found.
        found: u32,
    },

    /// A file could not be read or written.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// What vectors stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A query.
    Query,
    /// A text that is not in the index.
    Text,
    /// A passage of the corpus.
    Passage(PassageId),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Query => f.write_str("the query"),
            Owner::Text => f.write_str("the text"),
            Owner::Passage(PassageId { doc, passage }) => {
                write!(f, "document {}, passage {passage}", doc.0)
            }
        }
    }
}

treffer_disk::error_of_files!(Error);
