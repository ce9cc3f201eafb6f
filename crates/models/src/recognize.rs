//! Recognizes a registered model in a folder that a user names by its path, such as one that
//! was pulled: its files do not say how to run it, but the registry does.

use std::fs;
use std::path::Path;

use treffer_types::{ModelFolder, ModelRole, Progress};

use crate::entry::Entry;
use crate::error::Error;
use crate::hash::{Unhashed, hash_file};
use crate::meter::Meter;

/// The model of the first of `entries` whose files are all in the folder at `path`, byte by
/// byte; of the first with the `role`, if there is one with it. Other files there do not matter, unless they are of those that [`OTHERS`] names.
pub(crate) fn recognize(
    path: &Path,
    entries: &[Entry],
    role: Option<ModelRole>,
    progress: &dyn Progress,
) -> Result<Option<ModelFolder>, Error> {
    let fits = |entry: &&Entry| {
        let same_size = |(name, pin): (&String, &crate::entry::Pin)| {
            let metadata = fs::metadata(path.join(name));
            metadata.is_ok_and(|found| found.is_file() && found.len() == pin.size)
        };
        let is_own = |name: &str| entry.files.contains_key(name);
        let changed = || {
            OTHERS
                .iter()
                .any(|name| !is_own(name) && path.join(name).exists())
        };
        entry.is_pinned() && entry.files.iter().all(same_size) && !changed()
    };
    let mut fitting: Vec<&Entry> = entries.iter().filter(fits).collect();
    fitting.sort_by_key(|entry| role.is_some_and(|role| entry.spec.role != role));
    for entry in fitting {
        let size = entry.size();
        let mut meter = Meter::begin(progress, &format!("checking {}", path.display()), size);
        let mut same = true;
        for (name, pin) in &entry.files {
            let file = path.join(name);
            let hashed = hash_file(&file, |more| {
                meter.advance(more);
                !meter.cancelled()
            });
            same &= match hashed {
                Ok(found) => found == pin.sha256,
                Err(Unhashed::Unread(error)) => return Err(Error::io("read", &file)(error)),
                Err(Unhashed::Stopped) => {
                    return Err(Error::Cancelled {
                        name: path.display().to_string(),
                    });
                }
            };
        }
        if same {
            let hashes = entry.files.iter();
            return Ok(Some(ModelFolder {
                path: path.to_owned(),
                spec: entry.spec.clone(),
                sha256: hashes
                    .map(|(name, pin)| (name.clone(), pin.sha256.clone()))
                    .collect(),
            }));
        }
    }
    Ok(None)
}

/// Files by which a folder says itself how the model is to be run, or that it is another.
const OTHERS: [&str; 5] = [
    "artifact.metadata",
    "config_sentence_transformers.json",
    "modules.json",
    "overlay.safetensors",
    "sentence_bert_config.json",
];
