//! Settings of the registry: where models come from, where they are kept, how to pull.

use std::ffi::OsString;
use std::path::PathBuf;

/// The settings that all pulls of a registry share.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The cache folder.
    pub(crate) cache: PathBuf,
    /// URL of the model hub, without a slash at the end.
    pub(crate) endpoint: String,
    /// The pip to run; the first that works if `None`.
    pub(crate) pip: Option<Vec<OsString>>,
    /// Whether to do without the network.
    pub(crate) offline: bool,
}

/// How to pull a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct PullOptions {
    /// Whether to pull a model that is in the cache already, and replace it. This repairs
    /// a damaged one; a hub model is pinned again, to the revision's current commit.
    pub force: bool,
}
