//! The fingerprint of a model, which an index records.

use treffer_types::{Fingerprint, ModelFolder};

use crate::error::Error;
use crate::folder::read_hashes;
use crate::hashes::fingerprint_of;

/// The fingerprint that loading `folder` would give, without loading the model: its files are
/// read, hashed and compared with their pinned checksums.
///
/// # Errors
/// If a file is missing, cannot be read or differs from its pinned checksum.
pub fn fingerprint(folder: &ModelFolder) -> Result<Fingerprint, Error> {
    Ok(fingerprint_of(&read_hashes(folder)?, &folder.spec))
}
