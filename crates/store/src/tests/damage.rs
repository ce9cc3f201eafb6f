//! Files that are missing, changed, mixed or of another version.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use treffer_types::DocId;

use super::{FILES, everything, many, problems, store};
use crate::{Error, Store};

#[test]
fn a_missing_file_is_named() {
    for name in FILES {
        let (dir, _) = store(&many(2));
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = Store::open_folder(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Missing { file, .. } if file == name));
    }
    assert!(matches!(
        Store::open_folder(Path::new("no/such/directory")),
        Err(Error::Missing { .. })
    ));
}

#[test]
fn every_flipped_byte_is_noticed() {
    let (dir, _) = store(&many(12));
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 600 + 1) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let read =
                Store::open_folder(dir.path()).and_then(|store| everything(&store, &["doc-1"]));
            assert!(read.is_err(), "{name} with byte {at} changed was read");
        }
        fs::write(&path, &whole).unwrap();
    }
    let store = Store::open_folder(dir.path()).unwrap();
    assert!(everything(&store, &["doc-1"]).is_ok());
    assert_eq!(problems(dir.path()), [""; 0]);
}

#[test]
fn every_truncation_and_addition_is_noticed_when_opening() {
    let (dir, _) = store(&many(12));
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(whole.len() / 200 + 1) {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(
                Store::open_folder(dir.path()).is_err(),
                "{name} cut at {end}"
            );
        }
        fs::write(&path, [&whole[..], b"\0"].concat()).unwrap();
        assert!(
            Store::open_folder(dir.path()).is_err(),
            "{name} with a byte more"
        );
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_damaged_block_leaves_the_other_documents_readable() {
    let documents = many(600);
    let (dir, _) = store(&documents);
    let path = dir.path().join("documents.zst");
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 2 * treffer_disk::BLOCK_BYTES);
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let store = Store::open_folder(dir.path()).unwrap();
    assert_eq!(store.document(DocId(0)).unwrap(), documents[0]);
    let error = store.document(DocId(599)).unwrap_err();
    assert!(matches!(&error, Error::Damaged { .. }), "{error}");
    assert_eq!(store.id(DocId(599)).unwrap(), "doc-599");
    let found = problems(dir.path());
    assert!(found.len() == 1 && found[0].starts_with("documents.zst: the checksum of bytes"));
}

#[test]
fn files_of_two_stores_do_not_mix() {
    let (small, _) = store(&many(5));
    let (large, _) = store(&many(6));
    for name in FILES {
        let path = large.path().join(name);
        let own = fs::read(&path).unwrap();
        fs::copy(small.path().join(name), &path).unwrap();
        assert!(Store::open_folder(large.path()).is_err(), "{name}");
        fs::write(&path, own).unwrap();
    }
}

#[test]
fn another_version_is_told_from_damage() {
    for name in FILES {
        let (dir, _) = store(&many(2));
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] += 1;
        fs::write(&path, bytes).unwrap();
        // A file that another version wrote, it also sealed.
        if name != "checksums" {
            let error = Store::open_folder(dir.path()).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
            treffer_disk::seal(dir.path()).unwrap();
        }
        let error = Store::open_folder(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Version { .. }), "{name}: {error}");
    }
}

/// Files under a valid seal that contradict each other are errors.
#[test]
fn sealed_nonsense_causes_no_panic() {
    let (dir, _) = store(&many(12));
    for name in &FILES[..4] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            fs::write(&path, &bytes).unwrap();
            treffer_disk::seal(dir.path()).unwrap();
            if let Ok(store) = Store::open_folder(dir.path()) {
                for doc in (0..13).map(DocId) {
                    let _ = store.document(doc);
                    let _ = store.id(doc);
                    let _ = store.find(&format!("doc-{}", doc.0));
                }
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_bytes_are_no_store(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (dir, _) = store(&many(3));
        for name in FILES {
            let path = dir.path().join(name);
            let own = fs::read(&path).unwrap();
            fs::write(&path, &bytes).unwrap();
            prop_assert!(Store::open_folder(dir.path()).is_err());
            fs::write(&path, own).unwrap();
        }
    }
}
