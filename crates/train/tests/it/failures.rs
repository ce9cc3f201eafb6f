//! A loss that is no number any more, and disks that are full: what was good stays.

use std::io::ErrorKind;

use treffer_disk::failpoint::{Fault, Operation, Scope};
use treffer_train::{CHECKPOINT, Error, Loss, Options};

use crate::support::{OFTEN, Place, RESUMED, TEN, checkpoints, options};

/// One score is so large that its gradient is infinite.
fn poisoned() -> Place<'static> {
    let mut data = TEN.replace("label", "score");
    data.push_str(r#"{"query": "ice", "passage": "door", "score": 3e38}"#);
    Place::new(
        &data,
        Options {
            loss: Loss::Mse,
            batch: 1,
            steps: 11,
            seed: 3,
            ..options()
        },
    )
}

#[test]
fn an_infinite_gradient_stops_and_the_last_good_checkpoint_remains() {
    let place = poisoned();
    let (trained, events) = place.train(OFTEN);
    let error = trained.unwrap_err();
    let Error::NotFinite { what, step, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*what, "gradient");
    assert!(*step >= 2, "another seed puts the line later: {step}");
    assert!(error.to_string().contains("data.jsonl:11"), "{error}");
    assert_eq!(checkpoints(&events).last(), Some(&(step - 1)));
    let scores = place.score("ice", &["freezer and ice", "door"]);
    assert!(scores.iter().all(|score| score.is_finite()));
    // It is a checkpoint that one can go on from, to the same line.
    let again = place.train(RESUMED).0.unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
}

#[test]
fn a_rate_that_is_far_too_large_leaves_no_broken_model() {
    let place = Place::new(
        TEN,
        Options {
            rate: 1e37,
            warm_up: 0.0,
            ..options()
        },
    );
    let (trained, events) = place.train(OFTEN);
    let error = trained.unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
    assert!(error.to_string().contains("smaller"), "{error}");
    assert_eq!(checkpoints(&events), [0]);
    assert!(!place.out().join("model.safetensors").exists());
}

/// Lets every write and every renaming of a training fail in turn. Whatever checkpoint there
/// is then, resuming from it ends as if nothing had happened.
#[test]
fn a_full_disk_at_any_moment_loses_no_checkpoint() {
    let new = || {
        Place::new(
            TEN,
            Options {
                steps: 2,
                ..options()
            },
        )
    };
    let whole = new();
    let scope = Scope::observe();
    whole.train(OFTEN).0.unwrap();
    let performed = scope.performed();
    drop(scope);
    let mut resumed = 0;
    for (at, &operation) in performed.iter().enumerate() {
        let changes = matches!(operation, Operation::Write | Operation::Rename);
        if !changes {
            continue;
        }
        let nth = performed[..at]
            .iter()
            .filter(|one| **one == operation)
            .count();
        let place = new();
        let scope = Scope::fail(operation, nth, Fault::Error(ErrorKind::StorageFull));
        let (trained, events) = place.train(OFTEN);
        drop(scope);
        let error = trained.unwrap_err();
        assert!(matches!(error, Error::Disk(_)), "{error}");
        let path = place.out().join(CHECKPOINT);
        match checkpoints(&events).last() {
            None => assert!(!path.exists()),
            Some(_) => {
                place.train(RESUMED).0.unwrap();
                for name in [CHECKPOINT, "model.safetensors"] {
                    assert!(
                        place.bytes(name) == whole.bytes(name),
                        "{operation:?} {nth}"
                    );
                }
                resumed += 1;
            }
        }
    }
    assert!(resumed > 10, "{resumed}");
}
