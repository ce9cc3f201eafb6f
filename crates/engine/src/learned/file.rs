//! A learned fusion as a file of an index.

use std::path::Path;

use treffer_disk::{create_dir_durably, is_below, read_text, write_durably};
use treffer_fusion::Learned;

use super::LearnedFile;
use crate::error::Error;

/// Folder within an index.
const FOLDER: &str = "learned";

/// No trees are nearly as large.
const LARGEST: u64 = 256 << 20;

/// Writes a learned fusion into the index in `dir`, for the profile of that name.
///
/// # Errors
/// If it cannot be written.
pub fn keep(dir: &Path, profile: &str, learned: &Learned) -> Result<LearnedFile, Error> {
    let folder = dir.join(FOLDER);
    create_dir_durably(&folder)?;
    let text = learned.encode()?;
    let crc32 = crc32fast::hash(text.as_bytes());
    // The name contains the checksum, so that the old file stays for other profiles and for
    // searches that are running.
    let file = format!("{FOLDER}/{}-{crc32:08x}.json", file_name(profile));
    write_durably(&dir.join(&file), text.as_bytes())?;
    Ok(LearnedFile {
        file,
        crc32,
        stages: learned.stages().to_vec(),
    })
}

/// A profile's name may contain characters that a file name cannot.
fn file_name(profile: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let escaped = profile.chars().map(|c| {
        if is_plain(c) {
            c.to_string()
        } else {
            format!("%{:x}", u32::from(c))
        }
    });
    escaped.collect()
}

/// Reads what [`keep`] wrote.
///
/// # Errors
/// If it is missing, has another checksum than the profile says, or is of another version.
pub fn load(dir: &Path, record: &LearnedFile) -> Result<Learned, Error> {
    Ok(Learned::decode(&verified(dir, record)?)?)
}

/// Whether the file is the one that the profile names.
pub(crate) fn verify(dir: &Path, record: &LearnedFile) -> Result<(), Error> {
    verified(dir, record).map(|_| ())
}

fn verified(dir: &Path, record: &LearnedFile) -> Result<String, Error> {
    if !is_below(&record.file) {
        return Err(Error::Request(format!(
            "a profile names the learned fusion `{}`, which is no file of the index",
            record.file
        )));
    }
    let path = dir.join(&record.file);
    let text = read_text(&path, LARGEST)?;
    let crc32 = crc32fast::hash(text.as_bytes());
    if crc32 != record.crc32 {
        return Err(Error::LearnedDamaged {
            path,
            found: crc32,
            expected: record.crc32,
        });
    }
    Ok(text)
}
