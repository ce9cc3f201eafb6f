//! What ends the reading of a file. A bad record does not: see [`Problem`](crate::Problem).

use std::io;
use std::path::{Path, PathBuf};

use crate::problem::shown;

/// Why a file could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or folder could not be opened.
    #[error("could not open {}", shown(.path))]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Reading stopped in the middle: the device failed, or a compressed file is
    /// cut short or corrupted.
    #[error("could not read {} beyond line {line}", shown(.path))]
    Read {
        /// Which.
        path: PathBuf,
        /// Lines read before.
        line: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file's name does not say what it holds.
    #[error(
        "could not tell the format of {} from its name; name the format, or rename the file to end in {expected}",
        shown(.path)
    )]
    UnknownFormat {
        /// Which.
        path: PathBuf,
        /// The endings that are known.
        expected: &'static str,
    },
    /// The name promises a compressed file and the content is something else.
    #[error(
        "could not decompress {}: its name says {expected} and its content is something else; rename or fetch it again",
        shown(.path)
    )]
    NotCompressed {
        /// Which.
        path: PathBuf,
        /// `gzip` or `zstd`.
        expected: &'static str,
    },
    /// A table's header lacks a column.
    #[error(
        "could not find the column {wanted} in the header of {}, which has: {found}; rename the column, or name the one to read",
        shown(.path)
    )]
    MissingColumn {
        /// Which.
        path: PathBuf,
        /// The column, or the names it may have.
        wanted: String,
        /// The header as it is.
        found: String,
    },
    /// A format that a folder or standard input cannot have.
    #[error("could not read {} as {format}: {why}", shown(.path))]
    WrongKind {
        /// Which.
        path: PathBuf,
        /// What was asked for.
        format: &'static str,
        /// What stands against it.
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
