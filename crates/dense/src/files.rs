//! The files of a dense index: which there are, and how one knows that they are whole.
//!
//! | file | holds |
//! |---|---|
//! | `dense.json` | what the index is; size and CRC-32 of each file; written last |
//! | `vectors.f32` | a [`Prologue`], then the vectors, row after row, little-endian |
//! | `passages.u32` | a [`Prologue`], then document and passage number of each row |
//! | `graph.hnsw.graph`, `graph.hnsw.data` | as `hnsw_rs` dumps them; none for an empty index |

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::GraphConfig;
use crate::error::Error;
use crate::graph;

pub(crate) const HEADER: &str = "dense.json";
pub(crate) const VECTORS: &str = "vectors.f32";
pub(crate) const PASSAGES: &str = "passages.u32";

/// Vectors of one dimension say nothing but a sign, and the graph needs to tell a vector
/// from a row number by its length.
pub(crate) const DIMENSIONS: std::ops::RangeInclusive<usize> = 2..=65_536;

/// The graph library ranks the points of a layer by `i32`.
pub(crate) const MOST_VECTORS: usize = i32::MAX as usize;

/// Changes with every change to any of the files.
const VERSION: u32 = 1;
const FORMAT: &str = "treffer-dense";
const READ_BUFFER: usize = 1 << 18;

/// What lies beside the header. An empty index has no graph.
fn files_of(vectors: usize) -> &'static [&'static str] {
    const ALL: [&str; 4] = [VECTORS, PASSAGES, graph::FILES[0], graph::FILES[1]];
    if vectors == 0 { &ALL[..2] } else { &ALL }
}

/// What an index is and which files it consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    format: String,
    version: u32,
    pub(crate) dimension: usize,
    pub(crate) vectors: usize,
    pub(crate) graph: GraphConfig,
    files: Vec<FileSum>,
}

/// One file as it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSum {
    name: String,
    bytes: u64,
    crc32: u32,
}

/// The header together with the checksum of its compact JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    header: Header,
    crc32: u32,
}

impl Header {
    /// The header of an index whose other files lie in `dir`.
    pub(crate) fn of(
        dir: &Path,
        dimension: usize,
        vectors: usize,
        graph: GraphConfig,
    ) -> Result<Self, Error> {
        let files = files_of(vectors)
            .iter()
            .map(|name| sum(dir, name))
            .collect::<Result<_, _>>()?;
        Ok(Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            dimension,
            vectors,
            graph,
            files,
        })
    }

    /// Writes `dense.json`, under another name first: there is a whole one or none.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(HEADER);
        let new = dir.join(format!("{HEADER}.new"));
        create(&new, |out| out.write_all(self.text().as_bytes()))?;
        fs::rename(&new, &path).map_err(io_error("write", &path))?;
        sync_dir(dir)
    }

    /// Reads `dense.json` and checks that the other files have the sizes and checksums
    /// that it names.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(HEADER);
        let bytes = fs::read(&path).map_err(missing_or_io(dir, HEADER))?;
        check_version(&path, &bytes)?;
        let sealed: Sealed = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(&path, format!("it is no such header: {error}")))?;
        // Comparing the text too leaves no byte that can change unnoticed.
        if sealed.header.text().as_bytes() != bytes {
            return Err(damaged(&path, "its checksum differs"));
        }
        let header = sealed.header;
        header.validate(&path)?;
        for &name in files_of(header.vectors) {
            match header.files.iter().find(|file| file.name == name) {
                Some(expected) => expected.check(dir, name)?,
                None => return Err(damaged(&path, format!("it does not list {name}"))),
            }
        }
        Ok(header)
    }

    fn validate(&self, path: &Path) -> Result<(), Error> {
        self.graph.validate()?;
        if !DIMENSIONS.contains(&self.dimension) {
            let dimension = self.dimension;
            return Err(Error::Dimension { dimension });
        }
        if self.vectors > MOST_VECTORS {
            return Err(damaged(path, "it names too many vectors"));
        }
        Ok(())
    }

    fn text(&self) -> String {
        let compact = serde_json::to_string(self).expect("strings and numbers are valid JSON");
        let sealed = Sealed {
            header: self.clone(),
            crc32: crc32fast::hash(compact.as_bytes()),
        };
        let mut text =
            serde_json::to_string_pretty(&sealed).expect("strings and numbers are valid JSON");
        text.push('\n');
        text
    }
}

impl FileSum {
    fn check(&self, dir: &Path, name: &'static str) -> Result<(), Error> {
        let path = dir.join(name);
        let bytes = fs::metadata(&path).map_err(missing_or_io(dir, name))?.len();
        if bytes != self.bytes {
            return Err(damaged(
                &path,
                format!("it has {bytes} bytes instead of {}", self.bytes),
            ));
        }
        if sum(dir, name)?.crc32 != self.crc32 {
            return Err(damaged(&path, "its checksum differs"));
        }
        Ok(())
    }
}

/// The first bytes of our own binary files: magic, version, values per row, rows.
pub(crate) struct Prologue {
    pub(crate) magic: [u8; 8],
    pub(crate) width: usize,
    pub(crate) rows: usize,
}

impl Prologue {
    const BYTES: usize = 24;

    fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.magic);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.width as u32).to_le_bytes());
        bytes[16..].copy_from_slice(&(self.rows as u64).to_le_bytes());
        bytes
    }

    /// Writes a file of this prologue and `values`, four bytes each.
    pub(crate) fn write(
        &self,
        path: &Path,
        values: impl Iterator<Item = [u8; 4]>,
    ) -> Result<(), Error> {
        create(path, |out| {
            out.write_all(&self.bytes())?;
            for value in values {
                out.write_all(&value)?;
            }
            Ok(())
        })
    }

    /// Reads a file that must have this prologue; gives each row's bytes to `row`.
    pub(crate) fn read(
        &self,
        path: &Path,
        mut row: impl FnMut(&[[u8; 4]]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let file = File::open(path).map_err(io_error("open", path))?;
        let found = file.metadata().map_err(io_error("read", path))?.len();
        let expected = (self.rows as u64)
            .checked_mul(self.width as u64 * 4)
            .and_then(|body| body.checked_add(Self::BYTES as u64));
        if expected != Some(found) {
            return Err(damaged(
                path,
                format!("it has {found} bytes, which is not {} rows", self.rows),
            ));
        }
        let mut input = io::BufReader::with_capacity(READ_BUFFER, file);
        let mut prologue = [0; Self::BYTES];
        input
            .read_exact(&mut prologue)
            .map_err(io_error("read", path))?;
        if prologue != self.bytes() {
            return Err(damaged(path, "it begins with the wrong bytes"));
        }
        let mut bytes = vec![0; self.width * 4];
        for _ in 0..self.rows {
            input
                .read_exact(&mut bytes)
                .map_err(io_error("read", path))?;
            row(bytes.as_chunks::<4>().0)?;
        }
        Ok(())
    }
}

/// Writes a new file and waits until it is on disk.
pub(crate) fn create(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Error> {
    let file = File::create(path).map_err(io_error("create", path))?;
    let mut out = BufWriter::with_capacity(READ_BUFFER, file);
    write(&mut out)
        .and_then(|()| out.flush())
        .and_then(|()| out.get_ref().sync_all())
        .map_err(io_error("write", path))
}

/// Waits until the names in `dir` are on disk.
fn sync_dir(dir: &Path) -> Result<(), Error> {
    // Only Unix lets a directory be opened as a file; elsewhere renaming is durable enough.
    if cfg!(unix) {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(io_error("sync", dir))?;
    }
    Ok(())
}

fn sum(dir: &Path, name: &str) -> Result<FileSum, Error> {
    let path = dir.join(name);
    let mut file = File::open(&path).map_err(io_error("open", &path))?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; READ_BUFFER];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer).map_err(io_error("read", &path))?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
    Ok(FileSum {
        name: name.to_owned(),
        bytes,
        crc32: hasher.finalize(),
    })
}

/// Tells an index of another version from a damaged one, before its fields are read.
fn check_version(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Probe {
        header: ProbeHeader,
    }
    #[derive(Deserialize)]
    struct ProbeHeader {
        format: String,
        version: u32,
    }
    let probe: Probe = serde_json::from_slice(bytes)
        .map_err(|error| damaged(path, format!("it is no such header: {error}")))?;
    if probe.header.format != FORMAT {
        return Err(damaged(path, "it is the header of something else"));
    }
    if probe.header.version != VERSION {
        return Err(Error::Version {
            path: path.to_owned(),
            expected: VERSION,
            found: probe.header.version,
        });
    }
    Ok(())
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}

pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn missing_or_io(dir: &Path, file: &'static str) -> impl FnOnce(io::Error) -> Error {
    let dir: PathBuf = dir.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::Missing { path: dir, file }
        }
        _ => Error::Io {
            action: "read",
            path: dir.join(file),
            source,
        },
    }
}
