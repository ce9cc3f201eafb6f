//! The file `checksums` of a sealed folder.
//!
//! ```text
//! magic [u8; 8], version u32, crc32 u32 of everything but itself, files u32,
//! then per file: bytes of the name u32, name (UTF-8, parts joined by `/`), bytes u64,
//!                CRC-32 u32 of each block of 64 KiB, the last one shorter
//! ```
//!
//! Numbers are little-endian; files are sorted by name.

use std::path::Path;

use crate::blocks::{BLOCK_BYTES, FileSum};
use crate::error::{Error, damaged};
use crate::prologue::Prologue;
use crate::read::is_below;

/// The file that a seal consists of.
pub const CHECKSUMS: &str = "checksums";

const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFsums\n",
    version: 1,
};
const HEAD: usize = Prologue::BYTES + 4;

/// The file's bytes and its own checksum.
pub(crate) fn encode(files: &[FileSum]) -> (Vec<u8>, u32) {
    let mut body = (files.len() as u32).to_le_bytes().to_vec();
    for FileSum {
        name,
        bytes,
        crc32s,
    } in files
    {
        body.extend((name.len() as u32).to_le_bytes());
        body.extend(name.as_bytes());
        body.extend(bytes.to_le_bytes());
        body.extend(crc32s.iter().flat_map(|crc32| crc32.to_le_bytes()));
    }
    let crc32 = crc32_of(&body);
    let mut encoded = PROLOGUE.to_bytes().to_vec();
    encoded.extend(crc32.to_le_bytes());
    encoded.append(&mut body);
    (encoded, crc32)
}

/// The files that `encoded`, read from `path`, lists, and its own checksum.
pub(crate) fn decode(path: &Path, encoded: &[u8]) -> Result<(Vec<FileSum>, u32), Error> {
    PROLOGUE.check(path, encoded)?;
    let Some((expected, body)) = encoded[Prologue::BYTES..].split_first_chunk() else {
        return Err(damaged(
            path,
            format!("it has {} bytes instead of {HEAD} or more", encoded.len()),
        ));
    };
    let expected = u32::from_le_bytes(*expected);
    let found = crc32_of(body);
    if found != expected {
        return Err(damaged(
            path,
            format!("its checksum is {found:08x} instead of {expected:08x}"),
        ));
    }
    let mut rest = body;
    let too_short = || damaged(path, "an entry ends too early");
    let n_files = u32::from_le_bytes(take(&mut rest).ok_or_else(too_short)?);
    let mut files: Vec<FileSum> = Vec::new();
    for _ in 0..n_files {
        let file = decode_file(&mut rest).ok_or_else(too_short)?;
        if !is_below(&file.name) {
            return Err(damaged(
                path,
                format!("it names `{}`, which is not in the folder", file.name),
            ));
        }
        if files.last().is_some_and(|last| last.name >= file.name) {
            return Err(damaged(path, "its entries are out of order"));
        }
        files.push(file);
    }
    if !rest.is_empty() {
        return Err(damaged(path, format!("{} bytes follow it", rest.len())));
    }
    Ok((files, found))
}

fn decode_file(rest: &mut &[u8]) -> Option<FileSum> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (name, after) = rest.split_at_checked(length)?;
    *rest = after;
    let name = std::str::from_utf8(name).ok()?.to_owned();
    let bytes = u64::from_le_bytes(take(rest)?);
    let blocks = usize::try_from(bytes.div_ceil(BLOCK_BYTES as u64)).ok()?;
    let (crc32s, after) = rest.split_at_checked(blocks.checked_mul(4)?)?;
    *rest = after;
    let crc32s = crc32s.as_chunks::<4>().0;
    Some(FileSum {
        name,
        bytes,
        crc32s: crc32s.iter().map(|&b| u32::from_le_bytes(b)).collect(),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

fn crc32_of(body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&PROLOGUE.to_bytes());
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> FileSum {
        FileSum {
            name: name.to_owned(),
            bytes: BLOCK_BYTES as u64 + 1,
            crc32s: vec![1, 2],
        }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        for files in [vec![], vec![file("a"), file("a/b"), file("ü")]] {
            let (encoded, crc32) = encode(&files);
            assert_eq!(decode(Path::new("x"), &encoded).unwrap(), (files, crc32));
        }
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        for name in ["", "/etc/passwd", "..", "../a", "a/../../b", "./a"] {
            let (encoded, _) = encode(&[file(name)]);
            let error = decode(Path::new("x"), &encoded).unwrap_err();
            assert!(error.to_string().contains("not in the folder"), "{name}");
        }
    }

    #[test]
    fn names_are_ascending_and_each_once() {
        for names in [["b", "a"], ["a", "a"]] {
            let (encoded, _) = encode(&names.map(file));
            assert!(decode(Path::new("x"), &encoded).is_err());
        }
    }

    #[test]
    fn every_flipped_byte_truncation_and_addition_is_found() {
        let (encoded, _) = encode(&[file("a"), file("b")]);
        for at in 0..encoded.len() {
            let mut bytes = encoded.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(decode(Path::new("x"), &bytes).is_err(), "{at}");
            assert!(decode(Path::new("x"), &encoded[..at]).is_err(), "{at}");
        }
        let longer = [encoded, vec![0]].concat();
        assert!(decode(Path::new("x"), &longer).is_err());
    }

    #[test]
    fn another_kind_another_version_and_damage_are_told_apart() {
        let (encoded, _) = encode(&[]);
        let with = |at: usize| {
            let mut bytes = encoded.clone();
            bytes[at] ^= 3;
            decode(Path::new("x"), &bytes).unwrap_err()
        };
        assert!(matches!(with(0), Error::Foreign { .. }));
        assert!(matches!(
            with(8),
            Error::Version {
                expected: 1,
                found: 2,
                ..
            }
        ));
        assert!(matches!(with(13), Error::Damaged { .. }));
    }
}
