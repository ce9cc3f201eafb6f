//! The folder in which a segment is built, and the commit.

use std::fs;
use std::path::{Path, PathBuf};

use treffer_disk::{
    Lock, create_dir_durably, remove_dir_if_there, rename_durably, sync_dir, write_durably,
};

use crate::config::{Blueprint, Settings};
use crate::error::Error;
use crate::manifest::{FORMAT, LOCK, MANIFEST, Manifest, Models, Parts, SETTINGS, Segment};
use crate::settings_file::lock;

/// The folder of an index, locked against other writers, and the place in it where
/// the next segment is built. Dropping it before the commit removes what was built.
pub(super) struct Workplace {
    dir: PathBuf,
    generation: u64,
    made_dir: bool,
    committed: bool,
    /// Released when this is dropped.
    _lock: Lock,
}

impl Workplace {
    /// Locks the folder, which is created if it is missing, and derives the new generation
    /// from the index that it holds, if any.
    ///
    /// # Errors
    /// If the folder holds files that are not an index, another process is writing it, or it
    /// holds an index and `replace` is not set.
    pub(super) fn enter(dir: &Path, replace: bool) -> Result<Self, Error> {
        refuse_foreign(dir)?;
        let made_dir = !dir.exists();
        create_dir_durably(dir)?;
        let lock = lock(dir)?;
        let mut workplace = Workplace {
            dir: dir.into(),
            generation: 0,
            made_dir,
            committed: false,
            _lock: lock,
        };
        // Under the lock; otherwise another writer could commit in between.
        workplace.generation = next_generation(dir, replace)?;
        let building = workplace.building();
        // The process that left one behind no longer holds the lock, so it is abandoned.
        remove_dir_if_there(&building)?;
        create_dir_durably(&building)?;
        Ok(workplace)
    }

    /// Where the segment is built.
    pub(super) fn building(&self) -> PathBuf {
        self.dir.join(format!(".building-{}", self.generation))
    }
}

/// Refuses a folder that holds files but neither an index nor a build that was interrupted.
pub(super) fn refuse_foreign(dir: &Path) -> Result<(), Error> {
    let is_ours = dir.join(MANIFEST).exists() || dir.join(LOCK).exists();
    let is_empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    if is_ours || is_empty {
        return Ok(());
    }
    Err(Error::ForeignFolder { path: dir.into() })
}

/// The generation that a build into `dir` commits.
pub(super) fn next_generation(dir: &Path, replace: bool) -> Result<u64, Error> {
    match Manifest::read(dir) {
        Ok(manifest) if !replace => Err(Error::IndexExists {
            path: dir.into(),
            documents: manifest.n_documents(),
        }),
        Ok(manifest) => Ok(manifest.generation + 1),
        Err(Error::NoIndex { .. }) => Ok(1),
        // An index that is damaged or of another format may be replaced too, but only on
        // request.
        Err(Error::Damaged { .. } | Error::Format { .. }) if replace => {
            let is_free = |generation: &u64| !dir.join(segment_name(*generation)).exists();
            Ok((1..).find(is_free).unwrap_or(u64::MAX))
        }
        Err(error) => Err(error),
    }
}

fn segment_name(generation: u64) -> String {
    format!("segment-{generation}")
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next build cleans up.
        if !self.committed {
            if self.generation > 0 {
                let _ = fs::remove_dir_all(self.building());
            }
            if self.made_dir {
                let _ = fs::remove_file(self.dir.join(LOCK));
                let _ = fs::remove_dir(&self.dir);
            }
        }
    }
}

/// What a finished segment needs to become the index.
pub(super) struct Commit {
    pub(super) workplace: Workplace,
    pub(super) blueprint: Blueprint,
    pub(super) models: Models,
    pub(super) settings: Settings,
    pub(super) documents: u32,
    pub(super) parts: Parts,
}

impl Commit {
    /// Names the segment, writes the manifest, removes what it replaces. Returns the
    /// size of the index in bytes.
    pub(super) fn run(mut self) -> Result<u64, Error> {
        let dir = self.workplace.dir.clone();
        let building = self.workplace.building();
        let name = segment_name(self.workplace.generation);
        let manifest = Manifest {
            format: FORMAT,
            written_by: concat!("treffer ", env!("CARGO_PKG_VERSION")).into(),
            generation: self.workplace.generation,
            blueprint: self.blueprint,
            models: self.models,
            segments: vec![Segment {
                name: name.clone(),
                first_doc: 0,
                documents: self.documents,
                parts: self.parts,
            }],
        };
        let place = dir.join(&name);
        remove_dir_if_there(&place)?; // left by a commit that died before its manifest
        rename_durably(&building, &place)?;

        // A new index has no manifest yet, so its settings may come first; an index
        // being replaced keeps its own until the new manifest stands.
        let settings = self.settings.to_toml();
        let is_new = !dir.join(MANIFEST).exists();
        let settings_path = dir.join(SETTINGS);
        let write_settings = || Ok(write_durably(&settings_path, settings.as_bytes())?);
        let written = sync_dir(&dir)
            .map_err(Error::from)
            .and_then(|()| if is_new { write_settings() } else { Ok(()) })
            .and_then(|()| manifest.write(&dir));
        if let Err(error) = written {
            // The manifest may be in place although making its name durable failed: then it
            // names the segment, which must stay.
            let stands = Manifest::read(&dir).is_ok_and(|found| found == manifest);
            if stands {
                self.workplace.committed = true;
                return Err(error);
            }
            // Uncommitted; the error at hand matters more than a failure to clean up.
            let _ = fs::remove_dir_all(&place);
            if is_new {
                let _ = fs::remove_file(&settings_path);
            }
            return Err(error);
        }
        self.workplace.committed = true;
        if !is_new {
            write_settings()?;
        }
        remove_other_segments(&dir, &name);
        Ok(manifest.n_bytes())
    }
}

/// Removes what the manifest no longer names. A failure leaves unused files, which the next
/// build removes.
fn remove_other_segments(dir: &Path, keep: &str) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.starts_with("segment-") || name.starts_with(".building-");
        if ours && name != keep {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
