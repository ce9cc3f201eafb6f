//! Files that are read whole: a prologue, then a body under one checksum.
//!
//! ```text
//! magic [u8; 8], version u32, crc32 u32, body bytes u64, body
//! ```
//!
//! Numbers are little-endian. The checksum covers all but itself. A table is written
//! under another name and renamed when it is on disk: there is a whole one or none.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, damaged, io_error};

/// Changes with every change to any file of the store.
pub(crate) const VERSION: u32 = 1;

const PROLOGUE: usize = 24;

/// A table by its name and its first bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) magic: [u8; 8],
}

/// Writes one table, piece by piece.
#[derive(Debug)]
pub(crate) struct TableWriter {
    kind: Kind,
    path: PathBuf,
    out: BufWriter<File>,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl TableWriter {
    pub(crate) fn create(dir: &Path, kind: Kind) -> Result<Self, Error> {
        let path = dir.join(format!("{}.new", kind.name));
        // Read as well: the writer of ids looks back at what it wrote.
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(io_error("create", &path))?;
        let mut out = BufWriter::new(file);
        // Room for the numbers that are only known at the end.
        out.write_all(&prologue(kind, 0, 0))
            .map_err(io_error("write", &path))?;
        Ok(TableWriter {
            kind,
            path,
            out,
            hasher: crc32fast::Hasher::new(),
            bytes: 0,
        })
    }

    /// Bytes of the body so far.
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out
            .write_all(bytes)
            .map_err(io_error("write", &self.path))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Reads back a part of the body that was pushed before.
    pub(crate) fn read_back(&mut self, start: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.out.flush().map_err(io_error("write", &self.path))?;
        read_at(self.out.get_ref(), bytes, PROLOGUE as u64 + start)
            .map_err(io_error("read", &self.path))?;
        // On Windows the read has moved the cursor.
        self.out
            .seek(SeekFrom::End(0))
            .map_err(io_error("seek in", &self.path))?;
        Ok(())
    }

    /// Completes the table and waits until it is on disk.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let mut whole = head_hash(self.kind, self.bytes);
        whole.combine(&self.hasher);
        let prologue = prologue(self.kind, self.bytes, whole.finalize());
        self.out
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.out.write_all(&prologue))
            .and_then(|()| self.out.flush())
            .and_then(|()| self.out.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.path, self.path.with_file_name(self.kind.name)))
            .map_err(io_error("write", &self.path))
    }
}

/// Reads a table's body into memory and checks it.
pub(crate) fn read(dir: &Path, kind: Kind) -> Result<Vec<u8>, Error> {
    let path = dir.join(kind.name);
    let mut bytes = fs::read(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::Missing {
            path: dir.to_owned(),
            file: kind.name,
        },
        _ => io_error("read", &path)(source),
    })?;
    let Some((head, body)) = bytes.split_first_chunk::<PROLOGUE>() else {
        return Err(damaged(&path, "it ends too early"));
    };
    check_magic(&path, kind.magic, head)?;
    let [crc32, length] = [&head[12..16], &head[16..24]];
    if length != (body.len() as u64).to_le_bytes() {
        return Err(damaged(&path, "it has the wrong length"));
    }
    let mut hasher = head_hash(kind, body.len() as u64);
    hasher.update(body);
    if crc32 != hasher.finalize().to_le_bytes() {
        return Err(damaged(&path, "its checksum differs"));
    }
    bytes.drain(..PROLOGUE);
    Ok(bytes)
}

/// Checks the first twelve bytes of a file, magic and version.
pub(crate) fn check_magic(path: &Path, magic: [u8; 8], head: &[u8]) -> Result<(), Error> {
    if !head.starts_with(&magic) {
        return Err(damaged(path, "it begins with the wrong bytes"));
    }
    let found = head[8..].first_chunk::<4>().copied();
    match found.map(u32::from_le_bytes) {
        Some(VERSION) => Ok(()),
        Some(found) => Err(Error::Version {
            path: path.to_owned(),
            expected: VERSION,
            found,
        }),
        None => Err(damaged(path, "it ends too early")),
    }
}

/// Fills `bytes` from `file` at `offset`, without moving a cursor that threads share.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Fills `bytes` from `file` at `offset`. The cursor moves with each read here, but each
/// read says where it starts.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[n..];
        offset += n as u64;
    }
    Ok(())
}

fn prologue(kind: Kind, bytes: u64, crc32: u32) -> [u8; PROLOGUE] {
    let mut head = [0; PROLOGUE];
    head[..8].copy_from_slice(&kind.magic);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..16].copy_from_slice(&crc32.to_le_bytes());
    head[16..].copy_from_slice(&bytes.to_le_bytes());
    head
}

/// The checksum's part that stands before the body: the prologue with a checksum of 0.
fn head_hash(kind: Kind, bytes: u64) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&prologue(kind, bytes, 0));
    hasher
}
