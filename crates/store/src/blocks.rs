//! Documents in compressed blocks.
//!
//! A block is, before compression, the length of each of its documents as u32, then
//! the documents. A document is two JSON objects, its text and its metadata: metadata
//! on its own is nested no deeper than in the record that it came from, so what could be
//! parsed once can be parsed again. `documents.zst` is a prologue, then the blocks;
//! `blocks.table` is a prologue, the number of documents as u32, then one [`Entry`] per block.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use treffer_disk::{FileWriter, Numbers, Prologue, Sealed, VerifiedFile, partition_point};
use treffer_types::{DocId, Document, Heading, Metadata, Passage};

use crate::error::{Error, damaged};
use crate::format::{BLOCKS, BLOCKS_PROLOGUE, DOCUMENTS, DOCUMENTS_PROLOGUE};

/// A block is closed before it grows beyond this, unless one document alone does. Small
/// enough that unpacking one costs tens of microseconds, large enough to compress well.
const BLOCK_BYTES: usize = 32 << 10;

/// About what a document's names of fields and its id take, as JSON.
const NAMES: usize = 64;

/// The largest document, as JSON: a block's lengths must fit u32.
const MOST_BYTES: usize = 1 << 31;

/// zstd's default: higher levels gain a few percent on such blocks and take far longer.
const LEVEL: i32 = 3;

/// The maximum depth that the JSON library parses.
const MOST_LEVELS: usize = 127;

/// A document without its metadata, and its passages unless it is one.
#[derive(Serialize, Deserialize)]
struct Text<'a> {
    id: Cow<'a, str>,
    title: Cow<'a, str>,
    text: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "<[Heading]>::is_empty")]
    headings: Cow<'a, [Heading]>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    passages: Vec<Section<'a>>,
}

/// Passages under one context, which follow one another.
#[derive(Serialize, Deserialize)]
struct Section<'a> {
    context: Cow<'a, str>,
    /// Start and end of each.
    spans: Vec<(u32, u32)>,
}

impl<'a> Text<'a> {
    fn of(document: &'a Document, passages: &'a [Passage]) -> Self {
        let Document {
            id,
            title,
            text,
            headings,
            metadata: _,
        } = document;
        Text {
            id: id.into(),
            title: title.into(),
            text: text.into(),
            headings: headings.into(),
            passages: passages
                .chunk_by(|a, b| a.context == b.context)
                .map(Section::of)
                .collect(),
        }
    }
}

impl<'a> Section<'a> {
    /// At least one passage, all of one context.
    fn of(passages: &'a [Passage]) -> Self {
        Section {
            context: passages[0].context.as_str().into(),
            spans: passages.iter().map(|one| (one.start, one.end)).collect(),
        }
    }

    fn passages(self) -> impl Iterator<Item = Passage> + 'a {
        let Section { context, spans } = self;
        spans.into_iter().map(move |(start, end)| Passage {
            context: context.clone().into_owned(),
            start,
            end,
        })
    }
}

fn decode(json: &[u8]) -> Result<(Document, Vec<Passage>), serde_json::Error> {
    let mut input = serde_json::Deserializer::from_slice(json);
    let Text {
        id,
        title,
        text,
        headings,
        passages,
    } = Text::deserialize(&mut input)?;
    let metadata = Metadata::deserialize(&mut input)?;
    input.end()?;
    let document = Document {
        id: id.into_owned(),
        title: title.into_owned(),
        text: text.into_owned(),
        headings: headings.into_owned(),
        metadata,
    };
    let mut passages: Vec<Passage> = passages.into_iter().flat_map(Section::passages).collect();
    if passages.is_empty() {
        passages.push(Passage::whole(&document));
    }
    match passages
        .iter()
        .find(|one| one.piece(&document.text).is_none())
    {
        None => Ok((document, passages)),
        Some(Passage { start, end, .. }) => {
            let what = format!("its text has no passage from byte {start} to {end}");
            Err(serde::de::Error::custom(what))
        }
    }
}

/// Whether the values are nested at most `levels` deep.
fn is_within<'a>(levels: usize, mut values: impl Iterator<Item = &'a Value>) -> bool {
    values.all(|value| match value {
        Value::Array(array) => levels > 0 && is_within(levels - 1, array.iter()),
        Value::Object(map) => levels > 0 && is_within(levels - 1, map.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    })
}

/// One block of `documents.zst`, in the table as five u32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Its first document; the next block's first ends it.
    first: u32,
    /// Where it starts in the file; in the table as its lower and its upper half.
    offset: u64,
    /// Compressed bytes.
    packed: u32,
    /// Bytes before compression.
    unpacked: u32,
}

impl Entry {
    const WORDS: usize = 5;

    fn to_bytes(self) -> [u8; 4 * Self::WORDS] {
        let Entry {
            first,
            offset,
            packed,
            unpacked,
        } = self;
        let words = [
            first,
            offset as u32,
            (offset >> 32) as u32,
            packed,
            unpacked,
        ];
        let mut bytes = [0; 4 * Self::WORDS];
        for (chunk, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *chunk = word.to_le_bytes();
        }
        bytes
    }

    fn from_words(words: [u32; Self::WORDS]) -> Self {
        let [first, lower, upper, packed, unpacked] = words;
        Entry {
            first,
            offset: u64::from(lower) | u64::from(upper) << 32,
            packed,
            unpacked,
        }
    }
}

/// Writes blocks. Holds one block, and 24 bytes for each one written.
pub(crate) struct BlockWriter {
    out: FileWriter,
    entries: Vec<Entry>,
    n_docs: u32,
    lengths: Vec<u32>,
    json: Vec<u8>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl BlockWriter {
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        let mut out = FileWriter::create(&dir.join(DOCUMENTS))?;
        out.push(&DOCUMENTS_PROLOGUE.to_bytes())?;
        let compressor = zstd::bulk::Compressor::new(LEVEL)
            .map_err(|source| compress_error(out.path(), source))?;
        Ok(BlockWriter {
            out,
            entries: Vec::new(),
            n_docs: 0,
            lengths: Vec::new(),
            json: Vec::new(),
            compressor,
        })
    }

    /// The document as it will be stored.
    pub(crate) fn encode(document: &Document, passages: &[Passage]) -> Result<Vec<u8>, Error> {
        if !is_within(MOST_LEVELS - 1, document.metadata.values()) {
            return Err(Error::TooDeep {
                id: document.id.clone(),
                most: MOST_LEVELS,
            });
        }
        let mut json = Vec::with_capacity(NAMES + document.title.len() + document.text.len());
        let text = Text::of(document, passages);
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

    /// Adds a document that [`encode`](Self::encode) returned.
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
            .map_err(|source| compress_error(self.out.path(), source))?;
        self.entries.push(Entry {
            first: self.n_docs - self.lengths.len() as u32,
            offset: self.out.bytes(),
            packed: packed.len() as u32,
            unpacked: block.len() as u32,
        });
        self.out.push(&packed)?;
        self.lengths.clear();
        Ok(())
    }

    /// Closes the last block, then writes the table of blocks.
    pub(crate) fn finish(mut self, dir: &Path) -> Result<(), Error> {
        if !self.lengths.is_empty() {
            self.close_block()?;
        }
        self.out.finish()?;
        let mut table = FileWriter::create(&dir.join(BLOCKS))?;
        table.push(&BLOCKS_PROLOGUE.to_bytes())?;
        table.push(&self.n_docs.to_le_bytes())?;
        for entry in &self.entries {
            table.push(&entry.to_bytes())?;
        }
        Ok(table.finish()?)
    }
}

fn compress_error(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        action: "compress a block of",
        path: path.to_owned(),
        source,
    }
}

/// Reads documents out of their blocks.
pub(crate) struct BlockReader {
    documents: Arc<VerifiedFile>,
    /// Entry after entry.
    entries: Numbers<u32>,
    n_docs: u32,
}

impl BlockReader {
    pub(crate) fn open(sealed: &Sealed) -> Result<Self, Error> {
        let documents = sealed.file(DOCUMENTS)?;
        DOCUMENTS_PROLOGUE.check_file(&documents)?;
        let table = sealed.file(BLOCKS)?;
        BLOCKS_PROLOGUE.check_file(&table)?;
        let n_docs = Numbers::new(Arc::clone(&table), Prologue::BYTES, 1)?.get(0)?;
        let start = Prologue::BYTES + 4;
        let words = (table.len() - start) / 4;
        if !(table.len() - start).is_multiple_of(4 * Entry::WORDS) {
            let reason = format!("its {} bytes are no whole entries", table.len());
            return Err(damaged(table.path(), reason));
        }
        Ok(BlockReader {
            documents,
            entries: Numbers::new(table, start, words)?,
            n_docs,
        })
    }

    pub(crate) fn n_docs(&self) -> u32 {
        self.n_docs
    }

    /// Unpacks one block and reads one document of it, with its passages.
    pub(crate) fn document(&self, doc: DocId) -> Result<(Document, Vec<Passage>), Error> {
        if doc.0 >= self.n_docs {
            return Err(Error::UnknownDoc {
                doc,
                len: self.n_docs as usize,
            });
        }
        let n_blocks = self.entries.len() / Entry::WORDS;
        let after = partition_point(n_blocks, |block| {
            Ok::<_, Error>(self.entries.get(block * Entry::WORDS)? <= doc.0)
        })?;
        let Some(number) = after.checked_sub(1) else {
            let reason = format!("no block holds document {}", doc.0);
            return Err(damaged(self.entries.file().path(), reason));
        };
        let entry = self.entry(number)?;
        let end = if after < n_blocks {
            self.entry(after)?.first
        } else {
            self.n_docs
        };
        let block = self.unpack(number, entry)?;
        let json = slice_of(&block, doc.0 - entry.first, end - entry.first).ok_or_else(|| {
            let reason = format!("block {number} has wrong lengths");
            damaged(self.documents.path(), reason)
        })?;
        decode(json).map_err(|error| {
            let reason = format!("document {} is no document: {error}", doc.0);
            damaged(self.documents.path(), reason)
        })
    }

    fn entry(&self, number: usize) -> Result<Entry, Error> {
        let start = number * Entry::WORDS;
        let words = self.entries.slice(start..start + Entry::WORDS)?;
        let words = words.first_chunk().expect("a slice of requested length");
        Ok(Entry::from_words(*words))
    }

    fn unpack(&self, number: usize, entry: Entry) -> Result<Vec<u8>, Error> {
        // A mapped file fits the address space; an offset beyond it is refused.
        let start = usize::try_from(entry.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(entry.packed as usize);
        let packed = self.documents.bytes(start..end)?;
        zstd::bulk::decompress(packed, entry.unpacked as usize).map_err(|error| {
            let reason = format!("block {number} does not unpack: {error}");
            damaged(self.documents.path(), reason)
        })
    }
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
