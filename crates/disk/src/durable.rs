//! Changes of the file system that last: each returns when the change is on disk.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Error, io_error};
use crate::failpoint::{Operation, reach};

/// Waits until the names in a folder are on disk.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be opened or synced.
pub fn sync_dir(dir: &Path) -> Result<(), Error> {
    let sync = || {
        reach(Operation::SyncDir, dir)?;
        // Only Unix lets a folder be opened as a file; elsewhere the file system's own
        // journal has to do.
        if cfg!(unix) {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    };
    sync().map_err(io_error("make durable", dir))
}

/// Renames a file or folder, replacing a file of the new name, and waits until both folders
/// know of it.
///
/// # Errors
/// [`Error::Io`]. If only the waiting failed, the new name is there already.
pub fn rename_durably(from: &Path, to: &Path) -> Result<(), Error> {
    rename(from, to)?;
    sync_dir(parent(to))?;
    if parent(from) == parent(to) {
        return Ok(());
    }
    sync_dir(parent(from))
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    reach(Operation::Rename, from)
        .and_then(|()| fs::rename(from, to))
        .map_err(io_error("replace", to))
}

/// Creates a folder and those above it as far as they are missing, durably. A folder that
/// is there already is fine.
///
/// # Errors
/// [`Error::Io`] if one cannot be created, or if something else has its name.
pub fn create_dir_durably(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = parent(dir);
    create_dir_durably(above)?;
    let created = reach(Operation::Create, dir).and_then(|()| fs::create_dir(dir));
    match created {
        Ok(()) => sync_dir(above),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(io_error("create", dir)(error)),
    }
}

/// Removes a folder with everything in it; returns whether it was there.
///
/// # Errors
/// [`Error::Io`] if it cannot be removed; some of it may be gone then.
pub fn remove_dir_if_there(dir: &Path) -> Result<bool, Error> {
    match reach(Operation::Remove, dir).and_then(|()| fs::remove_dir_all(dir)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("remove", dir)(error)),
    }
}

/// The folder that a path lies in; the current one for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
