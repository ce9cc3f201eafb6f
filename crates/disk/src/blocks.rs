//! Files in blocks, each with a checksum of its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failpoint::{Operation, reach};

/// Bytes under one checksum; the last block of a file may have fewer.
pub const BLOCK_BYTES: usize = 64 << 10;

/// One file as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSum {
    /// Relative to the folder.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Of each block.
    pub(crate) crc32s: Vec<u32>,
}

/// Reads a file, which is at `path`, block by block; returns its length.
pub(crate) fn for_each_block(
    file: &File,
    path: &Path,
    mut visit: impl FnMut(&[u8]),
) -> io::Result<u64> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut bytes = 0;
    loop {
        reach(Operation::Read, path)?;
        block.clear();
        let n = file.take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        if n == 0 {
            return Ok(bytes);
        }
        visit(&block);
        bytes += n as u64;
    }
}
