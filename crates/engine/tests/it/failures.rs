//! Builds whose operations on the file system fail one after the other: the index is the old
//! one or the new one, with the settings that belong to it.

use std::fs;
use std::io::ErrorKind;

use treffer_disk::failpoint::{Fault, Operation, Scope};
use treffer_engine::Error;
use treffer_engine::check::check;
use treffer_engine::manifest::Manifest;
use treffer_testkit::random_corpus;

use crate::support::{Place, config};

const OLD: (u32, f32) = (12, 0.9);
const NEW: (u32, f32) = (17, 1.7);

/// A place in which the next build makes the index `NEW`.
fn place(with_old_index: bool) -> Place {
    let mut place = Place::empty();
    if with_old_index {
        place = Place::built(&random_corpus(1, OLD.0 as usize));
        place.replace = true;
    }
    place.set_corpus(&random_corpus(2, NEW.0 as usize));
    place.config = config(&["bm25.k1=1.7"]);
    place
}

/// Documents and k1 of the index, if there is one, which must be sound.
fn found(place: &Place) -> Option<(u32, f32)> {
    if let Err(Error::NoIndex { .. }) = Manifest::read(&place.dir()) {
        return None;
    }
    let checked = check(&place.dir()).unwrap();
    assert_eq!(checked.damage, []);
    let engine = place.open();
    assert_eq!(engine.settings(), &checked.settings.unwrap().settings);
    Some((engine.n_docs(), engine.settings().bm25.k1))
}

/// Lets every operation of a build that changes something fail in turn. Returns how many were tried, and how many of
/// these did not keep the build from committing.
fn fail_each(with_old_index: bool) -> (usize, usize) {
    let old = with_old_index.then_some(OLD);
    let whole = place(with_old_index);
    let scope = Scope::observe();
    whole.build().unwrap();
    let performed = scope.performed();
    drop(scope);
    assert_eq!(found(&whole), Some(NEW));

    let mut n_committed = 0;
    let changes = |operation| !matches!(operation, Operation::Read | Operation::Map);
    let mut n_tried = 0;
    for (i, &operation) in performed.iter().enumerate() {
        if !changes(operation) {
            continue;
        }
        n_tried += 1;
        let nth = performed[..i].iter().filter(|&&o| o == operation).count();
        let mut place = place(with_old_index);
        let fault = Fault::Error(ErrorKind::StorageFull);
        let scope = Scope::fail(operation, nth, fault);
        let built = place.build();
        drop(scope);
        let what = format!("{operation:?} {nth}");
        match built {
            Ok(report) => {
                n_committed += 1;
                assert_eq!(found(&place), Some(NEW), "{what}");
                let is_removal = operation == Operation::Remove;
                assert!(is_removal || !report.warnings.is_empty(), "{what} is told");
            }
            Err(error) => {
                assert_eq!(found(&place), old, "{what}: {error}");
                let is_left = |name: &str| name.starts_with(".building") || name == "segment-2";
                let names = fs::read_dir(place.dir()).into_iter().flatten().flatten();
                let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
                let cleaned = operation == Operation::Remove || !names.any(|name| is_left(&name));
                assert!(cleaned, "{what}: {error}");
            }
        }
        // The next build finds nothing in its way.
        if n_tried % 4 == 0 {
            place.replace = true;
            place.build().unwrap();
            assert_eq!(found(&place), Some(NEW), "{what}");
        }
    }
    (n_tried, n_committed)
}

#[test]
fn whatever_fails_a_new_index_is_whole_or_absent() {
    let (tried, committed) = fail_each(false);
    assert!(
        tried > 30 && (2..10).contains(&committed),
        "{tried} {committed}"
    );
}

#[test]
fn whatever_fails_a_replaced_index_is_the_old_one_or_the_new_one() {
    let (tried, committed) = fail_each(true);
    assert!(
        tried > 30 && (2..10).contains(&committed),
        "{tried} {committed}"
    );
}
