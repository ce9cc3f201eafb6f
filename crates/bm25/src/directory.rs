//! A finished index as tantivy sees it: a directory that can only be read, and verifies
//! what is read.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{Directory, FileHandle, OwnedBytes, WatchCallback, WatchHandle, WritePtr};
use treffer_disk::{Error as DiskError, Sealed, VerifiedFile};

/// The files of a sealed folder. Every way to change them is refused.
#[derive(Clone, Debug)]
pub(crate) struct SealedDirectory(pub(crate) Arc<Sealed>);

impl SealedDirectory {
    fn file(&self, path: &Path) -> Result<Arc<VerifiedFile>, OpenReadError> {
        // tantivy names its files itself, in ASCII.
        let name = path.to_string_lossy();
        self.0.file(&name).map_err(|error| match error {
            DiskError::Missing { .. } => OpenReadError::FileDoesNotExist(path.to_owned()),
            error => OpenReadError::wrap_io_error(error.into(), path.to_owned()),
        })
    }
}

impl Directory for SealedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = self.file(path)?;
        Ok(Arc::new(SealedFile {
            memory: OwnedBytes::new(file.unverified()),
            file,
        }))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let file = self.file(path)?;
        match file.bytes(0..file.len()) {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(error) => Err(OpenReadError::wrap_io_error(error.into(), path.to_owned())),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.0.contains(&path.to_string_lossy()))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError {
            io_error: Arc::new(read_only()),
            filepath: path.to_owned(),
        })
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_owned()))
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        // A sealed folder does not change.
        Ok(WatchHandle::empty())
    }
}

fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

/// A file of the folder. What tantivy holds on to is the mapped memory itself.
#[derive(Debug)]
struct SealedFile {
    file: Arc<VerifiedFile>,
    memory: OwnedBytes,
}

impl HasLen for SealedFile {
    fn len(&self) -> usize {
        self.file.len()
    }
}

impl FileHandle for SealedFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        self.file.bytes(range.clone())?;
        Ok(self.memory.slice(range))
    }
}

/// What tantivy's writer locks, by name. A finished index needs neither.
pub(crate) fn lock_files() -> [&'static PathBuf; 2] {
    use tantivy::directory::{INDEX_WRITER_LOCK, META_LOCK};
    [&INDEX_WRITER_LOCK.filepath, &META_LOCK.filepath]
}
