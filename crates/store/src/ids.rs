//! External ids: by number, and numbers by id.
//!
//! `ids.table` is a prologue, the ids one after the other in order of arrival, zeros up to a
//! multiple of 8, then for each id where it ends (u64, counted from the first id's start).
//! `hashes.table` is a prologue, 4 bytes of zeros, the [`hash`] of each id (u64), ascending,
//! then the document of each hash (u32). Two ids may share a hash, so the ids themselves are
//! compared.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed, VerifiedFile, partition_point};
use treffer_types::DocId;

use crate::error::{Error, damaged};
use crate::format::{HASHES, HASHES_PROLOGUE, IDS, IDS_PROLOGUE};

/// Where the hashes start, a multiple of their width.
const HASHES_START: usize = 16;

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
/// The ids themselves go to disk. In memory stay the end of each, 8 bytes, and its hash and
/// number, 16 bytes in a hash table: between 26 and 56 bytes per document, depending on how
/// full the two are. An id whose hash was seen is compared with the one on disk, so collisions
/// do no harm.
pub(crate) struct IdWriter {
    table: FileWriter,
    hash: fn(&str) -> u64,
    /// The first document of each hash.
    seen: HashMap<u64, DocId>,
    /// All further documents of a hash: practically none, unless collisions are made on
    /// purpose.
    collided: Vec<(u64, DocId)>,
    /// Where each id ends, from the first one's start.
    ends: Vec<u64>,
}

impl IdWriter {
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        Self::with_hash(dir, hash)
    }

    /// For tests of collisions; ids can only be found again if `hash` is [`hash`].
    pub(crate) fn with_hash(dir: &Path, hash: fn(&str) -> u64) -> Result<Self, Error> {
        let mut table = FileWriter::create(&dir.join(IDS))?;
        table.push(&IDS_PROLOGUE.to_bytes())?;
        Ok(IdWriter {
            table,
            hash,
            seen: HashMap::new(),
            collided: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// The document that has this id.
    pub(crate) fn find(&mut self, id: &str) -> Result<Option<DocId>, Error> {
        let hash = (self.hash)(id);
        let Some(&first) = self.seen.get(&hash) else {
            return Ok(None);
        };
        if self.has(first, id)? {
            return Ok(Some(first));
        }
        for i in 0..self.collided.len() {
            let (other, doc) = self.collided[i];
            if other == hash && self.has(doc, id)? {
                return Ok(Some(doc));
            }
        }
        Ok(None)
    }

    /// Adds an id that [`find`](Self::find) did not find.
    pub(crate) fn push(&mut self, id: &str) -> Result<DocId, Error> {
        let doc = DocId(self.len());
        self.table.push(id.as_bytes())?;
        self.ends.push(self.table.bytes() - Prologue::BYTES as u64);
        let hash = (self.hash)(id);
        match self.seen.entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert(doc);
            }
            Entry::Occupied(_) => self.collided.push((hash, doc)),
        }
        Ok(doc)
    }

    pub(crate) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    pub(crate) fn finish(mut self, dir: &Path) -> Result<(), Error> {
        let beyond = self.table.bytes() % 8;
        self.table.push(&[0; 8][..(8 - beyond as usize) % 8])?;
        for end in &self.ends {
            self.table.push(&end.to_le_bytes())?;
        }
        self.table.finish()?;
        let mut sorted: Vec<(u64, DocId)> = self.seen.into_iter().chain(self.collided).collect();
        sorted.sort_unstable();
        let mut table = FileWriter::create(&dir.join(HASHES))?;
        table.push(&HASHES_PROLOGUE.to_bytes())?;
        table.push(&[0; HASHES_START - Prologue::BYTES])?;
        for (hash, _) in &sorted {
            table.push(&hash.to_le_bytes())?;
        }
        for (_, doc) in &sorted {
            table.push(&doc.0.to_le_bytes())?;
        }
        Ok(table.finish()?)
    }

    /// Whether the id of a document that was pushed is `id`.
    fn has(&mut self, doc: DocId, id: &str) -> Result<bool, Error> {
        let index = doc.0 as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        if self.ends[index] - start != id.len() as u64 {
            return Ok(false);
        }
        let mut bytes = vec![0; id.len()];
        self.table
            .read_back(Prologue::BYTES as u64 + start, &mut bytes)?;
        Ok(bytes == id.as_bytes())
    }
}

/// All ids, on disk.
pub(crate) struct Ids {
    table: Arc<VerifiedFile>,
    /// Where each id ends.
    ends: Numbers<u64>,
    /// Ascending.
    hashes: Numbers<u64>,
    /// Of each hash.
    docs: Numbers<u32>,
}

impl Ids {
    /// Opens the ids of `n_docs` documents.
    pub(crate) fn open(sealed: &Sealed, n_docs: u32) -> Result<Self, Error> {
        let n = n_docs as usize;
        let table = sealed.file(IDS)?;
        IDS_PROLOGUE.check_file(&table)?;
        let Some(start) = table.len().checked_sub(8 * n) else {
            let reason = format!("its {} bytes do not hold {n} ids", table.len());
            return Err(damaged(table.path(), reason));
        };
        let hashes = sealed.file(HASHES)?;
        HASHES_PROLOGUE.check_file(&hashes)?;
        if hashes.len() != HASHES_START + 12 * n {
            let reason = format!("its {} bytes do not hold {n} hashes", hashes.len());
            return Err(damaged(hashes.path(), reason));
        }
        Ok(Ids {
            ends: Numbers::new(Arc::clone(&table), start, n)?,
            table,
            hashes: Numbers::new(Arc::clone(&hashes), HASHES_START, n)?,
            docs: Numbers::new(hashes, HASHES_START + 8 * n, n)?,
        })
    }

    /// The id of a document that is there.
    pub(crate) fn get(&self, doc: DocId) -> Result<&str, Error> {
        let index = doc.0 as usize;
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before)?,
            None => 0,
        };
        let [start, end] = [start, self.ends.get(index)?].map(|offset| {
            // A mapped file fits the address space; an offset beyond it is refused.
            usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .saturating_add(Prologue::BYTES)
        });
        std::str::from_utf8(self.table.bytes(start..end)?)
            .map_err(|_| damaged(self.table.path(), format!("id {index} is no text")))
    }

    pub(crate) fn find(&self, id: &str) -> Result<Option<DocId>, Error> {
        let hash = hash(id);
        let n = self.hashes.len();
        let first = partition_point(n, |i| Ok::<_, Error>(self.hashes.get(i)? < hash))?;
        for i in first..n {
            if self.hashes.get(i)? != hash {
                break;
            }
            let doc = self.docs.get(i)?;
            if doc as usize >= n {
                let reason = format!("it names document {doc} of {n}");
                return Err(damaged(self.docs.file().path(), reason));
            }
            if self.get(DocId(doc))? == id {
                return Ok(Some(DocId(doc)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes ids with a hash of the test's own and opens them.
    fn written(ids: &[&str], hash: fn(&str) -> u64) -> (tempfile::TempDir, Ids) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = IdWriter::with_hash(dir.path(), hash).unwrap();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(writer.find(id).unwrap(), None);
            assert_eq!(writer.push(id).unwrap(), DocId(i as u32));
            assert_eq!(writer.find(id).unwrap(), Some(DocId(i as u32)));
        }
        assert_eq!(writer.find(ids[0]).unwrap(), Some(DocId(0)));
        assert_eq!(writer.find("not there").unwrap(), None);
        writer.finish(dir.path()).unwrap();
        treffer_disk::seal(dir.path()).unwrap();
        let sealed = Sealed::open(dir.path()).unwrap();
        let ids = Ids::open(&sealed, ids.len() as u32).unwrap();
        (dir, ids)
    }

    #[test]
    fn ids_that_share_a_hash_are_still_told_apart() {
        let (_dir, ids) = written(&["a", "", "b", "ab", "ba"], |_| 7);
        assert_eq!(ids.get(DocId(1)).unwrap(), "");
        assert_eq!(ids.get(DocId(3)).unwrap(), "ab");
        assert_eq!(ids.docs.slice(0..5).unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_reader_tells_ids_of_one_hash_apart() {
        let (_dir, ids) = written(&["a", "b"], |_| hash("b"));
        assert_eq!(ids.find("b").unwrap(), Some(DocId(1)));
        assert_eq!(ids.find("a").unwrap(), None);
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
