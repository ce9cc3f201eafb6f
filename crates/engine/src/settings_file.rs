//! `treffer.toml`, the settings of an index that may be edited: reading it, and changing one
//! profile in it without touching the rest.
//!
//! An index is committed by its manifest alone. The manifest holds the settings that the index
//! was built with, and `treffer.toml`, which is written after it, names the generation that it
//! was written for. While the file is not there, or is that of an earlier build, the settings
//! of the manifest apply. So there is no moment at which new documents are searched under old
//! settings, or the other way round, whenever a build or its reader is interrupted.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use toml_edit::{DocumentMut, Item, Table, TableLike};
use treffer_disk::{Error as DiskError, Lock, LockError, read_text, write_durably};
use treffer_types::BoxError;

use crate::config::Settings;
use crate::error::Error;
use crate::manifest::{LOCK, LOCK_CONTENT, Manifest, SETTINGS};
use crate::profile::Profile;

/// No settings are nearly as large.
const LARGEST: u64 = 16 << 20;

/// How long a change of the settings waits for another writer. A build holds the lock for
/// longer, another change of the settings does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// The settings that apply to an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Current {
    /// They.
    pub settings: Settings,
    /// Why they are not those of `treffer.toml`, if they are not.
    pub note: Option<String>,
}

/// The settings of the index in `dir`, whose manifest is `manifest`.
///
/// # Errors
/// If `treffer.toml` cannot be read, a key or value is wrong, or it is that of a later build,
/// which another process may have committed after the manifest was read.
pub fn read_settings(dir: &Path, manifest: &Manifest) -> Result<Current, Error> {
    let (text, note) = current_text(dir, manifest)?;
    let settings = Settings::parse(&text, &dir.join(SETTINGS).display().to_string())?;
    Ok(Current { settings, note })
}

/// The manifest of the index in `dir` and the settings that belong to it, also while another
/// process replaces the index.
///
/// # Errors
/// As [`Manifest::read`] and [`read_settings`].
pub fn read_both(dir: &Path) -> Result<(Manifest, Current), Error> {
    let mut manifest = Manifest::read(dir)?;
    loop {
        match read_settings(dir, &manifest) {
            Ok(current) => return Ok((manifest, current)),
            Err(error) => match Manifest::read(dir) {
                Ok(newer) if newer.generation > manifest.generation => manifest = newer,
                _ => return Err(error),
            },
        }
    }
}

/// The text of the settings that apply, and why it is not that of `treffer.toml`, if it is not.
fn current_text(dir: &Path, manifest: &Manifest) -> Result<(String, Option<String>), Error> {
    let path = dir.join(SETTINGS);
    let expected = manifest.settings.generation;
    let built = |why: String| {
        let note = format!("the settings that the index was built with apply: {why}");
        Ok((manifest.settings.toml.clone(), Some(note)))
    };
    let text = match read_text(&path, LARGEST) {
        Ok(text) => text,
        Err(DiskError::Missing { .. }) => return built(format!("there is no {}", path.display())),
        Err(error) => return Err(error.into()),
    };
    match generation(&text, &path, expected)? {
        found if found == expected => Ok((text, None)),
        found if found < expected => built(format!(
            "{} was written for generation {found} of the index, and these are of generation {expected}",
            path.display()
        )),
        found => Err(invalid(
            &path,
            &format!(
                "it was written for generation {found} of the index, which is of generation {expected}"
            ),
            None,
        )),
    }
}

fn invalid(path: &Path, what: &str, source: Option<BoxError>) -> Error {
    Error::Config {
        origin: path.display().to_string(),
        what: what.into(),
        source,
    }
}

/// The generation that the `treffer.toml` in `dir` names, if it can be read.
pub(crate) fn settings_generation(dir: &Path) -> Option<u64> {
    let text = read_text(&dir.join(SETTINGS), LARGEST).ok()?;
    let table: toml::Table = text.parse().ok()?;
    found_generation(&table)
}

fn found_generation(table: &toml::Table) -> Option<u64> {
    let found = table.get("generation").and_then(toml::Value::as_integer);
    found.and_then(|found| u64::try_from(found).ok())
}

/// The generation that a `treffer.toml` names; that of the index is `expected`. Its other keys may
/// be those of another version of the program.
fn generation(text: &str, path: &Path, expected: u64) -> Result<u64, Error> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        invalid(path, "this is not valid TOML", Some(error.into()))
    })?;
    found_generation(&table).ok_or_else(|| {
        let what = format!(
            "it has no key `generation`, which is {expected} for this index; add it, or delete the file, so that the settings apply that the index was built with"
        );
        invalid(path, &what, None)
    })
}

/// Takes the writer's lock of the index in `dir`; dropping the guard releases it.
///
/// # Errors
/// If another process holds it, or the lock file cannot be opened.
pub(crate) fn lock(dir: &Path) -> Result<Lock, Error> {
    Lock::try_exclusive(&dir.join(LOCK), LOCK_CONTENT).map_err(|error| match error {
        LockError::Held { .. } => Error::Locked { path: dir.into() },
        LockError::Io(source) => source.into(),
    })
}

/// As [`lock`], but waits for another process that holds it for a moment.
fn lock_patiently(dir: &Path) -> Result<Lock, Error> {
    let start = Instant::now();
    loop {
        match lock(dir) {
            Err(Error::Locked { .. }) if start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

/// Writes the profile that `make` returns into the settings of the index in `dir` under
/// `name`, if the index was not built anew since the profile was made: its settings are then still
/// those of `generation`. Documents may have come and gone.
///
/// `make` runs under the writer's lock, so that no other writer changes the files that it
/// writes beside the settings. A lock that another process holds is waited for, for some
/// seconds.
///
/// # Errors
/// If there is no index, another process writes it or has replaced it, or the settings
/// cannot be read, are wrong, or cannot be written; or if `make` fails.
pub fn change_profile(
    dir: &Path,
    generation: u64,
    name: &str,
    make: impl FnOnce() -> Result<Profile, Error>,
) -> Result<(), Error> {
    Manifest::read(dir)?; // a lock file would make a folder that is no index look like one
    let _lock = lock_patiently(dir)?;
    let manifest = Manifest::read(dir)?;
    if manifest.settings.generation != generation {
        return Err(Error::Replaced { path: dir.into() });
    }
    let path = dir.join(SETTINGS);
    let (text, _) = current_text(dir, &manifest)?;
    let origin = path.display().to_string();
    Settings::parse(&text, &origin)?;
    let changed = with_profile(&text, name, &make()?).map_err(|source| Error::Config {
        origin: origin.clone(),
        what: "this is not valid TOML".into(),
        source: Some(source.into()),
    })?;
    Settings::parse(&changed, &origin)?;
    Ok(write_durably(&path, changed.as_bytes())?)
}

/// `text` has been read as settings before, so it has a table of profiles.
fn with_profile(text: &str, name: &str, profile: &Profile) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let new = toml_edit::ser::to_document(profile).expect("a profile can be written as TOML");
    let profiles = document["profiles"].or_insert(Item::Table(Table::new()));
    let is_inline = profiles.is_inline_table();
    let profiles = profiles
        .as_table_like_mut()
        .expect("profiles were read as a table");
    match profiles.get_mut(name).and_then(Item::as_table_like_mut) {
        Some(old) => merge(old, new.as_table()),
        None if is_inline => {
            let new = new.as_table().clone().into_inline_table();
            profiles.insert(name, Item::Value(new.into()));
        }
        None => {
            profiles.insert(name, Item::Table(new.as_table().clone()));
        }
    }
    Ok(document.to_string())
}

/// Sets `old` to `new` value by value, so that comments stay, even those beside and above
/// changed values.
fn merge(old: &mut dyn TableLike, new: &dyn TableLike) {
    let gone = |key: &String| !new.contains_key(key);
    let keys: Vec<String> = old.iter().map(|(key, _)| key.to_string()).collect();
    for key in keys.into_iter().filter(gone) {
        old.remove(&key);
    }
    for (key, new) in new.iter() {
        match (old.get_mut(key), new.as_table_like()) {
            (None, _) => {
                old.insert(key, new.clone());
            }
            (Some(old), Some(new)) if old.is_table_like() => {
                let old = old.as_table_like_mut().expect("checked to be like a table");
                merge(old, new);
            }
            (Some(old), _) if is_same(old, new) => {}
            (Some(old), _) => {
                let decor = old.as_value().map(|value| value.decor().clone());
                *old = new.clone();
                if let (Some(value), Some(decor)) = (old.as_value_mut(), decor) {
                    *value.decor_mut() = decor;
                }
            }
        }
    }
}

fn is_same(old: &Item, new: &Item) -> bool {
    let plain = |item: &Item| {
        let mut value = item.as_value()?.clone();
        value.decor_mut().clear();
        Some(value.to_string())
    };
    plain(old) == plain(new)
}

#[cfg(test)]
mod tests {
    use treffer_fusion::Weights;

    use super::*;
    use crate::config::Config;

    #[test]
    fn comments_and_other_profiles_survive_a_change() {
        let mut settings = Config::preset("english").unwrap().settings(1);
        settings.profiles.insert(
            "mine".into(),
            Profile {
                ef_search: 903,
                ..Profile::default()
            },
        );
        let text = settings
            .to_toml()
            .replace("k1 =", "# because of the short documents\nk1 =");
        let weights: Weights = "0.1,0.2,0.7".parse().unwrap();
        let tuned = Profile {
            weights,
            ..settings.profiles["default"].clone()
        };
        let changed = with_profile(&text, "default", &tuned).unwrap();
        assert!(
            changed.contains("# because of the short documents"),
            "{changed}"
        );
        let read = Settings::parse(&changed, "test").unwrap();
        assert_eq!(read.profiles["default"], tuned);
        assert_eq!(read.profiles["mine"], settings.profiles["mine"]);
    }

    #[test]
    fn a_new_profile_is_added() {
        let text = Config::preset("german").unwrap().settings(1).to_toml();
        let changed = with_profile(&text, "deep", &Profile::default()).unwrap();
        let read = Settings::parse(&changed, "test").unwrap();
        assert_eq!(read.profiles["deep"], Profile::default());
        assert_eq!(read.profiles.len(), 2);
    }
}
