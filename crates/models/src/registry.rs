//! The registry of models: list, find, fetch, verify.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use treffer_types::{ModelFolder, ModelRole, Progress};

use crate::access::{Access, PullOptions};
use crate::cache::{Pins, Slot};
use crate::entry::{Entry, built_in};
use crate::error::Error;
use crate::hash::{Unhashed, hash_file};
use crate::hub::DEFAULT_ENDPOINT;
use crate::meter::Meter;
use crate::pull::Pull;
use crate::recognize::recognize;
use crate::reference::Reference;

/// The registered models, and the cache folder that pulled ones are kept in.
#[derive(Clone, Debug)]
pub struct Registry {
    entries: Vec<Entry>,
    access: Access,
}

/// Whether a model is in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is not, or not completely.
    NotPulled,
    /// It is in this folder. Every file exists with the right size; checksums were checked
    /// when it was pulled, and are checked again by [`Registry::verify`] and when a model
    /// is loaded.
    Pulled(PathBuf),
}

/// A model on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A registered model, ready to be loaded; also a folder of the user's that holds the files
    /// of one, such as a pulled one.
    Ready(ModelFolder),
    /// A hub model or a folder of the user's: its files are there, but the registry does not
    /// know its spec, which the caller derives from the files.
    Undescribed {
        /// The folder.
        path: PathBuf,
        /// sha256 by file name in lowercase hexadecimal, recorded at the first pull; empty
        /// for a folder of the user's.
        sha256: BTreeMap<String, String>,
    },
}

/// The result of verifying one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCheck {
    /// The file's name in the model's folder.
    pub file: String,
    /// Whether it has the pinned checksum.
    pub outcome: FileOutcome,
}

/// How a file compares with its pinned checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// It has the pinned checksum.
    Ok,
    /// It does not exist.
    Missing,
    /// It has another checksum.
    Differs {
        /// The pinned sha256 in lowercase hexadecimal.
        expected: String,
        /// The sha256 of the file.
        found: String,
    },
}

impl Registry {
    /// The built-in entries, with the cache folder `cache`, which is created when first
    /// needed.
    pub fn new(cache: PathBuf) -> Self {
        let access = Access {
            cache,
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            pip: None,
            offline: false,
        };
        Registry {
            entries: built_in(),
            access,
        }
    }

    /// The default cache folder: `$TREFFER_MODELS`, or else
    /// `$XDG_CACHE_HOME/treffer/models`, or else `treffer/models` in the platform's cache
    /// folder: `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows, `~/.cache`
    /// elsewhere.
    ///
    /// # Errors
    /// [`Error::NoCacheFolder`] if none of these variables is set.
    pub fn default_cache() -> Result<PathBuf, Error> {
        let home = std::env::home_dir();
        cache_folder(|name| std::env::var_os(name), home.as_deref()).ok_or(Error::NoCacheFolder)
    }

    /// Replaces the built-in entries.
    #[must_use]
    pub fn with_entries(mut self, entries: Vec<Entry>) -> Self {
        self.entries = entries;
        self
    }

    /// Replaces the hub, huggingface.co, by a mirror with the same API, given by its URL.
    #[must_use]
    pub fn with_hub(mut self, endpoint: &str) -> Self {
        self.access.endpoint = endpoint.trim_end_matches('/').to_owned();
        self
    }

    /// Sets how to run pip: a program and its first arguments, as in `python3 -I -m pip`. By
    /// default the first pip that works is used.
    ///
    /// The command runs in an empty folder, so paths in its arguments must be absolute.
    /// Python should be isolated (`-I`); otherwise it imports `pip` from `PYTHONPATH`.
    #[must_use]
    pub fn with_pip<I>(mut self, command: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        self.access.pip = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether to work without the network, with nothing but what is in the cache.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.access.offline = offline;
        self
    }

    /// The cache folder.
    pub fn cache(&self) -> &Path {
        &self.access.cache
    }

    /// All entries, in the registry's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether the model of `entry` is in the cache, by the names and sizes of its files.
    pub fn state(&self, entry: &Entry) -> State {
        let slot = Slot::of_entry(&self.access.cache, entry);
        match slot.ready(&entry.files) {
            Some(_) => State::Pulled(slot.folder()),
            None => State::NotPulled,
        }
    }

    /// Parses a reference to a model. If `role` is given, a registered model must have it;
    /// the role of other models is not known here.
    ///
    /// # Errors
    /// [`Error::UnknownName`], [`Error::NoFolder`], [`Error::BadHubId`] or
    /// [`Error::WrongRole`].
    pub fn find(&self, reference: &str, role: Option<ModelRole>) -> Result<Reference, Error> {
        let found = Reference::parse(reference, &self.entries)?;
        if let (Reference::Registered(entry), Some(wanted)) = (&found, role)
            && entry.spec.role != wanted
        {
            return Err(Error::WrongRole {
                name: entry.name().to_owned(),
                is: entry.spec.role,
                wanted,
            });
        }
        Ok(found)
    }

    /// The model that `reference` names, which is pulled if it is not in the cache.
    ///
    /// # Errors
    /// As [`Registry::fetch_with`].
    pub fn fetch(&self, reference: &str, progress: &dyn Progress) -> Result<Fetched, Error> {
        self.fetch_with(reference, PullOptions::default(), progress)
    }

    /// As [`Registry::fetch`], for a model of this role: of several registered models that have the
    /// files of a folder of the user's, one of this role is meant.
    ///
    /// # Errors
    /// As [`Registry::fetch_with`], and [`Error::WrongRole`] for a registered name.
    pub fn fetch_for(
        &self,
        reference: &str,
        role: ModelRole,
        progress: &dyn Progress,
    ) -> Result<Fetched, Error> {
        match self.find(reference, Some(role))? {
            Reference::Folder(path) => self.folder(path, Some(role), progress),
            _ => self.fetch(reference, progress),
        }
    }

    /// As [`Registry::fetch`], with options, which do not apply to a folder of the user's. Such
    /// a folder is a registered model if it holds the same files.
    ///
    /// # Errors
    /// As [`Registry::find`]; [`Error::Unobtainable`] if the model is not in the cache and
    /// every source failed; [`Error::Cancelled`] if `progress` says so; [`Error::Io`] or
    /// [`Error::Cache`] if the cache cannot be written.
    pub fn fetch_with(
        &self,
        reference: &str,
        options: PullOptions,
        progress: &dyn Progress,
    ) -> Result<Fetched, Error> {
        match self.find(reference, None)? {
            Reference::Registered(entry) => {
                Ok(Fetched::Ready(self.pull_entry(&entry, options, progress)?))
            }
            Reference::Hub { repo, revision } => {
                let pull = Pull::new(&self.access, reference, options, progress);
                let slot = Slot::of_hub(&self.access.cache, &repo, &revision);
                let pins = pull.unpinned(&slot, &repo, &revision)?;
                Ok(Fetched::Undescribed {
                    path: slot.folder(),
                    sha256: hashes(&pins),
                })
            }
            Reference::Folder(path) => self.folder(path, None, progress),
        }
    }

    /// A folder of the user's.
    fn folder(
        &self,
        path: PathBuf,
        role: Option<ModelRole>,
        progress: &dyn Progress,
    ) -> Result<Fetched, Error> {
        Ok(match recognize(&path, &self.entries, role, progress)? {
            Some(folder) => Fetched::Ready(folder),
            None => Fetched::Undescribed {
                path,
                sha256: BTreeMap::new(),
            },
        })
    }

    /// Pulls the registered model `name`, unless it is in the cache already.
    ///
    /// # Errors
    /// As [`Registry::fetch_with`]; [`Error::NotRegistered`] for a hub id or a path.
    pub fn pull(
        &self,
        name: &str,
        options: PullOptions,
        progress: &dyn Progress,
    ) -> Result<ModelFolder, Error> {
        match self.find(name, None)? {
            Reference::Registered(entry) => self.pull_entry(&entry, options, progress),
            Reference::Hub { .. } | Reference::Folder(_) => Err(Error::NotRegistered {
                reference: name.to_owned(),
            }),
        }
    }

    /// Compares every file of a pulled model, given by name or hub id, with its checksum.
    ///
    /// # Errors
    /// As [`Registry::find`]; [`Error::NotPulled`]; [`Error::NotRegistered`] for a
    /// path; [`Error::Cancelled`]; [`Error::Io`] if a file cannot be read.
    pub fn verify(
        &self,
        reference: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<FileCheck>, Error> {
        let (slot, pinned) = match self.find(reference, None)? {
            Reference::Registered(entry) => (
                Slot::of_entry(&self.access.cache, &entry),
                entry.files.clone(),
            ),
            Reference::Hub { repo, revision } => (
                Slot::of_hub(&self.access.cache, &repo, &revision),
                Pins::new(),
            ),
            Reference::Folder(_) => {
                return Err(Error::NotRegistered {
                    reference: reference.to_owned(),
                });
            }
        };
        let pins = slot.pins(&pinned).filter(|_| slot.folder().is_dir());
        let Some(pins) = pins else {
            return Err(Error::NotPulled {
                name: reference.to_owned(),
                cache: self.access.cache.clone(),
            });
        };
        let total = pins.values().map(|pin| pin.size).sum();
        let mut meter = Meter::begin(progress, &format!("checking {reference}"), Some(total));
        let check = |(file, pin): (&String, &crate::entry::Pin)| {
            check_file(
                reference,
                &slot.folder().join(file),
                &pin.sha256,
                &mut meter,
            )
            .map(|outcome| FileCheck {
                file: file.clone(),
                outcome,
            })
        };
        pins.iter().map(check).collect()
    }

    fn pull_entry(
        &self,
        entry: &Entry,
        options: PullOptions,
        progress: &dyn Progress,
    ) -> Result<ModelFolder, Error> {
        let pull = Pull::new(&self.access, entry.name(), options, progress);
        let slot = Slot::of_entry(&self.access.cache, entry);
        let pins = match entry.hub() {
            Some((repo, revision)) if !entry.is_pinned() => pull.unpinned(&slot, repo, revision)?,
            _ => pull.pinned(&slot, entry, || self.others(entry))?,
        };
        Ok(ModelFolder {
            path: slot.folder(),
            spec: entry.spec.clone(),
            sha256: hashes(&pins),
        })
    }
}

impl Registry {
    /// The files of pulled models other than `entry`, by their pinned sha256.
    fn others(&self, entry: &Entry) -> BTreeMap<String, PathBuf> {
        let pulled = |other: &&Entry| other.is_pinned() && other.name() != entry.name();
        self.entries
            .iter()
            .filter(pulled)
            .filter_map(|other| match self.state(other) {
                State::Pulled(folder) => Some((other, folder)),
                State::NotPulled => None,
            })
            .flat_map(|(other, folder)| {
                let files = other.files.iter();
                files.map(move |(name, pin)| (pin.sha256.clone(), folder.join(name)))
            })
            .collect()
    }
}

impl Fetched {
    /// The model's folder.
    pub fn path(&self) -> &Path {
        match self {
            Fetched::Ready(folder) => &folder.path,
            Fetched::Undescribed { path, .. } => path,
        }
    }
}

fn hashes(pins: &Pins) -> BTreeMap<String, String> {
    pins.iter()
        .map(|(file, pin)| (file.clone(), pin.sha256.clone()))
        .collect()
}

/// Compares the file at `path` with its pinned checksum.
fn check_file(
    name: &str,
    path: &Path,
    expected: &str,
    meter: &mut Meter<'_>,
) -> Result<FileOutcome, Error> {
    let hashed = hash_file(path, |more| {
        meter.advance(more);
        !meter.cancelled()
    });
    match hashed {
        Ok(found) if found == expected => Ok(FileOutcome::Ok),
        Ok(found) => Ok(FileOutcome::Differs {
            expected: expected.to_owned(),
            found,
        }),
        Err(Unhashed::Unread(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(FileOutcome::Missing)
        }
        Err(Unhashed::Unread(error)) => Err(Error::io("read model file", path)(error)),
        Err(Unhashed::Stopped) => Err(Error::Cancelled {
            name: name.to_owned(),
        }),
    }
}

/// The default cache folder by environment variables and the home folder.
fn cache_folder(
    variable: impl Fn(&str) -> Option<OsString>,
    home: Option<&Path>,
) -> Option<PathBuf> {
    let set = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = set("TREFFER_MODELS") {
        return Some(folder);
    }
    // The XDG Base Directory specification says to ignore relative paths.
    let base = set("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| {
            if cfg!(windows) {
                return set("LOCALAPPDATA");
            }
            let below_home = if cfg!(target_os = "macos") {
                "Library/Caches"
            } else {
                ".cache"
            };
            Some(home?.join(below_home))
        })?;
    Some(base.join("treffer").join("models"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)], home: Option<&str>) -> Option<PathBuf> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        cache_folder(variable, home.map(Path::new))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_cache_is_where_the_environment_says() {
        let path = |text: &str| Some(PathBuf::from(text));
        let all = [("TREFFER_MODELS", "/m"), ("XDG_CACHE_HOME", "/x")];
        assert_eq!(folder(&all, Some("/h")), path("/m"));
        assert_eq!(folder(&all[1..], Some("/h")), path("/x/treffer/models"));
        assert_eq!(folder(&[], Some("/h")), path("/h/.cache/treffer/models"));
        let useless = [("TREFFER_MODELS", ""), ("XDG_CACHE_HOME", "relative")];
        assert_eq!(
            folder(&useless, Some("/h")),
            path("/h/.cache/treffer/models")
        );
        assert_eq!(folder(&[], None), None);
    }
}
