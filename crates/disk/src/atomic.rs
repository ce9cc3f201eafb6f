//! Output that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::durable::{parent, rename, sync_dir};
use crate::error::{Error, io_error};
use crate::failpoint::{Operation, reach};
use crate::writer::RawFile;

/// A file that takes its name when it is complete and on disk.
///
/// Until [`commit`](Self::commit) it is a temporary file in the same folder. Dropped without,
/// it leaves what was there before. A process that is killed leaves the temporary file,
/// which begins with a dot and ends in `.tmp`.
///
/// A file that is replaced hands its permissions on. The target of a symbolic link is
/// replaced, not the link.
#[derive(Debug)]
pub struct AtomicFile {
    /// None once committed.
    out: Option<BufWriter<RawFile>>,
    temporary: PathBuf,
    target: PathBuf,
}

impl AtomicFile {
    /// Begins a new file for `path`.
    ///
    /// # Errors
    /// [`Error::NotRegular`] if a folder, device or pipe is there; [`Error::Io`] if a file
    /// cannot be created beside it.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let (target, permissions) = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                let target = fs::canonicalize(path).map_err(io_error("resolve", path))?;
                (target, Some(metadata.permissions()))
            }
            Ok(_) => {
                return Err(Error::NotRegular {
                    path: path.to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
            Err(error) => return Err(io_error("look at", path)(error)),
        };
        let Some(name) = target.file_name() else {
            return Err(Error::NotRegular { path: target });
        };
        let temporary = parent(&target).join(temporary_name(name));
        let mut options = File::options();
        options.write(true).create_new(true);
        let raw = RawFile::open(&temporary, &options)?;
        let file = AtomicFile {
            out: Some(BufWriter::new(raw)),
            temporary,
            target,
        };
        if let Some(permissions) = permissions {
            // Some file systems have none; the new file then has the usual ones.
            let _ = fs::set_permissions(&file.temporary, permissions);
        }
        Ok(file)
    }

    /// Waits until everything is on disk, and gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`]. The file that was there before is still there, unless no more than making
    /// the new name durable failed.
    pub fn commit(mut self) -> Result<(), Error> {
        let Some(mut out) = self.out.take() else {
            return Ok(());
        };
        let written = out.flush().and_then(|()| out.get_ref().sync());
        // Windows renames no file that is open.
        drop(out.into_parts());
        written
            .map_err(io_error("write", &self.target))
            .and_then(|()| rename(&self.temporary, &self.target))
            .inspect_err(|_| self.remove_temporary())?;
        sync_dir(parent(&self.target))
    }

    fn remove_temporary(&self) {
        // Nothing is lost if it stays, and the caller has an error of its own to report.
        let _ = reach(Operation::Remove, &self.temporary)
            .and_then(|()| fs::remove_file(&self.temporary));
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Some(out) => out.write(bytes),
            None => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Some(out) => out.flush(),
            None => Ok(()),
        }
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(out) = self.out.take() {
            // Without writing what is still buffered.
            drop(out.into_parts());
            self.remove_temporary();
        }
    }
}

/// Replaces the file at `path`, or creates it: `bytes` are written to a temporary file beside
/// it, which takes its name once it is on disk.
///
/// # Errors
/// As [`AtomicFile`]. Whatever fails, `path` holds the old file whole or the new one whole:
/// the new one only if no more than making its name durable failed.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(io_error("write", path))?;
    file.commit()
}

/// Where a program writes its output: a file that appears whole, or a stream.
#[derive(Debug)]
pub enum Output {
    /// A new or regular file, complete or absent.
    Atomic(AtomicFile),
    /// A pipe, a terminal or another device, written as it comes.
    Direct {
        /// It, open.
        out: BufWriter<File>,
        /// Its name.
        path: PathBuf,
    },
}

impl Output {
    /// Opens `path` for output. A regular file, or a name that is free, is written as an
    /// [`AtomicFile`]. A pipe or device is written directly, and so is whatever has a name
    /// below `/dev` or `/proc`: `/dev/stdout` must reach the process's own output even where
    /// that is a file.
    ///
    /// # Errors
    /// [`Error::NotRegular`] if it is a folder, [`Error::Io`] if it cannot be written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(Error::NotRegular {
                path: path.to_owned(),
            }),
            Ok(metadata) if !metadata.is_file() || is_stream(path) => {
                // Appending, so that a redirected output keeps what it has.
                let file = reach(Operation::Create, path)
                    .and_then(|()| File::options().append(true).open(path))
                    .map_err(io_error("open", path))?;
                Ok(Output::Direct {
                    out: BufWriter::new(file),
                    path: path.to_owned(),
                })
            }
            _ => AtomicFile::create(path).map(Output::Atomic),
        }
    }

    /// Completes the output.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn commit(self) -> Result<(), Error> {
        match self {
            Output::Atomic(file) => file.commit(),
            Output::Direct { mut out, path } => out.flush().map_err(io_error("write", &path)),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Atomic(file) => file.write(bytes),
            Output::Direct { out, .. } => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Atomic(file) => file.flush(),
            Output::Direct { out, .. } => out.flush(),
        }
    }
}

/// Whether the name alone says that this is not a file of a folder.
fn is_stream(path: &Path) -> bool {
    cfg!(unix) && (path.starts_with("/dev") || path.starts_with("/proc"))
}

/// Whether `name` is that of an unfinished [`AtomicFile`] for a file called `target`: left by a
/// process that was killed, or still being written.
pub fn is_temporary_of(name: &str, target: &str) -> bool {
    let rest = name
        .strip_prefix('.')
        .and_then(|rest| rest.strip_prefix(target));
    rest.is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".tmp"))
}

/// Different for each file of each process, so that two writers do not meet.
fn temporary_name(name: &std::ffi::OsStr) -> std::ffi::OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{number}.tmp", std::process::id()));
    temporary
}
