//! Documents in compressed blocks.
//!
//! A block is, before compression, the length of each of its documents as u32, then
//! the documents. A document is two JSON objects, its text and its metadata: metadata
//! on its own is nested no deeper than in the record that it came from, so what could be
//! read once can be read again. `documents.zst` is a magic number and a version, then the
//! blocks; `blocks.table` is the number of documents as u32, then one [`Entry`] per block.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use treffer_types::{DocId, Document, Metadata};

use crate::error::{Error, damaged, io_error};
use crate::table::{self, Kind, TableWriter, VERSION, check_magic, read_at};

const DOCUMENTS: Kind = Kind {
    name: "documents.zst",
    magic: *b"TRFdocs\n",
};
pub(crate) const BLOCKS: Kind = Kind {
    name: "blocks.table",
    magic: *b"TRFblks\n",
};

/// A block is closed before it grows beyond this, unless one document alone does. Small
/// enough that unpacking one costs tens of microseconds, large enough to compress well.
const BLOCK_BYTES: usize = 32 << 10;

/// The largest document, as JSON: a block's lengths must fit u32.
const MOST_BYTES: usize = 1 << 31;

/// zstd's default: higher levels gain a few percent on such blocks and take far longer.
const LEVEL: i32 = 3;

/// What the JSON library reads back.
const MOST_LEVELS: usize = 127;

const HEAD: usize = 12;

/// A document without its metadata.
#[derive(Serialize, Deserialize)]
struct Text<'a> {
    id: Cow<'a, str>,
    title: Cow<'a, str>,
    text: Cow<'a, str>,
}

impl<'a> Text<'a> {
    fn of(document: &'a Document) -> Self {
        let Document {
            id,
            title,
            text,
            metadata: _,
        } = document;
        Text {
            id: id.into(),
            title: title.into(),
            text: text.into(),
        }
    }
}

fn decode(json: &[u8]) -> Result<Document, serde_json::Error> {
    let mut input = serde_json::Deserializer::from_slice(json);
    let Text { id, title, text } = Text::deserialize(&mut input)?;
    let metadata = Metadata::deserialize(&mut input)?;
    input.end()?;
    Ok(Document {
        id: id.into_owned(),
        title: title.into_owned(),
        text: text.into_owned(),
        metadata,
    })
}

/// Whether the values are nested at most `levels` deep.
fn is_within<'a>(levels: usize, mut values: impl Iterator<Item = &'a Value>) -> bool {
    values.all(|value| match value {
        Value::Array(array) => levels > 0 && is_within(levels - 1, array.iter()),
        Value::Object(map) => levels > 0 && is_within(levels - 1, map.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    })
}

/// One block of `documents.zst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Its first document; the next block's first ends it.
    first: u32,
    /// CRC-32 of the compressed bytes.
    crc32: u32,
    /// Where it starts in the file.
    offset: u64,
    /// Compressed bytes.
    packed: u32,
    /// Bytes before compression.
    unpacked: u32,
}

impl Entry {
    const BYTES: usize = 24;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.first.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.crc32.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.packed.to_le_bytes());
        bytes[20..].copy_from_slice(&self.unpacked.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Entry {
            first: word(0),
            crc32: word(4),
            offset: u64::from(word(8)) | u64::from(word(12)) << 32,
            packed: word(16),
            unpacked: word(20),
        }
    }
}

/// Writes blocks. Holds one block, and 24 bytes for each one written.
pub(crate) struct BlockWriter {
    dir: PathBuf,
    path: PathBuf,
    out: BufWriter<File>,
    offset: u64,
    entries: Vec<Entry>,
    n_docs: u32,
    lengths: Vec<u32>,
    json: Vec<u8>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl BlockWriter {
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(DOCUMENTS.name);
        let mut out = BufWriter::new(File::create(&path).map_err(io_error("create", &path))?);
        out.write_all(&DOCUMENTS.magic)
            .and_then(|()| out.write_all(&VERSION.to_le_bytes()))
            .map_err(io_error("write", &path))?;
        Ok(BlockWriter {
            dir: dir.to_owned(),
            compressor: zstd::bulk::Compressor::new(LEVEL).map_err(io_error("compress", &path))?,
            path,
            out,
            offset: HEAD as u64,
            entries: Vec::new(),
            n_docs: 0,
            lengths: Vec::new(),
            json: Vec::new(),
        })
    }

    /// The document as it will be stored.
    pub(crate) fn encode(document: &Document) -> Result<Vec<u8>, Error> {
        if !is_within(MOST_LEVELS - 1, document.metadata.values()) {
            return Err(Error::TooDeep {
                id: document.id.clone(),
                most: MOST_LEVELS,
            });
        }
        let mut json = Vec::new();
        let text = Text::of(document);
        serde_json::to_writer(&mut json, &text).expect("strings are valid JSON");
        serde_json::to_writer(&mut json, &document.metadata).expect("JSON values are valid JSON");
        if json.len() > MOST_BYTES {
            return Err(Error::TooLarge {
                id: document.id.clone(),
                bytes: json.len(),
                most: MOST_BYTES,
            });
        }
        Ok(json)
    }

    /// Adds what [`encode`](Self::encode) gave.
    pub(crate) fn push(&mut self, json: &[u8]) -> Result<(), Error> {
        if !self.json.is_empty() && self.json.len() + json.len() > BLOCK_BYTES {
            self.close_block()?;
        }
        self.lengths.push(json.len() as u32);
        self.json.extend_from_slice(json);
        self.n_docs += 1;
        Ok(())
    }

    fn close_block(&mut self) -> Result<(), Error> {
        let mut block: Vec<u8> = self.lengths.iter().flat_map(|n| n.to_le_bytes()).collect();
        block.append(&mut self.json);
        let packed = self
            .compressor
            .compress(&block)
            .map_err(io_error("compress", &self.path))?;
        self.out
            .write_all(&packed)
            .map_err(io_error("write", &self.path))?;
        self.entries.push(Entry {
            first: self.n_docs - self.lengths.len() as u32,
            crc32: crc32fast::hash(&packed),
            offset: self.offset,
            packed: packed.len() as u32,
            unpacked: block.len() as u32,
        });
        self.offset += packed.len() as u64;
        self.lengths.clear();
        Ok(())
    }

    /// Closes the last block, then writes the table of blocks.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if !self.lengths.is_empty() {
            self.close_block()?;
        }
        self.out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all())
            .map_err(io_error("write", &self.path))?;
        let mut table = TableWriter::create(&self.dir, BLOCKS)?;
        table.push(&self.n_docs.to_le_bytes())?;
        for entry in &self.entries {
            table.push(&entry.to_bytes())?;
        }
        table.finish()
    }
}

/// Reads documents out of their blocks.
pub(crate) struct BlockReader {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
    n_docs: u32,
}

impl BlockReader {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let (n_docs, entries) = read_entries(dir)?;
        let path = dir.join(DOCUMENTS.name);
        let file = File::open(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing {
                path: dir.to_owned(),
                file: DOCUMENTS.name,
            },
            _ => io_error("open", &path)(source),
        })?;
        let bytes = file.metadata().map_err(io_error("read", &path))?.len();
        let end = entries
            .last()
            .map_or(HEAD as u64, |last| last.offset + u64::from(last.packed));
        if bytes != end {
            return Err(damaged(
                &path,
                format!("it has {bytes} bytes instead of {end}"),
            ));
        }
        let mut head = [0; HEAD];
        read_at(&file, &mut head, 0).map_err(io_error("read", &path))?;
        check_magic(&path, DOCUMENTS.magic, &head)?;
        Ok(BlockReader {
            path,
            file,
            entries,
            n_docs,
        })
    }

    pub(crate) fn n_docs(&self) -> u32 {
        self.n_docs
    }

    /// Unpacks one block, checked, and reads one document of it.
    pub(crate) fn document(&self, doc: DocId) -> Result<Document, Error> {
        let after = self.entries.partition_point(|entry| entry.first <= doc.0);
        let Some(number) = after.checked_sub(1).filter(|_| doc.0 < self.n_docs) else {
            return Err(Error::UnknownDoc {
                doc,
                len: self.n_docs as usize,
            });
        };
        let entry = self.entries[number];
        let end = self.entries.get(after).map_or(self.n_docs, |e| e.first);
        let block = self.unpack(number, entry)?;
        let json = slice_of(&block, doc.0 - entry.first, end - entry.first)
            .ok_or_else(|| damaged(&self.path, format!("block {number} has wrong lengths")))?;
        decode(json).map_err(|error| {
            damaged(
                &self.path,
                format!("document {} is no document: {error}", doc.0),
            )
        })
    }

    fn unpack(&self, number: usize, entry: Entry) -> Result<Vec<u8>, Error> {
        let mut packed = vec![0; entry.packed as usize];
        read_at(&self.file, &mut packed, entry.offset).map_err(io_error("read", &self.path))?;
        if crc32fast::hash(&packed) != entry.crc32 {
            return Err(damaged(
                &self.path,
                format!("the checksum of block {number} differs"),
            ));
        }
        zstd::bulk::decompress(&packed, entry.unpacked as usize).map_err(|error| {
            damaged(
                &self.path,
                format!("block {number} does not unpack: {error}"),
            )
        })
    }
}

/// The table of blocks, checked as far as it can be without the blocks.
fn read_entries(dir: &Path) -> Result<(u32, Vec<Entry>), Error> {
    let body = table::read(dir, BLOCKS)?;
    let path = dir.join(BLOCKS.name);
    let Some((n_docs, rest)) = body.split_first_chunk() else {
        return Err(damaged(&path, "it ends too early"));
    };
    let n_docs = u32::from_le_bytes(*n_docs);
    let (chunks, odd) = rest.as_chunks::<{ Entry::BYTES }>();
    let entries: Vec<Entry> = chunks.iter().map(Entry::from_bytes).collect();
    let in_order = entries.windows(2).all(|pair| {
        pair[0].first < pair[1].first
            && pair[0].offset.checked_add(pair[0].packed.into()) == Some(pair[1].offset)
    });
    let starts = entries
        .first()
        .map_or(n_docs == 0, |e| e.first == 0 && e.offset == HEAD as u64);
    let ends = entries
        .last()
        .is_none_or(|e| e.first < n_docs && e.offset.checked_add(e.packed.into()).is_some());
    if !(odd.is_empty() && in_order && starts && ends) {
        return Err(damaged(&path, "its blocks do not join"));
    }
    Ok((n_docs, entries))
}

/// Document `index` of the `n` in a block.
fn slice_of(block: &[u8], index: u32, n: u32) -> Option<&[u8]> {
    let (lengths, mut json) = block.split_at_checked(n as usize * 4)?;
    let mut lengths = lengths
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&length| u32::from_le_bytes(length) as usize);
    for length in lengths.by_ref().take(index as usize) {
        json = json.get(length..)?;
    }
    json.get(..lengths.next()?)
}
