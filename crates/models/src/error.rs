//! Errors of finding, pulling and verifying models.

use std::io;
use std::path::{Path, PathBuf};

use treffer_types::ModelRole;

/// Why a model could not be found, pulled or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No registered model has this name.
    #[error("unknown model `{name}`{}; `treffer model list` shows the known ones, \
             `hf:ORGANIZATION/NAME` names one of the model hub, and a path with a \
             separator (`./{name}`) a folder", did_you_mean(.nearest.as_deref()))]
    UnknownName {
        /// The text that was parsed.
        name: String,
        /// The registered model with the most similar name, if any is similar.
        nearest: Option<String>,
    },
    /// The folder that a path names does not exist.
    #[error("model folder {} does not exist{}", .path.display(), hub_hint(.reference))]
    NoFolder {
        /// The text that was parsed.
        reference: String,
        /// The path.
        path: PathBuf,
    },
    /// A hub id is not of the form `hf:organization/name` or `hf:organization/name@revision`.
    #[error(
        "`{reference}` is not a hub id; write `hf:ORGANIZATION/NAME` or \
         `hf:ORGANIZATION/NAME@REVISION`"
    )]
    BadHubId {
        /// The text that was parsed.
        reference: String,
    },
    /// The model has another role than requested.
    #[error(
        "model `{name}` is a {is}, but a {wanted} is wanted here; `treffer model list` shows which is which"
    )]
    WrongRole {
        /// The model's name.
        name: String,
        /// Its role.
        is: ModelRole,
        /// The requested role.
        wanted: ModelRole,
    },
    /// The operation needs a registered model.
    #[error("`{reference}` is not an entry of the registry, so nothing is pinned for it")]
    NotRegistered {
        /// The text that was parsed.
        reference: String,
    },
    /// The model to verify is not in the cache.
    #[error("model `{name}` is not in the cache at {}; pull it first: treffer model pull {name}", .cache.display())]
    NotPulled {
        /// The text that was parsed.
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
        /// The model as requested.
        name: String,
        /// The cache folder.
        cache: PathBuf,
        /// The failed sources, in the order in which they were tried.
        tried: Vec<Attempt>,
    },
    /// The caller canceled through its `Progress`. Partial downloads are kept where they can
    /// be resumed.
    #[error("pulling or checking model `{name}` was canceled")]
    Cancelled {
        /// The model as requested.
        name: String,
    },
    /// No environment variable names a place for the cache.
    #[error(
        "found no place for the model cache: neither TREFFER_MODELS nor a home folder is set; set TREFFER_MODELS to a folder"
    )]
    NoCacheFolder,
    /// A file or folder of the cache could not be read or written.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A folder or lock of the cache could not be created, or a change made durable.
    #[error(transparent)]
    Cache(#[from] treffer_disk::Error),
}

impl Error {
    /// Adds what was being done, and to what, to an I/O error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}

/// A source that failed.
#[derive(Debug)]
pub struct Attempt {
    /// The source, for messages.
    pub source: String,
    /// Why it failed.
    pub error: SourceError,
}

/// Why a source did not provide a model's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The registry works offline.
    #[error("not tried: working offline")]
    Offline,
    /// The server did not answer, or the connection broke.
    #[error("{url}: {source}")]
    Connection {
        /// What was requested.
        url: String,
        /// The HTTP client's error.
        source: Box<ureq::Error>,
    },
    /// The server stopped sending.
    #[error("{url}: no byte came for {seconds} s")]
    Stalled {
        /// What was requested.
        url: String,
        /// The timeout in seconds.
        seconds: u64,
    },
    /// The server, or pip, was so slow that the download would not end.
    #[error("{what}: only {bytes} bytes came in {seconds} s, which is too slow; try again later")]
    Slow {
        /// What was requested.
        what: String,
        /// What came.
        bytes: u64,
        /// In this time.
        seconds: u64,
    },
    /// The server redirected from https to another protocol.
    #[error("{url}: it leads to {to}, which is not https; nothing was fetched from there")]
    NotHttps {
        /// What was requested.
        url: String,
        /// Where it leads.
        to: String,
    },
    /// The server answered with an error status.
    #[error("{url}: the server answered {status}{}", status_in_words(*.status))]
    Status {
        /// What was requested.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server's answer is not one of the hub's API.
    #[error("{url}: could not understand the answer: {why}")]
    Answer {
        /// What was requested.
        url: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The repository lacks a required file.
    #[error("the repository holds no {file}{hint}")]
    NoFile {
        /// The missing file.
        file: &'static str,
        /// What to do, if anything; begins with a separator.
        hint: &'static str,
    },
    /// A file or wheel does not have the pinned checksum.
    #[error("{file} has sha256 {found} instead of the pinned {expected}")]
    WrongHash {
        /// The file or wheel.
        file: String,
        /// The pinned sha256.
        expected: String,
        /// The sha256 of the file.
        found: String,
    },
    /// A file does not have the pinned or announced size.
    #[error("{file} has {found} bytes instead of {expected}")]
    WrongSize {
        /// The file.
        file: String,
        /// The pinned or announced size in bytes.
        expected: u64,
        /// The received size in bytes.
        found: u64,
    },
    /// A file of unknown size is longer than any such file can be.
    #[error("{file} has more than {most} bytes, which no such file has")]
    TooLarge {
        /// The file.
        file: String,
        /// The limit in bytes.
        most: u64,
    },
    /// There is no pip.
    #[error(
        "found no pip: neither `python3 -m pip` nor `python -m pip`, `pip3` or `pip` can be run"
    )]
    NoPip,
    /// pip could not connect to the package index.
    #[error("{program} could not connect to the package index")]
    NoIndex {
        /// The command.
        program: String,
    },
    /// pip has just failed for another source in a way that concerns this one too.
    #[error("not tried: it needs the same pip and package index")]
    SamePip,
    /// pip could not be started.
    #[error("could not run {program}: {source}")]
    PipStart {
        /// The command.
        program: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// pip failed.
    #[error("{program} failed ({status}): {message}")]
    PipFailed {
        /// The command.
        program: String,
        /// Its exit status, for messages.
        status: String,
        /// Its error message, or else the last line that it wrote.
        message: String,
    },
    /// pip succeeded but left no wheel.
    #[error("pip left no wheel")]
    NoWheel,
    /// The wheel or the archive in it cannot be read.
    #[error("could not read {file} in the wheel: {source}")]
    Archive {
        /// The path in the wheel.
        file: String,
        /// The zip reader's error.
        source: Box<zip::result::ZipError>,
    },
}

impl SourceError {
    /// Whether every other wheel would fail for the same reason.
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

/// Why files could not be taken from a source: an error of the source, after which the next
/// one is tried, or one that ends the pull.
pub(crate) enum Failure {
    /// The next source is tried.
    Source(SourceError),
    /// The pull ends: the disk is full, or the user canceled.
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

/// Suggests the hub for `org/name`, which is most likely a hub id without its `hf:`.
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
