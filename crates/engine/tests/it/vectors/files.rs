//! Vectors from a file are as good as those that records bring.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use treffer_corpus::{Problem, ReadOptions};
use treffer_engine::build::{AddRequest, Survey, WriteReport, add};
use treffer_testkit::Random;

use super::*;

const FROM_FILE: [&str; 1] = ["dense.model=none"];

/// Writes rows as numpy.save does, in 32 bits.
fn npy(path: &Path, rows: &[Vec<f32>]) -> PathBuf {
    let dimension = rows.first().map_or(1, Vec::len);
    let header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {dimension}), }}\n",
        rows.len()
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
    path.to_owned()
}

/// A place with a corpus and a file of vectors for it.
fn with_rows(overrides: &[&str], documents: &[Document], rows: &[Vec<f32>]) -> Place {
    let mut place = place(overrides, documents);
    place.vectors = Some(npy(&place.folder.path().join("v.npy"), rows));
    place
}

fn rows() -> Vec<Vec<f32>> {
    vec![
        vec![2.0, 0.0, 0.0],
        vec![0.0, 0.1, 0.0],
        vec![0.0, 0.0, 3.0],
    ]
}

fn texts() -> Vec<Document> {
    vec![
        document("x", "one"),
        document("y", "two"),
        document("z", "three"),
    ]
}

fn add_rows(
    place: &Place,
    documents: &[Document],
    rows: Option<&[Vec<f32>]>,
) -> Result<WriteReport, Error> {
    let vectors = rows.map(|rows| npy(&place.folder.path().join("more.npy"), rows));
    let request = AddRequest {
        dir: &place.dir(),
        inputs: &[place.write_corpus("more.jsonl", documents)],
        vectors: vectors.as_deref(),
        reading: &ReadOptions::default(),
        strict: false,
        commit_every: None,
        device: None,
        merges: false,
    };
    add(&request, &place.fakes, &NoProgress, &mut |_: &Problem| ())
}

#[test]
fn rows_of_a_file_are_found_checked_compacted_and_added_to() {
    let place = with_rows(&FROM_FILE, &texts(), &rows());
    assert_eq!(
        place.survey(&mut Vec::new()).unwrap(),
        Survey {
            documents: 3,
            ..Survey::default()
        }
    );
    place.build().unwrap();
    let dense = place.open().manifest().blueprint.dense.clone().unwrap();
    assert_eq!((dense.dimension, dense.from_file), (Some(3), true));
    assert_eq!(near(&place.open(), &[1.0, 0.5, 0.2]), ["x", "y", "z"]);
    let more = [
        document("x", "one"),
        document("y", "two, again"),
        document("new", "four"),
    ];
    let vectors = [
        vec![1.0, 0.0, 0.0],
        vec![0.0, -1.0, 0.0],
        vec![0.0, 1.0, 0.0],
    ];
    let report = add_rows(&place, &more, Some(&vectors)).unwrap();
    assert_eq!(
        (report.unchanged, report.updated, report.added),
        (1, 1, 1),
        "of `x`, the direction is the same"
    );
    assert_eq!(near(&place.open(), &[0.1, 1.0, 0.2])[..2], ["new", "z"]);
    assert!(check(&place.dir()).unwrap().damage.is_empty());
    compact(&place.dir(), &NoProgress).unwrap();
    assert_eq!(near(&place.open(), &[0.1, 1.0, 0.2])[..2], ["new", "z"]);
    assert!(check(&place.dir()).unwrap().damage.is_empty());
    let message = add_rows(&place, &more, None).unwrap_err().to_string();
    assert!(message.contains("--vectors"), "{message}");
}

#[test]
fn an_index_goes_on_from_where_it_was_interrupted() {
    let mut place = with_rows(&FROM_FILE, &texts(), &rows()[..2]);
    place.commit_every = Some(1);
    assert!(place.build().is_err(), "a row is missing");
    assert_eq!(place.open().n_docs(), 2);
    place.vectors = Some(npy(&place.folder.path().join("v.npy"), &rows()));
    let report = place.build().unwrap();
    assert_eq!((report.resumed, report.added), (2, 1));
    assert_eq!(near(&place.open(), &[0.2, 0.5, 1.0]), ["z", "y", "x"]);
}

#[test]
fn with_a_model_vectors_stand_for_texts() {
    let mut unlike = vec![vec![0.0; 64]; 2];
    unlike[0][5] = 3.0;
    unlike[1][6] = 3.0;
    let documents = [
        document("given", "red apple"),
        document("other", "green pear"),
    ];
    let place = with_rows(&[], &documents, &unlike);
    place.build().unwrap();
    assert_eq!(place.fakes.n_embedded(), 0);
    assert_eq!(near(&place.open(), &unlike[1])[0], "other");
    assert!(check(&place.dir()).unwrap().damage.is_empty());
    // Without a file, what is added is encoded.
    add_rows(&place, &[document("encoded", "blue plum")], None).unwrap();
    assert_eq!(place.fakes.n_embedded(), 1);
    assert_eq!(near(&place.open(), &unlike[0])[0], "given");
    assert!(check(&place.dir()).unwrap().damage.is_empty());
}

#[test]
fn a_row_that_cannot_be_used_is_a_bad_record() {
    let mut rows = rows();
    rows[1] = vec![0.0; 3];
    rows[2][1] = f32::INFINITY;
    let place = with_rows(&FROM_FILE, &texts(), &rows);
    for is_survey in [true, false] {
        let mut problems = Vec::new();
        let documents = if is_survey {
            place.survey(&mut problems).unwrap().documents
        } else {
            place
                .build_with(&NoProgress, &mut problems)
                .unwrap()
                .documents
        };
        assert_eq!(documents, 1);
        for (problem, why) in problems.iter().zip([
            (
                "corpus.jsonl:2: its vector cannot be used: row 1 of",
                "no direction",
            ),
            (
                "corpus.jsonl:3: its vector cannot be used: row 2 of",
                "finite",
            ),
        ]) {
            assert!(
                problem.contains(why.0) && problem.contains(why.1),
                "{problem}"
            );
        }
        assert_eq!(problems.len(), 2);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_says_what_to_do() {
    let refusal = |overrides: &[&str], rows: Option<&[Vec<f32>]>| {
        let place = match rows {
            Some(rows) => with_rows(overrides, &texts(), rows),
            None => place(overrides, &texts()),
        };
        let survey = place.survey(&mut Vec::new()).err();
        let message = chain(&place.build().expect_err("it is refused"));
        assert!(!place.dir().join("manifest.json").exists());
        (message, survey.map(|error| chain(&error)))
    };
    let four: Vec<Vec<f32>> = [rows(), rows()[..1].to_vec()].concat();
    for (overrides, rows, why) in [
        (
            &FROM_FILE[..],
            Some(&four[..]),
            "has 4 rows, one for each record of the input, bad ones included, and there are 3",
        ),
        (
            &FROM_FILE,
            Some(&four[..2]),
            "has 2 rows, one for each record of the input, bad ones included, and there are more",
        ),
        (&FROM_FILE, None, "--vectors"),
        (
            &["dense.vectors=vec"],
            Some(&four[..3]),
            "vectors are given twice",
        ),
    ] {
        let (message, survey) = refusal(overrides, rows);
        assert!(message.contains(why), "{message}");
        assert_eq!(survey, Some(message), "a survey says the same");
    }
    let (message, _) = refusal(&[], Some(&four[..3]));
    assert!(
        message.contains("have 3 values, those of the index have 64"),
        "{message}"
    );
    let (message, _) = refusal(&["dense.model=none", "dense.dimension=4"], Some(&four[..3]));
    assert!(
        message.contains("have 3 values, those of the index have 4"),
        "{message}"
    );
}

/// For random corpora with bad records between good ones, an index of a file is one of a field.
#[test]
fn a_file_and_a_field_make_the_same_index() {
    let mut runner = TestRunner::new(Runs::with_cases(12));
    let run = runner.run(&any::<u64>(), |seed| {
        let mut random = Random::new(seed);
        let n = 1 + random.below(90) as usize;
        let mut lines = (String::new(), String::new());
        let mut rows = Vec::new();
        for at in 0..n {
            let row: Vec<f32> = (0..3).map(|_| random.below(9) as f32 - 4.0).collect();
            match random.below(6) {
                0 => {
                    lines.0.push_str("{broken\n");
                    lines.1.push_str("{broken\n");
                }
                1 => {
                    lines.0.push_str("{\"text\": \"no id\"}\n");
                    lines.1.push_str("{\"text\": \"no id\"}\n");
                }
                _ => {
                    let text = format!("w{}", random.below(5));
                    let mut record = json!({"_id": format!("d{at}"), "text": text});
                    lines.0.push_str(&format!("{record}\n"));
                    record["vec"] = json!(row);
                    lines.1.push_str(&format!("{record}\n"));
                }
            }
            rows.push(row);
        }
        let indexed = |lines: &str, overrides: &[&str], rows: Option<&[Vec<f32>]>| {
            let mut place = Place::empty();
            place.config = config(overrides);
            place.add_input("corpus.jsonl", lines.as_bytes());
            place.vectors = rows.map(|rows| npy(&place.folder.path().join("v.npy"), rows));
            let report = place.build();
            (place, report)
        };
        let (file, by_file) = indexed(&lines.0, &FROM_FILE, Some(&rows));
        let (field, by_field) = indexed(&lines.1, &NO_MODEL, None);
        let (Ok(by_file), Ok(by_field)) = (&by_file, &by_field) else {
            // No record was good.
            prop_assert!(by_file.is_err() && by_field.is_err());
            return Ok(());
        };
        prop_assert_eq!(by_file.documents, by_field.documents);
        prop_assert_eq!(by_file.problems, by_field.problems);
        let (file, field) = (file.open(), field.open());
        for _ in 0..4 {
            let asked: Vec<f32> = (0..3).map(|_| random.below(7) as f32 + 1.0).collect();
            prop_assert_eq!(near(&file, &asked), near(&field, &asked));
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}
