//! A mapped file whose blocks are verified when they are touched.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::blocks::{BLOCK_BYTES, FileSum};
use crate::error::{Error, damaged, io_error, missing_or_io};
use crate::failpoint::{Operation, reach};
use crate::map::MappedBytes;
use crate::read::regular_len;

/// A file of a sealed folder, mapped into memory. Any number of threads may read it.
///
/// Memory of its own: 4 bytes and a bit per block.
#[derive(Debug)]
pub struct VerifiedFile {
    path: PathBuf,
    bytes: MappedBytes,
    crc32s: Vec<u32>,
    /// One bit for each block that is known to be whole.
    verified: Box<[AtomicU64]>,
}

impl VerifiedFile {
    /// Maps the file at `path`, which must be as long as `sum` says.
    pub(crate) fn open(path: PathBuf, sum: &FileSum) -> Result<Self, Error> {
        let file = open_regular(&path, sum.bytes)?;
        let bytes = reach(Operation::Map, &path)
            .and_then(|()| MappedBytes::map(&file))
            .map_err(io_error("map", &path))?;
        // Between the look at its length and the map it may have changed.
        if bytes.len() as u64 != sum.bytes {
            return Err(wrong_length(&path, bytes.len() as u64, sum.bytes));
        }
        let words = sum.crc32s.len().div_ceil(64);
        Ok(VerifiedFile {
            path,
            bytes,
            crc32s: sum.crc32s.clone(),
            verified: (0..words).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A part of the file. Each block that it touches is verified unless it was before.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a block is not what was sealed, or if the file ends before the
    /// range does.
    #[inline]
    pub fn bytes(&self, range: Range<usize>) -> Result<&[u8], Error> {
        let Some(bytes) = self.bytes.get(range.clone()) else {
            return Err(self.out_of_range(&range));
        };
        if !bytes.is_empty() {
            for block in range.start / BLOCK_BYTES..=(range.end - 1) / BLOCK_BYTES {
                if !self.is_verified(block) {
                    self.verify_block(block)?;
                }
            }
        }
        Ok(bytes)
    }

    /// Verifies every block that was not verified before.
    ///
    /// # Errors
    /// [`Error::Damaged`] for the first block that is not what was sealed.
    pub fn verify_all(&self) -> Result<(), Error> {
        self.bytes(0..self.len()).map(|_| ())
    }

    /// The whole file, unverified: for readers that hold on to the memory and ask
    /// [`bytes`](Self::bytes) for each part before they look at it.
    pub fn unverified(&self) -> MappedBytes {
        self.bytes.clone()
    }

    #[inline]
    fn is_verified(&self, block: usize) -> bool {
        // The bytes themselves do not change, so nothing has to be ordered with the bit.
        let word = self.verified[block / 64].load(Ordering::Relaxed);
        word & (1 << (block % 64)) != 0
    }

    /// Two threads may both verify a block; either finds the same.
    #[cold]
    fn verify_block(&self, block: usize) -> Result<(), Error> {
        let start = block * BLOCK_BYTES;
        let end = self.len().min(start + BLOCK_BYTES);
        let found = crc32fast::hash(&self.bytes[start..end]);
        let expected = self.crc32s[block];
        if found != expected {
            return Err(damaged(
                &self.path,
                wrong_block(start, end, found, expected),
            ));
        }
        self.verified[block / 64].fetch_or(1 << (block % 64), Ordering::Relaxed);
        Ok(())
    }

    #[cold]
    fn out_of_range(&self, range: &Range<usize>) -> Error {
        let Range { start, end } = range;
        let reason = format!(
            "bytes {start} to {end} are needed of a file of {} bytes",
            self.len()
        );
        damaged(&self.path, reason)
    }
}

/// Opens a regular file of `bytes` bytes.
pub(crate) fn open_regular(path: &Path, bytes: u64) -> Result<File, Error> {
    let found = regular_len(path)?;
    if found != bytes {
        return Err(wrong_length(path, found, bytes));
    }
    reach(Operation::Read, path)
        .and_then(|()| File::open(path))
        .map_err(missing_or_io("open", path))
}

fn wrong_length(path: &Path, found: u64, expected: u64) -> Error {
    damaged(path, format!("it has {found} bytes instead of {expected}"))
}

pub(crate) fn wrong_block(start: usize, end: usize, found: u32, expected: u32) -> String {
    format!("the checksum of bytes {start} to {end} is {found:08x} instead of {expected:08x}")
}
