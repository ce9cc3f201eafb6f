//! Python environments for these commands, below target/ or in the user's cache folder.
//!
//! Python is always started isolated: with `-m` it would else look for modules in the
//! working folder first, and in whatever `PYTHONPATH` names. Packages come as wheels
//! only, so that installing one runs nothing of it. pip's own configuration counts.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::run as run_command;

/// The interpreter of an environment in `folder` that holds what `requirements` names;
/// made if it is not there yet. `what` is in it, for messages.
///
/// # Errors
/// If there is no `python3` with `venv`, or the packages cannot be had.
pub(crate) fn environment(folder: &Path, requirements: &Path, what: &str) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("could not read {}", requirements.display()))?;
    let interpreter = interpreter(folder);
    // Written last, so that an interrupted installation is begun again.
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    eprintln!(
        "installing {what} into {}: a download, done once",
        folder.display()
    );
    make_environment(folder).with_context(|| {
        format!("could not make a Python environment for {what}: install Python 3.11 or later with its venv module")
    })?;
    let mut install = install(&interpreter);
    install.arg("--requirement").arg(requirements);
    // stdout is for results.
    run_command(install.stdout(io::stderr())).with_context(|| {
        format!(
            "could not install {what}: check the network and the disk, remove {}, and run this again",
            folder.display()
        )
    })?;
    fs::write(&stamp, wanted).with_context(|| format!("could not write {}", stamp.display()))?;
    Ok(interpreter)
}

/// Makes an environment in `folder` and returns its interpreter.
///
/// # Errors
/// If there is no `python3`, or it lacks the module `venv`.
pub(crate) fn make_environment(folder: &Path) -> Result<PathBuf> {
    run_command(isolated("python3").args(["-m", "venv"]).arg(folder))?;
    Ok(interpreter(folder))
}

/// The interpreter of the environment in `folder`.
fn interpreter(folder: &Path) -> PathBuf {
    folder.join("bin").join("python")
}

/// pip of an environment, about to install what is named next.
pub(crate) fn install(interpreter: &Path) -> Command {
    let mut command = isolated(interpreter);
    command
        .args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "--only-binary=:all:"]);
    command
}

/// A script of ours in an environment. It may import what lies beside it, so that `-I`
/// would be too much; the variables and the user's own packages are left out.
pub(crate) fn script(interpreter: &Path, script: &Path) -> Command {
    let mut command = Command::new(interpreter);
    command.args(["-E", "-s", "-B"]).arg(script);
    command
}

fn isolated(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.arg("-I");
    command
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn no_module_in_the_working_folder_is_imported() {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let module = format!("open({:?}, 'w')\n", trace.to_str().unwrap());
        for name in ["pip.py", "venv.py", "site.py", "json.py"] {
            fs::write(folder.path().join(name), &module).unwrap();
        }
        let ours = tempfile::tempdir().unwrap();
        let ours = ours.path().join("script.py");
        fs::write(&ours, "import json, pip\n").unwrap();
        let mut make = isolated("python3");
        make.args(["-m", "venv", "--help"]);
        let mut install = install("python3".as_ref());
        install.arg("--help");
        for mut command in [make, install, script("python3".as_ref(), &ours)] {
            command
                .current_dir(folder.path())
                .env("PYTHONPATH", folder.path());
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {output:?}");
            assert!(!trace.exists(), "{command:?}");
        }
    }
}
