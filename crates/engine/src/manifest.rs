//! The manifest: what an index consists of. It is written last and by rename, so an index is
//! complete or absent.
//!
//! ```text
//! INDEX/manifest.json     this file
//! INDEX/treffer.toml      settings that may be edited; see `settings_file`
//! INDEX/deleted-7         which documents are deleted; see `deleted`
//! INDEX/segment-1/        bm25/  columns/  dense/  late/  store/
//! ```

mod segment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use treffer_disk::{Error as DiskError, SealRecord, read_file, write_durably};
use treffer_types::{Fingerprint, Language, ModelSpec, Scoring};

use crate::blueprint::Blueprint;
use crate::error::Error;
pub use segment::{Parts, Segment, parts};
pub(crate) use segment::{is_generation, is_segment_name, part_of, segment_name};

/// The version of the layout that this program reads and writes.
pub const FORMAT: u32 = 5;

/// No manifest is nearly as large: it has some kB.
const LARGEST: u64 = 64 << 20;
/// What names of files begin with that say which documents are deleted.
const DELETED: &str = "deleted-";

/// Name of the manifest within an index.
pub const MANIFEST: &str = "manifest.json";
/// Name of the settings within an index.
pub const SETTINGS: &str = "treffer.toml";
/// Name of the writer's lock within an index.
pub const LOCK: &str = "writer.lock";
/// What the writer's lock holds, so that it can be told from a file of that name in a folder of
/// somebody else.
pub const LOCK_CONTENT: &str = "Treffer: locked while a process writes this index\n";

/// What an index consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// The program that wrote it.
    pub written_by: String,
    /// Counts the commits of this folder, from 1.
    pub generation: u64,
    /// What the index was built with, except the models.
    pub blueprint: Blueprint,
    /// The models it was built with.
    pub models: Models,
    /// The settings it was built with.
    pub settings: BuiltSettings,
    /// Whether the command that builds it was interrupted, and can be resumed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unfinished: bool,
    /// Its segments, in order of their documents.
    pub segments: Vec<Segment>,
    /// Which documents are deleted, if any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<DeletedRecord>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The settings as they were when an index was built: what `treffer.toml` held at first. They
/// apply while that file is not there or is still that of an earlier build, so that a manifest
/// that takes effect brings its settings with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltSettings {
    /// The generation that they were written for; a `treffer.toml` names the same.
    pub generation: u64,
    /// The text of `treffer.toml`.
    pub toml: String,
}

/// The file that says which documents are deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletedRecord {
    /// Its name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// The CRC-32 of its bytes.
    pub crc32: u32,
}

/// The models an index was built with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Models {
    /// The bi-encoder whose vectors the index holds.
    pub dense: Option<ModelRecord>,
    /// The model of late interaction whose token vectors the index holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<ModelRecord>,
    /// The cross-encoder that the profiles were made for.
    pub cross: Option<ModelRecord>,
    /// Those that read queries in these languages in its place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cross_by_language: BTreeMap<Language, ModelRecord>,
}

impl Models {
    /// What the scores of the cross-encoder are; logits if there is none.
    pub(crate) fn cross_scoring(&self) -> Scoring {
        let record = self.cross.as_ref();
        record.map_or(Scoring::Logit, |record| record.spec.details.scoring.clone())
    }
}

/// A model as it was when the index was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Name, prefixes, pooling and maximal length.
    pub spec: ModelSpec,
    /// Fingerprint of these and of its files, weights and tokenizer included.
    pub fingerprint: Fingerprint,
}

/// The file's layout: one JSON object of the manifest and the checksum of its bytes, always
/// laid out in the same way, so that these bytes can be found without parsing.
const SEAL: [&str; 3] = ["{\"crc32\": ", ", \"manifest\": ", "}\n"];

fn seal(manifest: &str) -> String {
    let [head, middle, tail] = SEAL;
    format!(
        "{head}{}{middle}{manifest}{tail}",
        crc32fast::hash(manifest.as_bytes())
    )
}

/// The checksum and the manifest within a sealed text.
fn unseal(text: &str) -> Option<(u32, &str)> {
    let [head, middle, tail] = SEAL;
    let (crc32, manifest) = text
        .strip_prefix(head)?
        .strip_suffix(tail)?
        .split_once(middle)?;
    Some((crc32.parse().ok()?, manifest))
}

impl Manifest {
    /// Reads the manifest of the index in `dir`.
    ///
    /// # Errors
    /// If the folder is missing, is empty, holds a build that was interrupted or other files,
    /// each with its own message; or if the manifest is damaged or of another format.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(MANIFEST);
        let text = match read_file(&path, LARGEST) {
            Ok(bytes) => String::from_utf8(bytes)
                .map_err(|_| damaged(&path, "it is not UTF-8".to_string()))?,
            Err(DiskError::Missing { .. }) => return Err(no_index(dir)),
            Err(error) => return Err(error.into()),
        };
        let (crc32, manifest) =
            unseal(&text).ok_or_else(|| damaged(&path, "it is not a manifest".to_string()))?;
        let found = crc32fast::hash(manifest.as_bytes());
        if found != crc32 {
            let what = format!("its checksum is {found:08x}, it was written with {crc32:08x}");
            return Err(damaged(&path, what));
        }
        check_format(dir, manifest)?;
        let manifest: Manifest = serde_json::from_str(manifest)
            .map_err(|error| damaged(&path, format!("it is not a manifest ({error})")))?;
        manifest.check_names(&path)?;
        Ok(manifest)
    }

    /// Refuses names that lead elsewhere, because folders of a segment are read, and removed, by
    /// name; and counts that contradict each other.
    fn check_names(&self, path: &Path) -> Result<(), Error> {
        let (mut documents, mut passages) = (0_u32, 0_u32);
        for (at, segment) in self.segments.iter().enumerate() {
            segment.check().map_err(|what| damaged(path, what))?;
            if self.segments[..at]
                .iter()
                .any(|other| other.name == segment.name)
            {
                let what = format!("it names the segment {} twice", segment.name);
                return Err(damaged(path, what));
            }
            let sums = documents
                .checked_add(segment.documents)
                .zip(passages.checked_add(segment.passages));
            (documents, passages) =
                sums.ok_or_else(|| damaged(path, "it has more documents than numbers".to_owned()))?;
        }
        if self.generation == u64::MAX {
            return Err(damaged(path, "its generation is the last one".to_owned()));
        }
        match &self.deleted {
            Some(record) if !is_deleted_name(&record.file) => {
                let what = format!("it names a file `{}` of deleted documents", record.file);
                Err(damaged(path, what))
            }
            None if self.n_deleted() > 0 => Err(damaged(
                path,
                "it does not say which documents are deleted".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Writes the manifest into `dir`: this commits the index.
    ///
    /// # Errors
    /// If it cannot be written; the manifest that was there, if any, is untouched.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let manifest =
            serde_json::to_string_pretty(self).expect("a manifest can be written as JSON");
        Ok(write_durably(
            &dir.join(MANIFEST),
            seal(&manifest).as_bytes(),
        )?)
    }

    /// Number of documents in all segments that are not deleted.
    pub fn n_documents(&self) -> u32 {
        let live = |segment: &Segment| segment.documents - segment.deleted;
        self.segments.iter().map(live).sum()
    }

    /// Number of documents in all segments that are deleted, and still take room.
    pub fn n_deleted(&self) -> u32 {
        self.segments.iter().map(|segment| segment.deleted).sum()
    }

    /// Number of passages of all documents that are not deleted.
    pub fn n_passages(&self) -> u32 {
        let live = |segment: &Segment| segment.passages - segment.deleted_passages;
        self.segments.iter().map(live).sum()
    }

    /// Number of files of all segments.
    pub fn n_files(&self) -> usize {
        self.seals()
            .fold(0, |sum, part| sum.saturating_add(part.files))
    }

    /// Bytes of all files of all segments.
    pub fn n_bytes(&self) -> u64 {
        self.seals()
            .fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    fn seals(&self) -> impl Iterator<Item = &SealRecord> {
        let segments = self.segments.iter();
        segments.flat_map(|segment| segment.parts.values())
    }
}

/// Whether the file in `dir` that has the manifest's name was written as one, damaged or not.
pub(crate) fn is_manifest(dir: &Path) -> bool {
    let head = read_file(&dir.join(MANIFEST), LARGEST);
    head.is_ok_and(|bytes| bytes.starts_with(SEAL[0].as_bytes()))
}

/// Whether the file in `dir` that has the lock's name is one. A writer that is killed, or whose
/// power is cut, before the lock is on disk leaves one without its whole content, or with zeros in
/// its place, and nothing beside it.
pub(crate) fn is_lock(dir: &Path) -> bool {
    let expected = LOCK_CONTENT.as_bytes();
    let Ok(content) = read_file(&dir.join(LOCK), expected.len() as u64) else {
        return false;
    };
    let mut bytes = content.iter().zip(expected);
    let mut is_incomplete = || bytes.all(|(found, expected)| found == expected || *found == 0);
    let is_alone = || fs::read_dir(dir).is_ok_and(|entries| entries.count() == 1);
    content == expected || is_incomplete() && is_alone()
}

/// The name of the file that says which documents are deleted in a generation.
pub(crate) fn deleted_name(generation: u64) -> String {
    format!("{DELETED}{generation}")
}

/// Whether [`deleted_name`] may have made this name.
pub(crate) fn is_deleted_name(name: &str) -> bool {
    name.strip_prefix(DELETED).is_some_and(is_generation)
}

fn check_format(dir: &Path, manifest: &str) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    match serde_json::from_str(manifest) {
        Ok(Format { format: FORMAT }) => Ok(()),
        Ok(Format { format: found }) => Err(Error::Format {
            path: dir.into(),
            found,
            expected: FORMAT,
        }),
        Err(error) => Err(damaged(
            &dir.join(MANIFEST),
            format!("it has no format ({error})"),
        )),
    }
}

fn no_index(dir: &Path) -> Error {
    let what = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => "it is not a folder",
        Err(_) => "the folder does not exist",
        Ok(mut entries) => match entries.next() {
            None => "the folder is empty",
            Some(_) if is_lock(dir) => "the folder holds an index that was never completed",
            Some(_) => "the folder holds other files but no manifest.json",
        },
    };
    Error::NoIndex {
        path: dir.into(),
        what,
    }
}

fn damaged(path: &Path, what: String) -> Error {
    Error::Damaged {
        path: path.into(),
        what,
    }
}
