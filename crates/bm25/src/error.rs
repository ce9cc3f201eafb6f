//! Errors of the BM25 index.

use std::io;
use std::path::{Path, PathBuf};

use treffer_disk::Error as DiskError;
use treffer_types::{BoxError, DocId};

/// A failure of the BM25 index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configured value is out of its range.
    #[error("bm25 setting `{key}` is {value}, but must be {allowed}")]
    Config {
        /// The key, dotted.
        key: &'static str,
        /// What it was set to.
        value: f32,
        /// The valid range.
        allowed: &'static str,
    },
    /// Words for compounds, but an analyzer that cuts none.
    #[error(
        "bm25 setting `words` is for compounds, which the analyzer `{analyzer}` does not cut; \
         use `german` or `mixed`, or leave it out"
    )]
    Words {
        /// The analyzer.
        analyzer: String,
    },
    /// The directory to build in already holds an index.
    #[error("could not create a bm25 index in `{dir}`: there is one already; remove it first")]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory to open holds no finished index.
    #[error("no finished bm25 index in `{dir}`: `{record}` is missing; build the index again")]
    Missing {
        /// The directory.
        dir: PathBuf,
        /// The file that a finished index has.
        record: String,
    },
    /// The index was built with another setting than the one it is opened with.
    #[error(
        "the BM25 index in `{dir}` was built with {setting} `{built}` and cannot be opened \
         with `{asked}`; use `{built}` or build the index again"
    )]
    Mismatch {
        /// The directory.
        dir: PathBuf,
        /// What differs.
        setting: &'static str,
        /// The index's value.
        built: String,
        /// The caller's value.
        asked: String,
    },
    /// The index was written by another version of this program.
    #[error(
        "the BM25 index in `{dir}` has format {built}, this program reads format {read}; \
         build the index again"
    )]
    Format {
        /// The directory.
        dir: PathBuf,
        /// The index's format.
        built: u32,
        /// The one that can be read.
        read: u32,
    },
    /// A file is not as it was written.
    #[error("the BM25 index in `{dir}` is damaged: {reason}; build the index again")]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Documents did not arrive in the order of their numbers.
    #[error(
        "could not index document {doc}: the next number must be {next}, since documents are \
         numbered from 0 without gaps",
        doc = doc.0, next = next.0
    )]
    DocOrder {
        /// The document.
        doc: DocId,
        /// The one that was to come.
        next: DocId,
    },
    /// A folder cannot be the part that it is said to be.
    #[error("could not open `{dir}` as a part of a BM25 index: {reason}")]
    Part {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The words of the index do not fit its format.
    #[error(
        "could not finish the BM25 index in `{dir}`: its distinct words have more than 4 GB; split the collection"
    )]
    TooManyWords {
        /// The directory.
        dir: PathBuf,
    },
    /// The index does not hold the document.
    #[error(
        "the BM25 index holds no document {doc}: it was never added or is deleted",
        doc = doc.0
    )]
    UnknownDoc {
        /// The document.
        doc: DocId,
    },
    /// A file could not be read or written.
    #[error("could not {action} `{path}`")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The inverted index failed.
    #[error("could not {action} the BM25 index in `{dir}`")]
    Backend {
        /// What was being done.
        action: &'static str,
        /// The directory.
        dir: PathBuf,
        /// Why not.
        #[source]
        source: BoxError,
    },
}

impl Error {
    /// Whether it says that files are not what was written, so that only building the index
    /// again, or a copy, helps.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Error::Damaged { .. }
                | Error::Missing { .. }
                | Error::Mismatch { .. }
                | Error::Format { .. }
        )
    }
}

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        let (dir, name) = split(error.path());
        match error {
            DiskError::Missing { .. } => Error::Missing { dir, record: name },
            DiskError::NotRegular { .. } => Error::Damaged {
                dir,
                reason: format!("`{name}` is not a regular file"),
            },
            DiskError::Foreign { .. } => Error::Damaged {
                dir,
                reason: format!("`{name}` begins with the wrong bytes"),
            },
            DiskError::Version {
                expected, found, ..
            } => Error::Mismatch {
                dir,
                setting: "file format",
                built: format!("{name} {found}"),
                asked: format!("{name} {expected}"),
            },
            DiskError::Damaged { reason, .. } => Error::Damaged {
                dir,
                reason: format!("`{name}`: {reason}"),
            },
            DiskError::Io {
                action,
                path,
                source,
            } => Error::Io {
                action,
                path,
                source,
            },
        }
    }
}

/// A file's folder and name.
fn split(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = path.parent().unwrap_or(path);
    (dir.to_owned(), name.into_owned())
}
