//! Errors of columns. Those of a filter's text are in `filter`.

use std::io;
use std::path::PathBuf;

use crate::value::FieldType;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More documents than can be numbered.
    #[error("the columns are full: they hold {} documents at most", u32::MAX)]
    Full,

    /// A field has more values than can be counted.
    #[error(
        "the field `{field}` is full: it holds {} values at most; remove it from [fields] or \
         split the index",
        u32::MAX
    )]
    FieldFull {
        /// The field.
        field: String,
    },

    /// No column of this name.
    #[error("there is no field `{field}`; give it a type under [fields]")]
    UnknownField {
        /// The name asked for.
        field: String,
    },

    /// A field has another type than what was asked of it needs.
    #[error("the field `{field}` is of type {found}, and {needed} is needed")]
    FieldType {
        /// The field.
        field: String,
        /// What is needed.
        needed: String,
        /// The type that it has.
        found: FieldType,
    },

    /// Columns with other fields cannot be copied.
    #[error(
        "the columns in {} have other fields than those being written; build them from the \
         documents", .path.display()
    )]
    OtherFields {
        /// Directory of the columns that were to be copied.
        path: PathBuf,
    },

    /// No document has this number.
    #[error("there is no document {doc}; the columns hold {len}")]
    UnknownDoc {
        /// The number asked for.
        doc: u32,
        /// How many documents there are.
        len: u32,
    },

    /// A set of documents of another size.
    #[error("a set of {found} documents was given for columns of {len}")]
    OtherSet {
        /// Size of the set.
        found: usize,
        /// How many documents there are.
        len: u32,
    },

    /// The directory already holds columns.
    #[error("{} holds columns already; remove it or choose another directory", .path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },

    /// The directory holds no complete columns.
    #[error(
        "{} holds no complete columns: {file} is missing; build the index again",
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
        "{} has column version {found}, this program reads version {expected}; build the index \
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
