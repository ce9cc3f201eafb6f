//! Every file of an index, damaged in every way that matters: an error, never a panic or a wrong
//! answer.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use treffer_disk::seal;
use treffer_types::DocId;

use super::{FORMS, Random, build, documents, id, problems};
use crate::{Compression, Error, LateIndex, Pruning, Storage};

/// The form that has every file.
const ALL: Compression = Compression {
    storage: Storage::Int8,
    dimension: Some(4),
    pool: 1,
};
/// The other with scales.
const OTHER: Compression = Compression {
    storage: Storage::Int4,
    ..ALL
};
/// That of residuals, which has others.
const RESIDUAL: Compression = Compression {
    storage: Storage::Residual2,
    ..ALL
};
const FILES: [&str; 7] = [
    "tokens",
    "scales",
    "passages.u32",
    "projection",
    "lists",
    "list-centroids",
    "checksums",
];
const FILES_OF_RESIDUALS: [&str; 7] = [
    "tokens",
    "centroids.u16",
    "codebook",
    "passages.u32",
    "projection",
    "lists",
    "checksums",
];
const N: usize = 12;

fn index() -> TempDir {
    build(&documents(N, 20), &ALL).0
}

/// Opens an index and asks it everything.
fn use_all(dir: &Path) -> Result<(), Error> {
    let index = LateIndex::open_folder(dir)?;
    let query = index.query(&Random(1).tokens(3))?;
    index.rank_all(&query, None)?;
    let pruning = Pruning {
        probes: 2,
        candidates: 3,
    };
    index.retrieve(&query, 3, pruning, None)?;
    index.score_docs(&query, &[DocId(1)])?;
    index.passages_of(DocId(2))?;
    index.find(id(3, 0))?;
    Ok(())
}

fn use_with(dir: &Path, file: &Path, bytes: &[u8]) -> Option<Error> {
    fs::write(file, bytes).unwrap();
    use_all(dir).err()
}

#[test]
fn every_flipped_byte_is_noticed() {
    for form in [ALL, OTHER] {
        flip_every_byte(&build(&documents(N, 20), &form).0, &FILES);
    }
    flip_every_byte(&build(&documents(N, 20), &RESIDUAL).0, &FILES_OF_RESIDUALS);
}

fn flip_every_byte(dir: &TempDir, files: &[&str]) {
    for name in files {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = use_with(dir.path(), &path, &bytes);
            assert!(error.is_some(), "{name} with byte {at} changed was read");
            if let Ok(index) = LateIndex::open_folder(dir.path()) {
                assert!(!problems(&index).is_empty());
            }
        }
        assert!(use_with(dir.path(), &path, &whole).is_none());
    }
}

#[test]
fn every_truncation_and_addition_is_noticed_when_opening() {
    let all = FILES.map(|name| (name, ALL)).into_iter();
    let all = all.chain(FILES_OF_RESIDUALS.map(|name| (name, RESIDUAL)));
    for (name, form) in all {
        let (dir, _) = build(&documents(N, 20), &form);
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        let step = whole.len() / 50 + 1;
        for end in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            fs::write(&path, &whole[..end]).unwrap();
            let opened = LateIndex::open_folder(dir.path());
            assert!(opened.is_err(), "{name} cut at {end}");
        }
        fs::write(&path, [&whole[..], b"\n"].concat()).unwrap();
        assert!(LateIndex::open_folder(dir.path()).is_err(), "{name}");
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_missing_file_is_named() {
    let all = FILES.map(|name| (name, ALL)).into_iter();
    let all = all.chain(FILES_OF_RESIDUALS.map(|name| (name, RESIDUAL)));
    for (name, form) in all {
        let (dir, _) = build(&documents(N, 20), &form);
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = LateIndex::open_folder(dir.path()).unwrap_err();
        assert!(error.is_damage(), "{error}");
        assert!(matches!(&error, Error::Missing { file, .. } if file == name));
    }
}

/// Files that a program wrote that seals what makes no sense.
#[test]
fn sealed_nonsense_is_refused_when_opened_or_found_by_verifying() {
    /// A number of a file: where it is, and what it is set to.
    type Change = (&'static str, usize, u32);
    let of_residuals: [Change; 11] = [
        ("tokens", 16, 5),               // one bit a value
        ("tokens", 16, 2),               // scales, which it has not
        ("centroids.u16", 64, u32::MAX), // a centroid that does not exist
        ("codebook", 12, 5),             // another width
        ("codebook", 16, u32::MAX),      // another number of centroids
        ("codebook", 16, 0),             //
        ("codebook", 20, 2),             // another number of levels
        ("codebook", 20, 3),             //
        ("codebook", 24, 0x7f80_0000),   // an infinite unit
        ("lists", 16, 2),                // another number of centroids
        ("lists", 128, 0x8080_8080),     // numbers without an end
    ];
    let changes: [Change; 22] = [
        ("tokens", 12, 5),                   // another width
        ("tokens", 12, 0),                   //
        ("tokens", 12, u32::MAX),            //
        ("tokens", 16, 1),                   // another form
        ("tokens", 16, 9),                   //
        ("scales", 64, u32::MAX),            // not a number
        ("passages.u32", 12, 3),             // another number of rows
        ("passages.u32", 12, u32::MAX),      //
        ("passages.u32", 24, u32::MAX),      // where tokens end
        ("passages.u32", 24, 0),             //
        ("projection", 12, 7),               // another width
        ("projection", 64, 0x7f80_0000),     // infinity
        ("lists", 12, 3),                    // another number of rows
        ("lists", 12, u32::MAX),             //
        ("lists", 16, 0),                    // another number of centroids
        ("lists", 16, u32::MAX),             //
        ("lists", 64, u32::MAX),             // where a list ends
        ("lists", 68, 1),                    //
        ("lists", 128, 0),                   // rows that do not ascend
        ("lists", 128, u32::MAX),            // a row that does not exist
        ("list-centroids", 12, 7),           // another width
        ("list-centroids", 64, 0x7fc0_0000), // not a number
    ];
    let changes = changes.map(|change| (change, ALL)).into_iter();
    let all = changes.chain(of_residuals.map(|change| (change, RESIDUAL)));
    for ((name, at, value), form) in all {
        let (dir, _) = build(&documents(N, 20), &form);
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        seal(dir.path()).unwrap();
        match LateIndex::open_folder(dir.path()) {
            Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{name}: {error}"),
            Ok(index) => {
                let query = index.query(&Random(1).tokens(3)).unwrap();
                let _ = index.rank_all(&query, None);
                let pruning = Pruning {
                    probes: usize::MAX,
                    candidates: 3,
                };
                let _ = index.retrieve(&query, 3, pruning, None);
                assert!(!problems(&index).is_empty(), "{name} {at} {value}");
            }
        }
    }
}

#[test]
fn a_file_of_another_version_is_named() {
    for name in &FILES[..6] {
        let dir = index();
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] += 1;
        fs::write(&path, bytes).unwrap();
        seal(dir.path()).unwrap();
        let error = LateIndex::open_folder(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Version { found: 2, .. }), "{error}");
    }
}

#[test]
fn the_forms_have_the_files_that_they_need() {
    let documents = documents(4, 21);
    for (form, expected) in FORMS.iter().zip([5, 6, 7, 6, 6, 7, 6, 6, 7]) {
        let (dir, _index) = build(&documents, form);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), expected);
    }
}
