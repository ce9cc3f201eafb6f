//! `treffer check`: every byte of an index, where opening verifies only what it touches.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use treffer::StandardModels;
use treffer_engine::build::repair;
use treffer_engine::check::{Damage, check};
use treffer_engine::settings_file::Current;
use treffer_report::text::{count, grouped};

use crate::format::{Block, Blocks, Columns, ResultFormat};
use crate::options::Global;
use crate::progress::Bars;
use crate::terminal::{bytes, say, warn};
use crate::{Outcome, input};

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Folder of the index
    dir: PathBuf,
    /// Make anew what is damaged and can be made from the documents: inverted index, vectors
    /// (with the bi-encoder), graph, settings
    #[arg(long)]
    repair: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: ResultFormat,
}

/// Reads every file of an index and prints what is not as it was written, which is an
/// error. Loads no models, except to encode documents whose vectors are damaged.
pub(crate) fn run(command: &Check, global: &Global) -> Result<Outcome> {
    let checked = if command.repair {
        let bars = Bars::cancellable()?;
        let models = StandardModels::new(input::registry(global)?).with_progress(&bars);
        let report = repair(&command.dir, &models, None, &bars)?;
        for path in &report.repaired {
            say(&format!("made {} anew", path.display()));
        }
        for warning in &report.warnings {
            warn(warning);
        }
        report.checked
    } else {
        check(&command.dir)?
    };
    if let Ok(Current {
        note: Some(note), ..
    }) = &checked.settings
    {
        warn(note);
    }
    let checked = Checked {
        documents: checked.manifest.n_documents(),
        files: checked.manifest.n_files(),
        bytes: checked.manifest.n_bytes(),
        damage: checked.damage,
    };
    command.format.print(&checked)?;
    match checked.damage.into_iter().next() {
        None => Ok(Outcome::Found),
        Some(Damage { path, what }) => Err(treffer_engine::Error::Damaged { path, what }.into()),
    }
}

/// What a check found.
#[derive(Serialize)]
struct Checked {
    documents: u32,
    files: usize,
    bytes: u64,
    damage: Vec<Damage>,
}

impl Blocks for Checked {
    fn blocks(&self) -> Vec<Block> {
        let mut table = Columns::default();
        if self.damage.is_empty() {
            table.row(["documents".to_owned(), grouped(self.documents.into())]);
            table.row([
                "files".to_owned(),
                format!(
                    "{}, {}, all as they were written",
                    self.files,
                    bytes(self.bytes)
                ),
            ]);
        } else {
            table.row(["file", "damage"]);
            for Damage { path, what } in &self.damage {
                table.row([path.display().to_string(), what.clone()]);
            }
            table.row([count(self.damage.len() as u64, "problem"), String::new()]);
        }
        vec![Block::Columns(table)]
    }
}
