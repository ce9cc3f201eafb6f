//! What holds together across files: sealing and reading, damage, threads. What failures
//! leave behind is in [`failures`].

mod failures;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::{
    AtomicFile, BLOCK_BYTES, CHECKSUMS, Error, FileWriter, Lock, LockError, Numbers, Output,
    Problem, Sealed, seal, write_durably,
};

/// Bytes that differ from block to block.
fn noise(n: usize) -> Vec<u8> {
    let mut state = n as u64;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(n)
    .collect()
}

/// A sealed folder: an empty file, a short one, and one of three blocks in a folder.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("deep")).unwrap();
    for (name, bytes) in [
        ("empty", 0),
        ("short", 700),
        ("deep/long", 2 * BLOCK_BYTES + 9),
    ] {
        fs::write(dir.path().join(name), noise(bytes)).unwrap();
    }
    seal(dir.path()).unwrap();
    dir
}

const FILES: [&str; 3] = ["deep/long", "empty", "short"];

fn problems(dir: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let sealed = Sealed::open(dir).unwrap();
    sealed.verify(&mut |path, problem| {
        let name = path.strip_prefix(dir).unwrap().display();
        problems.push(format!("{name}: {problem}"));
    });
    problems
}

#[test]
fn what_was_sealed_is_read() {
    let dir = folder();
    let sealed = Sealed::open(dir.path()).unwrap();
    assert_eq!(sealed.names().collect::<Vec<_>>(), FILES);
    for name in FILES {
        let file = sealed.file(name).unwrap();
        let expected = noise(file.len());
        assert_eq!(file.bytes(0..file.len()).unwrap(), expected);
        file.verify_all().unwrap();
        assert_eq!(*file.unverified(), *expected);
    }
    assert_eq!(problems(dir.path()), [""; 0]);
    let record = sealed.record();
    assert_eq!((record.files, record.bytes), (3, 709 + 2 * 65_536));
    // The same files give the same seal, and the seal is not part of itself.
    assert_eq!(seal(dir.path()).unwrap(), record);
}

#[test]
fn a_range_beyond_the_file_is_an_error() {
    let dir = folder();
    let file = Sealed::open(dir.path()).unwrap().file("short").unwrap();
    assert_eq!(file.bytes(700..700).unwrap(), b"");
    for (start, end) in [(0, 701), (701, 701), (5, 4), (usize::MAX - 1, usize::MAX)] {
        assert!(matches!(file.bytes(start..end), Err(Error::Damaged { .. })));
    }
}

#[test]
fn a_folder_without_seal_and_a_file_without_entry_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Sealed::open(dir.path()),
        Err(Error::Missing { .. })
    ));
    let dir = folder();
    fs::write(dir.path().join("later"), b"x").unwrap();
    let sealed = Sealed::open(dir.path()).unwrap();
    for name in ["later", CHECKSUMS, "../short", ""] {
        assert!(!sealed.contains(name));
        assert!(matches!(sealed.file(name), Err(Error::Missing { .. })));
    }
    fs::remove_file(dir.path().join("short")).unwrap();
    assert!(matches!(sealed.file("short"), Err(Error::Missing { .. })));
    assert_eq!(problems(dir.path()), ["short: it is missing"]);
}

#[test]
fn damage_is_found_where_it_is_touched_and_nowhere_else() {
    let dir = folder();
    let path = dir.path().join("deep/long");
    let mut bytes = fs::read(&path).unwrap();
    bytes[BLOCK_BYTES + 5] ^= 4;
    fs::write(&path, bytes).unwrap();
    let file = Sealed::open(dir.path()).unwrap().file("deep/long").unwrap();
    assert!(file.bytes(0..BLOCK_BYTES).is_ok());
    assert!(file.bytes(2 * BLOCK_BYTES..file.len()).is_ok());
    for range in [
        BLOCK_BYTES - 1..BLOCK_BYTES + 1,
        BLOCK_BYTES..BLOCK_BYTES + 1,
        0..file.len(),
    ] {
        let error = file.bytes(range).unwrap_err().to_string();
        assert!(
            error.contains("deep/long is damaged: the checksum of bytes 65536 to 131072 is"),
            "{error}"
        );
    }
    assert!(file.verify_all().is_err());
    let found = problems(dir.path());
    assert!(found.len() == 1 && found[0].contains("65536 to 131072"));
}

#[test]
fn a_file_of_another_length_is_refused_before_it_is_mapped() {
    let dir = folder();
    let sealed = Sealed::open(dir.path()).unwrap();
    for (name, len) in [("short", 699), ("short", 701), ("short", 0), ("empty", 1)] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, noise(len)).unwrap();
        let error = sealed.file(name).unwrap_err().to_string();
        let both = format!("it has {len} bytes instead of {}", whole.len());
        assert!(error.contains(&both), "{error}");
        assert_eq!(problems(dir.path()), [format!("{name}: {both}")]);
        fs::write(&path, whole).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_a_regular_file_is_refused() {
    let dir = folder();
    let path = dir.path().join("short");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let sealed = Sealed::open(dir.path()).unwrap();
    assert!(matches!(
        sealed.file("short"),
        Err(Error::NotRegular { .. })
    ));
    assert_eq!(problems(dir.path()).len(), 1);
    std::os::unix::fs::symlink("/dev/null", dir.path().join("device")).unwrap();
    assert!(matches!(seal(dir.path()), Err(Error::NotRegular { .. })));
    for target in [dir.path(), Path::new("/dev/null")] {
        assert!(matches!(
            write_durably(target, b"x"),
            Err(Error::NotRegular { .. })
        ));
    }
}

#[test]
fn many_threads_verify_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let whole = noise(40 * BLOCK_BYTES + 1);
    fs::write(dir.path().join("file"), &whole).unwrap();
    seal(dir.path()).unwrap();
    let file = Sealed::open(dir.path()).unwrap().file("file").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (file, whole) = (&file, &whole);
            scope.spawn(move || {
                for i in 0..2000 {
                    let start = (i * 7919 + thread * 104_729) * 31 % whole.len();
                    let end = (start + 100_000 * (i % 2) + 3).min(whole.len());
                    assert_eq!(file.bytes(start..end).unwrap(), &whole[start..end]);
                }
            });
        }
    });
}

#[test]
fn numbers_are_read_where_they_begin() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = FileWriter::create(&dir.path().join("numbers")).unwrap();
    file.push(b"headhead").unwrap();
    for i in 0..40_000u32 {
        file.push(&i.to_le_bytes()).unwrap();
    }
    assert_eq!(file.bytes(), 160_008);
    file.finish().unwrap();
    seal(dir.path()).unwrap();
    let file = Sealed::open(dir.path()).unwrap().file("numbers").unwrap();
    let numbers = Numbers::<u32>::new(Arc::clone(&file), 8, 40_000).unwrap();
    assert_eq!((numbers.len(), numbers.is_empty()), (40_000, false));
    assert_eq!(numbers.get(39_999).unwrap(), 39_999);
    assert_eq!(numbers.slice(16_380..16_390).unwrap()[5], 16_385);
    assert!(numbers.get(40_000).is_err());
    assert!(numbers.get(usize::MAX).is_err());
    let backwards = std::ops::Range { start: 5, end: 4 };
    assert!(numbers.slice(backwards).is_err());
    let wide = Numbers::<u64>::new(Arc::clone(&file), 8, 20_000).unwrap();
    assert_eq!(wide.get(1).unwrap(), 2 | 3 << 32);
    assert!(Numbers::<u32>::new(Arc::clone(&file), 9, 1).is_err());
    assert!(Numbers::<u32>::new(Arc::clone(&file), 8, 40_001).is_err());
    assert!(Numbers::<f32>::new(file, 8, usize::MAX).is_err());
}

#[test]
fn a_writer_reads_back_what_it_wrote_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let mut file = FileWriter::create(&path).unwrap();
    file.push(b"one two").unwrap();
    let mut word = [0; 3];
    file.read_back(4, &mut word).unwrap();
    assert_eq!(&word, b"two");
    assert!(file.read_back(5, &mut word).is_err());
    file.push(b" three").unwrap();
    file.finish().unwrap();
    assert_eq!(fs::read(path).unwrap(), b"one two three");
}

#[test]
fn a_lock_is_held_once_and_released_on_drop() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let lock = Lock::try_exclusive(&path, "a lock\n").unwrap();
    assert!(matches!(
        Lock::try_exclusive(&path, "a lock\n"),
        Err(LockError::Held { .. })
    ));
    drop(lock);
    Lock::try_exclusive(&path, "a lock\n").unwrap();
    assert!(matches!(
        Lock::try_exclusive(dir.path(), ""),
        Err(LockError::Io(_))
    ));
}

/// The names in a folder, ascending.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_that_is_not_committed_was_never_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let write = |text: &[u8]| {
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(text).unwrap();
        file
    };
    drop(write(b"lost"));
    assert_eq!(names(dir.path()), [""; 0]);
    let (first, second) = (write(b"first"), write(b"second"));
    second.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    first.commit().unwrap();
    drop(write(b"lost"));
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(names(dir.path()), ["out"]);
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_permissions_and_its_links() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let [real, link] = ["real", "link"].map(|name| dir.path().join(name));
    fs::write(&real, b"old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o604)).unwrap();
    std::os::unix::fs::symlink("real", &link).unwrap();
    write_durably(&link, b"new").unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&real).unwrap(), b"new");
    let mode = fs::metadata(&real).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o604);
}

#[test]
fn output_is_atomic_for_files_and_direct_for_devices() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let mut output = Output::open(&path).unwrap();
    assert!(matches!(output, Output::Atomic(_)));
    output.write_all(b"run").unwrap();
    assert!(!path.exists());
    output.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"run");
    assert!(matches!(
        Output::open(dir.path()),
        Err(Error::NotRegular { .. })
    ));
    if cfg!(unix) {
        let mut output = Output::open(Path::new("/dev/null")).unwrap();
        assert!(matches!(output, Output::Direct { .. }));
        output.write_all(b"run").unwrap();
        output.commit().unwrap();
    }
}

#[test]
fn folders_are_created_renamed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    crate::create_dir_durably(&deep).unwrap();
    crate::create_dir_durably(&deep).unwrap();
    fs::write(deep.join("file"), b"x").unwrap();
    let moved = dir.path().join("moved");
    crate::rename_durably(&deep, &moved).unwrap();
    assert_eq!(names(&moved), ["file"]);
    assert!(crate::remove_dir_if_there(&moved).unwrap());
    assert!(!crate::remove_dir_if_there(&moved).unwrap());
    fs::write(dir.path().join("file"), b"x").unwrap();
    assert!(crate::create_dir_durably(&dir.path().join("file")).is_err());
}

#[test]
fn a_search_that_may_fail_finds_what_a_slice_does() {
    for n in 0..20usize {
        for first in 0..=n {
            let found = crate::partition_point::<()>(n, |i| Ok(i < first));
            assert_eq!(found, Ok(first));
        }
    }
    assert_eq!(crate::partition_point(9, |_| Err("why")), Err("why"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_is_found_by_touching_it_and_by_verifying(
        file in 0usize..2, at in any::<prop::sample::Index>(), bit in 0u32..8,
    ) {
        let dir = folder();
        let name = ["deep/long", "short"][file];
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let sealed = Sealed::open(dir.path()).unwrap();
        prop_assert!(sealed.file(name).unwrap().bytes(at..at + 1).is_err());
        let mut found = Vec::new();
        sealed.verify(&mut |path, problem| found.push((path.to_owned(), problem)));
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&found[0].0, &path);
        let in_block = match found[0].1 {
            Problem::Block { start, end, .. } => (start..end).contains(&(at as u64)),
            _ => false,
        };
        prop_assert!(in_block);
    }

    #[test]
    fn any_change_of_length_is_found_at_once(len in 0usize..200_000) {
        let dir = folder();
        for name in FILES {
            let path = dir.path().join(name);
            let whole = fs::read(&path).unwrap();
            prop_assume!(len != whole.len());
            fs::write(&path, noise(len)).unwrap();
            prop_assert!(Sealed::open(dir.path()).unwrap().file(name).is_err());
            fs::write(&path, whole).unwrap();
        }
    }
}
