//! External ids: by number, and numbers by id.
//!
//! `ids.table` holds each id as a length (u32) and its bytes, in order of arrival.
//! `hashes.table` holds the [`hash`] of each id (u64) and its document (u32), sorted.
//! Two ids may share a hash: it narrows the choice, and the ids themselves decide.

use std::collections::HashMap;
use std::path::Path;

use treffer_types::DocId;

use crate::error::{Error, damaged};
use crate::table::{self, Kind, TableWriter};

const IDS: Kind = Kind {
    name: "ids.table",
    magic: *b"TRFids \n",
};
const HASHES: Kind = Kind {
    name: "hashes.table",
    magic: *b"TRFhash\n",
};

/// 64-bit FNV-1a (Fowler, Noll and Vo), then the mixer of SplitMix64. It is part of the
/// format, so it must not change with the compiler or its library.
pub(crate) fn hash(id: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// Writes ids and refuses those it has seen.
///
/// Ids themselves go to disk. What stays is hash, number and offset, 24 bytes in a hash
/// table: between 28 and 57 bytes per document, depending on how full the table is. An id
/// whose hash was seen is compared with the one on disk, so a collision loses nothing.
pub(crate) struct IdWriter {
    table: TableWriter,
    hash: fn(&str) -> u64,
    /// The first id of each hash.
    seen: HashMap<u64, Seen>,
    /// All further ids of a hash: none, unless somebody makes collisions on purpose.
    collided: Vec<(u64, Seen)>,
    n: u32,
}

/// A document and where its id starts in the table.
#[derive(Clone, Copy)]
struct Seen {
    doc: DocId,
    start: u64,
}

impl IdWriter {
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        Self::with_hash(dir, hash)
    }

    /// For tests of collisions; a table can only be read if `hash` is [`hash`].
    pub(crate) fn with_hash(dir: &Path, hash: fn(&str) -> u64) -> Result<Self, Error> {
        Ok(IdWriter {
            table: TableWriter::create(dir, IDS)?,
            hash,
            seen: HashMap::new(),
            collided: Vec::new(),
            n: 0,
        })
    }

    /// The document that has this id.
    pub(crate) fn find(&mut self, id: &str) -> Result<Option<DocId>, Error> {
        let hash = (self.hash)(id);
        let Some(&first) = self.seen.get(&hash) else {
            return Ok(None);
        };
        let further = self.collided.iter().filter(|(h, _)| *h == hash);
        for seen in std::iter::once(first).chain(further.map(|(_, seen)| *seen)) {
            if is_at(&mut self.table, seen.start, id)? {
                return Ok(Some(seen.doc));
            }
        }
        Ok(None)
    }

    /// Adds an id that [`find`](Self::find) did not find.
    pub(crate) fn push(&mut self, id: &str) -> Result<DocId, Error> {
        let seen = Seen {
            doc: DocId(self.n),
            start: self.table.len(),
        };
        self.table.push(&(id.len() as u32).to_le_bytes())?;
        self.table.push(id.as_bytes())?;
        let hash = (self.hash)(id);
        match self.seen.entry(hash) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(seen);
            }
            std::collections::hash_map::Entry::Occupied(_) => self.collided.push((hash, seen)),
        }
        self.n += 1;
        Ok(seen.doc)
    }

    pub(crate) fn len(&self) -> u32 {
        self.n
    }

    pub(crate) fn finish(self, dir: &Path) -> Result<(), Error> {
        self.table.finish()?;
        let mut sorted: Vec<(u64, u32)> = self
            .seen
            .into_iter()
            .chain(self.collided)
            .map(|(hash, seen)| (hash, seen.doc.0))
            .collect();
        sorted.sort_unstable();
        let mut table = TableWriter::create(dir, HASHES)?;
        for (hash, doc) in sorted {
            table.push(&hash.to_le_bytes())?;
            table.push(&doc.to_le_bytes())?;
        }
        table.finish()
    }
}

/// Whether the id at `start` is `id`.
fn is_at(table: &mut TableWriter, start: u64, id: &str) -> Result<bool, Error> {
    let mut length = [0; 4];
    table.read_back(start, &mut length)?;
    if u32::from_le_bytes(length) as usize != id.len() {
        return Ok(false);
    }
    let mut bytes = vec![0; id.len()];
    table.read_back(start + 4, &mut bytes)?;
    Ok(bytes == id.as_bytes())
}

/// All ids, in memory.
pub(crate) struct Ids {
    text: String,
    /// Where each id ends in `text`.
    ends: Vec<usize>,
    hashes: Vec<(u64, u32)>,
}

impl Ids {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let (text, ends) = read_ids(dir)?;
        let ids = Ids {
            text,
            ends,
            hashes: read_hashes(dir)?,
        };
        let path = dir.join(HASHES.name);
        if ids.hashes.len() != ids.ends.len() {
            return Err(damaged(
                &path,
                "it has another number of ids than ids.table",
            ));
        }
        if ids.hashes.iter().any(|&(_, doc)| doc as usize >= ids.len()) {
            return Err(damaged(&path, "it names a document that is not there"));
        }
        Ok(ids)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, doc: DocId) -> Option<&str> {
        let index = doc.0 as usize;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }

    pub(crate) fn find(&self, id: &str) -> Option<DocId> {
        let hash = hash(id);
        let start = self.hashes.partition_point(|&(h, _)| h < hash);
        self.hashes[start..]
            .iter()
            .take_while(|&&(h, _)| h == hash)
            .map(|&(_, doc)| DocId(doc))
            .find(|&doc| self.get(doc) == Some(id))
    }
}

fn read_ids(dir: &Path) -> Result<(String, Vec<usize>), Error> {
    let body = table::read(dir, IDS)?;
    let path = dir.join(IDS.name);
    let (mut text, mut ends) = (Vec::with_capacity(body.len()), Vec::new());
    let mut rest = body.as_slice();
    while !rest.is_empty() {
        let id = rest
            .split_first_chunk()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let Some((id, after)) = id else {
            return Err(damaged(&path, "an id ends too early"));
        };
        if std::str::from_utf8(id).is_err() {
            return Err(damaged(&path, format!("id {} is no text", ends.len())));
        }
        text.extend_from_slice(id);
        ends.push(text.len());
        rest = after;
    }
    text.shrink_to_fit();
    ends.shrink_to_fit();
    let text = String::from_utf8(text).expect("texts joined are text");
    Ok((text, ends))
}

fn read_hashes(dir: &Path) -> Result<Vec<(u64, u32)>, Error> {
    let body = table::read(dir, HASHES)?;
    let path = dir.join(HASHES.name);
    let (chunks, odd) = body.as_chunks::<12>();
    let mut hashes = Vec::with_capacity(chunks.len());
    for [h0, h1, h2, h3, h4, h5, h6, h7, doc @ ..] in chunks {
        let hash = u64::from_le_bytes([*h0, *h1, *h2, *h3, *h4, *h5, *h6, *h7]);
        hashes.push((hash, u32::from_le_bytes(*doc)));
    }
    if !odd.is_empty() || !hashes.is_sorted() {
        return Err(damaged(&path, "its hashes are out of order"));
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_share_a_hash_are_still_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = IdWriter::with_hash(dir.path(), |_| 7).unwrap();
        for (i, id) in ["a", "", "b", "ab", "ba"].into_iter().enumerate() {
            assert_eq!(writer.find(id).unwrap(), None);
            assert_eq!(writer.push(id).unwrap(), DocId(i as u32));
            assert_eq!(writer.find(id).unwrap(), Some(DocId(i as u32)));
        }
        assert_eq!(writer.find("a").unwrap(), Some(DocId(0)));
        assert_eq!(writer.find("c").unwrap(), None);
        writer.finish(dir.path()).unwrap();
        // Read with the real hash, ids are there by number; those that hash to 7 by chance, none.
        let ids = Ids::open(dir.path()).unwrap();
        assert_eq!(ids.get(DocId(3)), Some("ab"));
        assert_eq!(ids.hashes.iter().map(|pair| pair.1).max(), Some(4));
    }

    #[test]
    fn a_reader_tells_ids_of_one_hash_apart() {
        let hash = hash("b");
        let ids = Ids {
            text: "ab".to_owned(),
            ends: vec![1, 2],
            hashes: vec![(hash, 0), (hash, 1)],
        };
        assert_eq!(ids.find("b"), Some(DocId(1)));
        assert_eq!(ids.find("a"), None);
    }

    /// The hash is part of the format.
    #[test]
    fn the_hash_does_not_change() {
        assert_eq!(hash(""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash("doc-1"), 0xf013_4868_2ab2_8e14);
        let hashes: std::collections::HashSet<u64> =
            (0..10_000).map(|i| hash(&format!("doc-{i}"))).collect();
        assert_eq!(hashes.len(), 10_000);
    }
}
