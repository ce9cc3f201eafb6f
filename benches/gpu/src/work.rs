//! The texts and models of a pack.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use treffer_encoder::{BiEncoder, CrossEncoder};
use treffer_types::{BoxError, Device, Grade, ModelFolder, ModelRole, ModelSpec, Pooling};

/// What `cargo xtask gpu pack` wrote into `work.json`; others read more of its keys.
#[derive(Deserialize)]
pub(crate) struct Work {
    #[serde(skip)]
    folder: PathBuf,
    /// Queries with passages, by the number of tokens to which pairs are cut.
    pub(crate) sets: Vec<Set>,
    /// Texts for the bi-encoder.
    pub(crate) documents: Vec<String>,
    /// Queries with candidates to rank.
    pub(crate) topics: Vec<Topic>,
}

#[derive(Deserialize)]
pub(crate) struct Set {
    pub(crate) name: String,
    /// Most tokens of a pair, special ones included.
    pub(crate) max_length: usize,
    pub(crate) queries: Vec<String>,
    /// All are scored with each query.
    pub(crate) passages: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Topic {
    pub(crate) query: String,
    /// Identifiers and texts, as the first stage ranked them.
    pub(crate) candidates: Vec<(String, String)>,
    /// Of all documents that were judged.
    pub(crate) judgments: BTreeMap<String, Grade>,
}

/// The models' own limit.
pub(crate) const MAX_LENGTH: usize = 512;

impl Work {
    /// Reads `work.json` in `folder`.
    ///
    /// # Errors
    /// If it cannot be read, or holds no texts.
    pub(crate) fn read(folder: &Path) -> Result<Self, BoxError> {
        let path = folder.join("work.json");
        let bytes = fs::read(&path).map_err(|error| {
            let path = path.display();
            format!("could not read {path}: {error}; `cargo xtask gpu pack` writes it")
        })?;
        let mut work: Work = serde_json::from_slice(&bytes)
            .map_err(|error| format!("could not understand {}: {error}", path.display()))?;
        let is_empty = |set: &Set| set.queries.is_empty() || set.passages.is_empty();
        if work.sets.is_empty() || work.sets.iter().any(is_empty) || work.documents.is_empty() {
            return Err(format!("{} lacks texts", path.display()).into());
        }
        folder.clone_into(&mut work.folder);
        Ok(work)
    }

    /// The set with the texts at their real lengths, which is the last.
    pub(crate) fn real(&self) -> Result<&Set, BoxError> {
        Ok(self.sets.last().ok_or("work.json has no set of texts")?)
    }

    pub(crate) fn cross(
        &self,
        name: &str,
        max_length: usize,
        device: Device,
    ) -> Result<CrossEncoder, BoxError> {
        let folder = self.model(name, ModelRole::CrossEncoder, max_length);
        Ok(CrossEncoder::load(&folder, device)?)
    }

    /// The bi-encoder of the pack; without one, the cross-encoder's layers in its place, which
    /// are as many and as wide as those of bge-small, so that speed and rounding are the same.
    pub(crate) fn embedder(&self, device: Device) -> Result<(BiEncoder, &'static str), BoxError> {
        let name = if self.folder.join("models/embedder").is_dir() {
            "embedder"
        } else {
            "cross"
        };
        let folder = self.model(name, ModelRole::BiEncoder, MAX_LENGTH);
        Ok((BiEncoder::load(&folder, device)?, name))
    }

    fn model(&self, name: &str, role: ModelRole, max_length: usize) -> ModelFolder {
        ModelFolder {
            path: self.folder.join("models").join(name),
            spec: ModelSpec {
                name: name.to_owned(),
                role,
                pooling: Pooling::Cls,
                query_prefix: String::new(),
                passage_prefix: String::new(),
                max_length,
                license: "unknown".to_owned(),
                details: Default::default(),
            },
            sha256: BTreeMap::new(),
        }
    }
}

/// The texts, as models take them.
pub(crate) fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
