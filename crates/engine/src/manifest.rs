//! The manifest: what an index consists of. It is written last and by rename, so an
//! index is whole or absent.
//!
//! ```text
//! INDEX/manifest.json     this file
//! INDEX/treffer.toml      settings that may be edited
//! INDEX/segment-1/        bm25/  dense/  store/
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use treffer_types::{Fingerprint, ModelSpec};

use crate::config::Blueprint;
use crate::error::{Error, IoContext};

/// The version of the layout that this program reads and writes.
pub const FORMAT: u32 = 1;

/// Name of the manifest within an index.
pub const MANIFEST: &str = "manifest.json";
/// Name of the settings within an index.
pub const SETTINGS: &str = "treffer.toml";
/// Name of the writer's lock within an index.
pub const LOCK: &str = "writer.lock";

/// What an index consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// The program that wrote it.
    pub written_by: String,
    /// Counts the commits of this folder, from 1.
    pub generation: u64,
    /// What the index was built to.
    pub blueprint: Blueprint,
    /// The models it was built with.
    pub models: Models,
    /// Its segments, in order of their documents. One, for now.
    pub segments: Vec<Segment>,
}

/// The models an index was built with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Models {
    /// The bi-encoder whose vectors the index holds.
    pub dense: Option<ModelRecord>,
    /// The cross-encoder whose scores the profiles weigh.
    pub cross: Option<ModelRecord>,
}

/// A model as it was when the index was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Name, prefixes, pooling and maximal length.
    pub spec: ModelSpec,
    /// Identity of all of it, weights and tokenizer included.
    pub fingerprint: Fingerprint,
}

/// An immutable part of an index, in a folder of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Name of the folder.
    pub name: String,
    /// Number of its first document.
    pub first_doc: u32,
    /// How many documents it holds.
    pub documents: u32,
    /// Every file, by path within the segment, with `/` on every platform.
    pub files: BTreeMap<String, FileRecord>,
}

/// What a file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Length in bytes.
    pub bytes: u64,
    /// CRC-32 (IEEE) of the content.
    pub crc32: u32,
}

/// The file's form: one JSON object of the manifest and a checksum over its very
/// bytes, laid out always alike, so that the bytes can be told.
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
    /// Tells a missing, an empty, a half-written and a foreign folder apart, and
    /// refuses a damaged manifest and another format.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes)
                .map_err(|_| damaged(&path, "it is not UTF-8".to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_index(dir)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(Error::NoIndex {
                    path: dir.into(),
                    what: "it is not a folder",
                });
            }
            Err(source) => {
                return Err(Error::Io {
                    action: "read",
                    path,
                    source,
                });
            }
        };
        let (crc32, manifest) =
            unseal(&text).ok_or_else(|| damaged(&path, "it is not a manifest".to_string()))?;
        let found = crc32fast::hash(manifest.as_bytes());
        if found != crc32 {
            let what = format!("its checksum is {found:08x}, it was written with {crc32:08x}");
            return Err(damaged(&path, what));
        }
        check_format(dir, manifest)?;
        serde_json::from_str(manifest)
            .map_err(|error| damaged(&path, format!("it is not a manifest ({error})")))
    }

    /// Writes the manifest into `dir`: this commits the index.
    ///
    /// # Errors
    /// If it cannot be written; the manifest that was there, if any, is untouched.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let manifest =
            serde_json::to_string_pretty(self).expect("a manifest holds only what JSON can");
        write_durably(&dir.join(MANIFEST), seal(&manifest).as_bytes())
    }

    /// Number of documents in all segments.
    pub fn n_documents(&self) -> u32 {
        self.segments.iter().map(|segment| segment.documents).sum()
    }

    /// Bytes of all files of all segments.
    pub fn n_bytes(&self) -> u64 {
        self.segments
            .iter()
            .flat_map(|segment| segment.files.values())
            .map(|file| file.bytes)
            .sum()
    }
}

impl Segment {
    /// Records the files that lie in `dir` now.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn record(dir: &Path, name: &str, documents: u32) -> Result<Self, Error> {
        let mut files = BTreeMap::new();
        for path in files_below(dir)? {
            let name = relative_name(dir, &path);
            files.insert(name, FileRecord::of(&path)?);
        }
        Ok(Segment {
            name: name.into(),
            first_doc: 0,
            documents,
            files,
        })
    }

    /// Compares the files in `dir` with the record: length and checksum of each.
    /// Files that the record does not name are nobody's and are left alone.
    ///
    /// # Errors
    /// Names the first file that is missing or differs, with both values.
    pub fn verify(&self, dir: &Path) -> Result<(), Error> {
        for (name, expected) in &self.files {
            let path = dir.join(name);
            let found = match FileRecord::of(&path) {
                Ok(found) => found,
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    return Err(damaged(&path, "it is missing".to_string()));
                }
                Err(error) => return Err(error),
            };
            if found.bytes != expected.bytes {
                let what = format!(
                    "it has {} bytes, it was written with {}",
                    found.bytes, expected.bytes
                );
                return Err(damaged(&path, what));
            }
            if found.crc32 != expected.crc32 {
                let what = format!(
                    "its checksum is {:08x}, it was written with {:08x}",
                    found.crc32, expected.crc32
                );
                return Err(damaged(&path, what));
            }
        }
        Ok(())
    }
}

impl FileRecord {
    fn of(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).at("open", path)?;
        let mut hasher = crc32fast::Hasher::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => {
                    return Ok(FileRecord {
                        bytes,
                        crc32: hasher.finalize(),
                    });
                }
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    bytes += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::Io {
                        action: "read",
                        path: path.into(),
                        source,
                    });
                }
            }
        }
    }
}

/// Writes `bytes` to `path` so that after a crash either the old or the new content
/// is there: a temporary file beside it, fsync, rename, fsync of the folder.
///
/// # Errors
/// If any of these fails; the temporary file is removed.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        let _ = fs::remove_file(&temporary); // the error at hand matters more
        return Err(Error::Io {
            action: "write",
            path: path.into(),
            source,
        });
    }
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes renames within `dir` durable. A no-op where folders cannot be synced.
pub(crate) fn sync_folder(dir: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(dir)
            .and_then(|folder| folder.sync_all())
            .at("sync", dir)?;
    }
    Ok(())
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
        Err(_) => "the folder does not exist",
        Ok(mut entries) => match entries.next() {
            None => "the folder is empty",
            Some(_) if dir.join(LOCK).exists() => {
                "the folder holds an index that was never completed"
            }
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

fn files_below(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).at("list", &folder)? {
            let path = entry.at("list", &folder)?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    Ok(files)
}

fn relative_name(dir: &Path, path: &Path) -> String {
    let relative = path
        .strip_prefix(dir)
        .expect("the file was found below this folder");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
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
            segments: Vec::new(),
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
            message.contains("format 7") && message.contains("format 1"),
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
        fs::write(dir.path().join(LOCK), "").unwrap();
        assert!(message(dir.path()).contains("never completed"));
        assert!(message(&dir.path().join("letter.txt")).contains("not a folder"));
    }

    #[test]
    fn a_segment_notices_every_change_of_its_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("part")).unwrap();
        let path = dir.path().join("part").join("file");
        fs::write(&path, b"content").unwrap();
        let segment = Segment::record(dir.path(), "segment-1", 1).unwrap();
        segment.verify(dir.path()).unwrap();
        fs::write(&path, b"c0ntent").unwrap();
        assert!(
            segment
                .verify(dir.path())
                .unwrap_err()
                .to_string()
                .contains("checksum")
        );
        fs::write(&path, b"content!").unwrap();
        assert!(
            segment
                .verify(dir.path())
                .unwrap_err()
                .to_string()
                .contains("8 bytes")
        );
        fs::remove_file(&path).unwrap();
        assert!(
            segment
                .verify(dir.path())
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
    }
}
