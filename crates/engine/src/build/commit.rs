//! The folder in which a segment is built, and the commit.

use std::fs;
use std::path::{Path, PathBuf};

use treffer_disk::{
    Lock, create_dir_durably, is_temporary_of, remove_dir_if_there, rename_durably, write_durably,
};

use crate::check::error_chain;
use crate::config::{Blueprint, Config};
use crate::error::Error;
use crate::manifest::{
    BuiltSettings, FORMAT, LOCK, MANIFEST, Manifest, Models, Parts, SETTINGS, Segment,
    is_generation, is_lock, is_manifest, is_segment_name, segment_name,
};
use crate::settings_file::lock;

/// What names of folders begin with in which segments are built.
const BUILDING: &str = ".building-";

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
        next_generation(dir, replace)?; // before anything is written
        let made_dir = !dir.exists();
        create_dir_durably(dir)?;
        let lock = lock(dir).inspect_err(|error| {
            // Another process may have made the folder its own meanwhile.
            if made_dir && !matches!(error, Error::Locked { .. }) {
                remove_new(dir);
            }
        })?;
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
        self.dir.join(format!("{BUILDING}{}", self.generation))
    }
}

/// Refuses a folder that holds files but neither an index nor a build that was interrupted.
pub(super) fn refuse_foreign(dir: &Path) -> Result<(), Error> {
    // By what the files say: programs of others have a manifest.json, too.
    let is_ours = is_manifest(dir) || is_lock(dir);
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

/// Removes the folder of an index that holds nothing but its lock.
fn remove_new(dir: &Path) {
    let _ = fs::remove_file(dir.join(LOCK));
    let _ = fs::remove_dir(dir);
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next build cleans up.
        if !self.committed {
            if self.generation > 0 {
                let _ = fs::remove_dir_all(self.building());
            }
            if self.made_dir {
                remove_new(&self.dir);
            }
        }
    }
}

/// What a finished segment needs to become the index.
pub(super) struct Commit<'a> {
    pub(super) workplace: Workplace,
    pub(super) config: &'a Config,
    pub(super) blueprint: Blueprint,
    pub(super) models: Models,
    pub(super) documents: u32,
    pub(super) passages: u32,
    pub(super) parts: Parts,
}

/// An index that was committed.
pub(super) struct Committed {
    /// Its size.
    pub(super) bytes: u64,
    /// What failed after the commit, which stands.
    pub(super) warnings: Vec<String>,
}

impl Commit<'_> {
    /// Names the segment and writes the manifest, which is the commit; then writes the settings
    /// and removes what the new index replaces.
    pub(super) fn run(mut self) -> Result<Committed, Error> {
        let dir = self.workplace.dir.clone();
        let generation = self.workplace.generation;
        let name = segment_name(generation);
        let settings = self.config.settings(generation).to_toml();
        let manifest = Manifest {
            format: FORMAT,
            written_by: concat!("treffer ", env!("CARGO_PKG_VERSION")).into(),
            generation,
            blueprint: self.blueprint,
            models: self.models,
            settings: BuiltSettings {
                generation,
                toml: settings.clone(),
            },
            segments: vec![Segment {
                name: name.clone(),
                first_doc: 0,
                documents: self.documents,
                passages: self.passages,
                parts: self.parts,
            }],
        };
        let place = dir.join(&name);
        remove_dir_if_there(&place)?; // left by a commit that died before its manifest
        let placed = rename_durably(&self.workplace.building(), &place).map_err(Error::from);
        let mut warnings = Vec::new();
        match placed.and_then(|()| manifest.write(&dir)) {
            Ok(()) => {}
            // The manifest may be in place although making its name durable failed.
            Err(error) if Manifest::read(&dir).is_ok_and(|found| found == manifest) => {
                warnings.push(format!(
                    "the index is complete, but might not survive a power cut: {}",
                    error_chain(&error)
                ));
            }
            Err(error) => {
                // What is no index can be removed; the error at hand matters more than a
                // failure to. A manifest that cannot be read may name the segment.
                if !dir.join(MANIFEST).exists() || Manifest::read(&dir).is_ok() {
                    let _ = fs::remove_dir_all(&place);
                }
                return Err(error);
            }
        }
        self.workplace.committed = true;
        if let Err(error) = write_durably(&dir.join(SETTINGS), settings.as_bytes()) {
            warnings.push(format!(
                "the settings are in the manifest alone and cannot be edited: {}",
                error_chain(&error)
            ));
        }
        remove_left_over(&dir, &name);
        Ok(Committed {
            bytes: manifest.n_bytes(),
            warnings,
        })
    }
}

/// Removes what the manifest no longer names, and what interrupted writers left. A failure
/// leaves unused files, which the next build removes.
fn remove_left_over(dir: &Path, keep: &str) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| *name != keep) else {
            continue;
        };
        let building = name.strip_prefix(BUILDING).is_some_and(is_generation);
        if building || is_segment_name(name) {
            let _ = fs::remove_dir_all(entry.path());
        } else if is_temporary_of(name, MANIFEST) || is_temporary_of(name, SETTINGS) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
