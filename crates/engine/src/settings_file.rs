//! Changing one profile in `treffer.toml` without touching the rest: people's
//! comments, their order and their other profiles stay as they are.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table};

use crate::config::Settings;
use crate::error::{Error, IoContext};
use crate::manifest::{LOCK, SETTINGS, write_durably};
use crate::profile::Profile;

/// Takes the writer's lock of the index in `dir`; dropping the file gives it back.
///
/// # Errors
/// If another process holds it, or the lock file cannot be opened.
pub(crate) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.at("open", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path: dir.into() }),
        Err(TryLockError::Error(source)) => Err(Error::Io {
            action: "lock",
            path,
            source,
        }),
    }
}

/// Writes `profile` under `name` into the settings of the index in `dir`.
///
/// # Errors
/// If another process writes the index, or the settings cannot be read or written.
pub fn save_profile(dir: &Path, name: &str, profile: &Profile) -> Result<(), Error> {
    let _lock = lock(dir)?;
    let path = dir.join(SETTINGS);
    let text = fs::read_to_string(&path).at("read", &path)?;
    let changed = with_profile(&text, name, profile).map_err(|source| Error::Config {
        origin: path.display().to_string(),
        what: "this is not valid TOML".into(),
        source: Some(source.into()),
    })?;
    Settings::parse(&changed, &path.display().to_string())?;
    write_durably(&path, changed.as_bytes())
}

fn with_profile(text: &str, name: &str, profile: &Profile) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let new = toml_edit::ser::to_document(profile).expect("a profile holds only what TOML can");
    let profiles = document["profiles"].or_insert(Item::Table(Table::new()));
    match profiles.get_mut(name).and_then(Item::as_table_like_mut) {
        // Key by key, so that the comments above unchanged keys stay.
        Some(old) => {
            for (key, value) in new.iter() {
                if old.get(key).map(|item| item.to_string().trim().to_string())
                    != Some(value.to_string().trim().to_string())
                {
                    old.insert(key, value.clone());
                }
            }
            if profile.tuned.is_none() {
                old.remove("tuned");
            }
        }
        None => profiles[name] = Item::Table(new.as_table().clone()),
    }
    Ok(document.to_string())
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
                cross_depth: 3,
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
