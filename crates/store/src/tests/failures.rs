//! What is left behind, and what is said, when the file system fails while a store is written.

use std::path::Path;

use treffer_disk::failpoint::{Fault, Scope};

use super::{document, everything, many, problems};
use crate::{Error, Store, StoreWriter};

/// Linux has a file on which every write finds the disk full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_with_its_cause_and_leaves_no_store() {
    for name in ["documents.zst", "ids.table", "hashes.table", "blocks.table"] {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join(name)).unwrap();
        let mut writer = StoreWriter::create(dir.path()).unwrap();
        for document in many(20) {
            writer.add(&document).unwrap();
        }
        let error = writer.finish().unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("No space left"), "{error}: {source}");
        assert!(Store::open_folder(dir.path()).is_err());
    }
}

#[test]
fn whatever_operation_fails_there_is_no_store_or_a_whole_one() {
    let fill = |dir: &Path| {
        let mut writer = StoreWriter::create(dir)?;
        for document in many(20) {
            writer.add(&document)?;
        }
        writer.finish()
    };
    let dir = tempfile::tempdir().unwrap();
    let scope = Scope::observe();
    fill(dir.path()).unwrap();
    let performed = scope.performed();
    drop(scope);
    assert!(performed.len() > 20);
    for (i, &operation) in performed.iter().enumerate() {
        let nth = performed[..i].iter().filter(|&&o| o == operation).count();
        let dir = tempfile::tempdir().unwrap();
        let scope = Scope::fail(operation, nth, Fault::Short(3));
        let error = fill(dir.path()).unwrap_err();
        drop(scope);
        assert!(matches!(error, Error::Io { .. }), "{error}");
        match Store::open_folder(dir.path()) {
            Err(Error::Missing { .. }) => {}
            // All that failed was to make the seal's name durable.
            Ok(store) => {
                assert!(everything(&store, &[]).is_ok() && problems(dir.path()).is_empty());
            }
            Err(error) => panic!("{operation:?} left {error}"),
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_writer_is_of_no_use_after_it_failed_to_write() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join("documents.zst")).unwrap();
    let mut writer = StoreWriter::create(dir.path()).unwrap();
    // Text that does not compress, so that blocks reach the disk soon.
    let mut state = 1u64;
    let noise: String = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b' ' + (state >> 57) as u8 % 90)
    })
    .take(40_000)
    .collect();
    let failed = (0..10).find_map(|i| writer.add(&document(&i.to_string(), &noise)).err());
    assert!(matches!(failed, Some(Error::Io { .. })), "{failed:?}");
    let again = writer.add(&document("more", "text")).unwrap_err();
    assert!(matches!(again, Error::Broken { .. }), "{again}");
    assert!(matches!(writer.finish(), Err(Error::Broken { .. })));
}
