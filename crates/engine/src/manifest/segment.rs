//! Segments, as the manifest lists them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use treffer_disk::{CHECKSUMS, SealRecord, Sealed};

use crate::error::Error;

/// What names of segments begin with.
const SEGMENT: &str = "segment-";

/// An immutable piece of an index, in a folder of its own.
///
/// Documents and passages are numbered through all segments, in their order, deleted ones
/// included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Name of the folder.
    pub name: String,
    /// How many documents it holds, deleted ones included.
    pub documents: u32,
    /// How many passages they have.
    pub passages: u32,
    /// How many of the documents are deleted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deleted: u32,
    /// How many passages these have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deleted_passages: u32,
    /// Its parts by the names of their folders, each a sealed folder within the segment's.
    pub parts: Parts,
}

/// The parts of a segment by the names of their folders, each with its seal. A folder has the
/// name of its part; of one that was written anew later, a number follows, as in `bm25-7`.
pub type Parts = BTreeMap<String, SealRecord>;

/// The parts of a segment: the name of the folder of each.
pub mod parts {
    /// BM25's inverted index.
    pub const BM25: &str = "bm25";
    /// Vectors and their graph.
    pub const DENSE: &str = "dense";
    /// Vectors of tokens.
    pub const LATE: &str = "late";
    /// The fields of the documents.
    pub const COLUMNS: &str = "columns";
    /// The documents.
    pub const STORE: &str = "store";
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Segment {
    /// The name of the folder of a part, if the segment has the part.
    pub fn part(&self, part: &str) -> Option<&str> {
        let mut folders = self.parts.keys().map(String::as_str);
        folders.find(|folder| part_of(folder) == part)
    }

    /// Puts a part that the commit of a generation makes in the place of the one that is there, and
    /// returns the name of its folder.
    pub(crate) fn replace_part(&mut self, part: &str, generation: u64, seal: SealRecord) -> String {
        let folder = format!("{part}-{generation}");
        self.parts.retain(|folder, _| part_of(folder) != part);
        self.parts.insert(folder.clone(), seal);
        folder
    }

    /// The folder of a part of the index in `dir`.
    ///
    /// # Errors
    /// If the segment does not have the part.
    pub fn folder(&self, dir: &Path, part: &str) -> Result<PathBuf, Error> {
        let place = dir.join(&self.name);
        match self.part(part) {
            Some(folder) => Ok(place.join(folder)),
            None => Err(damaged(&place, format!("it has no part `{part}`"))),
        }
    }

    /// Compares the seals of the parts of the index in `dir` with those recorded: this tells
    /// whether they are the parts that were committed. Reads no content; each block is verified
    /// when it is first touched.
    ///
    /// # Errors
    /// Names the first part that is missing, damaged, or not the one that was committed.
    pub fn check_seals(&self, dir: &Path) -> Result<(), Error> {
        let mut folders = self.parts.keys();
        folders.try_for_each(|folder| self.check_seal(dir, folder))
    }

    /// The same of one part, by the name of its folder.
    ///
    /// # Errors
    /// As [`check_seals`](Self::check_seals).
    pub(crate) fn check_seal(&self, dir: &Path, folder: &str) -> Result<(), Error> {
        let expected = self.parts.get(folder);
        let folder = dir.join(&self.name).join(folder);
        let found = Sealed::open(&folder)?.record();
        match expected {
            Some(expected) if found != *expected => {
                let what = format!(
                    "its checksums have the checksum {:08x}, the manifest says {:08x}",
                    found.checksums_crc32, expected.checksums_crc32
                );
                Err(damaged(&folder.join(CHECKSUMS), what))
            }
            _ => Ok(()),
        }
    }

    /// Says what is wrong with names or counts.
    ///
    /// # Errors
    /// What is wrong, to be said of the manifest.
    pub(super) fn check(&self) -> Result<(), String> {
        if !is_segment_name(&self.name) {
            return Err(format!("it names a segment `{}`", self.name));
        }
        if let Some(part) = self.parts.keys().find(|part| !is_plain_name(part)) {
            return Err(format!("it names a part `{part}`"));
        }
        if self.deleted > self.documents || self.deleted_passages > self.passages {
            return Err(format!(
                "{} of {} documents and {} of {} passages of {} are deleted",
                self.deleted, self.documents, self.deleted_passages, self.passages, self.name
            ));
        }
        Ok(())
    }
}

/// The part that a folder of a segment holds.
pub(crate) fn part_of(folder: &str) -> &str {
    match folder.split_once('-') {
        Some((part, number)) if is_generation(number) => part,
        _ => folder,
    }
}

/// The name of the segment that the commit of a generation makes.
pub(crate) fn segment_name(generation: u64) -> String {
    format!("{SEGMENT}{generation}")
}

/// Whether [`segment_name`] may have made this name.
pub(crate) fn is_segment_name(name: &str) -> bool {
    name.strip_prefix(SEGMENT).is_some_and(is_generation)
}

/// Whether this is a number as names of files end in.
pub(crate) fn is_generation(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_plain_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.bytes().all(is_plain)
}

fn damaged(path: &Path, what: String) -> Error {
    Error::Damaged {
        path: path.into(),
        what,
    }
}
