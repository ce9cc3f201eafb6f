//! The cache on disk: one folder per model, which is complete or not there.
//!
//! ```text
//! <cache>/NAME-0123456789ab/       a model; the digits are a hash of its checksums
//! <cache>/.NAME-0123456789ab.lock  locked while it is pulled
//! <cache>/.NAME-0123456789ab.*.tmp a folder while it is filled
//! <cache>/.NAME-0123456789ab.part/ partial downloads, to be resumed
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use treffer_disk::{
    Lock, LockError, create_dir_durably, is_below, remove_dir_if_there, rename_durably, sync_dir,
    write_durably,
};
use treffer_types::Progress;

use crate::entry::{Entry, Pin};
use crate::error::Error;
use crate::hash::{hex, is_sha256};

/// Size and hash by file name; `/` separates folders.
pub(crate) type Pins = BTreeMap<String, Pin>;

/// Records the checksums of a model that the registry does not pin.
const PINS_FILE: &str = "pins.json";

/// More bytes than such a record has.
const MOST_PINS: u64 = 1 << 20;

/// Interval between two attempts to take a lock that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// What was pulled from a repository, as recorded in `pins.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// `organization/name`.
    pub(crate) repo: String,
    /// The requested branch, tag or commit.
    pub(crate) revision: String,
    /// The commit that the revision was at the time.
    pub(crate) commit: String,
    /// Every file of the folder except this one.
    pub(crate) files: Pins,
}

/// The place of one model in the cache, whether it is there or not.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    cache: PathBuf,
    name: String,
}

impl Slot {
    /// The slot of a registered model. A model that is not pinned shares the slot of its
    /// repository.
    pub(crate) fn of_entry(cache: &Path, entry: &Entry) -> Slot {
        match entry.hub() {
            Some((repo, revision)) if !entry.is_pinned() => Slot::of_hub(cache, repo, revision),
            _ => {
                let lines = entry.files.iter();
                let lines = lines.map(|(name, pin)| format!("{name} {}\n", pin.sha256));
                Slot::new(cache, entry.name(), &lines.collect::<String>())
            }
        }
    }

    /// The slot of a hub model.
    pub(crate) fn of_hub(cache: &Path, repo: &str, revision: &str) -> Slot {
        Slot::new(
            cache,
            &repo.replace('/', "--"),
            &format!("{repo}@{revision}"),
        )
    }

    fn new(cache: &Path, name: &str, identity: &str) -> Slot {
        Slot {
            cache: cache.to_owned(),
            name: format!("{name}-{}", &hex(identity.as_bytes())[..12]),
        }
    }

    /// The model's folder, whether it exists or not.
    pub(crate) fn folder(&self) -> PathBuf {
        self.cache.join(&self.name)
    }

    /// The sizes and checksums that the files must have: `pinned`, or if that is empty those
    /// recorded when the model was pulled. `None` if there is no valid record.
    pub(crate) fn pins(&self, pinned: &Pins) -> Option<Pins> {
        if !pinned.is_empty() {
            return Some(pinned.clone());
        }
        let path = self.folder().join(PINS_FILE);
        let metadata = fs::metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > MOST_PINS {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        let sound = |(name, pin): (&String, &Pin)| is_below(name) && is_sha256(&pin.sha256);
        (!record.files.is_empty() && record.files.iter().all(sound)).then_some(record.files)
    }

    /// The pins, if every file exists with its size.
    pub(crate) fn ready(&self, pinned: &Pins) -> Option<Pins> {
        let folder = self.folder();
        self.pins(pinned).filter(|pins| {
            pins.iter().all(|(name, pin)| {
                fs::metadata(folder.join(name)).is_ok_and(|m| m.is_file() && m.len() == pin.size)
            })
        })
    }

    /// Waits until no other process pulls this model, then removes what killed processes
    /// have left behind.
    pub(crate) fn lock(&self, model: &str, progress: &dyn Progress) -> Result<Locked<'_>, Error> {
        create_dir_durably(&self.cache)?;
        let path = self.hidden("lock");
        let mut waiting = false;
        let lock = loop {
            match Lock::try_exclusive(&path, "") {
                Ok(lock) => break lock,
                Err(LockError::Held { .. }) => {}
                Err(LockError::Io(error)) => return Err(error.into()),
            }
            if !waiting {
                progress.begin(&format!("waiting for another pull of {model}"), None, "");
                waiting = true;
            }
            if progress.cancelled() {
                progress.end();
                return Err(Error::Cancelled {
                    name: model.to_owned(),
                });
            }
            std::thread::sleep(LOCK_POLL);
        };
        if waiting {
            progress.end();
        }
        let locked = Locked {
            slot: self,
            _lock: lock,
        };
        locked.clear()?;
        Ok(locked)
    }

    fn hidden(&self, suffix: &str) -> PathBuf {
        self.cache.join(format!(".{}.{suffix}", self.name))
    }
}

/// A slot that no other process can change.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    slot: &'a Slot,
    _lock: Lock,
}

impl Locked<'_> {
    /// A new empty folder beside the model's.
    pub(crate) fn scratch(&self) -> Result<Scratch, Error> {
        // Only one process at a time holds the lock, so its id is a unique name.
        let path = self.slot.hidden(&format!("{}.tmp", std::process::id()));
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
        Ok(Scratch { path })
    }

    /// The folder for partial downloads of one revision of the model. Those of other
    /// revisions are removed, since nothing can resume them.
    pub(crate) fn partial(&self, commit: &str) -> Result<PathBuf, Error> {
        let all = self.slot.hidden("part");
        let path = all.join(&hex(commit.as_bytes())[..12]);
        if !path.is_dir() {
            remove_dir_if_there(&all)?;
        }
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        Ok(path)
    }

    /// Makes the files of `scratch`, which `pins` names, the model's folder, durably. A
    /// folder that is there already is replaced.
    pub(crate) fn publish(&self, scratch: &Scratch, pins: &Pins) -> Result<(), Error> {
        let files = scratch.path.join(Scratch::FILES);
        for name in pins.keys() {
            sync(&files.join(name))?;
        }
        sync_dir(&files)?;
        let folder = self.slot.folder();
        if folder.exists() {
            // A folder cannot be renamed over another. A process that is killed between
            // the two renames leaves none, and the model is downloaded again.
            let old = scratch.path.join("old");
            fs::rename(&folder, &old).map_err(Error::io("move away", &folder))?;
        }
        rename_durably(&files, &folder)?;
        remove_dir_if_there(&self.slot.hidden("part"))?;
        Ok(())
    }

    /// Removes the scratch folders of pulls that were killed.
    fn clear(&self) -> Result<(), Error> {
        let cache = &self.slot.cache;
        let prefix = format!(".{}.", self.slot.name);
        for item in fs::read_dir(cache).map_err(Error::io("list", cache))? {
            let item = item.map_err(Error::io("list", cache))?;
            let name = item.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&prefix) && name.ends_with(".tmp") {
                // A pip that outlived its killed parent may still write here; the next
                // pull removes what cannot be removed now.
                let _ = fs::remove_dir_all(item.path());
            }
        }
        Ok(())
    }
}

/// A temporary folder beside the model's, removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    const FILES: &str = "files";

    /// The folder that becomes the model's.
    pub(crate) fn files(&self) -> Result<PathBuf, Error> {
        self.below(Self::FILES)
    }

    /// A new empty folder for intermediate files.
    pub(crate) fn work_dir(&self) -> Result<PathBuf, Error> {
        remove_dir_if_there(&self.path.join("work"))?;
        self.below("work")
    }

    /// Records where the model came from, beside its files.
    pub(crate) fn write_record(&self, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(record).expect("a record is plain data");
        write_durably(&self.files()?.join(PINS_FILE), &text)?;
        Ok(())
    }

    fn below(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next pull removes what cannot be removed now.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Waits until a file's content is on disk.
fn sync(path: &Path) -> Result<(), Error> {
    let file = File::options().append(true).open(path);
    file.and_then(|file| file.sync_all())
        .map_err(Error::io("write to the disk", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_recorded_name_stays_below_the_folder() {
        assert!(is_below("config.json") && is_below("1_Pooling/config.json"));
        for name in ["", "..", "/etc/passwd", "a/../../b", "./"] {
            assert!(!is_below(name), "{name}");
        }
    }

    #[test]
    fn places_differ_by_pins_and_by_revision() {
        let entries = crate::entry::built_in();
        let cache = Path::new("cache");
        let mut other = entries[0].clone();
        other.files.get_mut("config.json").unwrap().sha256 = "0".repeat(64);
        assert_ne!(
            Slot::of_entry(cache, &entries[0]).folder(),
            Slot::of_entry(cache, &other).folder()
        );
        let of = |revision| Slot::of_hub(cache, "a/b", revision).folder();
        assert_ne!(of("main"), of("v1"));
        assert!(of("main").starts_with("cache/"));
    }

    proptest! {
        #[test]
        fn a_foreign_record_is_refused_without_panic(bytes in any::<Vec<u8>>()) {
            let cache = tempfile::tempdir().unwrap();
            let slot = Slot::of_hub(cache.path(), "a/b", "main");
            fs::create_dir(slot.folder()).unwrap();
            fs::write(slot.folder().join(PINS_FILE), bytes).unwrap();
            prop_assert_eq!(slot.ready(&Pins::new()), None);
        }
    }
}
