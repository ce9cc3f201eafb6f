//! Seals a folder: everything in it is on disk, and `checksums` says what it is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::write_durably;
use crate::blocks::{FileSum, for_each_block};
use crate::checksums::{CHECKSUMS, encode};
use crate::durable::sync_dir;
use crate::error::{Error, io_error};
use crate::failpoint::{Operation, reach};

/// What a sealed folder is, in a few numbers: enough for a manifest to tell it from every
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealRecord {
    /// Bytes of all files, `checksums` not counted.
    pub bytes: u64,
    /// Number of files, `checksums` not counted.
    pub files: usize,
    /// CRC-32 of `checksums`, and so of everything.
    pub checksums_crc32: u32,
}

/// Whether `dir` is sealed, so that nothing may be written into it.
///
/// # Errors
/// If it cannot be told.
pub fn is_sealed(dir: &Path) -> Result<bool, Error> {
    let path = dir.join(CHECKSUMS);
    path.try_exists().map_err(io_error("look for", &path))
}

/// Seals `dir`, whose files are all written: reads each once, waits until it is on disk, and
/// writes `checksums` last. Files of folders in it are sealed with it.
///
/// # Errors
/// [`Error::NotRegular`] for a device or pipe, or for a name that is not UTF-8; [`Error::Io`].
/// The folder is not sealed then, or still has the seal that it had.
pub fn seal(dir: &Path) -> Result<SealRecord, Error> {
    let mut names = Vec::new();
    list(dir, dir, &mut names)?;
    names.sort_unstable();
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        files.push(sum_and_sync(dir, name)?);
    }
    let (encoded, checksums_crc32) = encode(&files);
    write_durably(&dir.join(CHECKSUMS), &encoded)?;
    Ok(SealRecord {
        bytes: files.iter().map(|file| file.bytes).sum(),
        files: files.len(),
        checksums_crc32,
    })
}

/// Adds the files below `folder` by their names relative to `dir`, and makes the folders'
/// own names durable.
fn list(dir: &Path, folder: &Path, names: &mut Vec<String>) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(io_error("list", folder))?;
    for entry in entries {
        let path = entry.map_err(io_error("list", folder))?.path();
        // Links are followed, as they will be when the file is read.
        let metadata = fs::metadata(&path).map_err(io_error("look at", &path))?;
        if metadata.is_dir() {
            list(dir, &path, names)?;
            continue;
        }
        match relative_name(dir, &path) {
            Some(name) if name == CHECKSUMS => {}
            Some(name) if metadata.is_file() => names.push(name),
            _ => return Err(Error::NotRegular { path }),
        }
    }
    if folder == dir {
        // Once more, and last, with `checksums`.
        return Ok(());
    }
    sync_dir(folder)
}

/// The parts below `dir`, joined by `/` on every system.
fn relative_name(dir: &Path, path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .strip_prefix(dir)
        .ok()?
        .iter()
        .map(|part| part.to_str())
        .collect();
    Some(parts?.join("/"))
}

fn sum_and_sync(dir: &Path, name: String) -> Result<FileSum, Error> {
    let path: PathBuf = dir.join(&name);
    let file = reach(Operation::Read, &path)
        // Windows makes only files durable that are open for writing.
        .and_then(|()| File::options().read(true).write(cfg!(windows)).open(&path))
        .map_err(io_error("open", &path))?;
    let mut crc32s = Vec::new();
    let bytes = for_each_block(&file, &path, |block| crc32s.push(crc32fast::hash(block)))
        .map_err(io_error("read", &path))?;
    reach(Operation::Sync, &path)
        .and_then(|()| file.sync_all())
        .map_err(io_error("make durable", &path))?;
    Ok(FileSum {
        name,
        bytes,
        crc32s,
    })
}
