//! Power cuts: after every operation of every command that writes an index, every tree of files
//! that the disk may hold is made, and it holds what was committed.
//!
//! See `disk` for what a disk may hold. Changes of files that pass no failpoint, tantivy's, are
//! seen as well, at the next operation that passes one.

pub(crate) mod changes;
mod disk;
mod readers;

use std::collections::HashMap;

use treffer_disk::failpoint::Scope;

use self::changes::{Change, Contents, contents};
use self::disk::{Recorder, Survivor};
use crate::support::Place;

/// How many trees are tried, and how many of them hold which state.
#[derive(Debug, Default)]
struct Tried {
    moments: usize,
    trees: usize,
    by_state: Vec<usize>,
}

/// What a surviving tree holds, as the number of a state: the first from `least` on.
fn state_of(change: Change, found: &Contents, least: usize) -> Option<usize> {
    let states = change.states();
    (least..states.len()).find(|at| states[*at] == *found)
}

/// Of the trees beyond what is durable for certain and what is visible, one in so many is tried;
/// [`every_tree_holds_what_was_committed`] tries all.
const ONE_IN: usize = 24;

fn cut_power(change: Change, one_in: usize) -> Tried {
    let base = change.base();
    let place = change.prepare(&base);
    let recorder = Recorder::new(place.folder.path());
    let watched = recorder.clone();
    let scope = Scope::watch(move |operation, path| watched.look(operation, path));
    let warnings = change.run(&place).unwrap();
    drop(scope);
    assert!(warnings.is_empty(), "{warnings:?}");
    let moments = recorder.finish();

    let mut tried = Tried {
        moments: moments.len(),
        by_state: vec![0; change.states().len()],
        ..Tried::default()
    };
    let mut known: HashMap<u64, usize> = HashMap::new();
    let mut durable = 0;
    for (at, moment) in moments.iter().enumerate() {
        let what = |survivor: &Survivor| {
            format!(
                "{change:?}, before {} {}, {}",
                at, moment.operation, survivor.what
            )
        };
        let survivors = moment.survivors(at as u64);
        let mut visible = change.states().len() - 1;
        for (nth, survivor) in survivors.iter().enumerate() {
            // The first is what is durable for certain, the second what is visible.
            let hash = survivor.hash();
            if nth > 1 && (!(at + nth).is_multiple_of(one_in) || known.contains_key(&hash)) {
                continue;
            }
            if let Some(state) = known.get(&hash) {
                match nth {
                    0 => durable = *state,
                    _ => visible = *state,
                }
                continue;
            }
            let after = Place {
                config: place.config.clone(),
                ..Place::empty()
            };
            survivor.write(after.folder.path());
            let found = contents(&after.dir());
            let state = state_of(change, &found, durable).filter(|state| *state <= visible);
            let state = state.unwrap_or_else(|| {
                panic!(
                    "{}: {found:?}, not state {durable} to {visible}",
                    what(survivor)
                )
            });
            known.insert(hash, state);
            match nth {
                0 => durable = state,
                1 => visible = state,
                _ => {}
            }
            if found.is_some() {
                let k1 = after.open().settings().bm25.k1;
                assert_eq!(k1, change.k1_of(&found), "{}", what(survivor));
            }
            tried.trees += 1;
            tried.by_state[state] += 1;
            if tried.trees.is_multiple_of(2 * one_in) {
                change.run_again(&after, &what(survivor));
            }
        }
    }
    assert_eq!(
        durable,
        change.states().len() - 1,
        "what was reported is durable"
    );
    tried
}

fn assert_safe(changes: &[Change], one_in: usize) {
    for change in changes {
        let tried = cut_power(*change, one_in);
        println!("{change:?}: {tried:?}");
        assert!(tried.moments > 30 && tried.trees > 30, "{tried:?}");
    }
}

#[test]
fn a_power_cut_leaves_a_new_index_whole_or_absent() {
    assert_safe(&[Change::Index], ONE_IN);
}

#[test]
fn a_power_cut_leaves_the_old_index_or_the_new_one() {
    assert_safe(&[Change::Replace], ONE_IN);
}

#[test]
fn a_power_cut_leaves_the_batches_that_were_added() {
    assert_safe(&[Change::AddByBatches], ONE_IN);
}

#[test]
fn a_power_cut_leaves_documents_deleted_or_not() {
    assert_safe(&[Change::Delete], ONE_IN);
}

#[test]
fn a_power_cut_leaves_what_was_compacted() {
    assert_safe(&[Change::Compact], ONE_IN);
}

#[test]
#[ignore = "takes minutes; run it after changes to how an index is written"]
fn every_tree_holds_what_was_committed() {
    assert_safe(&Change::ALL, 1);
}
