//! Every operation of every command that writes an index fails once, and the index is what it was
//! before or what it is to be, with the settings that belong to it.
//!
//! What tantivy writes passes no failpoint; the tests of the program take its disk away.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::rc::Rc;

use treffer_disk::failpoint::{Fault, Operation, Scope};
use treffer_engine::manifest::{MANIFEST, Manifest};

use crate::crash::changes::{Change, base, contents, left_over};
use crate::support::Place;

/// Errors as they come, once or for good; and a disk that takes five more bytes.
const FAULTS: [Fault; 3] = [
    Fault::Once(ErrorKind::StorageFull),
    Fault::Error(ErrorKind::StorageFull),
    Fault::Short(5),
];

/// How often a command was interrupted, and how often it committed all the same.
#[derive(Debug, Default)]
struct Tried {
    tried: usize,
    committed: usize,
}

/// Of the many operations that write the files of parts, one in so many fails;
/// [`whatever_fails_at_all_an_index_holds_what_was_committed`] lets each fail.
const ONE_IN: usize = 5;

/// Whether operation number `i` of a command is one of those that fail. Reading fails where a
/// command goes on after a commit with what it reads then; it performs so many operations that
/// fewer of them fail.
fn is_tried(change: Change, operation: Operation, i: usize, one_in: usize) -> bool {
    if change == Change::AddAndMerge {
        return one_in == 1 || i.is_multiple_of(30 * one_in);
    }
    match operation {
        Operation::Read | Operation::Map => false,
        Operation::Create | Operation::Write | Operation::Sync => i.is_multiple_of(one_in),
        _ => true,
    }
}

/// Lets the operations of a command fail in turn.
fn fail_each(change: Change, one_in: usize) -> Tried {
    let base = change.base();
    let whole = change.prepare(&base);
    let scope = Scope::observe();
    let warnings = change.run(&whole).unwrap();
    let performed = scope.performed();
    drop(scope);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(contents(&whole.dir()), *change.states().last().unwrap());
    assert_eq!(left_over(&whole.dir()), BTreeSet::new());

    let mut tried = Tried::default();
    for (i, &operation) in performed.iter().enumerate() {
        if !is_tried(change, operation, i, one_in) {
            continue;
        }
        let nth = performed[..i].iter().filter(|&&o| o == operation).count();
        for fault in FAULTS {
            if matches!(fault, Fault::Short(_)) && operation != Operation::Write {
                continue; // it is the same as an error
            }
            let what = format!("{change:?}: {operation:?} {nth}, {fault:?}");
            let place = change.prepare(&base);
            let scope = Scope::fail(operation, nth, fault);
            let done = change.run(&place);
            drop(scope);
            tried.tried += 1;
            tried.committed += usize::from(done.is_ok());
            assert_state(change, operation, &place, done.as_deref(), &what);
            // The next command finds nothing in its way.
            if tried.tried % 3 == 0 {
                change.run_again(&place, &what);
            }
        }
    }
    tried
}

fn assert_state(
    change: Change,
    operation: Operation,
    place: &Place,
    done: Result<&[String], &treffer_engine::Error>,
    what: &str,
) {
    let states = change.states();
    let (last, before) = states.split_last().unwrap();
    // Where it leaves the documents as they are, that is what was before. What cannot be read may
    // be what was just committed.
    let is_read = matches!(operation, Operation::Read | Operation::Map);
    let before = if before.is_empty() || is_read {
        &states[..]
    } else {
        before
    };
    let found = contents(&place.dir());
    match done {
        Ok(warnings) => {
            assert_eq!(found, *last, "{what}");
            let is_removal = operation == Operation::Remove;
            assert!(is_removal || !warnings.is_empty(), "{what} is told");
        }
        Err(error) => {
            assert!(before.contains(&found), "{what}: {error}; found {found:?}");
            let left = left_over(&place.dir());
            // What a power cut may bring back stays until the next command.
            let stays = matches!(operation, Operation::Remove | Operation::SyncDir);
            let is_clean = left.is_empty() || stays;
            assert!(is_clean, "{what}: {error}; left {left:?}");
        }
    }
    if found.is_some() {
        assert_eq!(
            place.open().settings().bm25.k1,
            change.k1_of(&found),
            "{what}"
        );
    }
}

#[track_caller]
fn assert_safe(change: Change, at_least: usize) {
    assert_safe_where(change, at_least, ONE_IN);
}

#[track_caller]
fn assert_safe_where(change: Change, at_least: usize, one_in: usize) {
    let tried = fail_each(change, one_in);
    println!("{change:?}: {tried:?}");
    assert!(tried.tried >= at_least, "{tried:?}");
    assert!((2..tried.tried).contains(&tried.committed), "{tried:?}");
}

#[test]
fn whatever_fails_a_new_index_is_whole_or_absent() {
    assert_safe(Change::Index, 30);
}

#[test]
fn whatever_fails_a_new_index_holds_the_batches_that_were_committed() {
    assert_safe(Change::IndexByBatches, 30);
}

#[test]
fn whatever_fails_a_replaced_index_is_the_old_one_or_the_new_one() {
    assert_safe(Change::Replace, 30);
}

#[test]
fn whatever_fails_documents_are_added_or_not() {
    assert_safe(Change::Add, 30);
}

#[test]
fn whatever_fails_documents_of_a_batch_are_added_or_not() {
    assert_safe(Change::AddByBatches, 30);
}

#[test]
fn whatever_fails_documents_are_added_and_segments_merged_or_not() {
    assert_safe(Change::AddAndMerge, 30);
}

/// The operations of adding documents while segments are merged, with the place of the second
/// commit among them, which is that of the merge.
fn until_the_merge(base: &Place) -> (Vec<Operation>, usize) {
    let place = Change::AddAndMerge.prepare(base);
    let seen: Rc<RefCell<Vec<(Operation, PathBuf)>>> = Rc::default();
    let all = Rc::clone(&seen);
    let scope = Scope::watch(move |operation, path| {
        all.borrow_mut().push((operation, path.to_owned()));
    });
    assert_eq!(Change::AddAndMerge.run(&place).unwrap(), [""; 0]);
    drop(scope);
    let seen = seen.borrow();
    let is_commit = |(operation, path): &(Operation, PathBuf)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        *operation == Operation::Rename && name.contains(MANIFEST)
    };
    let mut commits = (0..seen.len()).filter(|&at| is_commit(&seen[at]));
    let at = commits.nth(1).unwrap();
    (seen.iter().map(|(operation, _)| *operation).collect(), at)
}

/// Fails the next operation of a kind from a place on.
fn fail_from(performed: &[Operation], at: usize, operation: Operation) -> Scope {
    let before = performed[..at].iter().filter(|&&one| one == operation);
    Scope::fail(
        operation,
        before.count(),
        Fault::Once(ErrorKind::StorageFull),
    )
}

#[test]
fn a_run_whose_merge_cannot_be_committed_goes_on() {
    let change = Change::AddAndMerge;
    let base = change.base();
    let (performed, at) = until_the_merge(&base);
    let place = change.prepare(&base);
    let scope = fail_from(&performed, at, Operation::Rename);
    let warnings = change.run(&place).unwrap();
    drop(scope);
    assert!(
        warnings.len() == 1 && warnings[0].contains("could not be merged"),
        "{warnings:?}"
    );
    assert_eq!(contents(&place.dir()), *change.states().last().unwrap());
    assert_eq!(left_over(&place.dir()), BTreeSet::new());
    // The next batch led to the merge.
    assert!(Manifest::read(&place.dir()).unwrap().segments.len() < 5);
    change.run_again(&place, "after a merge that failed");
}

#[test]
fn a_run_that_cannot_read_what_it_merged_ends() {
    let change = Change::AddAndMerge;
    let base = change.base();
    let (performed, at) = until_the_merge(&base);
    for operation in [Operation::Read, Operation::Map] {
        let place = change.prepare(&base);
        let scope = fail_from(&performed, at, operation);
        let error = change.run(&place).unwrap_err();
        drop(scope);
        let what = format!("{operation:?}: {error}");
        // The merge was committed, and nothing after it.
        let segments = Manifest::read(&place.dir()).unwrap().segments;
        assert_eq!(segments.len(), 1, "{what}");
        assert_eq!(contents(&place.dir()), change.states()[1], "{what}");
        assert_eq!(left_over(&place.dir()), BTreeSet::new(), "{what}");
        change.run_again(&place, &what);
    }
}

#[test]
fn whatever_fails_documents_are_deleted_or_not() {
    assert_safe(Change::Delete, 20);
}

#[test]
fn whatever_fails_a_compacted_index_holds_the_same() {
    assert_safe(Change::Compact, 30);
}

#[test]
#[ignore = "takes minutes; run it after changes to how an index is written"]
fn whatever_fails_at_all_an_index_holds_what_was_committed() {
    for change in Change::ALL {
        assert_safe_where(change, 60, 1);
    }
}

#[test]
fn the_commands_do_what_these_tests_are_about() {
    let base = base();
    let after = |change: Change| {
        let place = change.prepare(&base);
        change.run(&place).unwrap();
        let manifest = Manifest::read(&place.dir()).unwrap();
        let parts = manifest
            .segments
            .iter()
            .map(|one| one.parts.keys().cloned().collect());
        (manifest.generation, parts.collect::<Vec<Vec<String>>>())
    };
    let (generation, parts) = after(Change::Add);
    assert_eq!(generation, 4);
    assert!(parts[0].contains(&"bm25-4".to_owned()), "{parts:?}");
    assert_eq!(after(Change::AddByBatches).0, 5);
    assert_eq!(after(Change::IndexByBatches).0, 3);
    // Deleted, then merged.
    assert_eq!(after(Change::Delete).0, 5);
    // Merged after the first of four batches.
    let base = Change::AddAndMerge.base();
    let place = Change::AddAndMerge.prepare(&base);
    let before = Manifest::read(&place.dir()).unwrap().generation;
    Change::AddAndMerge.run(&place).unwrap();
    let manifest = Manifest::read(&place.dir()).unwrap();
    assert_eq!(manifest.generation, before + 5);
    assert_eq!(manifest.segments.len(), 4);
    assert_eq!(manifest.n_deleted(), 0);
    assert_eq!(after(Change::Compact).1.len(), 1);
}
