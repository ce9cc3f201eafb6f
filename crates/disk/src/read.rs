//! Reading a small file whole, and names of files that come from outside.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path};

use crate::error::{Error, damaged, missing_or_io};
use crate::failpoint::{Operation, reach};

/// The content of a regular file of at most `limit` bytes. Nothing is verified.
///
/// # Errors
/// [`Error::Missing`], [`Error::NotRegular`], [`Error::Damaged`] if the file is longer, or
/// [`Error::Io`].
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let too_long = || damaged(path, format!("it has more than {limit} bytes"));
    let bytes = regular_len(path)?;
    if bytes > limit {
        return Err(too_long());
    }
    let read = || {
        reach(Operation::Read, path)?;
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        // The file may have grown since its length was asked for.
        let most = limit.saturating_add(1);
        File::open(path)?.take(most).read_to_end(&mut content)?;
        Ok(content)
    };
    let content = read().map_err(missing_or_io("read", path))?;
    if content.len() as u64 > limit {
        return Err(too_long());
    }
    Ok(content)
}

/// As [`read_file`], of a text.
///
/// # Errors
/// As [`read_file`]; [`Error::Damaged`] also if the file is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, Error> {
    String::from_utf8(read_file(path, limit)?).map_err(|_| damaged(path, "it is not UTF-8"))
}

/// Whether `name`, which a file or a foreign program gives, is a relative path that does not
/// leave the folder that it is relative to.
pub fn is_below(name: &str) -> bool {
    let mut components = Path::new(name).components().peekable();
    components.peek().is_some() && components.all(|part| matches!(part, Component::Normal(_)))
}

/// The length of a regular file. Asked before the file is opened, because opening a pipe would
/// wait for its writer.
pub(crate) fn regular_len(path: &Path) -> Result<u64, Error> {
    let metadata = fs::metadata(path).map_err(missing_or_io("look at", path))?;
    if !metadata.is_file() {
        return Err(Error::NotRegular {
            path: path.to_owned(),
        });
    }
    Ok(metadata.len())
}
