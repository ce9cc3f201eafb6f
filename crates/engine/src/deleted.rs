//! Which documents of an index are deleted: one file for each generation in which any are.
//!
//! The file `deleted-GENERATION` is a prologue, then for each segment with deleted documents, in
//! the manifest's order, a bit for each of its documents in words of 64, the lowest first, which
//! is set if the document is deleted. The manifest has the file's name, length and CRC-32, and how
//! many documents of each segment are deleted.

use std::path::Path;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_disk::{Prologue, read_file, write_durably};

use crate::error::Error;
use crate::manifest::{DeletedRecord, Manifest, Segment, deleted_name};

const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFdele\n",
    version: 1,
};

/// The deleted documents of each segment, by their numbers within it; `None` where none are.
pub(crate) type Deleted = Vec<Option<Arc<FixedBitSet>>>;

/// Writes the file of a generation durably, if any document is deleted.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write(
    dir: &Path,
    generation: u64,
    deleted: &[Option<Arc<FixedBitSet>>],
) -> Result<Option<DeletedRecord>, Error> {
    let sets: Vec<&FixedBitSet> = deleted.iter().flatten().map(Arc::as_ref).collect();
    if sets.is_empty() {
        return Ok(None);
    }
    let mut bytes = PROLOGUE.to_bytes().to_vec();
    for set in sets {
        let mut words = vec![0_u64; set.len().div_ceil(64)];
        for doc in set.ones() {
            words[doc / 64] |= 1 << (doc % 64);
        }
        for word in words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    let file = deleted_name(generation);
    write_durably(&dir.join(&file), &bytes)?;
    Ok(Some(DeletedRecord {
        file,
        bytes: bytes.len() as u64,
        crc32: crc32fast::hash(&bytes),
    }))
}

/// The deleted documents of the index in `dir`.
///
/// # Errors
/// If the file is missing, damaged, or does not hold what the manifest says.
pub(crate) fn read(dir: &Path, manifest: &Manifest) -> Result<Deleted, Error> {
    let Some(record) = &manifest.deleted else {
        return Ok(vec![None; manifest.segments.len()]);
    };
    let path = dir.join(&record.file);
    let damaged = |what: String| Error::Damaged {
        path: path.clone(),
        what,
    };
    let bytes = read_file(&path, record.bytes)?;
    let crc32 = crc32fast::hash(&bytes);
    if bytes.len() as u64 != record.bytes || crc32 != record.crc32 {
        return Err(damaged(format!(
            "it has {} bytes with the checksum {crc32:08x}, the manifest says {} with {:08x}",
            bytes.len(),
            record.bytes,
            record.crc32
        )));
    }
    let (prologue, words) = bytes.split_at_checked(Prologue::BYTES).unwrap_or_default();
    if *prologue != PROLOGUE.to_bytes() {
        return Err(damaged("it does not begin as it should".into()));
    }
    let mut words = words.as_chunks::<8>().0.iter();
    let mut deleted = Vec::with_capacity(manifest.segments.len());
    for segment in &manifest.segments {
        if segment.deleted == 0 {
            deleted.push(None);
            continue;
        }
        let n_words = (segment.documents as usize).div_ceil(64);
        let words: Vec<u64> = words
            .by_ref()
            .take(n_words)
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let set = set_of(segment, &words);
        let found = set.count_ones(..);
        if found != segment.deleted as usize {
            return Err(damaged(format!(
                "{found} documents of {} are deleted, the manifest says {}",
                segment.name, segment.deleted
            )));
        }
        deleted.push(Some(Arc::new(set)));
    }
    Ok(deleted)
}

fn set_of(segment: &Segment, words: &[u64]) -> FixedBitSet {
    let n = segment.documents as usize;
    let mut set = FixedBitSet::with_capacity(n);
    for (word, bits) in words.iter().enumerate() {
        for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
            if 64 * word + bit < n {
                set.insert(64 * word + bit);
            }
        }
    }
    set
}
