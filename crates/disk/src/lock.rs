//! Advisory locks, which the operating system releases when their holder dies.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::durable::{parent, sync_dir};
use crate::error::{Error, io_error};
use crate::failpoint::{Operation, reach, reach_write};
use crate::read::regular_len;

/// An exclusive lock on a file, released when it is dropped or its process ends in whatever
/// way. It keeps out those who ask for it, nobody else. The file stays.
#[derive(Debug)]
pub struct Lock {
    /// Closing it releases the lock.
    _file: File,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("{} is locked by another process", .path.display())]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened, or the file system has no locks.
    #[error(transparent)]
    Io(#[from] Error),
}

impl Lock {
    /// Takes the lock on `path`, or fails at once. The file is created if it is not there, and
    /// `content` is written to it, durably, if it is empty: it tells people what the file is for.
    ///
    /// # Errors
    /// [`LockError::Held`] if somebody has it, in this process or another.
    pub fn try_exclusive(path: &Path, content: &str) -> Result<Self, LockError> {
        match regular_len(path) {
            Ok(_) | Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut file = reach(Operation::Create, path)
            .and_then(|()| {
                File::options()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(path)
            })
            .map_err(io_error("open", path))?;
        let locked = reach(Operation::Lock, path)
            .map_err(TryLockError::Error)
            .and_then(|()| file.try_lock());
        match locked {
            Ok(()) => {
                if write_if_empty(&mut file, path, content).map_err(io_error("write", path))? {
                    sync_dir(parent(path))?;
                }
                Ok(Lock { _file: file })
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(held_or_io(path, source)),
        }
    }
}

/// Whether the file was empty.
fn write_if_empty(file: &mut File, path: &Path, content: &str) -> io::Result<bool> {
    if file.metadata()?.len() > 0 {
        return Ok(false);
    }
    reach_write(path, content.len())?;
    file.write_all(content.as_bytes())?;
    reach(Operation::Sync, path)?;
    file.sync_all()?;
    Ok(true)
}

fn held_or_io(path: &Path, source: io::Error) -> LockError {
    LockError::Io(io_error("lock", path)(source))
}
