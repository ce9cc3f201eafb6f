//! Every operation of every command that writes an index fails once, and the index is what it was
//! before or what it is to be, with the settings that belong to it.
//!
//! What tantivy writes passes no failpoint; the tests of the program take its disk away.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use treffer_disk::failpoint::{Fault, Operation, Scope};
use treffer_engine::manifest::Manifest;

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

/// Lets the operations of a command that change something fail in turn.
fn fail_each(change: Change, one_in: usize) -> Tried {
    let base = base();
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
        if matches!(operation, Operation::Read | Operation::Map) {
            continue;
        }
        let is_of_parts = matches!(
            operation,
            Operation::Create | Operation::Write | Operation::Sync
        );
        if is_of_parts && !i.is_multiple_of(one_in) {
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
    // Where it leaves the documents as they are, that is what was before.
    let before = if before.is_empty() {
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
    assert_eq!(after(Change::Compact).1.len(), 1);
}
