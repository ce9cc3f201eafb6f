//! Checking an index: every byte of every file, where opening verifies only what it touches.

use std::fs;
use std::path::{Path, PathBuf};

use treffer_bm25::Bm25Index;
use treffer_dense::DenseIndex;
use treffer_store::Store;

use crate::config::Settings;
use crate::error::Error;
use crate::manifest::{Manifest, SETTINGS, Segment, parts};

/// What is wrong with a file of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What was found, and what should have been.
    pub what: String,
}

/// Reads the index in `dir` completely and tells everything that is not as it was written:
/// every part's files against their checksums and each other, the number of documents in
/// every part, the settings, and the learned fusions that profiles name.
///
/// # Errors
/// If there is no index, or its manifest is damaged or of another format: then nothing else
/// can be checked.
pub fn check(dir: &Path) -> Result<Vec<Damage>, Error> {
    let manifest = Manifest::read(dir)?;
    let mut damage = Vec::new();
    let mut report = |path: &Path, what: String| {
        damage.push(Damage {
            path: path.to_owned(),
            what,
        });
    };
    for segment in &manifest.segments {
        check_segment(&manifest, segment, &dir.join(&segment.name), &mut report);
    }
    check_settings(dir, &mut report);
    Ok(damage)
}

type Report<'a> = dyn FnMut(&Path, String) + 'a;

fn check_segment(manifest: &Manifest, segment: &Segment, dir: &Path, report: &mut Report<'_>) {
    if let Err(error) = segment.check_seals(dir) {
        report(&path_of(&error, dir), in_words(&error));
    }
    let documents = segment.documents as usize;
    let compare = |path: &Path, found: usize, report: &mut Report<'_>| {
        if found != documents {
            report(
                path,
                format!("it has {found} documents, the manifest says {documents}"),
            );
        }
    };
    let store_dir = dir.join(parts::STORE);
    match Store::open(&store_dir) {
        Ok(store) => {
            compare(&store_dir, store.len(), report);
            store.verify(report);
        }
        Err(error) => report(&store_dir, in_words(&error)),
    }
    let bm25_dir = dir.join(parts::BM25);
    match Bm25Index::open(&bm25_dir, &manifest.blueprint.bm25) {
        Ok(bm25) => {
            compare(&bm25_dir, bm25.n_docs() as usize, report);
            bm25.verify(report);
        }
        Err(error) => report(&bm25_dir, in_words(&error)),
    }
    if manifest.blueprint.dense.is_some() {
        let dense_dir = dir.join(parts::DENSE);
        match DenseIndex::open(&dense_dir) {
            Ok(dense) => dense.verify(report),
            Err(error) => report(&dense_dir, in_words(&error)),
        }
    }
}

fn check_settings(dir: &Path, report: &mut Report<'_>) {
    let path = dir.join(SETTINGS);
    let settings = match Settings::read(&path) {
        Ok(settings) => settings,
        Err(error) => return report(&path, in_words(&error)),
    };
    let learned = settings
        .profiles
        .values()
        .filter_map(|profile| profile.learned.as_ref());
    for record in learned {
        let path = dir.join(&record.file);
        match fs::read(&path) {
            Err(error) => report(&path, error.to_string()),
            Ok(bytes) => {
                let found = crc32fast::hash(&bytes);
                if found != record.crc32 {
                    report(
                        &path,
                        format!(
                            "its checksum is {found:08x}, the profile that uses it says {:08x}",
                            record.crc32
                        ),
                    );
                }
            }
        }
    }
}

fn path_of(error: &Error, otherwise: &Path) -> PathBuf {
    match error {
        Error::Damaged { path, .. } | Error::Io { path, .. } => path.clone(),
        _ => otherwise.to_owned(),
    }
}

/// An error with its causes, as one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}
