//! A file or standard input as a stream of decompressed bytes that counts the bytes read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::error::Error;
use crate::format::Compression;

const BUFFER: usize = 64 * 1024;

/// Opens a file, or standard input for `-`, whose format this crate does not parse. Gzip
/// and zstd files are decompressed, as they are by all readers of this crate.
///
/// # Errors
/// If the file cannot be opened, or is not compressed although its name says so. A truncated
/// or corrupt compressed file fails later, while it is read.
pub fn open_input(path: &Path) -> Result<Box<dyn BufRead + Send>, Error> {
    Ok(ByteStream::open(path)?.reader)
}

/// An open input.
pub(crate) struct ByteStream {
    /// Decompressed bytes.
    pub(crate) reader: Box<dyn BufRead + Send>,
    /// Bytes read from the file so far, before decompression.
    pub(crate) bytes_read: Arc<AtomicU64>,
    /// The file's size; `None` for standard input and other streams.
    pub(crate) bytes_total: Option<u64>,
}

impl ByteStream {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<ByteStream, Error> {
        let failed = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        if path == Path::new("-") {
            return ByteStream::new(io::stdin(), None, path);
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        ByteStream::new(file, metadata.is_file().then_some(metadata.len()), path)
    }

    /// Detects compression by the first bytes.
    fn new(
        raw: impl Read + Send + 'static,
        bytes_total: Option<u64>,
        path: &Path,
    ) -> Result<ByteStream, Error> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut raw = Counted {
            inner: raw,
            bytes_read: Arc::clone(&bytes_read),
        };
        let failed = |source| Error::Read {
            path: path.to_owned(),
            line: 0,
            source,
        };
        let mut start = Vec::with_capacity(4);
        raw.by_ref()
            .take(4)
            .read_to_end(&mut start)
            .map_err(failed)?;
        let found = Compression::from_content(&start);
        if let Some(expected) = Compression::from_name(path)
            && found != Some(expected)
        {
            return Err(Error::NotCompressed {
                path: path.to_owned(),
                expected: expected.as_str(),
            });
        }
        let raw = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(raw));
        let reader: Box<dyn BufRead + Send> = match found {
            None => Box::new(raw),
            Some(Compression::Gzip) => {
                Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw)))
            }
            Some(Compression::Zstd) => Box::new(BufReader::with_capacity(
                BUFFER,
                zstd::stream::read::Decoder::with_buffer(raw).map_err(failed)?,
            )),
        };
        Ok(ByteStream {
            reader,
            bytes_read,
            bytes_total,
        })
    }
}

/// Counts the bytes read through it.
struct Counted<R> {
    inner: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.bytes_read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
