//! Scores are computed once, whatever happens in between.

use tempfile::tempdir;
use treffer_testkit::{FakeScorer, RecordingProgress};
use treffer_types::NoProgress;

use super::*;

fn examples(count: usize) -> Examples {
    let example = |number: usize| Example {
        query: format!("cold fridge {number}"),
        passages: vec![format!("a cold fridge {number}"), "a warm door".to_owned()],
        values: vec![1.0, 0.0],
        kind: ValueKind::Labels,
        weight: 1.0,
        origin: (0, number as u64 + 1),
    };
    Examples {
        files: Vec::new(),
        all: (0..count).map(example).collect(),
    }
}

#[test]
fn what_was_scored_is_read_again_and_only_the_rest_computed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out").join("scores.jsonl");
    let scorer = FakeScorer::new();
    let mut whole = examples(40);
    let expected = add_scores(
        &mut whole,
        &scorer,
        &folder.path().join("whole"),
        &NoProgress,
    );
    assert_eq!(expected.unwrap().read, 40);
    assert!(whole.all.iter().all(|one| one.kind == ValueKind::Scores));
    let (best, other) = (whole.all[3].values[0], whole.all[3].values[1]);
    assert!(best > other, "{best} {other}");

    let mut part = examples(40);
    let progress = RecordingProgress::cancelling_after(21);
    let taught = add_scores(&mut part, &scorer, &path, &progress).unwrap();
    assert_eq!((taught.read, taught.is_stopped), (21, true));
    // Something ended the program within a line.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(br#"{"example": "00", "sco"#);
    std::fs::write(&path, bytes).unwrap();
    let (mut again, before) = (examples(40), scorer.reads().pairs());
    let taught = add_scores(&mut again, &scorer, &path, &NoProgress).unwrap();
    assert_eq!((taught.known, taught.read), (21, 19));
    assert_eq!(scorer.reads().pairs() - before, 38);
    assert_eq!(again.all, whole.all);
    let mut third = examples(40);
    let taught = add_scores(&mut third, &scorer, &path, &NoProgress).unwrap();
    assert_eq!((taught.known, taught.read), (40, 0));
    assert_eq!(third.all, whole.all);
}

#[test]
fn scores_of_another_teacher_are_not_taken() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("scores.jsonl");
    add_scores(&mut examples(3), &FakeScorer::new(), &path, &NoProgress).unwrap();
    let other = FakeScorer::new().named("other");
    let taught = add_scores(&mut examples(3), &other, &path, &NoProgress).unwrap();
    assert_eq!((taught.known, taught.read), (0, 3));
}

#[test]
fn given_scores_stay_and_need_no_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("scores.jsonl");
    let mut given = examples(2);
    for example in &mut given.all {
        (example.values, example.kind) = (vec![-3.0, 4.0], ValueKind::Scores);
    }
    let taught = add_scores(&mut given, &FakeScorer::new(), &path, &NoProgress).unwrap();
    assert_eq!(taught, Taught::default());
    assert_eq!(given.all[1].values, [-3.0, 4.0]);
    assert!(!path.exists());
}

#[test]
fn a_damaged_file_is_named() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("scores.jsonl");
    add_scores(&mut examples(3), &FakeScorer::new(), &path, &NoProgress).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("scores", "scoers", 1)).unwrap();
    let error = add_scores(&mut examples(3), &FakeScorer::new(), &path, &NoProgress).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("scores.jsonl") && text.contains("delete"),
        "{text}"
    );
}
