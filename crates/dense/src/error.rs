//! Errors of a dense index.

use std::io;
use std::path::PathBuf;

use treffer_types::{BoxError, DocId, PassageId};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A number of the configuration is out of range.
    #[error("`{key}` is {value}; it must be from {least} to {most}")]
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

    /// Vectors of this dimension cannot be indexed.
    #[error("vectors of {dimension} dimensions cannot be indexed; 2 to 65536 can")]
    Dimension {
        /// The dimension asked for.
        dimension: usize,
    },

    /// Parts whose vectors cannot be compared.
    #[error(
        "the vectors in {} have {found} dimensions, those in {} {expected}; the parts of an \
         index have vectors of one model: build the index again",
        .path.display(), .first.display()
    )]
    Mixed {
        /// A part.
        path: PathBuf,
        /// Dimensions of its vectors.
        found: usize,
        /// The first part.
        first: PathBuf,
        /// Dimensions of its vectors.
        expected: usize,
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

    /// A search that would keep fewer candidates than it should return.
    #[error(
        "`ef_search` is {ef_search} and the dense depth {depth}; `ef_search` must be at \
         least the depth: raise it or ask for fewer passages"
    )]
    EfBelowDepth {
        /// Candidates that the search would keep.
        ef_search: usize,
        /// Passages asked for.
        depth: usize,
    },

    /// A vector of another dimension than the index's.
    #[error("the vector of {owner} has {found} dimensions, the index has {expected}")]
    WrongDimension {
        /// What the vector stands for.
        owner: Owner,
        /// Dimensions of the index.
        expected: usize,
        /// Dimensions of the vector.
        found: usize,
    },

    /// A vector that is not of length 1, or not a number.
    #[error(
        "the vector of {owner} has the length {length}; it must be finite and of length 1, \
         so normalize it first"
    )]
    NotUnit {
        /// What the vector stands for.
        owner: Owner,
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

    /// More vectors than the format can number.
    #[error("the index is full: it holds {most} vectors at most")]
    Full {
        /// How many it holds.
        most: usize,
    },

    /// A passage that the index holds no vector of.
    #[error("the index has no vector of {}", Owner::Passage(*.passage))]
    UnknownPassage {
        /// The passage asked for.
        passage: PassageId,
    },

    /// The directory already holds a dense index.
    #[error(
        "{} holds a dense index already; remove it or choose another directory",
        .path.display()
    )]
    Exists {
        /// Its directory.
        path: PathBuf,
    },

    /// The directory holds no complete dense index.
    #[error(
        "{} holds no complete dense index: {file} is missing; build the index again",
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
        "{} has dense index version {found}, this program reads version {expected}; build the \
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

    /// The graph library failed or panicked.
    #[error("could not {action} the HNSW graph")]
    Graph {
        /// What was being done, as a verb.
        action: &'static str,
        /// What the library said.
        #[source]
        source: BoxError,
    },

    /// The caller requested a stop; the directory holds no index.
    #[error("building the HNSW graph was cancelled")]
    Cancelled,
}

/// What a vector stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A query.
    Query,
    /// A passage of the corpus.
    Passage(PassageId),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Query => f.write_str("the query"),
            Owner::Passage(PassageId { doc, passage }) => {
                write!(f, "document {}, passage {passage}", doc.0)
            }
        }
    }
}

treffer_disk::error_of_files!(Error);
