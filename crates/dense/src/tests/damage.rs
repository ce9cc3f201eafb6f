//! Every file of an index, damaged in every way that matters: an error, never a panic, an
//! exit or a wrong answer.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use treffer_disk::failpoint::{Fault, Scope};
use treffer_disk::{BLOCK_BYTES, seal};
use treffer_types::DocId;

use super::{CONFIG, Random, build, passage, problems, write};
use crate::{DenseIndex, Error, Storage};

const FILES: [&str; 4] = ["vectors", "passages.u32", "graph.links", "checksums"];
const N: usize = 24;

fn index() -> TempDir {
    build(&Random(20).vectors(N, 4)).0
}

/// Opens an index and asks it everything.
fn use_all(dir: &Path) -> Result<(), Error> {
    let index = DenseIndex::open_folder(dir)?;
    let query = Random(1).vector(4);
    index.exact(&query, N, None)?;
    index.search(&query, 5, N - 1, None)?;
    index.score(&query, &[passage(3)])?;
    index.score_docs(&query, &[DocId(1)])?;
    index.passages_of(DocId(2))?;
    Ok(())
}

fn use_with(dir: &Path, file: &Path, bytes: &[u8]) -> Option<Error> {
    fs::write(file, bytes).unwrap();
    use_all(dir).err()
}

#[test]
fn every_flipped_byte_is_noticed() {
    for storage in [Storage::F32, Storage::F16, Storage::Int8] {
        let dir = tempfile::tempdir().unwrap();
        let writer = crate::DenseWriter::create(dir.path(), 4, &CONFIG, storage).unwrap();
        let mut writer = writer.graph_from(1);
        for (i, vector) in Random(20).vectors(N, 4).iter().enumerate() {
            writer.add(passage(i), vector).unwrap();
        }
        writer.finish(&treffer_types::NoProgress).unwrap();
        flip_every_byte(&dir);
    }
}

fn flip_every_byte(dir: &TempDir) {
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        // Every byte of the small files, every third of the graph.
        let step = if whole.len() > 1024 { 3 } else { 1 };
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = use_with(dir.path(), &path, &bytes);
            assert!(error.is_some(), "{name} with byte {at} changed was read");
            if let Ok(index) = DenseIndex::open_folder(dir.path()) {
                assert!(!problems(&index).is_empty());
            }
        }
        assert!(use_with(dir.path(), &path, &whole).is_none());
    }
}

#[test]
fn damage_is_found_by_what_touches_it_and_by_verifying() {
    let mut random = Random(23);
    let vectors = random.vectors(2000, 64);
    let (dir, _) = build(&vectors);
    let path = dir.path().join("vectors");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 5;
    assert!(at > 4 * BLOCK_BYTES);
    bytes[at] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let index = DenseIndex::open_folder(dir.path()).unwrap();
    let first = index.score(&vectors[0], &[passage(0)]).unwrap();
    assert!(first[0].value() > 0.99);
    assert!(index.score(&vectors[0], &[passage(1999)]).is_err());
    assert!(index.exact(&vectors[0], 1, None).is_err());
    assert!(index.search(&vectors[1999], 5, 50, None).is_err());
    let found = problems(&index);
    assert!(found.len() == 1 && found[0].starts_with("vectors: the checksum"));
}

#[test]
fn vectors_without_their_graph_are_copied_and_no_others() {
    let dir = index();
    let expected: Vec<_> = {
        let index = DenseIndex::open_folder(dir.path()).unwrap();
        (0..N)
            .map(|i| index.vector(passage(i)).unwrap().unwrap())
            .collect()
    };
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        let mut bad = vec![None, Some(whole[..whole.len() / 2].to_vec())];
        for at in [0, 9, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            bad.push(Some(flipped));
        }
        for bad in bad {
            match bad {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
            assert!(DenseIndex::open_folder(dir.path()).is_err() || use_all(dir.path()).is_err());
            let opened = DenseIndex::open_vectors(dir.path());
            assert_eq!(opened.is_some(), name == "graph.links", "{name}");
            let Some(opened) = opened else {
                continue;
            };
            let copy = tempfile::tempdir().unwrap();
            let writer = crate::DenseWriter::create(copy.path(), 4, &CONFIG, Storage::F32);
            let mut writer = writer.unwrap().graph_from(1);
            assert_eq!(writer.copy_from(&opened, |old| old).unwrap(), N);
            writer.finish(&treffer_types::NoProgress).unwrap();
            let copied = DenseIndex::open_folder(copy.path()).unwrap();
            assert_eq!(problems(&copied), [""; 0]);
            for (i, expected) in expected.iter().enumerate() {
                assert_eq!(copied.vector(passage(i)).unwrap().as_ref(), Some(expected));
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(DenseIndex::open_vectors(dir.path()).is_some());
}

/// Beyond the first block, opening does not read.
#[test]
fn damage_anywhere_but_in_the_graph_keeps_vectors_from_being_copied() {
    let dir = tempfile::tempdir().unwrap();
    let writer = crate::DenseWriter::create(dir.path(), 2, &CONFIG, Storage::F32).unwrap();
    let mut writer = writer.graph_from(usize::MAX);
    for i in 0..20_000 {
        writer.add(passage(i), &[0.6, 0.8]).unwrap();
    }
    writer.finish(&treffer_types::NoProgress).unwrap();
    for name in ["vectors", "passages.u32"] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        assert!(whole.len() > BLOCK_BYTES, "{name}");
        let mut bad = whole.clone();
        bad[BLOCK_BYTES + 9] ^= 1;
        fs::write(&path, bad).unwrap();
        assert!(DenseIndex::open_folder(dir.path()).is_ok(), "{name}");
        assert!(DenseIndex::open_vectors(dir.path()).is_none(), "{name}");
        fs::write(&path, &whole).unwrap();
    }
    assert!(DenseIndex::open_vectors(dir.path()).is_some());
}

#[test]
fn every_truncation_and_addition_is_noticed_when_opening() {
    let dir = index();
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        let step = whole.len() / 50 + 1;
        for end in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(
                DenseIndex::open_folder(dir.path()).is_err(),
                "{name} cut at {end}"
            );
        }
        fs::write(&path, [&whole[..], b"\n"].concat()).unwrap();
        assert!(DenseIndex::open_folder(dir.path()).is_err(), "{name}");
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_missing_file_is_named() {
    for name in FILES {
        let dir = index();
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = DenseIndex::open_folder(dir.path()).unwrap_err();
        assert!(matches!(&error, Error::Missing { file, .. } if file == name));
        assert!(error.to_string().contains("build the index again"));
    }
    let nowhere = PathBuf::from("no/such/directory");
    assert!(matches!(
        DenseIndex::open_folder(&nowhere),
        Err(Error::Missing { .. })
    ));
}

#[test]
fn a_file_of_another_index_is_noticed() {
    let [first, second] = [21, 22].map(|seed| build(&Random(seed).vectors(N, 4)).0);
    for name in ["vectors", "graph.links"] {
        let path = second.path().join(name);
        let own = fs::read(&path).unwrap();
        let foreign = fs::read(first.path().join(name)).unwrap();
        let error = use_with(second.path(), &path, &foreign).unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        fs::write(&path, own).unwrap();
    }
}

#[test]
fn another_version_is_told_from_damage() {
    for name in &FILES[..3] {
        let dir = index();
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] += 1;
        let error = use_with(dir.path(), &path, &bytes).unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        // What another version wrote, it also sealed.
        seal(dir.path()).unwrap();
        let error = use_all(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Version { .. }), "{error}");
    }
}

/// Behind valid checksums: files that make no sense are errors or give some answer, and a
/// complete check never panics either.
#[test]
fn sealed_nonsense_causes_no_panic() {
    let dir = index();
    for name in &FILES[..3] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 60 + 1) {
            for flip in [0xff, 0x80, 1] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                fs::write(&path, &bytes).unwrap();
                seal(dir.path()).unwrap();
                let _ = use_all(dir.path());
                if let Ok(index) = DenseIndex::open_folder(dir.path()) {
                    let _ = problems(&index);
                }
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_complete_check_finds_sealed_nonsense() {
    let dir = index();
    for (name, at, flip, reason) in [
        ("vectors", 64 + 3, 0x01, "has the length"),
        ("passages.u32", 16 + 8 * 5, 0x80, "is out of order"),
    ] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= flip;
        fs::write(&path, &bytes).unwrap();
        seal(dir.path()).unwrap();
        let found = problems(&DenseIndex::open_folder(dir.path()).unwrap());
        assert!(
            found.iter().any(|problem| problem.contains(reason)),
            "{found:?}"
        );
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_directory_that_cannot_be_written_gives_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = crate::DenseWriter::create(&file, 4, &CONFIG, Storage::F32).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    fs::create_dir(dir.path().join("graph.links")).unwrap();
    let mut writer = crate::DenseWriter::create(dir.path(), 4, &CONFIG, Storage::F32)
        .unwrap()
        .graph_from(1);
    writer.add(passage(0), &Random(1).vector(4)).unwrap();
    let error = writer.finish(&treffer_types::NoProgress).unwrap_err();
    assert!(error.to_string().contains("graph.links"), "{error}");
}

#[test]
fn what_an_unfinished_build_left_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["vectors", "graph.links"] {
        fs::write(dir.path().join(name), b"left over").unwrap();
    }
    write(dir.path(), &Random(2).vectors(N, 4), &CONFIG);
    assert_eq!(DenseIndex::open_folder(dir.path()).unwrap().len(), N);
}

/// Linux has a file on which every write finds the disk full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_with_its_cause_and_leaves_no_index() {
    for name in &FILES[..3] {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join(name)).unwrap();
        let mut writer = crate::DenseWriter::create(dir.path(), 4, &CONFIG, Storage::F32)
            .unwrap()
            .graph_from(1);
        for (i, vector) in Random(3).vectors(N, 4).iter().enumerate() {
            writer.add(passage(i), vector).unwrap();
        }
        let error = writer.finish(&treffer_types::NoProgress).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.contains("No space left"),
            "{name}: {error}: {source}"
        );
        assert!(DenseIndex::open_folder(dir.path()).is_err());
    }
}

#[test]
fn whatever_operation_fails_there_is_no_index_or_a_whole_one() {
    let fill = |dir: &Path| {
        let mut writer = crate::DenseWriter::create(dir, 4, &CONFIG, Storage::F32)?.graph_from(1);
        for (i, vector) in Random(4).vectors(N, 4).iter().enumerate() {
            writer.add(passage(i), vector)?;
        }
        writer.finish(&treffer_types::NoProgress)
    };
    let dir = tempfile::tempdir().unwrap();
    let scope = Scope::observe();
    fill(dir.path()).unwrap();
    let performed = scope.performed();
    drop(scope);
    assert!(performed.len() > 15);
    for (i, &operation) in performed.iter().enumerate() {
        let nth = performed[..i].iter().filter(|&&o| o == operation).count();
        let dir = tempfile::tempdir().unwrap();
        let scope = Scope::fail(operation, nth, Fault::Short(3));
        let error = fill(dir.path()).unwrap_err();
        drop(scope);
        assert!(matches!(error, Error::Io { .. }), "{error}");
        match DenseIndex::open_folder(dir.path()) {
            Err(Error::Missing { .. }) => {}
            // All that failed was to make the seal's name durable.
            Ok(index) => assert_eq!(problems(&index), [""; 0]),
            Err(error) => panic!("{operation:?} left {error}"),
        }
    }
}
