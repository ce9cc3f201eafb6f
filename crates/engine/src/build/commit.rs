//! The folder of an index that is being written, and the commit.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_disk::{
    Lock, create_dir_durably, is_temporary_of, remove_dir_if_there, rename_durably, sync_dir,
    write_durably,
};

use crate::check::error_chain;
use crate::deleted;
use crate::error::Error;
use crate::manifest::{
    LOCK, MANIFEST, Manifest, SETTINGS, deleted_name, is_deleted_name, is_generation, is_lock,
    is_manifest, is_segment_name, part_of,
};
use crate::settings_file::{lock, settings_generation};

/// What names of folders begin with in which a generation is built.
const BUILDING: &str = ".building-";

/// Name of the folder in which a new segment is built, where the generation is.
pub(super) const NEW_SEGMENT: &str = "segment";

/// The folder of an index, locked against other writers, and the place in it where the next
/// generation is built. Dropping it removes what was built and not committed.
pub(super) struct Workplace {
    dir: PathBuf,
    /// The next to be committed.
    generation: u64,
    /// Whether there was no such folder before, and nothing was committed to it yet.
    made_dir: bool,
    /// Released when this is dropped.
    _lock: Lock,
}

impl Workplace {
    /// Locks the folder for an index from nothing. It is created if it is missing; the new
    /// generation is derived from the index that it holds, if any.
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
            _lock: lock,
        };
        // Under the lock; otherwise another writer could commit in between.
        workplace.generation = next_generation(dir, replace)?;
        Ok(workplace)
    }

    /// Locks the folder of an index that is to be changed, and reads its manifest. Removes what
    /// interrupted writers left.
    ///
    /// # Errors
    /// If it holds no index, the manifest is damaged or of another format, or another process is
    /// writing it.
    pub(super) fn enter_index(dir: &Path) -> Result<(Self, Manifest), Error> {
        Manifest::read(dir)?; // a lock file would make a folder that is no index look like one
        let lock = lock(dir)?;
        let manifest = Manifest::read(dir)?;
        let workplace = Workplace {
            dir: dir.into(),
            generation: manifest.generation + 1,
            made_dir: false,
            _lock: lock,
        };
        // Its writer may have died before the manifest's name was on disk; until it is, a power
        // cut may bring back the generation before, which needs its files.
        sync_dir(dir)?;
        remove_left_over(dir, &manifest);
        Ok((workplace, manifest))
    }

    /// The folder of the index.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The generation that the next commit makes.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// An empty folder in which the next generation is built.
    ///
    /// # Errors
    /// If it cannot be created.
    pub(super) fn begin(&self) -> Result<PathBuf, Error> {
        let building = self.building();
        // The process that left one behind no longer holds the lock, so it is abandoned.
        remove_dir_if_there(&building)?;
        create_dir_durably(&building)?;
        Ok(building)
    }

    /// Where the next generation is built.
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

/// The generation that a build from nothing into `dir` commits.
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
            Ok(highest_generation(dir) + 1)
        }
        Err(error) => Err(error),
    }
}

/// The highest generation that anything in the folder of an index tells of, other than its manifest,
/// which cannot be read: settings of a later one would be refused, and files of one that is to come
/// be taken for its own.
fn highest_generation(dir: &Path) -> u64 {
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.collect()
    };
    let mut found: Vec<u64> = settings_generation(dir).into_iter().collect();
    for name in names(dir) {
        if is_segment_name(&name) {
            let parts = names(&dir.join(&name));
            found.extend(parts.iter().filter_map(|part| generation_in(part)));
        }
        let is_ours = is_segment_name(&name) || is_deleted_name(&name);
        if is_ours || name.starts_with(BUILDING) {
            found.extend(generation_in(&name));
        }
    }
    // Nothing comes after the last number, so a name that is close to it says nothing.
    let is_usual = |generation: &u64| *generation < u64::MAX / 2;
    found.into_iter().filter(is_usual).max().unwrap_or(0)
}

/// The number that a name ends in.
fn generation_in(name: &str) -> Option<u64> {
    let (_, number) = name.rsplit_once('-')?;
    number.parse().ok().filter(|_| is_generation(number))
}

/// Removes the folder of an index that holds nothing but its lock.
fn remove_new(dir: &Path) {
    let _ = fs::remove_file(dir.join(LOCK));
    let _ = fs::remove_dir(dir);
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next writer cleans up.
        if self.generation > 0 {
            let _ = fs::remove_dir_all(self.building());
        }
        if self.made_dir {
            remove_new(&self.dir);
        }
    }
}

/// A folder that a commit puts in its place.
pub(super) struct Move {
    /// Its name where the generation is built.
    pub(super) from: String,
    /// The names of folders that lead to its place in the index.
    pub(super) to: Vec<String>,
}

/// What a generation consists of, when everything that is new is built.
pub(super) struct Commit<'a> {
    /// Complete but for the generation and the record of deleted documents.
    pub(super) manifest: Manifest,
    /// The deleted documents of each segment.
    pub(super) deleted: &'a [Option<Arc<FixedBitSet>>],
    pub(super) moves: Vec<Move>,
    /// Whether `treffer.toml` is written anew, with the settings of the manifest.
    pub(super) writes_settings: bool,
}

/// A generation that was committed.
pub(super) struct Committed {
    pub(super) manifest: Manifest,
    /// What failed after the commit, which stands.
    pub(super) warnings: Vec<String>,
}

impl Workplace {
    /// Puts what was built in its place and writes the manifest, which is the commit; then writes
    /// the settings and removes what the new generation does without.
    ///
    /// # Errors
    /// If something cannot be written: the generation before is still in force.
    pub(super) fn commit(&mut self, commit: Commit<'_>) -> Result<Committed, Error> {
        let Commit {
            mut manifest,
            deleted,
            moves,
            writes_settings,
        } = commit;
        let dir = self.dir.clone();
        manifest.generation = self.generation;
        let mut warnings = Vec::new();
        let mut is_durable = true;
        let written = deleted::write(&dir, self.generation, deleted).and_then(|record| {
            manifest.deleted = record;
            self.place(&moves)?;
            manifest.write(&dir)
        });
        match written {
            Ok(()) => {}
            // The manifest may be in place although making its name durable failed.
            Err(error) if Manifest::read(&dir).is_ok_and(|found| found == manifest) => {
                is_durable = false;
                warnings.push(format!(
                    "the index is complete, but might not survive a power cut: {}",
                    error_chain(&error)
                ));
            }
            Err(error) => {
                // A manifest that cannot be read may name anything.
                if Manifest::read(&dir).is_ok() || !dir.join(MANIFEST).exists() {
                    self.remove_placed(&moves);
                }
                return Err(error);
            }
        }
        self.made_dir = false;
        let settings = manifest.settings.toml.as_bytes();
        if writes_settings && let Err(error) = write_durably(&dir.join(SETTINGS), settings) {
            warnings.push(format!(
                "the settings are in the manifest alone and cannot be edited: {}",
                error_chain(&error)
            ));
        }
        self.generation += 1;
        // Otherwise a power cut may bring back the generation before, which needs its files.
        if is_durable {
            remove_left_over(&dir, &manifest);
        }
        Ok(Committed { manifest, warnings })
    }

    fn place(&self, moves: &[Move]) -> Result<(), Error> {
        for at in moves {
            let to = place(&self.dir, at);
            remove_dir_if_there(&to)?; // left by a commit that died before its manifest
            rename_durably(&self.building().join(&at.from), &to)?;
        }
        Ok(())
    }

    /// Removes what a commit that failed put in its place: names of its generation alone. A
    /// failure leaves unused files, which the next writer removes.
    fn remove_placed(&self, moves: &[Move]) {
        for at in moves {
            let _ = fs::remove_dir_all(place(&self.dir, at));
        }
        let _ = fs::remove_file(self.dir.join(deleted_name(self.generation)));
    }
}

fn place(dir: &Path, at: &Move) -> PathBuf {
    at.to
        .iter()
        .fold(dir.to_owned(), |path, name| path.join(name))
}

/// Removes what the manifest, whose name is on disk, does not name, and what interrupted writers
/// left. A failure leaves unused files, which the next writer removes.
pub(super) fn remove_left_over(dir: &Path, manifest: &Manifest) {
    let mut kept: HashSet<&str> = manifest
        .segments
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    kept.extend(manifest.deleted.iter().map(|record| record.file.as_str()));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !kept.contains(name)) else {
            continue;
        };
        let building = name.strip_prefix(BUILDING).is_some_and(is_generation);
        if building || is_segment_name(name) {
            let _ = fs::remove_dir_all(entry.path());
        } else if is_deleted_name(name)
            || is_temporary_of(name, MANIFEST)
            || is_temporary_of(name, SETTINGS)
            || is_temporary_of_deleted(name)
        {
            let _ = fs::remove_file(entry.path());
        }
    }
    for segment in &manifest.segments {
        let folder = dir.join(&segment.name);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            // A part that was written anew has another folder.
            let is_old = |name: &str| {
                !segment.parts.contains_key(name) && segment.part(part_of(name)).is_some()
            };
            if name.to_str().is_some_and(is_old) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn is_temporary_of_deleted(name: &str) -> bool {
    let target = name
        .strip_prefix('.')
        .and_then(|rest| rest.split('.').next());
    target.is_some_and(|target| is_deleted_name(target) && is_temporary_of(name, target))
}
