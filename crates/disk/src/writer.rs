//! Buffered writing of one new file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, io_error};
use crate::failpoint::{Operation, reach, reach_write};

const BUFFER: usize = 1 << 18;

/// Writes a file of a folder that is to be sealed; an old file of the name is written over.
///
/// [`finish`](Self::finish) does not wait for the disk: [`seal`](crate::seal) waits for all
/// files at once.
#[derive(Debug)]
pub struct FileWriter {
    out: BufWriter<RawFile>,
    bytes: u64,
}

impl FileWriter {
    /// Creates or empties the file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let mut options = File::options();
        // Read as well, for `read_back`.
        options.read(true).write(true).create(true).truncate(true);
        Ok(FileWriter {
            out: BufWriter::with_capacity(BUFFER, RawFile::open(path, &options)?),
            bytes: 0,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.out.get_ref().path
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes all of `bytes`; as [`Write::write_all`], with the path in the error.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be written.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) => Err(io_error("write", self.path())(error)),
        }
    }

    /// Fills `bytes` with what was written from `start` on.
    ///
    /// # Errors
    /// [`Error::Io`] if so much was not written, or if it cannot be read.
    pub fn read_back(&mut self, start: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let mut read = || {
            self.out.flush()?;
            let file = &mut self.out.get_mut().file;
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(bytes)?;
            file.seek(SeekFrom::End(0))
        };
        match read() {
            Ok(_) => Ok(()),
            Err(error) => Err(io_error("read back", self.path())(error)),
        }
    }

    /// Hands everything to the operating system. A writer that is dropped leaves a partial
    /// file, which no seal names.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn finish(mut self) -> Result<(), Error> {
        match self.out.flush() {
            Ok(()) => Ok(()),
            Err(error) => Err(io_error("write", self.path())(error)),
        }
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file being written, every operation a failpoint.
#[derive(Debug)]
pub(crate) struct RawFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

impl RawFile {
    pub(crate) fn open(path: &Path, options: &std::fs::OpenOptions) -> Result<Self, Error> {
        let file = reach(Operation::Create, path)
            .and_then(|()| options.open(path))
            .map_err(io_error("create", path))?;
        Ok(RawFile {
            file,
            path: path.to_owned(),
        })
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        reach(Operation::Sync, &self.path)?;
        self.file.sync_all()
    }
}

impl Write for RawFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = reach_write(&self.path, bytes.len())?;
        self.file.write(&bytes[..n])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
