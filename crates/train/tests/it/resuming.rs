//! A training that is interrupted ends as one that was not, bit for bit.

use std::fs;

use treffer_testkit::{RecordedStep, RecordingProgress};
use treffer_train::{CHECKPOINT, End, Loss, Options, Running};

use crate::support::{LISTS, OFTEN, Place, RESUMED, TEN, options};

/// With everything that has a state: dropout, words, an epoch that ends within a step,
/// validations.
fn place() -> Place<'static> {
    let mut place = Place::new(
        TEN,
        Options {
            train_words: true,
            validate_every: 2,
            steps: 7,
            ..options()
        },
    );
    place.held_out = Some(LISTS.lines().take(3).collect::<Vec<_>>().join("\n"));
    place
}

const FILES: [&str; 2] = [CHECKPOINT, "model.safetensors"];

fn files(place: &Place<'_>) -> Vec<Vec<u8>> {
    FILES.iter().map(|name| place.bytes(name)).collect()
}

#[test]
fn a_training_that_was_interrupted_at_any_moment_is_the_same_bit_for_bit() {
    let whole = place();
    let progress = RecordingProgress::new();
    let expected = whole.train_until(OFTEN, &progress).0.unwrap();
    // After a step, and within a measurement. At the very end there is nothing left to stop.
    let (mut ended, mut measured) = (0, 0);
    for stop in 0..progress.advances() {
        let part = place();
        let progress = RecordingProgress::cancelling_after(stop);
        let trained = part.train_until(OFTEN, &progress).0.unwrap();
        ended += usize::from(trained.end == End::Stopped);
        let stopped = progress.steps();
        let within = |step: &RecordedStep| step.name == "measuring" && step.total > Some(step.done);
        measured += usize::from(stopped.iter().any(within));
        assert!(stopped.iter().all(|step| step.ended));
        assert_eq!(part.train(RESUMED).0.unwrap(), expected);
        assert!(files(&part) == files(&whole), "stopped after {stop}");
    }
    assert!(ended > 8 && measured > 2, "{ended} {measured}");
}

#[test]
fn a_training_is_the_same_on_any_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let place = place();
        pool.unwrap().install(|| place.train(OFTEN).0.unwrap());
        files(&place)
    };
    assert!(run(1) == run(3));
}

#[test]
fn another_seed_is_another_training() {
    let (one, mut other) = (place(), place());
    other.options.seed = 2;
    one.train(OFTEN).0.unwrap();
    other.train(OFTEN).0.unwrap();
    assert!(files(&one) != files(&other));
}

#[test]
fn a_checkpoint_is_neither_overwritten_nor_mixed_up_nor_missed() {
    let mut place = place();
    let error = place.train(RESUMED).0.unwrap_err().to_string();
    assert!(
        error.contains("no checkpoint") && error.contains("--resume"),
        "{error}"
    );
    place.train(OFTEN).0.unwrap();
    let error = place.train(OFTEN).0.unwrap_err().to_string();
    assert!(
        error.contains("at step 7") && error.contains("--resume"),
        "{error}"
    );
    place.options.rate = 2e-3;
    let error = place.train(RESUMED).0.unwrap_err().to_string();
    assert!(error.contains("other options"), "{error}");
    place.options.rate = options().rate;
    place.data = place.data.replace("warm door", "warm shelf");
    let error = place.train(RESUMED).0.unwrap_err().to_string();
    assert!(error.contains("other data"), "{error}");
    // To begin anew has to be said, and then is as if nothing had been there.
    let replaced = Running {
        replace: true,
        ..OFTEN
    };
    place.train(replaced).0.unwrap();
    let mut alone = self::place();
    alone.data = place.data.clone();
    alone.train(OFTEN).0.unwrap();
    assert!(files(&place) == files(&alone));
    fs::remove_file(place.out().join(CHECKPOINT)).unwrap();
    let error = place.train(OFTEN).0.unwrap_err().to_string();
    assert!(
        error.contains("model.safetensors") && error.contains("--replace"),
        "{error}"
    );
}

#[test]
fn the_kind_of_a_value_belongs_to_the_data() {
    let mut place = Place::new(
        r#"{"query": "ice", "passages": ["freezer", "door"], "labels": [1, 0]}"#,
        Options {
            loss: Loss::List,
            ..options()
        },
    );
    place.train(OFTEN).0.unwrap();
    place.data = place.data.replace("labels", "scores");
    let error = place.train(RESUMED).0.unwrap_err().to_string();
    assert!(error.contains("other data"), "{error}");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let place = place();
    place.train(OFTEN).0.unwrap();
    let path = place.out().join(CHECKPOINT);
    let bytes = place.bytes(CHECKPOINT);
    for damaged in [&bytes[..bytes.len() / 2], b"", b"not a checkpoint at all"] {
        std::fs::write(&path, damaged).unwrap();
        let error = place.train(RESUMED).0.unwrap_err().to_string();
        assert!(error.contains("cannot resume from"), "{error}");
    }
}
