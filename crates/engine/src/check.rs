//! A complete check of an index: every byte of every sealed file, whereas a search verifies
//! only the blocks that it touches.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use treffer_bm25::{Bm25Index, LanguageCounts};
use treffer_columns::Columns;
use treffer_dense::DenseIndex;
use treffer_disk::Sealed;
use treffer_late::LateIndex;
use treffer_store::Store;

use crate::config::Settings;
use crate::data::IndexData;
use crate::deleted;
use crate::error::{Error, part};
use crate::learned;
use crate::manifest::{MANIFEST, Manifest, SETTINGS, Segment, part_of, parts};
use crate::passages::Unit;
use crate::settings_file::{Current, read_settings};

/// A file of an index that is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with the expected and the actual value where there are such.
    pub what: String,
}

/// An index that was read completely.
#[derive(Debug)]
pub struct Checked {
    /// What it consists of.
    pub manifest: Manifest,
    /// Its settings, or why they cannot be used, which is also among the damage.
    pub settings: Result<Current, Error>,
    /// Number of documents by language; none of parts that cannot be opened.
    pub languages: LanguageCounts,
    /// Number of passages that late interaction retrieves only by scoring all, because an earlier
    /// version of this program did not list them by centroids; none of parts that cannot be opened.
    pub unlisted: usize,
    /// Everything that is not as it was written; nothing if the index is sound.
    pub damage: Vec<Damage>,
}

/// Reads the index in `dir` completely and reports everything that is not as it was written:
/// the files of every part against their checksums and each other, the number of documents,
/// the settings, and the learned fusions that profiles name. An index that is replaced
/// meanwhile is read again.
///
/// # Errors
/// If there is no index, or its manifest is damaged or of another format: then nothing else
/// can be checked.
pub fn check(dir: &Path) -> Result<Checked, Error> {
    loop {
        let checked = check_generation(dir, Manifest::read(dir)?);
        // The files of a generation that was replaced are gone.
        let is_current = |newest: Manifest| newest.generation == checked.manifest.generation;
        if checked.damage.is_empty() || Manifest::read(dir).map_or(true, is_current) {
            return Ok(checked);
        }
    }
}

fn check_generation(dir: &Path, manifest: Manifest) -> Checked {
    let mut damage = Vec::new();
    let mut report = |path: &Path, what: String| {
        damage.push(Damage {
            path: path.to_owned(),
            what,
        });
    };
    for segment in &manifest.segments {
        check_segment(&manifest, segment, dir, &mut report);
    }
    let (languages, unlisted) = check_together(dir, &manifest, &mut report);
    let settings = read_settings(dir, &manifest);
    match &settings {
        Ok(current) => check_learned(dir, &current.settings, &mut report),
        Err(error) => report(&dir.join(SETTINGS), error_chain(error)),
    }
    Checked {
        languages,
        unlisted,
        manifest,
        settings,
        damage,
    }
}

type Report<'a> = dyn FnMut(&Path, String) + 'a;

/// Checks what no segment says alone: which documents are deleted, and that no two of the others
/// have the same id. Counts them by language, and passages that are not listed; parts that cannot be
/// opened have been reported.
fn check_together(
    dir: &Path,
    manifest: &Manifest,
    report: &mut Report<'_>,
) -> (LanguageCounts, usize) {
    if let Err(error) = deleted::read(dir, manifest) {
        report(&path_of(&error, dir), error_chain(&error));
    }
    let Ok(data) = IndexData::open(dir, manifest, &manifest.blueprint.bm25) else {
        return (LanguageCounts::default(), 0);
    };
    if let Err(error) = check_ids(&data, report) {
        report(dir, error_chain(&error));
    }
    (data.bm25.languages(), data.unlisted().unwrap_or(0))
}

fn check_ids(data: &IndexData, report: &mut Report<'_>) -> Result<(), Error> {
    let failed = || part("read", "store", data.dir());
    let (mut n, mut passages) = (0, 0);
    for doc in data.store.live_docs() {
        let id = data.store.id(doc).map_err(failed())?;
        let found = data.store.find(id).map_err(failed())?;
        if found != Some(doc) {
            let found = found.map_or("none".to_owned(), |found| found.0.to_string());
            let what = format!(
                "document {} has the id `{id}`, by which document {found} is found",
                doc.0
            );
            report(data.dir(), what);
        }
        n += 1;
        passages += data.store.passages_of(doc).map_err(failed())?.len();
    }
    let manifest = data.manifest();
    if (n, passages) != (manifest.n_documents(), manifest.n_passages() as usize) {
        let what = format!(
            "it says {} documents of {} passages, {n} of {passages} are not deleted",
            manifest.n_documents(),
            manifest.n_passages()
        );
        report(&data.dir().join(MANIFEST), what);
    }
    Ok(())
}

fn check_segment(manifest: &Manifest, segment: &Segment, dir: &Path, report: &mut Report<'_>) {
    let place = dir.join(&segment.name);
    for folder in segment.parts.keys() {
        if let Err(error) = segment.check_seal(dir, folder) {
            report(&path_of(&error, &place), error_chain(&error));
        }
        check_part(
            manifest,
            segment,
            part_of(folder),
            &place.join(folder),
            report,
        );
    }
}

/// Checks the files of a part, and what they hold, as far as the part is known here.
fn check_part(
    manifest: &Manifest,
    segment: &Segment,
    part: &str,
    folder: &Path,
    report: &mut Report<'_>,
) {
    let documents = Content::Documents(segment.documents);
    let passages = Content::Passages(segment.passages);
    let checked = match part {
        parts::STORE => Store::open_folder(folder)
            .map(|store| {
                store.verify(report);
                (
                    Content::Store(store.len() as u32, store.n_passages()),
                    Content::Store(segment.documents, segment.passages),
                )
            })
            .map_err(|error| error_chain(&error)),
        parts::BM25 => Bm25Index::open_folder(folder, &manifest.blueprint.bm25)
            .map(|bm25| {
                bm25.verify(report);
                match manifest.blueprint.bm25_unit() {
                    Unit::Document => (Content::Documents(bm25.n_rows()), documents),
                    Unit::Passage => (Content::Passages(bm25.n_rows()), passages),
                }
            })
            .map_err(|error| error_chain(&error)),
        parts::DENSE => DenseIndex::open_folder(folder)
            .map(|dense| {
                dense.verify(report);
                let found = Content::Passages(dense.len() as u32);
                // A record may bring one vector for all passages, or none.
                let given = manifest.blueprint.dense.as_ref();
                let given = given.is_some_and(crate::blueprint::DenseConfig::has_given_vectors);
                (found, if given { found } else { passages })
            })
            .map_err(|error| error_chain(&error)),
        parts::LATE => LateIndex::open_folder(folder)
            .map(|late| {
                late.verify(report);
                (Content::Passages(late.len() as u32), passages)
            })
            .map_err(|error| error_chain(&error)),
        parts::COLUMNS => Columns::open(folder)
            .map(|columns| {
                columns.verify(report);
                (Content::Documents(columns.len() as u32), documents)
            })
            .map_err(|error| error_chain(&error)),
        _ => {
            is_as_sealed(folder, report);
            return;
        }
    };
    match checked {
        Ok((found, expected)) if found != expected => report(
            folder,
            format!("it has {found} where the manifest says {expected}"),
        ),
        Ok(_) => {}
        // Damaged files are named one by one; if there are none, the content is at fault.
        Err(what) => {
            if is_as_sealed(folder, report) {
                report(folder, what);
            }
        }
    }
}

/// What a part holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Documents(u32),
    Passages(u32),
    /// Documents, and passages of all.
    Store(u32, u32),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Documents(n) => write!(f, "{n} documents"),
            Content::Passages(n) => write!(f, "{n} passages"),
            Content::Store(documents, passages) => {
                write!(f, "{documents} documents of {passages} passages")
            }
        }
    }
}

/// Whether every file of a part matches its seal.
fn is_as_sealed(folder: &Path, report: &mut Report<'_>) -> bool {
    // A seal that cannot be read has been reported.
    Sealed::open(folder)
        .is_ok_and(|sealed| sealed.verify(&mut |path, problem| report(path, problem.to_string())))
}

fn check_learned(dir: &Path, settings: &Settings, report: &mut Report<'_>) {
    let profiles = settings.profiles.values();
    for record in profiles.filter_map(|profile| profile.learned.as_ref()) {
        if let Err(error) = learned::verify(dir, record) {
            report(&dir.join(&record.file), error_chain(&error));
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
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}
