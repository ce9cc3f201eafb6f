//! Errors that end the reading of a file. A bad record does not: it is a
//! [`Problem`](crate::Problem).

use std::io;
use std::path::{Path, PathBuf};

use crate::problem::display_path;

/// Why a file could not be opened, or not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or folder could not be opened.
    #[error("could not open {}", display_path(.path))]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Reading failed in the middle: an I/O error, or a compressed file that is truncated
    /// or corrupt.
    #[error("could not read {} beyond line {line}", display_path(.path))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Lines that were read before it failed.
        line: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file's name has no known extension.
    #[error(
        "could not tell the format of {} from its name; give the format, or rename the file to end in {expected}",
        display_path(.path)
    )]
    UnknownFormat {
        /// The file or folder.
        path: PathBuf,
        /// The known extensions.
        expected: &'static str,
    },
    /// The name has the extension of a compressed file, but the content is not compressed so.
    #[error(
        "could not decompress {}: its name says {expected}, but its content is something else; rename it or fetch it again",
        display_path(.path)
    )]
    NotCompressed {
        /// The file or folder.
        path: PathBuf,
        /// `gzip` or `zstd`.
        expected: &'static str,
    },
    /// The content is no text in an encoding that can be told.
    #[error("could not read {} as text: {why}", display_path(.path))]
    NotText {
        /// The file or folder.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// A table's header cannot be read, so that no column can be found.
    #[error("could not read the header of {}: {why}", display_path(.path))]
    Header {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A setting that has no meaning for this input. Nothing is ignored silently.
    #[error("could not use {setting} for {}: {why}", display_path(.path))]
    NotApplicable {
        /// The file or folder.
        path: PathBuf,
        /// The setting, as in "a delimiter".
        setting: &'static str,
        /// Why it has no meaning.
        why: &'static str,
    },
    /// A table's header lacks a required column.
    #[error(
        "could not find the column {wanted} in the header of {}, which has: {found}; rename the column, or say which one to read",
        display_path(.path)
    )]
    MissingColumn {
        /// The file or folder.
        path: PathBuf,
        /// The missing column, or the alternatives for its name.
        wanted: String,
        /// The columns that the header has.
        found: String,
    },
    /// No record of JSON lines has a field that was chosen.
    #[error(
        "could not find the field `{wanted}` in any record of {}, whose first has: {found}; rename the field, or say which one to read",
        display_path(.path)
    )]
    MissingField {
        /// The file.
        path: PathBuf,
        /// The missing field.
        wanted: String,
        /// The fields of the first record.
        found: String,
    },
    /// A file of vectors is none that can be used.
    #[error("could not use the vectors in {}: {why}", display_path(.path))]
    Vectors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A row of a file of vectors could not be read.
    #[error("could not read row {row} of {}", display_path(.path))]
    VectorRow {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The requested format is impossible for this kind of input (a folder or standard input).
    #[error("could not read {} as {format}: {why}", display_path(.path))]
    WrongKind {
        /// The file or folder.
        path: PathBuf,
        /// The requested format.
        format: &'static str,
        /// Why it is impossible.
        why: &'static str,
    },
}

impl Error {
    pub(crate) fn read(path: &Path, line: u64, source: io::Error) -> Error {
        Error::Read {
            path: path.to_owned(),
            line,
            source,
        }
    }
}
