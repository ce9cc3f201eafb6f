//! The models known by name, in every format.

use std::path::{Path, PathBuf};

use serde::Serialize;
use treffer_models::{Entry, Registry, State};
use treffer_types::ModelSpec;

use crate::format::{Block, Blocks, Columns, Entries};
use crate::terminal::bytes;

/// The models known by name.
#[derive(Serialize)]
pub(super) struct ModelList<'a> {
    cache: &'a Path,
    models: Vec<Model<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    spec: &'a ModelSpec,
    summary: &'a str,
    pinned: bool,
    download_bytes: Option<u64>,
    folder: Option<PathBuf>,
    sha256: Entries<&'a str>,
}

impl<'a> ModelList<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        let entries = registry.entries().iter();
        ModelList {
            cache: registry.cache(),
            models: entries.map(|entry| Model::new(registry, entry)).collect(),
        }
    }
}

impl<'a> Model<'a> {
    fn new(registry: &Registry, entry: &'a Entry) -> Self {
        let files = entry.files.iter();
        Model {
            spec: &entry.spec,
            summary: &entry.summary,
            pinned: entry.is_pinned(),
            download_bytes: entry.download_size(),
            folder: match registry.state(entry) {
                State::Pulled(folder) => Some(folder),
                State::NotPulled => None,
            },
            sha256: files
                .map(|(file, pin)| (file.clone(), pin.sha256.as_str()))
                .collect(),
        }
    }

    fn state(&self) -> &'static str {
        if self.folder.is_some() {
            "pulled"
        } else if self.pinned {
            "not pulled"
        } else {
            "not pulled, not pinned"
        }
    }
}

impl Blocks for ModelList<'_> {
    fn blocks(&self) -> Vec<Block> {
        let mut table = Columns::default();
        table.row(["name", "role", "license", "download", "state", "about"]);
        for model in &self.models {
            table.row([
                model.spec.name.clone(),
                model.spec.role.to_string(),
                model.spec.license.clone(),
                model.download_bytes.map_or("?".into(), bytes),
                model.state().to_string(),
                model.summary.to_owned(),
            ]);
        }
        vec![
            Block::Columns(table),
            Block::Line(String::new()),
            Block::Line(format!("cache: {}", self.cache.display())),
            Block::Line(
                "not pinned: from the model hub only; its checksums are recorded at the first pull"
                    .into(),
            ),
        ]
    }
}
