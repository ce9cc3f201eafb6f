//! Errors of a store.

use std::io;
use std::path::PathBuf;

use treffer_types::DocId;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A document with this external id was added before. Nothing was written, and the writer
    /// can go on.
    #[error("the document id `{id}` occurs twice, first as document {}", .first.0)]
    DuplicateId {
        /// The external id.
        id: String,
        /// The document that has it.
        first: DocId,
    },

    /// A document is too large to be stored. Nothing was written, and the writer can go on.
    #[error(
        "document `{id}` takes {bytes} bytes; at most {most} can be stored: split it or leave \
         it out"
    )]
    TooLarge {
        /// The external id.
        id: String,
        /// Its size as JSON.
        bytes: usize,
        /// The maximum size.
        most: usize,
    },

    /// A document's metadata is nested so deep that it could not be read again. Nothing
    /// was written, and the writer can go on.
    #[error(
        "the metadata of document `{id}` is nested more than {most} levels deep: flatten it or \
         leave it out"
    )]
    TooDeep {
        /// The external id.
        id: String,
        /// The maximum number of levels.
        most: usize,
    },

    /// More documents than a [`DocId`] can number.
    #[error("the store is full: it holds {} documents at most", u32::MAX)]
    Full,

    /// An earlier error left the writer in the middle of a document.
    #[error(
        "the store in {} cannot be written on after an earlier error; start again",
        .path.display()
    )]
    Broken {
        /// The store's directory.
        path: PathBuf,
    },

    /// No document has this number, or it is deleted.
    #[error("there is no document {}; the store holds {len}", .doc.0)]
    UnknownDoc {
        /// The number asked for.
        doc: DocId,
        /// How many documents there are.
        len: usize,
    },

    /// No passage has this number.
    #[error("there is no passage {number}; the store holds {len}")]
    UnknownPassage {
        /// The number asked for.
        number: u32,
        /// How many passages there are.
        len: u32,
    },

    /// The directory already holds a store.
    #[error(
        "{} holds documents already; remove it or choose another directory",
        .path.display()
    )]
    Exists {
        /// Its directory.
        path: PathBuf,
    },

    /// The directory holds no complete store.
    #[error(
        "{} holds no complete store: {file} is missing; build the index again",
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
        "{} has store version {found}, this program reads version {expected}; build the index \
         again", .path.display()
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

treffer_disk::error_of_files!(Error);
