//! Every operation of every durable change fails in turn: what was there before is still
//! there whole, or what is new is.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use tempfile::TempDir;

use super::{folder, names, noise};
use crate::failpoint::{Fault, Operation, Scope};
use crate::{
    AtomicFile, Error, Lock, LockError, Sealed, create_dir_durably, rename_durably, seal,
    write_durably,
};

const FAULTS: [Fault; 4] = [
    Fault::Error(io::ErrorKind::StorageFull),
    Fault::Error(io::ErrorKind::PermissionDenied),
    Fault::Short(0),
    Fault::Short(5),
];

/// Lets each operation that `act` performs fail in each way, in a folder made by `prepare`
/// each time. `check` sees the folder and the operation that failed.
fn fail_each(
    prepare: impl Fn() -> TempDir,
    act: impl Fn(&Path) -> Result<(), Error>,
    check: impl Fn(&Path, Operation),
) {
    let dir = prepare();
    let scope = Scope::observe();
    act(dir.path()).unwrap();
    let performed = scope.performed();
    drop(scope);
    assert!(performed.len() > 1, "nothing was watched");
    for (i, &operation) in performed.iter().enumerate() {
        let nth = performed[..i].iter().filter(|&&o| o == operation).count();
        for fault in FAULTS {
            let dir = prepare();
            let scope = Scope::fail(operation, nth, fault);
            let outcome = act(dir.path());
            drop(scope);
            let error = outcome.expect_err(&format!("{operation:?} {nth}, {fault:?} went well"));
            assert!(matches!(error, Error::Io { .. }), "{error}");
            assert!(std::error::Error::source(&error).is_some());
            check(dir.path(), operation);
        }
    }
}

fn old_file() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"old").unwrap();
    dir
}

/// After the rename the new file is there: making its name durable is all that can fail.
fn old_or_new(dir: &Path, failed: Operation) {
    let expected: &[u8] = match failed {
        Operation::SyncDir => &noise(100_000),
        _ => b"old",
    };
    assert_eq!(fs::read(dir.join("file")).unwrap(), expected);
    assert_eq!(names(dir), ["file"], "after {failed:?}");
}

#[test]
fn a_file_that_is_replaced_survives_every_failure() {
    let act = |dir: &Path| write_durably(&dir.join("file"), &noise(100_000));
    fail_each(old_file, act, old_or_new);
}

#[test]
fn a_file_that_is_streamed_over_survives_every_failure() {
    let act = |dir: &Path| {
        let path = dir.join("file");
        let mut file = AtomicFile::create(&path)?;
        for chunk in noise(100_000).chunks(999) {
            file.write_all(chunk).map_err(|source| Error::Io {
                action: "write",
                path: path.clone(),
                source,
            })?;
        }
        file.commit()
    };
    fail_each(old_file, act, old_or_new);
}

#[test]
fn a_new_file_is_not_there_after_a_failure() {
    fail_each(
        || tempfile::tempdir().unwrap(),
        |dir| write_durably(&dir.join("file"), b"entirely new"),
        |dir, failed| match failed {
            Operation::SyncDir => assert_eq!(names(dir), ["file"]),
            _ => assert_eq!(names(dir), [""; 0]),
        },
    );
}

#[test]
fn a_folder_that_could_not_be_sealed_is_not_sealed() {
    let unsealed = || {
        let dir = folder();
        fs::remove_file(dir.path().join("checksums")).unwrap();
        dir
    };
    fail_each(
        unsealed,
        |dir| seal(dir).map(|_| ()),
        |dir, failed| {
            let sealed = Sealed::open(dir);
            match (sealed, failed) {
                (Err(Error::Missing { .. }), _) => {}
                // The seal itself was renamed, and everything that it names is on disk.
                (Ok(sealed), Operation::SyncDir) => {
                    sealed.verify(&mut |path, problem| panic!("{}: {problem}", path.display()));
                }
                (other, _) => panic!("{failed:?} left {other:?}"),
            }
            assert_eq!(names(&dir.join("deep")), ["long"]);
        },
    );
}

#[test]
fn a_sealed_folder_stays_sealed_when_sealing_it_again_fails() {
    fail_each(
        folder,
        |dir| seal(dir).map(|_| ()),
        |dir, _| {
            let sealed = Sealed::open(dir).unwrap();
            sealed.verify(&mut |path, problem| panic!("{}: {problem}", path.display()));
        },
    );
}

#[test]
fn reading_reports_what_the_file_system_refuses() {
    let act = |dir: &Path| {
        let sealed = Sealed::open(dir)?;
        sealed.file("short")?.verify_all()
    };
    fail_each(folder, act, |dir, _| act(dir).unwrap());
}

#[test]
fn a_rename_or_a_new_folder_that_fails_is_an_error() {
    let act = |dir: &Path| {
        create_dir_durably(&dir.join("a/b"))?;
        rename_durably(&dir.join("file"), &dir.join("a/b/moved"))
    };
    fail_each(old_file, act, |dir, _| {
        let [old, new] = ["file", "a/b/moved"].map(|name| dir.join(name).exists());
        assert!(old != new, "the file is in one place");
    });
}

#[test]
fn a_lock_that_cannot_be_taken_is_told_from_one_that_is_held() {
    let dir = tempfile::tempdir().unwrap();
    for operation in [Operation::Create, Operation::Lock] {
        let scope = Scope::fail(operation, 0, Fault::Error(io::ErrorKind::Unsupported));
        let locked = Lock::try_exclusive(&dir.path().join("lock"), "");
        drop(scope);
        assert!(matches!(locked, Err(LockError::Io(_))), "{locked:?}");
    }
}

#[test]
fn other_threads_notice_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let _scope = Scope::fail(Operation::Sync, 0, FAULTS[0]);
    std::thread::scope(|scope| {
        let path = dir.path().join("file");
        scope.spawn(move || write_durably(&path, b"x").unwrap());
    });
    assert!(write_durably(&dir.path().join("file"), b"y").is_err());
}
