//! The first bytes of every file of ours.

use std::path::Path;

use crate::error::{Error, damaged};
use crate::verified::VerifiedFile;

/// What a file begins with: eight bytes that name its format, and the format's version
/// (little-endian). They tell apart what is no file of ours, what another version of the
/// program wrote, and what is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prologue {
    /// The format's name.
    pub magic: [u8; 8],
    /// Changes with every change to the format.
    pub version: u32,
}

impl Prologue {
    /// Its length in a file.
    pub const BYTES: usize = 12;

    /// The prologue as it is written.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.magic);
        bytes[8..].copy_from_slice(&self.version.to_le_bytes());
        bytes
    }

    /// Checks the beginning of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Foreign`], [`Error::Version`], or [`Error::Damaged`] if it is too short.
    pub fn check(self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let Some(head) = bytes.first_chunk::<{ Self::BYTES }>() else {
            let reason = format!("it ends after {} bytes, within its prologue", bytes.len());
            return Err(damaged(path, reason));
        };
        if !head.starts_with(&self.magic) {
            return Err(Error::Foreign {
                path: path.to_owned(),
            });
        }
        let found = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if found != self.version {
            return Err(Error::Version {
                path: path.to_owned(),
                expected: self.version,
                found,
            });
        }
        Ok(())
    }

    /// Checks the beginning of a sealed file, which verifies its first block.
    ///
    /// # Errors
    /// As [`check`](Self::check), or that of the block.
    pub fn check_file(self, file: &VerifiedFile) -> Result<(), Error> {
        let end = Self::BYTES.min(file.len());
        self.check(file.path(), file.bytes(0..end)?)
    }
}
