//! A sealed folder, read.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blocks::{BLOCK_BYTES, FileSum, for_each_block};
use crate::checksums::{CHECKSUMS, decode};
use crate::error::Error;
use crate::read::read_file;
use crate::seal::SealRecord;
use crate::verified::{VerifiedFile, open_regular, wrong_block};

/// Enough for the checksums of 16 TiB.
const CHECKSUMS_LIMIT: u64 = 1 << 30;

/// A sealed folder: what its files are, by its `checksums`.
#[derive(Debug)]
pub struct Sealed {
    dir: PathBuf,
    files: Vec<FileSum>,
    record: SealRecord,
}

/// What is wrong with one file of a sealed folder.
#[derive(Debug)]
pub enum Problem {
    /// It is not there.
    Missing,
    /// It has another length.
    Length {
        /// Bytes when it was sealed.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
    /// A block of it changed.
    Block {
        /// Its first byte.
        start: u64,
        /// The byte after its last.
        end: u64,
        /// CRC-32 when it was sealed.
        expected: u32,
        /// CRC-32 now.
        found: u32,
    },
    /// It cannot be read, or something else has its name.
    Unreadable(Error),
}

impl Sealed {
    /// Reads `checksums` of the folder, and nothing else.
    ///
    /// # Errors
    /// [`Error::Missing`] if the folder is not sealed; [`Error::Foreign`],
    /// [`Error::Version`] or [`Error::Damaged`] if its `checksums` is not what was written.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(CHECKSUMS);
        let encoded = read_file(&path, CHECKSUMS_LIMIT)?;
        let (files, checksums_crc32) = decode(&path, &encoded)?;
        Ok(Sealed {
            dir: dir.to_owned(),
            record: SealRecord {
                bytes: files.iter().map(|file| file.bytes).sum(),
                files: files.len(),
                checksums_crc32,
            },
            files,
        })
    }

    /// What [`seal`](crate::seal) returned for this folder.
    pub fn record(&self) -> SealRecord {
        self.record
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The names of its files, ascending, relative to the folder.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_str())
    }

    /// Whether a file of this name was sealed.
    pub fn contains(&self, name: &str) -> bool {
        self.sum(name).is_some()
    }

    /// Opens a file, by its name relative to the folder. Its length is checked now, its
    /// bytes when they are touched.
    ///
    /// # Errors
    /// [`Error::Missing`] if it was not sealed or is gone, [`Error::NotRegular`],
    /// [`Error::Damaged`] if its length is another, [`Error::Io`] if it cannot be mapped.
    pub fn file(&self, name: &str) -> Result<Arc<VerifiedFile>, Error> {
        let path = self.dir.join(name);
        match self.sum(name) {
            Some(sum) => VerifiedFile::open(path, sum).map(Arc::new),
            None => Err(Error::Missing { path }),
        }
    }

    /// Reads every file completely and reports everything that is not as it was sealed:
    /// the file and what is wrong with it. Returns whether there was nothing to report.
    pub fn verify(&self, report: &mut dyn FnMut(&Path, Problem)) -> bool {
        self.verify_without(&[], report)
    }

    /// The same of all files but those of these names, relative to the folder.
    pub fn verify_without(
        &self,
        left_out: &[&str],
        report: &mut dyn FnMut(&Path, Problem),
    ) -> bool {
        let mut is_whole = true;
        let is_asked = |sum: &&FileSum| !left_out.contains(&sum.name.as_str());
        for sum in self.files.iter().filter(is_asked) {
            let path = self.dir.join(&sum.name);
            verify_file(&path, sum, &mut |problem| {
                is_whole = false;
                report(&path, problem);
            });
        }
        is_whole
    }

    fn sum(&self, name: &str) -> Option<&FileSum> {
        let index = self
            .files
            .binary_search_by(|file| file.name.as_str().cmp(name))
            .ok()?;
        Some(&self.files[index])
    }
}

/// Reads from the file and not through a map, so that a medium that fails gives an error.
fn verify_file(path: &Path, sum: &FileSum, report: &mut dyn FnMut(Problem)) {
    let found = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(_) => sum.bytes,
    };
    let file = match open_regular(path, found) {
        Ok(file) => file,
        Err(Error::Missing { .. }) => return report(Problem::Missing),
        Err(error) => return report(Problem::Unreadable(error)),
    };
    if found != sum.bytes {
        return report(Problem::Length {
            expected: sum.bytes,
            found,
        });
    }
    let mut blocks = sum.crc32s.iter().zip(0u64..);
    let read = for_each_block(&file, path, |block| {
        let found = crc32fast::hash(block);
        if let Some((&expected, number)) = blocks.next()
            && found != expected
        {
            let start = number * BLOCK_BYTES as u64;
            report(Problem::Block {
                start,
                end: start + block.len() as u64,
                expected,
                found,
            });
        }
    });
    match read {
        Ok(found) if found != sum.bytes => report(Problem::Length {
            expected: sum.bytes,
            found,
        }),
        Ok(_) => {}
        Err(source) => report(Problem::Unreadable(Error::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing => f.write_str("it is missing"),
            Problem::Length { expected, found } => {
                write!(f, "it has {found} bytes instead of {expected}")
            }
            Problem::Block {
                start,
                end,
                expected,
                found,
            } => f.write_str(&wrong_block(
                *start as usize,
                *end as usize,
                *found,
                *expected,
            )),
            Problem::Unreadable(error) => {
                write!(f, "{error}")?;
                match std::error::Error::source(error) {
                    Some(source) => write!(f, ": {source}"),
                    None => Ok(()),
                }
            }
        }
    }
}
