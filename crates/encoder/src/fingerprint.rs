//! The fingerprint of a model, which an index records.

use treffer_types::{Fingerprint, ModelFolder};

use crate::error::Error;
use crate::folder::read_fingerprint;

/// The fingerprint that loading `folder` would give, without loading the model: its files are
/// read, hashed and compared with their pinned checksums.
///
/// # Errors
/// If a file is missing, cannot be read or differs from its pinned checksum; or if it cannot be
/// told what the scores of a cross-encoder are.
pub fn fingerprint(folder: &ModelFolder) -> Result<Fingerprint, Error> {
    read_fingerprint(folder)
}
