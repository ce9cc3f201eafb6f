//! sha256 checksums in lowercase hexadecimal.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// The sha256 of `bytes` in lowercase hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// Whether `text` is a sha256 in lowercase hexadecimal.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Computes a sha256 piece by piece.
#[derive(Clone, Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sha256 in lowercase hexadecimal.
    pub(crate) fn finish(self) -> String {
        self.0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Why a file was not hashed.
pub(crate) enum Unhashed {
    /// It could not be read.
    Unread(io::Error),
    /// `advance` returned `false`.
    Stopped,
}

/// Hashes the file at `path`. `advance` is called with the length of every block and returns
/// whether to continue.
pub(crate) fn hash_file(
    path: &Path,
    mut advance: impl FnMut(u64) -> bool,
) -> Result<String, Unhashed> {
    // Another kind of file, such as a pipe, could keep the program waiting.
    if !fs::metadata(path).map_err(Unhashed::Unread)?.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(Unhashed::Unread(error));
    }
    let mut file = File::open(path).map_err(Unhashed::Unread)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Unhashed::Unread(error)),
        };
        hasher.update(&buffer[..n]);
        if !advance(n as u64) {
            return Err(Unhashed::Stopped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nothing_and_of_abc_is_the_standards() {
        let (nothing, abc) = (hex(b""), hex(b"abc"));
        assert_eq!(
            nothing,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            abc,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(is_sha256(&abc) && !is_sha256("ba78") && !is_sha256(&abc.to_uppercase()));
    }
}
