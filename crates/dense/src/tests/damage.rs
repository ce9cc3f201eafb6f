//! Every file of an index, damaged in every way that matters: an error, never a panic, an
//! exit or a wrong answer.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{CONFIG, Random, build, write};
use crate::dump::Dump;
use crate::{DenseIndex, Error};

const FILES: [&str; 5] = [
    "dense.json",
    "vectors.f32",
    "passages.u32",
    "graph.hnsw.graph",
    "graph.hnsw.data",
];
const N: usize = 24;

fn index() -> TempDir {
    build(&Random(20).vectors(N, 4)).0
}

fn open_with(dir: &Path, file: &Path, bytes: &[u8]) -> Option<Error> {
    fs::write(file, bytes).unwrap();
    DenseIndex::open(dir).err()
}

#[test]
fn every_flipped_byte_is_noticed() {
    let dir = index();
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        // Every byte of the small files, every 23rd of the graph.
        let step = if whole.len() > 4096 { 23 } else { 1 };
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = open_with(dir.path(), &path, &bytes);
            assert!(error.is_some(), "{name} with byte {at} changed was read");
        }
        assert!(open_with(dir.path(), &path, &whole).is_none());
    }
}

#[test]
fn every_truncation_and_addition_is_noticed() {
    let dir = index();
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        let step = whole.len() / 50 + 1;
        for end in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            let error = open_with(dir.path(), &path, &whole[..end]);
            assert!(error.is_some(), "{name} cut at {end} was read");
        }
        let longer = [&whole[..], b"\n"].concat();
        assert!(open_with(dir.path(), &path, &longer).is_some(), "{name}");
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_missing_file_is_named() {
    for name in FILES {
        let dir = index();
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = DenseIndex::open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Missing { file, .. } if file == name));
        assert!(error.to_string().contains("build the index again"));
    }
    let nowhere = PathBuf::from("no/such/directory");
    assert!(matches!(
        DenseIndex::open(&nowhere),
        Err(Error::Missing { .. })
    ));
}

#[test]
fn a_file_of_another_index_is_noticed() {
    let [first, second] = [21, 22].map(|seed| build(&Random(seed).vectors(N, 4)).0);
    for name in ["vectors.f32", "graph.hnsw.graph"] {
        let path = second.path().join(name);
        let own = fs::read(&path).unwrap();
        let foreign = fs::read(first.path().join(name)).unwrap();
        let error = open_with(second.path(), &path, &foreign).unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        fs::write(&path, own).unwrap();
    }
}

#[test]
fn another_version_is_told_from_damage() {
    let dir = index();
    let path = dir.path().join("dense.json");
    let text = fs::read_to_string(&path).unwrap();
    let newer = text.replace("\"version\": 1", "\"version\": 2");
    let error = open_with(dir.path(), &path, newer.as_bytes()).unwrap();
    assert!(matches!(error, Error::Version { found: 2, .. }), "{error}");
}

/// Behind the checksums: a dump that hnsw_rs could not load never gets to it, whatever
/// wrote it.
#[test]
fn a_dump_is_read_through_before_the_library_sees_it() {
    let dir = index();
    let check = || Dump::new(dir.path(), N, &CONFIG).check();
    check().unwrap();
    let path = dir.path().join("graph.hnsw.data");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        fs::write(&path, &bytes).unwrap();
        assert!(check().is_err(), "byte {at} of the data was not looked at");
    }
    fs::write(&path, &whole).unwrap();
    let path = dir.path().join("graph.hnsw.graph");
    let whole = fs::read(&path).unwrap();
    for end in (0..whole.len()).step_by(97) {
        fs::write(&path, &whole[..end]).unwrap();
        assert!(check().is_err(), "the graph cut at {end} passed");
    }
    // Where a change does pass, it is a link to another point that exists or another
    // distance: the library must load it and search it without complaint.
    let vectors = Random(20).vectors(N, 4);
    for at in (0..whole.len()).step_by(131) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        if check().is_ok() {
            search_unsealed(dir.path(), &vectors);
        }
    }
}

/// Loads and searches the graph alone, past the header.
fn search_unsealed(dir: &Path, vectors: &[Vec<f32>]) {
    let mut rows = crate::vectors::Vectors::new(vectors[0].len());
    for vector in vectors {
        rows.push(crate::Owner::Query, vector).unwrap();
    }
    let graph = crate::graph::Graph::load(dir, &rows.into(), &CONFIG).unwrap();
    let near = graph.near(&vectors[0], 10).unwrap();
    assert!(near.iter().all(|&row| (row as usize) < vectors.len()));
}

/// The library compares the name of the distance type with the one in the dump: a renamed
/// or moved type would make every index unreadable.
#[test]
fn the_name_in_the_dump_is_the_one_that_indexes_were_written_with() {
    assert_eq!(
        std::any::type_name::<crate::graph::RowDistance>(),
        "treffer_dense::graph::RowDistance"
    );
}

#[test]
fn a_directory_that_cannot_be_written_gives_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = crate::DenseWriter::create(&file, 4, &CONFIG).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    // A directory where the library wants to create a file makes it panic.
    fs::create_dir(dir.path().join("graph.hnsw.data")).unwrap();
    let mut writer = crate::DenseWriter::create(dir.path(), 4, &CONFIG).unwrap();
    writer.add(super::passage(0), &Random(1).vector(4)).unwrap();
    let error = writer.finish(&treffer_types::NoProgress).unwrap_err();
    assert!(error.to_string().contains("graph.hnsw.data"), "{error}");
}

#[test]
fn what_an_unfinished_build_left_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["vectors.f32", "graph.hnsw.data", "dense.json.new"] {
        fs::write(dir.path().join(name), b"left over").unwrap();
    }
    write(dir.path(), &Random(2).vectors(N, 4), &CONFIG);
    assert_eq!(DenseIndex::open(dir.path()).unwrap().len(), N);
}

/// Linux has a file on which every write finds the disk full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_with_its_cause_and_leaves_no_index() {
    for name in &FILES[1..] {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join(name)).unwrap();
        let mut writer = crate::DenseWriter::create(dir.path(), 4, &CONFIG).unwrap();
        for (i, vector) in Random(3).vectors(N, 4).iter().enumerate() {
            writer.add(super::passage(i), vector).unwrap();
        }
        let error = writer.finish(&treffer_types::NoProgress).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.contains("No space left"),
            "{name}: {error}: {source}"
        );
        assert!(DenseIndex::open(dir.path()).is_err());
    }
}
