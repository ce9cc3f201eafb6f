//! The throw-away environment in which the peers run.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::python::{install, interpreter, make_environment};
use crate::workspace::run as run_command;

/// Makes the environment in `folder`, unless it is there and holds what
/// `requirements` names, and returns its interpreter.
///
/// # Errors
/// If there is no `python3` with `venv`, or the packages cannot be had.
pub(super) fn prepare(folder: &Path, requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("could not read {}", requirements.display()))?;
    let interpreter = interpreter(folder);
    // Written last, so that an interrupted installation is begun again.
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    eprintln!(
        "installing the peers into {}: a download, done once",
        folder.display()
    );
    make_environment(folder).context(
        "could not make the Python environment of the peers: install Python 3.11 or later with its \
         venv module, or name a finished environment with --python",
    )?;
    let mut install = install(&interpreter);
    install.arg("--requirement").arg(requirements);
    // stdout is for the table.
    run_command(install.stdout(io::stderr())).with_context(|| {
        format!(
            "could not install the peers: check the network and the disk, remove {}, and run this again",
            folder.display()
        )
    })?;
    fs::write(&stamp, wanted).with_context(|| format!("could not write {}", stamp.display()))?;
    Ok(interpreter)
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
