//! Changes of an index that are interrupted, and what the index may hold afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use treffer_corpus::{Problem, ReadOptions};
use treffer_disk::read_file;
use treffer_engine::Error;
use treffer_engine::build::{AddRequest, BuildRequest, DeleteRequest, add, build, compact, delete};
use treffer_engine::check::check;
use treffer_engine::manifest::{LOCK, MANIFEST, Manifest, SETTINGS, parts};
use treffer_store::{Store, StorePart};
use treffer_types::{Document, NoProgress};

use crate::support::{Place, config, document, files_below};

/// A command that writes an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A new index, committed at once.
    Index,
    /// A new index, committed every two documents.
    IndexByBatches,
    /// An index in the place of another.
    Replace,
    /// New, updated and unchanged documents. Compounds of the old segments are cut into the new
    /// words, so that their inverted indexes are written anew.
    Add,
    /// The same, committed every two documents.
    AddByBatches,
    /// The same, committed after each document to an index of so many segments that they are merged
    /// after the first.
    AddAndMerge,
    /// Most documents of a segment, which is then written anew without them.
    Delete,
    Compact,
}

/// Ids and texts of an index in the order of its documents; `None` where there is no index.
pub(crate) type Contents = Option<Vec<(String, String)>>;

/// Documents that every command that adds any adds.
const NEW: [(&str, &str); 5] = [
    ("d0", "Schrank kühl"),
    ("n0", "Labor Schloss"),
    ("d4", "Türschloss blau"),
    ("n1", "Schranktür"),
    ("n2", "Laborschrank blau"),
];

/// Of two segments, and one document is deleted.
const BASE: [&[(&str, &str)]; 2] = [
    &[
        ("d0", "Kühlschrank Laborschrank"),
        ("d1", "Wohnungstür blau"),
        ("d2", "Kühlschrank"),
        ("d3", "Tür Laborschrank"),
    ],
    &[("d4", "Türschloss blau"), ("d5", "Wohnung")],
];
const DELETED: &str = "d1";

/// Further documents, a segment for each, of an index in which one segment more leads to a merge.
const MORE: [(&str, &str); 5] = [
    ("p0", "Kühl blau"),
    ("p1", "Laborschrank"),
    ("p2", "Wohnung Tür"),
    ("p3", "Türschloss"),
    ("p4", "Kühlschrank blau"),
];

fn documents(texts: &[(&str, &str)]) -> Vec<Document> {
    texts.iter().map(|(id, text)| document(id, text)).collect()
}

fn owned(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = texts.iter();
    pairs
        .map(|(id, text)| ((*id).to_owned(), (*text).to_owned()))
        .collect()
}

/// An index of two segments with a deleted document.
pub(crate) fn base() -> Place {
    let mut place = Place::with_corpus(&documents(BASE[0]));
    place.config = config(&["bm25.analyzer=german"]);
    place.build().unwrap();
    place.write_corpus("more.jsonl", &documents(BASE[1]));
    add_to(&place, None, false).unwrap();
    delete_from(&place, &[DELETED]).unwrap();
    assert_eq!(Manifest::read(&place.dir()).unwrap().segments.len(), 2);
    place
}

/// The same with a segment for each further document.
fn base_of_many() -> Place {
    let place = base();
    for one in MORE {
        place.write_corpus("more.jsonl", &documents(&[one]));
        add_to(&place, None, false).unwrap();
    }
    assert_eq!(Manifest::read(&place.dir()).unwrap().segments.len(), 7);
    place
}

impl Change {
    pub(crate) const ALL: [Change; 8] = [
        Change::Index,
        Change::IndexByBatches,
        Change::Replace,
        Change::Add,
        Change::AddByBatches,
        Change::AddAndMerge,
        Change::Delete,
        Change::Compact,
    ];

    /// The index that it changes.
    pub(crate) fn base(self) -> Place {
        match self {
            Change::AddAndMerge => base_of_many(),
            _ => base(),
        }
    }

    fn needs_index(self) -> bool {
        !matches!(self, Change::Index | Change::IndexByBatches)
    }

    /// A copy of what is there before, and the corpus that is read.
    pub(crate) fn prepare(self, base: &Place) -> Place {
        let mut place = Place::empty();
        place.config = match self {
            Change::Replace => config(&["bm25.analyzer=german", "bm25.k1=1.7"]),
            _ => base.config.clone(),
        };
        place.write_corpus("more.jsonl", &documents(&NEW));
        if self.needs_index() {
            copy(&base.dir(), &place.dir());
        }
        place
    }

    /// What the index may hold: before, after each commit, and when it is done.
    pub(crate) fn states(self) -> Vec<Contents> {
        let before = || -> Vec<(String, String)> {
            let mut all = BASE.concat();
            if self == Change::AddAndMerge {
                all.extend(MORE);
            }
            let mut texts = owned(&all);
            texts.retain(|(id, _)| id != DELETED);
            texts
        };
        let after = |n: usize| {
            let mut texts = before();
            let new = NEW[..n].iter().filter(|one| !BASE[1].contains(one));
            for (id, text) in new {
                texts.retain(|(old, _)| old != id);
                texts.push(((*id).to_owned(), (*text).to_owned()));
            }
            texts
        };
        match self {
            Change::Index => vec![None, Some(owned(&NEW))],
            Change::IndexByBatches => vec![
                None,
                Some(owned(&NEW[..2])),
                Some(owned(&NEW[..4])),
                Some(owned(&NEW)),
            ],
            Change::Replace => vec![Some(before()), Some(owned(&NEW))],
            Change::Add => vec![Some(before()), Some(after(5))],
            // The third document is there as it is, so batches end with the second and the fifth.
            Change::AddByBatches => vec![Some(before()), Some(after(2)), Some(after(5))],
            // A merge changes nothing of what an index holds.
            Change::AddAndMerge => vec![
                Some(before()),
                Some(after(1)),
                Some(after(2)),
                Some(after(4)),
                Some(after(5)),
            ],
            Change::Delete => {
                let mut left = before();
                left.retain(|(id, _)| !DOOMED.contains(&id.as_str()));
                vec![Some(before()), Some(left)]
            }
            // The same documents before and after.
            Change::Compact => vec![Some(before())],
        }
    }

    /// The setting k1 of an index that holds this.
    pub(crate) fn k1_of(self, contents: &Contents) -> f32 {
        let is_new = self == Change::Replace && *contents == self.states()[1];
        if is_new { 1.7 } else { 0.9 }
    }

    /// Runs the command; its warnings.
    pub(crate) fn run(self, place: &Place) -> Result<Vec<String>, Error> {
        match self {
            Change::Index => build_in(place, false, None),
            Change::IndexByBatches => build_in(place, false, Some(2)),
            Change::Replace => build_in(place, true, None),
            Change::Add => add_to(place, None, false),
            Change::AddByBatches => add_to(place, Some(2), false),
            Change::AddAndMerge => add_to(place, Some(1), true),
            Change::Delete => delete_from(place, &DOOMED),
            Change::Compact => compact(&place.dir(), &NoProgress).map(|report| report.warnings),
        }
    }

    /// Runs the command as a user would after a failure: an index that was completed all the same
    /// is not built again. Nothing may be left over then, whatever was.
    pub(crate) fn run_again(self, place: &Place, what: &str) {
        let is_done = matches!(self, Change::Index | Change::IndexByBatches)
            && Manifest::read(&place.dir()).is_ok_and(|manifest| !manifest.unfinished);
        let done = if is_done {
            compact(&place.dir(), &NoProgress).map(|report| report.warnings)
        } else {
            self.run(place)
        };
        let warnings = done.unwrap_or_else(|error| panic!("{what}, again: {error}"));
        assert!(warnings.is_empty(), "{what}, again: {warnings:?}");
        assert_eq!(
            contents(&place.dir()),
            *self.states().last().unwrap(),
            "{what}, again"
        );
        assert_eq!(left_over(&place.dir()), BTreeSet::new(), "{what}, again");
    }
}

const DOOMED: [&str; 2] = ["d0", "d2"];

fn build_in(place: &Place, replace: bool, commit_every: Option<u32>) -> Result<Vec<String>, Error> {
    let request = BuildRequest {
        dir: &place.dir(),
        inputs: &[place.folder.path().join("more.jsonl")],
        vectors: None,
        reading: &ReadOptions::default(),
        config: &place.config,
        replace,
        strict: true,
        commit_every,
    };
    let mut on_problem = |problem: &Problem| panic!("{problem}");
    build(&request, &place.fakes, &NoProgress, &mut on_problem).map(|report| report.warnings)
}

pub(crate) fn add_to(
    place: &Place,
    commit_every: Option<u32>,
    merges: bool,
) -> Result<Vec<String>, Error> {
    let request = AddRequest {
        dir: &place.dir(),
        inputs: &[place.folder.path().join("more.jsonl")],
        vectors: None,
        reading: &ReadOptions::default(),
        strict: true,
        commit_every,
        device: None,
        merges,
    };
    let mut on_problem = |problem: &Problem| panic!("{problem}");
    add(&request, &place.fakes, &NoProgress, &mut on_problem).map(|report| report.warnings)
}

pub(crate) fn delete_from(place: &Place, ids: &[&str]) -> Result<Vec<String>, Error> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let request = DeleteRequest {
        filter: None,
        dir: &place.dir(),
        ids: &ids,
        merges: true,
    };
    delete(&request, &NoProgress).map(|report| report.warnings)
}

/// What the index in `dir` holds, which must be sound.
pub(crate) fn contents(dir: &Path) -> Contents {
    match Manifest::read(dir) {
        Err(Error::NoIndex { .. }) => return None,
        read => drop(read.unwrap()),
    }
    let checked = check(dir).unwrap();
    assert_eq!(checked.damage, []);
    Some(documents_of(dir, &checked.manifest))
}

/// The documents of a generation, read without the engine.
pub(crate) fn documents_of(dir: &Path, manifest: &Manifest) -> Vec<(String, String)> {
    let bits = manifest.deleted.as_ref().map(|record| {
        let bytes = read_file(&dir.join(&record.file), record.bytes).unwrap();
        bytes[12..].to_vec()
    });
    let mut bits = bits.as_deref().unwrap_or_default();
    let mut texts = Vec::new();
    for segment in &manifest.segments {
        let deleted = match segment.deleted {
            0 => &[],
            _ => bits
                .split_off(..8 * (segment.documents as usize).div_ceil(64))
                .unwrap(),
        };
        let folder = segment.folder(dir, parts::STORE).unwrap();
        let part = StorePart {
            dir: &folder,
            deleted: None,
        };
        let store = Store::open(&[part]).unwrap();
        for doc in store.live_docs() {
            let at = doc.0 as usize;
            if deleted
                .get(at / 8)
                .is_none_or(|byte| byte >> (at % 8) & 1 == 0)
            {
                let document = store.document(doc).unwrap();
                texts.push((document.id, document.text));
            }
        }
    }
    texts
}

/// Paths in `dir` that no index consists of.
pub(crate) fn left_over(dir: &Path) -> BTreeSet<PathBuf> {
    if !dir.exists() {
        return BTreeSet::new();
    }
    let mut left: BTreeSet<PathBuf> = files_below(dir).into_iter().collect();
    for name in [MANIFEST, SETTINGS, LOCK] {
        left.remove(&dir.join(name));
    }
    if let Ok(manifest) = Manifest::read(dir) {
        left.retain(|path| {
            let is_of_segment = manifest.segments.iter().any(|segment| {
                let mut parts = segment.parts.keys();
                parts.any(|part| path.starts_with(dir.join(&segment.name).join(part)))
            });
            let deleted = manifest.deleted.as_ref();
            !is_of_segment && deleted.is_none_or(|record| *path != dir.join(&record.file))
        });
    }
    left
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}
