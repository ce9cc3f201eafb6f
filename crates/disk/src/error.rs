//! Everything that can go wrong with files, as the caller can tell it apart.

use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder that should be there is not.
    #[error("{} is missing", .path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
    },

    /// A directory, device or pipe stands where a regular file should.
    #[error("{} is not a regular file", .path.display())]
    NotRegular {
        /// What is there.
        path: PathBuf,
    },

    /// A file of another kind: its first bytes are not those of the format.
    #[error("{} is no file of this kind: it begins with other bytes", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },

    /// A file of another version of its format.
    #[error(
        "{} has format version {found}, this program reads version {expected}", .path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version read here.
        expected: u32,
        /// The version found.
        found: u32,
    },

    /// A file is not what was written.
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it was noticed, with the value expected and the value found.
        reason: String,
    },

    /// The file system refused.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// The file or folder at fault.
    pub fn path(&self) -> &Path {
        match self {
            Error::Missing { path }
            | Error::NotRegular { path }
            | Error::Foreign { path }
            | Error::Version { path, .. }
            | Error::Damaged { path, .. }
            | Error::Io { path, .. } => path,
        }
    }
}

/// For readers that must answer in the standard library's terms.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Missing { .. } => io::ErrorKind::NotFound,
            Error::NotRegular { .. } => io::ErrorKind::InvalidInput,
            Error::Foreign { .. } | Error::Version { .. } | Error::Damaged { .. } => {
                io::ErrorKind::InvalidData
            }
            Error::Io { source, .. } => source.kind(),
        };
        io::Error::new(kind, error)
    }
}

/// For `map_err` on the file system's answers.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}

/// As [`io_error`], but a file that is not there is [`Error::Missing`].
pub(crate) fn missing_or_io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::Missing { path },
        _ => Error::Io {
            action,
            path,
            source,
        },
    }
}

pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// For the error of a crate that keeps sealed folders: its conversion from this crate's
/// [`Error`](crate::Error), `is_damage`, and a function `damaged` of the crate's own.
///
/// The type, in the module that calls this, has the variants `Missing { path, file }` with the
/// folder and the name of the file, `Damaged { path, reason }`, `Version { path, expected, found }`
/// and `Io { action, path, source }`; what they say of the folder is its own affair.
#[macro_export]
macro_rules! error_of_files {
    ($error:ident) => {
        impl $error {
            /// Whether it says that files are not what was written, so that only building the
            /// index again, or a copy, helps.
            pub fn is_damage(&self) -> bool {
                matches!(
                    self,
                    $error::Damaged { .. } | $error::Missing { .. } | $error::Version { .. }
                )
            }
        }

        impl From<$crate::Error> for $error {
            fn from(error: $crate::Error) -> Self {
                match error {
                    $crate::Error::Missing { path } => $error::Missing {
                        file: path
                            .file_name()
                            .unwrap_or_default()
                            .to_string_lossy()
                            .into_owned(),
                        path: path.parent().unwrap_or(&path).to_owned(),
                    },
                    $crate::Error::NotRegular { path } => {
                        damaged(&path, "it is not a regular file")
                    }
                    $crate::Error::Foreign { path } => {
                        damaged(&path, "it begins with the wrong bytes")
                    }
                    $crate::Error::Version {
                        path,
                        expected,
                        found,
                    } => $error::Version {
                        path,
                        expected,
                        found,
                    },
                    $crate::Error::Damaged { path, reason } => $error::Damaged { path, reason },
                    $crate::Error::Io {
                        action,
                        path,
                        source,
                    } => $error::Io {
                        action,
                        path,
                        source,
                    },
                }
            }
        }

        pub(crate) fn damaged(path: &std::path::Path, reason: impl Into<String>) -> $error {
            $error::Damaged {
                path: path.to_owned(),
                reason: reason.into(),
            }
        }
    };
}
