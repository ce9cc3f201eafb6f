//! What all files of the format share.

use treffer_disk::FileWriter;

use crate::error::Error;

/// Must be incremented with every change to any file of the index.
pub(crate) const VERSION: u32 = 1;

/// Where the values of a file begin: at a cache line.
pub(crate) const START: usize = 64;

/// Tokens of a part are numbered by 32 bits.
pub(crate) const MOST_TOKENS: u64 = u32::MAX as u64;

/// Fills up the head of a file.
pub(crate) fn pad(file: &mut FileWriter) -> Result<(), Error> {
    let at = file.bytes() as usize;
    Ok(file.push(&[0; START][..START.saturating_sub(at)])?)
}
