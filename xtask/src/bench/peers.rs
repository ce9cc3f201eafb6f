//! The throw-away environment in which the peers run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::python::environment;

/// Makes the environment in `folder`, unless it is there and holds what
/// `requirements` names, and returns its interpreter.
///
/// # Errors
/// If there is no `python3` with `venv`, or the packages cannot be had.
pub(super) fn prepare(folder: &Path, requirements: &Path) -> Result<PathBuf> {
    environment(folder, requirements, "the peers")
        .context("no peers to compare with; --python names a finished environment that holds them")
}

/// Where the environment of one benchmark lies unless somebody says otherwise.
///
/// # Errors
/// If the user has no folder for caches.
pub(super) fn default_folder(bench: &str) -> Result<PathBuf> {
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
