//! A file or standard input as a stream of decompressed UTF-8 that counts the bytes read.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::encoding::{Encoding, NotText, Text};
use crate::error::Error;
use crate::format::Compression;
use crate::gunzip::Gunzip;
use crate::stop::{Background, Stop, Stoppable};

const BUFFER: usize = 64 * 1024;

/// The largest window of a zstd frame, as a power of two: what `zstd --long=31` writes where
/// addresses have 64 bits, and all that zstd can read elsewhere.
const LONGEST_WINDOW: u32 = if cfg!(target_pointer_width = "64") {
    31
} else {
    30
};

/// An open input.
pub(crate) struct ByteStream {
    /// Decompressed and decoded bytes: UTF-8, but for what is invalid.
    pub(crate) reader: Box<dyn BufRead + Send>,
    /// What they were decoded from.
    pub(crate) encoding: Encoding,
    /// Bytes read from the file so far, before decompression.
    pub(crate) bytes_read: Arc<AtomicU64>,
    /// The file's size; `None` for standard input and other streams.
    pub(crate) bytes_total: Option<u64>,
}

impl ByteStream {
    /// Opens a file, or standard input for `-`. `encoding` is that of inputs without a byte
    /// order mark; `None` means UTF-8. Reading fails once `stop` is requested.
    pub(crate) fn open(
        path: &Path,
        encoding: Option<Encoding>,
        stop: &Stop,
    ) -> Result<ByteStream, Error> {
        let failed = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        if path == Path::new("-") {
            let raw = Background::new(|| Ok(io::stdin()), stop.clone());
            return ByteStream::new(raw, None, path, encoding, stop);
        }
        let metadata = fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            // A pipe or a device: opening it may wait, too.
            let opened = path.to_owned();
            let raw = Background::new(move || File::open(opened), stop.clone());
            return ByteStream::new(raw, None, path, encoding, stop);
        }
        let file = File::open(path).map_err(failed)?;
        ByteStream::new(file, Some(metadata.len()), path, encoding, stop)
    }

    /// Detects compression by the first bytes.
    fn new(
        raw: impl Read + Send + 'static,
        bytes_total: Option<u64>,
        path: &Path,
        encoding: Option<Encoding>,
        stop: &Stop,
    ) -> Result<ByteStream, Error> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut raw = Counted {
            inner: raw,
            bytes_read: Arc::clone(&bytes_read),
        };
        let failed = |source| Error::read(path, 0, source);
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
            Some(Compression::Gzip) => Box::new(BufReader::with_capacity(BUFFER, Gunzip::new(raw))),
            Some(Compression::Zstd) => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(raw).map_err(failed)?;
                decoder.window_log_max(LONGEST_WINDOW).map_err(failed)?;
                Box::new(BufReader::with_capacity(BUFFER, decoder))
            }
        };
        // Checked behind the decompression: little may become much.
        let reader = Stoppable::new(reader, stop.clone());
        let Text { reader, encoding } = text(reader, path, encoding)?;
        Ok(ByteStream {
            reader,
            encoding,
            bytes_read,
            bytes_total,
        })
    }
}

/// The stream as UTF-8, with the error that names `path` if it is no text.
pub(crate) fn text(
    reader: impl BufRead + Send + 'static,
    path: &Path,
    encoding: Option<Encoding>,
) -> Result<Text, Error> {
    Text::new(reader, encoding).map_err(|error| {
        let not_text = |why| Error::NotText {
            path: path.to_owned(),
            why,
        };
        match error {
            NotText::Io(source) => Error::read(path, 0, source),
            NotText::Utf16(encoding) => not_text(format!(
                "it looks like {encoding} without a byte order mark; name that encoding, or convert the file to UTF-8"
            )),
            NotText::Utf32 => not_text("it is UTF-32; convert the file to UTF-8".to_owned()),
        }
    })
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
