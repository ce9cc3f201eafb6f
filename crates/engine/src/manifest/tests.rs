//! Manifests that are read as they were written, and those that are refused.

use super::*;
use crate::config::Config;

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        written_by: "treffer 0.0.0".into(),
        generation: 3,
        blueprint: Config::preset("english").unwrap().blueprint(),
        models: Models::default(),
        settings: BuiltSettings {
            generation: 3,
            toml: String::new(),
        },
        unfinished: false,
        segments: Vec::new(),
        deleted: None,
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let record = SealRecord {
        bytes: 0,
        files: 0,
        checksums_crc32: 0,
    };
    for (segment, part, is_good) in [
        ("segment-1", "bm25", true),
        ("segment-1", "../bm25", false),
        ("segment-1", "", false),
        ("segment-1", "/etc", false),
        ("segment-", "bm25", false),
        ("segment-1/..", "bm25", false),
        ("../segment-1", "bm25", false),
        ("/segment-1", "bm25", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment {
            name: segment.into(),
            documents: 1,
            passages: 1,
            deleted: 0,
            deleted_passages: 0,
            parts: Parts::from([(part.into(), record)]),
        };
        let manifest = Manifest {
            segments: vec![segment],
            ..manifest()
        };
        manifest.write(dir.path()).unwrap();
        let read = Manifest::read(dir.path());
        assert_eq!(read.is_ok(), is_good, "{:?}", manifest.segments);
    }
}

#[test]
fn counts_that_cannot_be_are_refused() {
    let segment = |name: &str, documents, deleted| Segment {
        name: name.into(),
        documents,
        passages: documents,
        deleted,
        deleted_passages: 0,
        parts: Parts::new(),
    };
    for (segments, is_good) in [
        (
            vec![segment("segment-1", 5, 0), segment("segment-2", 5, 0)],
            true,
        ),
        (
            vec![segment("segment-1", 5, 0), segment("segment-1", 5, 0)],
            false,
        ),
        (vec![segment("segment-1", 5, 6)], false),
        (vec![segment("segment-1", 5, 1)], false), // it does not say which
        (
            vec![
                segment("segment-1", u32::MAX, 0),
                segment("segment-2", 1, 0),
            ],
            false,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let manifest = Manifest {
            segments,
            ..manifest()
        };
        manifest.write(dir.path()).unwrap();
        let read = Manifest::read(dir.path());
        assert_eq!(read.is_ok(), is_good, "{:?}", manifest.segments);
    }
}

#[test]
fn a_manifest_survives_a_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    manifest().write(dir.path()).unwrap();
    assert_eq!(Manifest::read(dir.path()).unwrap(), manifest());
}

#[test]
fn no_flipped_byte_goes_unnoticed() {
    let dir = tempfile::tempdir().unwrap();
    manifest().write(dir.path()).unwrap();
    let path = dir.path().join(MANIFEST);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        let message = Manifest::read(dir.path()).unwrap_err().to_string();
        assert!(message.contains("damaged"), "byte {at}: {message}");
    }
}

#[test]
fn another_format_is_refused_with_both_numbers() {
    let dir = tempfile::tempdir().unwrap();
    Manifest {
        format: 7,
        ..manifest()
    }
    .write(dir.path())
    .unwrap();
    let message = Manifest::read(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("format 7") && message.contains("format 5"),
        "{message}"
    );
}

#[test]
fn folders_without_an_index_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let message = |dir: &Path| Manifest::read(dir).unwrap_err().to_string();
    assert!(message(&dir.path().join("none")).contains("does not exist"));
    assert!(message(dir.path()).contains("is empty"));
    fs::write(dir.path().join("letter.txt"), "hello").unwrap();
    assert!(message(dir.path()).contains("other files"));
    fs::write(dir.path().join(LOCK), LOCK_CONTENT).unwrap();
    assert!(message(dir.path()).contains("never completed"));
    assert!(message(&dir.path().join("letter.txt")).contains("not a folder"));
}

#[test]
fn a_lock_that_was_not_written_whole_is_one_if_it_is_alone() {
    let dir = tempfile::tempdir().unwrap();
    let is_lock_with = |content: &str| {
        fs::write(dir.path().join(LOCK), content).unwrap();
        is_lock(dir.path())
    };
    let zeros = "\0".repeat(9);
    let incomplete = ["", &LOCK_CONTENT[..9], &zeros];
    for content in incomplete {
        assert!(is_lock_with(content), "{content}");
    }
    for content in ["mine", "Treffer: mine", &format!("{LOCK_CONTENT}2")] {
        assert!(!is_lock_with(content), "{content}");
    }
    fs::write(dir.path().join("letter.txt"), "hello").unwrap();
    for content in incomplete {
        assert!(!is_lock_with(content), "{content}");
    }
    assert!(is_lock_with(LOCK_CONTENT));
}

#[test]
fn a_segment_knows_its_parts_from_others() {
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join("segment-1").join(parts::STORE);
    let seal_with = |content: &[u8]| {
        let _ = fs::remove_dir_all(&part);
        fs::create_dir_all(&part).unwrap();
        fs::write(part.join("file"), content).unwrap();
        treffer_disk::seal(&part).unwrap()
    };
    let segment = Segment {
        name: "segment-1".into(),
        documents: 1,
        passages: 1,
        deleted: 0,
        deleted_passages: 0,
        parts: Parts::from([(parts::STORE.to_owned(), seal_with(b"content"))]),
    };
    segment.check_seals(dir.path()).unwrap();
    seal_with(b"c0ntent");
    let message = segment.check_seals(dir.path()).unwrap_err().to_string();
    assert!(message.contains("checksums"), "{message}");
    fs::remove_dir_all(&part).unwrap();
    assert!(segment.check_seals(dir.path()).is_err());
}
