//! Reads the files of a model folder, hashes them and compares them with pinned checksums.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use treffer_types::{Fingerprint, ModelFolder};

use crate::error::Error;
use crate::format::WeightsFormat;
use crate::hashes::{FileHashes, fingerprint_of, hexadecimal};

/// File name of the tokenizer.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// File name of the configuration.
pub(crate) const CONFIG: &str = "config.json";

/// The three files of a model, in memory.
pub(crate) struct Files {
    /// The format of the weights.
    pub(crate) format: WeightsFormat,
    /// Path of the weights, for messages.
    pub(crate) weights_path: PathBuf,
    /// Content of the weights file.
    pub(crate) weights: Vec<u8>,
    /// Content of `tokenizer.json`.
    pub(crate) tokenizer: Vec<u8>,
    /// Content of `config.json`.
    pub(crate) config: Vec<u8>,
    /// Fingerprint of these files with the spec of the folder.
    pub(crate) fingerprint: Fingerprint,
}

impl Files {
    /// Reads and hashes the files and checks every pinned checksum of `folder`.
    pub(crate) fn read(folder: &ModelFolder) -> Result<Self, Error> {
        let format = WeightsFormat::find(&folder.path)?;
        check_other_pins(folder, format)?;
        let (weights, weights_hash) = read_hashed(folder, format.file_name())?;
        let (tokenizer, tokenizer_hash) = read_hashed(folder, TOKENIZER)?;
        let (config, config_hash) = read_hashed(folder, CONFIG)?;
        let hashes = FileHashes {
            weights: weights_hash,
            tokenizer: tokenizer_hash,
            config: config_hash,
        };
        Ok(Files {
            format,
            weights_path: folder.path.join(format.file_name()),
            weights,
            tokenizer,
            config,
            fingerprint: fingerprint_of(&hashes, &folder.spec),
        })
    }
}

/// Hashes the files without holding them in memory and checks every pinned checksum of
/// `folder`.
pub(crate) fn read_hashes(folder: &ModelFolder) -> Result<FileHashes, Error> {
    let format = WeightsFormat::find(&folder.path)?;
    check_other_pins(folder, format)?;
    Ok(FileHashes {
        weights: hash(folder, format.file_name())?,
        tokenizer: hash(folder, TOKENIZER)?,
        config: hash(folder, CONFIG)?,
    })
}

/// Checks those pinned files that are not needed to run the model.
fn check_other_pins(folder: &ModelFolder, format: WeightsFormat) -> Result<(), Error> {
    let needed = [format.file_name(), TOKENIZER, CONFIG];
    for name in folder.sha256.keys() {
        if !needed.contains(&name.as_str()) {
            hash(folder, name)?;
        }
    }
    Ok(())
}

/// The file `name` of `folder` and its sha256, compared with its pinned checksum.
fn read_hashed(folder: &ModelFolder, name: &str) -> Result<(Vec<u8>, [u8; 32]), Error> {
    let bytes = read(&folder.path.join(name))?;
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    check_pin(folder, name, &hash)?;
    Ok((bytes, hash))
}

/// The sha256 of the file `name` of `folder`, compared with its pinned checksum.
fn hash(folder: &ModelFolder, name: &str) -> Result<[u8; 32], Error> {
    let path = folder.path.join(name);
    let hasher = stream(&path).map_err(|source| Error::Read { path, source })?;
    let hash: [u8; 32] = hasher.finalize().into();
    check_pin(folder, name, &hash)?;
    Ok(hash)
}

fn stream(path: &Path) -> io::Result<Sha256> {
    let mut hasher = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hasher);
        }
        hasher.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
}

/// An error if the file `name` has another pinned checksum.
fn check_pin(folder: &ModelFolder, name: &str, hash: &[u8; 32]) -> Result<(), Error> {
    let Some(expected) = folder.sha256.get(name) else {
        return Ok(());
    };
    let found = hexadecimal(hash);
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Error::Sha256 {
        path: folder.path.join(name),
        name: folder.spec.name.clone(),
        expected: expected.clone(),
        found,
    })
}

/// The content of the file at `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}
