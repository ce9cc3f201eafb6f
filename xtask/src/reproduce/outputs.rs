//! What the program printed, kept, so that a run that was stopped can go on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What commands about one index printed, in a file.
#[derive(Debug)]
pub(super) struct Outputs {
    path: PathBuf,
    kept: Kept,
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// SHA-256 of the program.
    program: String,
    /// Standard output by command.
    outputs: BTreeMap<String, String>,
}

impl Outputs {
    /// Those that an earlier run left at `path` if it is to `resume`, else none.
    ///
    /// Warns if another build of the program printed them: what that changes is for the
    /// user to know.
    pub(super) fn open(path: PathBuf, program: &str, resume: bool) -> Result<Self> {
        let mut kept = match fs::read_to_string(&path) {
            Ok(text) if resume => read(&path, &text)?,
            Ok(_) => {
                fs::remove_file(&path)
                    .with_context(|| format!("could not remove {}", path.display()))?;
                Kept::default()
            }
            Err(_) => Kept::default(),
        };
        if !kept.outputs.is_empty() && kept.program != program {
            eprintln!(
                "warning: another build of the program printed what is kept in {}",
                path.display()
            );
        }
        program.clone_into(&mut kept.program);
        Ok(Outputs { path, kept })
    }

    pub(super) fn get(&self, command: &str) -> Option<&str> {
        self.kept.outputs.get(command).map(String::as_str)
    }

    /// Keeps what `command` printed, in the file too.
    pub(super) fn keep(&mut self, command: String, output: String) -> Result<()> {
        self.kept.outputs.insert(command, output);
        let text = serde_json::to_string_pretty(&self.kept)?;
        // Whole or not at all: a run can be stopped at any moment.
        let new = self.path.with_extension("new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &self.path))
            .with_context(|| format!("could not write {}", self.path.display()))
    }
}

fn read(path: &Path, text: &str) -> Result<Kept> {
    serde_json::from_str(text).with_context(|| {
        format!(
            "could not understand {}; remove it to measure again",
            path.display()
        )
    })
}
