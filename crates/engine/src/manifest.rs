//! The manifest: what an index consists of. It is written last and by rename, so an index is
//! complete or absent.
//!
//! ```text
//! INDEX/manifest.json     this file
//! INDEX/treffer.toml      settings that may be edited; see `settings_file`
//! INDEX/deleted-7         which documents are deleted; see `deleted`
//! INDEX/segment-1/        bm25/  columns/  dense/  store/
//! ```

mod segment;

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use treffer_disk::{Error as DiskError, SealRecord, read_file, write_durably};
use treffer_types::{Fingerprint, ModelSpec};

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
    /// The cross-encoder that the profiles were made for.
    pub cross: Option<ModelRecord>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            written_by: "treffer 0.0.0".into(),
            generation: 3,
            blueprint: Config::preset("english").unwrap().blueprint(),
            models: Models::default(),
            settings: BuiltSettings {
                generation: 3,
                toml: String::new(),
            },
            unfinished: false,
            segments: Vec::new(),
            deleted: None,
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let record = SealRecord {
            bytes: 0,
            files: 0,
            checksums_crc32: 0,
        };
        for (segment, part, is_good) in [
            ("segment-1", "bm25", true),
            ("segment-1", "../bm25", false),
            ("segment-1", "", false),
            ("segment-1", "/etc", false),
            ("segment-", "bm25", false),
            ("segment-1/..", "bm25", false),
            ("../segment-1", "bm25", false),
            ("/segment-1", "bm25", false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let segment = Segment {
                name: segment.into(),
                documents: 1,
                passages: 1,
                deleted: 0,
                deleted_passages: 0,
                parts: Parts::from([(part.into(), record)]),
            };
            let manifest = Manifest {
                segments: vec![segment],
                ..manifest()
            };
            manifest.write(dir.path()).unwrap();
            let read = Manifest::read(dir.path());
            assert_eq!(read.is_ok(), is_good, "{:?}", manifest.segments);
        }
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        let segment = |name: &str, documents, deleted| Segment {
            name: name.into(),
            documents,
            passages: documents,
            deleted,
            deleted_passages: 0,
            parts: Parts::new(),
        };
        for (segments, is_good) in [
            (
                vec![segment("segment-1", 5, 0), segment("segment-2", 5, 0)],
                true,
            ),
            (
                vec![segment("segment-1", 5, 0), segment("segment-1", 5, 0)],
                false,
            ),
            (vec![segment("segment-1", 5, 6)], false),
            (vec![segment("segment-1", 5, 1)], false), // it does not say which
            (
                vec![
                    segment("segment-1", u32::MAX, 0),
                    segment("segment-2", 1, 0),
                ],
                false,
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let manifest = Manifest {
                segments,
                ..manifest()
            };
            manifest.write(dir.path()).unwrap();
            let read = Manifest::read(dir.path());
            assert_eq!(read.is_ok(), is_good, "{:?}", manifest.segments);
        }
    }

    #[test]
    fn a_manifest_survives_a_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        manifest().write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), manifest());
    }

    #[test]
    fn no_flipped_byte_goes_unnoticed() {
        let dir = tempfile::tempdir().unwrap();
        manifest().write(dir.path()).unwrap();
        let path = dir.path().join(MANIFEST);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let message = Manifest::read(dir.path()).unwrap_err().to_string();
            assert!(message.contains("damaged"), "byte {at}: {message}");
        }
    }

    #[test]
    fn another_format_is_refused_with_both_numbers() {
        let dir = tempfile::tempdir().unwrap();
        Manifest {
            format: 7,
            ..manifest()
        }
        .write(dir.path())
        .unwrap();
        let message = Manifest::read(dir.path()).unwrap_err().to_string();
        assert!(
            message.contains("format 7") && message.contains("format 5"),
            "{message}"
        );
    }

    #[test]
    fn folders_without_an_index_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let message = |dir: &Path| Manifest::read(dir).unwrap_err().to_string();
        assert!(message(&dir.path().join("none")).contains("does not exist"));
        assert!(message(dir.path()).contains("is empty"));
        fs::write(dir.path().join("letter.txt"), "hello").unwrap();
        assert!(message(dir.path()).contains("other files"));
        fs::write(dir.path().join(LOCK), LOCK_CONTENT).unwrap();
        assert!(message(dir.path()).contains("never completed"));
        assert!(message(&dir.path().join("letter.txt")).contains("not a folder"));
    }

    #[test]
    fn a_lock_that_was_not_written_whole_is_one_if_it_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        let is_lock_with = |content: &str| {
            fs::write(dir.path().join(LOCK), content).unwrap();
            is_lock(dir.path())
        };
        let zeros = "\0".repeat(9);
        let incomplete = ["", &LOCK_CONTENT[..9], &zeros];
        for content in incomplete {
            assert!(is_lock_with(content), "{content}");
        }
        for content in ["mine", "Treffer: mine", &format!("{LOCK_CONTENT}2")] {
            assert!(!is_lock_with(content), "{content}");
        }
        fs::write(dir.path().join("letter.txt"), "hello").unwrap();
        for content in incomplete {
            assert!(!is_lock_with(content), "{content}");
        }
        assert!(is_lock_with(LOCK_CONTENT));
    }

    #[test]
    fn a_segment_knows_its_parts_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("segment-1").join(parts::STORE);
        let seal_with = |content: &[u8]| {
            let _ = fs::remove_dir_all(&part);
            fs::create_dir_all(&part).unwrap();
            fs::write(part.join("file"), content).unwrap();
            treffer_disk::seal(&part).unwrap()
        };
        let segment = Segment {
            name: "segment-1".into(),
            documents: 1,
            passages: 1,
            deleted: 0,
            deleted_passages: 0,
            parts: Parts::from([(parts::STORE.to_owned(), seal_with(b"content"))]),
        };
        segment.check_seals(dir.path()).unwrap();
        seal_with(b"c0ntent");
        let message = segment.check_seals(dir.path()).unwrap_err().to_string();
        assert!(message.contains("checksums"), "{message}");
        fs::remove_dir_all(&part).unwrap();
        assert!(segment.check_seals(dir.path()).is_err());
    }
}
