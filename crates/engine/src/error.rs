//! Errors of the engine.

use std::io;
use std::path::{Path, PathBuf};

use treffer_columns::FilterError;
use treffer_types::{BoxError, Progress, StageName};

/// An error of the engine. Its message says what was being done and to what; the
/// cause is its source, and [`Error::hint`] says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was being done, as in "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },

    /// The folder holds no index.
    #[error("there is no index in {}: {what}", path.display())]
    NoIndex {
        /// The folder.
        path: PathBuf,
        /// What was found instead.
        what: &'static str,
    },

    /// The folder for a new index holds other files.
    #[error("{} holds other files and no index", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
    },

    /// The folder holds an index already, and replacing it was not requested.
    #[error("{} already holds an index of {documents} documents", path.display())]
    IndexExists {
        /// The folder.
        path: PathBuf,
        /// How many documents would be lost.
        documents: u32,
    },

    /// Another process is writing this index.
    #[error("another process is writing the index in {}", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },

    /// The index was replaced after it was opened.
    #[error("the index in {} was replaced since it was opened", path.display())]
    Replaced {
        /// The folder.
        path: PathBuf,
    },

    /// A file does not match its checksum or its format.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What differs, with both values.
        what: String,
    },

    /// The index was written by another version of the program.
    #[error("the index in {} has format {found}, this program reads format {expected}", path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// The index's format version.
        found: u32,
        /// This program's format version.
        expected: u32,
    },

    /// The loaded model is not the one that the index was built with.
    #[error(
        "the {role} `{name}` is not the one that the index was built with: the index has {what} {expected}, the model at hand has {found}"
    )]
    ModelMismatch {
        /// "bi-encoder" or "cross-encoder".
        role: &'static str,
        /// The model's name.
        name: String,
        /// What differs: prefix, maximal length, or the fingerprint of all its files.
        what: &'static str,
        /// The index's value.
        expected: String,
        /// The model's value.
        found: String,
    },

    /// The configuration cannot be used.
    #[error("{origin}: {what}")]
    Config {
        /// File, preset or flag it came from.
        origin: String,
        /// What is wrong, with key and value.
        what: String,
        /// The parser's or validator's own error, where there is one.
        #[source]
        source: Option<BoxError>,
    },

    /// A model could not be found, fetched, loaded or run.
    #[error("could not {action} the model `{name}`")]
    Model {
        /// What was being done, as in "load".
        action: &'static str,
        /// Which model.
        name: String,
        /// Why it failed.
        #[source]
        source: BoxError,
    },

    /// The tokens of a document could not be counted.
    #[error("could not split document `{id}` into passages")]
    Split {
        /// The corpus's id of the document.
        id: String,
        /// Why it failed.
        #[source]
        source: BoxError,
    },

    /// A stage failed on a query.
    #[error("the {stage} stage failed on query {query}")]
    Stage {
        /// Which stage.
        stage: StageName,
        /// The query's id, or its text if it has none.
        query: String,
        /// Why it failed.
        #[source]
        source: BoxError,
    },

    /// A part of an index could not be written or opened.
    #[error("could not {action} the {part} of the index in {}", path.display())]
    Part {
        /// What was being done, as in "open".
        action: &'static str,
        /// Which part, as in "bm25 part".
        part: &'static str,
        /// The folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: BoxError,
    },

    /// The corpus could not be read.
    #[error("could not read the corpus")]
    Corpus(#[source] treffer_corpus::Error),

    /// Rankings could not be measured.
    #[error("could not measure the rankings")]
    Measure(#[from] treffer_eval::Error),

    /// A learned fusion could not be trained, stored or used.
    #[error("could not use a learned fusion")]
    Learned(#[from] treffer_fusion::LearnError),

    /// A learned fusion is not the one that the profile names.
    #[error(
        "{} has checksum {found:08x}, the profile that uses it says {expected:08x}",
        path.display()
    )]
    LearnedDamaged {
        /// The file.
        path: PathBuf,
        /// Its checksum.
        found: u32,
        /// The checksum that the profile records.
        expected: u32,
    },

    /// A record was bad, and the build was strict.
    #[error("a record is bad, and none may be: {0}")]
    Strict(treffer_corpus::Problem),

    /// The inputs hold no document.
    #[error(
        "no document could be read from the input; records that are bad: {problems}{}",
        also(.passed_over)
    )]
    EmptyCorpus {
        /// Number of bad records.
        problems: u64,
        /// Files of folders that were not read.
        passed_over: treffer_corpus::PassedOver,
    },

    /// A filter that cannot be read, or does not fit the fields of the index.
    #[error(
        "the filter is wrong at character {}: {problem}{}",
        .problem.column(.text), pointed_at(.text, .problem)
    )]
    Filter {
        /// The filter.
        text: String,
        /// What is wrong with it, and where.
        problem: FilterError,
    },

    /// A request that makes no sense for this index.
    #[error("{0}")]
    Request(String),

    /// The caller asked to stop.
    #[error("stopped on request; nothing was changed")]
    Cancelled,

    /// The caller asked to stop after some documents had been committed.
    #[error("stopped on request; the index has {documents} documents that were committed before")]
    Interrupted {
        /// Documents of the index.
        documents: u32,
    },
}

impl From<treffer_disk::Error> for Error {
    fn from(error: treffer_disk::Error) -> Self {
        use treffer_disk::Error as Disk;
        match error {
            Disk::Io {
                action,
                path,
                source,
            } => Error::Io {
                action,
                path,
                source,
            },
            Disk::Damaged { path, reason } => Error::Damaged { path, what: reason },
            Disk::Missing { path } => Error::Damaged {
                path,
                what: "it is missing".into(),
            },
            Disk::NotRegular { path } => Error::Damaged {
                path,
                what: "it is not a regular file".into(),
            },
            Disk::Foreign { path } => Error::Damaged {
                path,
                what: "it is a file of another kind".into(),
            },
            Disk::Version {
                path,
                expected,
                found,
            } => Error::Damaged {
                path,
                what: format!("it has format version {found}, this program reads {expected}"),
            },
        }
    }
}

/// The line of a filter that is wrong, with carets below it.
fn pointed_at(text: &str, error: &FilterError) -> String {
    let lines = error.point_at(text);
    let lines = lines.lines().map(|line| format!("\n    {line}"));
    lines.collect()
}

/// What else was found, as the end of a message.
fn also(passed_over: &treffer_corpus::PassedOver) -> String {
    if passed_over.is_empty() {
        return String::new();
    }
    format!("; {passed_over}")
}

/// Whether an error of a part of the index means that its files are damaged.
fn is_damage(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let bm25 = cause.downcast_ref::<treffer_bm25::Error>();
        let dense = cause.downcast_ref::<treffer_dense::Error>();
        let late = cause.downcast_ref::<treffer_late::Error>();
        let store = cause.downcast_ref::<treffer_store::Error>();
        let columns = cause.downcast_ref::<treffer_columns::Error>();
        bm25.is_some_and(treffer_bm25::Error::is_damage)
            || dense.is_some_and(treffer_dense::Error::is_damage)
            || late.is_some_and(treffer_late::Error::is_damage)
            || store.is_some_and(treffer_store::Error::is_damage)
            || columns.is_some_and(treffer_columns::Error::is_damage)
    })
}

const REBUILD: &str = "index the corpus again with --replace, or restore the folder from a copy";

const REPAIR: &str = "`treffer check INDEX --repair` makes anew what can be made from the documents; otherwise, index the corpus again with --replace, or restore the folder from a copy";

const LEARN_AGAIN: &str =
    "learn it again with `treffer tune --learn`, or take `learned` out of the profile";

impl Error {
    /// What to do next, where the engine knows it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NoIndex { path, .. } => {
                Some(format!("make one with `treffer index {} CORPUS`", path.display()))
            }
            Error::ForeignFolder { .. } => {
                Some("name a folder that is empty or not there yet: an index has one of its own".into())
            }
            Error::IndexExists { .. } => {
                Some("pass --replace to build it anew; the old one is kept until the new one is complete".into())
            }
            Error::Interrupted { .. } => {
                Some("the same command goes on from there".into())
            }
            Error::Locked { .. } => {
                Some("wait for it to finish; searching meanwhile is safe".into())
            }
            Error::Replaced { .. } => {
                Some("do it again: what was found belongs to the documents that were there before".into())
            }
            Error::Damaged { path, .. } if path.ends_with("manifest.json") => Some(REBUILD.into()),
            Error::Damaged { .. } => Some(REPAIR.into()),
            Error::Part { source, .. } | Error::Stage { source, .. }
                if is_damage(source.as_ref()) =>
            {
                Some(REPAIR.into())
            }
            Error::Learned(_) => Some(LEARN_AGAIN.into()),
            Error::LearnedDamaged { .. } => Some(LEARN_AGAIN.into()),
            Error::Format { .. } => Some("index the corpus again with --replace".into()),
            Error::ModelMismatch { .. } => Some(
                "bring the model back that the index was built with, or index again with --replace"
                    .into(),
            ),
            _ => None,
        }
    }
}

/// Names the file in an I/O error.
pub(crate) trait IoContext<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            action,
            path: path.to_path_buf(),
            source,
        })
    }
}

/// An error if the caller has requested a stop.
pub(crate) fn stop_if_asked(progress: &dyn Progress) -> Result<(), Error> {
    if progress.cancelled() {
        return Err(Error::Cancelled);
    }
    Ok(())
}

/// Names the part of the index in another crate's error.
pub(crate) fn part<E: Into<BoxError>>(
    action: &'static str,
    part: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Part {
        action,
        part,
        path,
        source: source.into(),
    }
}
