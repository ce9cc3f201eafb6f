//! Changing one profile in `treffer.toml` without touching the rest: comments, the order of
//! keys and other profiles stay as they are.

use std::fs;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, TableLike};
use treffer_disk::{Lock, LockError, write_durably};

use crate::config::Settings;
use crate::error::{Error, IoContext};
use crate::manifest::{LOCK, Manifest, SETTINGS};
use crate::profile::Profile;

/// Takes the writer's lock of the index in `dir`; dropping the guard releases it.
///
/// # Errors
/// If another process holds it, or the lock file cannot be opened.
pub(crate) fn lock(dir: &Path) -> Result<Lock, Error> {
    Lock::try_exclusive(&dir.join(LOCK)).map_err(|error| match error {
        LockError::Held { .. } => Error::Locked { path: dir.into() },
        LockError::Io(source) => source.into(),
    })
}

/// Writes the profile that `make` returns into the settings of the index in `dir` under
/// `name`, if the index is still of the generation that the profile was made for.
///
/// `make` runs under the writer's lock, so that no other writer changes the files that it
/// writes beside the settings.
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
    let _lock = lock(dir)?;
    let found = Manifest::read(dir)?.generation;
    if found != generation {
        return Err(Error::Replaced { path: dir.into() });
    }
    let path = dir.join(SETTINGS);
    let text = fs::read_to_string(&path).at("read", &path)?;
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
        let mut settings = Config::preset("english").unwrap().settings();
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
        let text = Config::preset("german").unwrap().settings().to_toml();
        let changed = with_profile(&text, "deep", &Profile::default()).unwrap();
        let read = Settings::parse(&changed, "test").unwrap();
        assert_eq!(read.profiles["deep"], Profile::default());
        assert_eq!(read.profiles.len(), 2);
    }
}
