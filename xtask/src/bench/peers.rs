//! The throw-away environment in which the peers run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::python::environment;
use crate::workspace::Workspace;

/// How a benchmark runs beside its peers.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Environment of the peers, made if it is not there [default: in the user's cache folder]
    #[arg(long)]
    pub(super) python: Option<PathBuf>,
    /// How often every contestant does the work
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
    /// Also write the table into benches/README.md, in place of the one recorded there
    #[arg(long)]
    pub(super) record: bool,
}

/// Makes the environment of one benchmark in the `given` folder, or else in the user's cache,
/// unless it is there and holds what xtask/peers/BENCH-requirements.txt names, and returns its
/// interpreter.
///
/// # Errors
/// If there is no `python3` with `venv`, the packages cannot be had, or the user has no folder for
/// caches.
pub(super) fn prepare(workspace: &Workspace, bench: &str, given: Option<&Path>) -> Result<PathBuf> {
    let folder = match given {
        Some(folder) => folder.to_owned(),
        None => default_folder(bench)?,
    };
    let requirements = format!("xtask/peers/{bench}-requirements.txt");
    environment(&folder, &workspace.root.join(requirements), "the peers")
        .context("no peers to compare with; --python names a finished environment that holds them")
}

/// Where the environment of one benchmark lies unless somebody says otherwise.
fn default_folder(bench: &str) -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = match (variable("XDG_CACHE_HOME"), variable("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => anyhow::bail!(
            "no folder for the Python environment of the peers: HOME is not set; name one with --python"
        ),
    };
    Ok(cache.join("treffer").join(format!("bench-{bench}")))
}

/// Names with their versions, as in `ranx 0.3`.
pub(super) fn versions(versions: &BTreeMap<String, String>) -> Vec<String> {
    let named = versions.iter();
    named
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}
