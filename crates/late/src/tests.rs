//! Indexes of token vectors against the definition of MaxSim.

use std::path::Path;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use tempfile::TempDir;
use treffer_kernels::{Isa, Level};
use treffer_types::{DocId, NoProgress, PassageId, Score};

use crate::{Compression, Error, LateIndex, LatePart, LateWriter, Learned, Storage};

mod damage;
mod retrieval;

/// Values of a token in these tests.
const WIDTH: usize = 6;

/// Pseudo-random numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = (self.0.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(1);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    /// Unit vectors, one after the other.
    pub(crate) fn tokens(&mut self, n: usize) -> Vec<f32> {
        let mut all = Vec::new();
        for _ in 0..n {
            let mut one: Vec<f32> = (0..WIDTH)
                .map(|_| self.next() as f32 / (1_u64 << 30) as f32 - 1.0)
                .collect();
            crate::projection::normalize(&mut one);
            all.extend(one);
        }
        all
    }
}

/// Documents of one to three passages of one to nine tokens.
pub(crate) fn documents(n: usize, seed: u64) -> Vec<Vec<Vec<f32>>> {
    let mut random = Random(seed);
    let passage = |random: &mut Random| {
        let n = 1 + random.below(9);
        random.tokens(n)
    };
    (0..n)
        .map(|_| {
            let n = 1 + random.below(3);
            (0..n).map(|_| passage(&mut random)).collect()
        })
        .collect()
}

pub(crate) fn id(doc: usize, passage: usize) -> PassageId {
    PassageId {
        doc: DocId(doc as u32),
        passage: passage as u32,
    }
}

pub(crate) fn write(
    dir: &Path,
    documents: &[Vec<Vec<f32>>],
    compression: &Compression,
    learned: Learned,
) {
    let writer = LateWriter::create(dir, WIDTH, compression, learned).unwrap();
    let mut writer = writer.lists_from(1);
    for (doc, passages) in documents.iter().enumerate() {
        for (passage, tokens) in passages.iter().enumerate() {
            writer.add(id(doc, passage), tokens).unwrap();
        }
    }
    writer.finish(&NoProgress).unwrap();
}

/// What a compression needs, learned from all documents.
pub(crate) fn learn(documents: &[Vec<Vec<f32>>], compression: &Compression) -> Learned {
    Learned::from_sample(&documents.concat(), WIDTH, compression, 1000).unwrap()
}

pub(crate) fn build(
    documents: &[Vec<Vec<f32>>],
    compression: &Compression,
) -> (TempDir, LateIndex) {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        documents,
        compression,
        learn(documents, compression),
    );
    let index = LateIndex::open_folder(dir.path()).unwrap();
    (dir, index)
}

pub(crate) fn problems(index: &LateIndex) -> Vec<String> {
    let mut problems = Vec::new();
    index.verify(&mut |path, what| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        problems.push(format!("{name}: {what}"));
    });
    problems
}

/// The definition: the mean over the query's tokens of the greatest product.
fn naive(query: &[f32], passage: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    let tokens = query.chunks_exact(WIDTH);
    let n = tokens.len() as f64;
    let greatest = tokens.map(|token| {
        let others = passage.chunks_exact(WIDTH).map(|other| dot(token, other));
        others.fold(f64::NEG_INFINITY, f64::max)
    });
    greatest.sum::<f64>() / n
}

fn all_scores(index: &LateIndex, query: &[f32], n: usize) -> Vec<(PassageId, Score)> {
    let docs: Vec<DocId> = (0..n as u32).map(DocId).collect();
    let query = index.query(query).unwrap();
    index.score_docs(&query, &docs).unwrap()
}

const FORMS: [Compression; 9] = [
    Compression {
        storage: Storage::F16,
        dimension: None,
        pool: 1,
    },
    Compression {
        storage: Storage::Int8,
        dimension: None,
        pool: 1,
    },
    Compression {
        storage: Storage::Int8,
        dimension: Some(4),
        pool: 1,
    },
    Compression {
        storage: Storage::F16,
        dimension: Some(3),
        pool: 2,
    },
    Compression {
        storage: Storage::Int4,
        dimension: None,
        pool: 1,
    },
    // Odd, so that half a byte is left over.
    Compression {
        storage: Storage::Int4,
        dimension: Some(3),
        pool: 1,
    },
    Compression {
        storage: Storage::Residual2,
        dimension: None,
        pool: 1,
    },
    Compression {
        storage: Storage::Residual1,
        dimension: None,
        pool: 1,
    },
    Compression {
        storage: Storage::Residual2,
        dimension: Some(3),
        pool: 2,
    },
];

#[test]
fn scores_are_those_of_the_definition() {
    let documents = documents(30, 1);
    let query = Random(2).tokens(5);
    for (compression, tolerance) in [
        (&FORMS[0], 1e-3),
        (&FORMS[1], 2e-2),
        (&FORMS[4], 0.15),
        (&FORMS[6], 0.3),
        (&FORMS[7], 0.45),
    ] {
        let (_dir, index) = build(&documents, compression);
        assert_eq!(index.width(), Some(WIDTH));
        let tokens: usize = documents.concat().iter().map(|one| one.len() / WIDTH).sum();
        assert_eq!(
            (index.len(), index.tokens()),
            (documents.concat().len(), tokens)
        );
        let mut scores = all_scores(&index, &query, 31).into_iter();
        for (doc, passages) in documents.iter().enumerate() {
            let known: Vec<PassageId> = (0..passages.len()).map(|n| id(doc, n)).collect();
            assert_eq!(index.passages_of(DocId(doc as u32)).unwrap(), known);
            for (passage, tokens) in passages.iter().enumerate() {
                let (found, score) = scores.next().unwrap();
                assert_eq!(found, id(doc, passage));
                let expected = naive(&query, tokens);
                assert!((f64::from(score.value()) - expected).abs() < tolerance);
            }
        }
        assert_eq!(scores.next(), None);
        assert!(problems(&index).is_empty());
    }
}

#[test]
fn a_projection_that_loses_nothing_changes_nothing() {
    // All tokens lie in four dimensions.
    let mut documents = documents(20, 3);
    let mut query = Random(4).tokens(4);
    let flatten = |tokens: &mut Vec<f32>| {
        for token in tokens.chunks_exact_mut(WIDTH) {
            token[1] = 0.0;
            token[4] = 0.0;
            crate::projection::normalize(token);
        }
    };
    documents.iter_mut().flatten().for_each(flatten);
    flatten(&mut query);
    let (_dir, whole) = build(&documents, &FORMS[0]);
    let (_dir, narrow) = build(
        &documents,
        &Compression {
            dimension: Some(4),
            ..FORMS[0]
        },
    );
    let pairs = all_scores(&whole, &query, 20).into_iter();
    for (whole, narrow) in pairs.zip(all_scores(&narrow, &query, 20)) {
        assert_eq!(whole.0, narrow.0);
        assert!((whole.1.value() - narrow.1.value()).abs() < 2e-3);
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let documents = documents(20, 5);
    let query = Random(6).tokens(19);
    let docs: Vec<DocId> = (0..20).map(DocId).collect();
    for compression in FORMS {
        let (_dir, index) = build(&documents, &compression);
        let found: Vec<_> = Level::ALL
            .into_iter()
            .filter_map(Isa::get)
            .map(|isa| {
                let query = index.query_on(isa, &query).unwrap();
                index.score_docs(&query, &docs).unwrap()
            })
            .collect();
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn the_mean_of_an_alignment_is_the_score() {
    let documents = documents(12, 30);
    let query = Random(31).tokens(4);
    for compression in FORMS {
        let (_dir, index) = build(&documents, &compression);
        for (passage, score) in all_scores(&index, &query, 12) {
            let alignment = index.align(&query, passage).unwrap();
            let kept = index.tokens_of(passage).unwrap().unwrap();
            assert!(alignment.iter().all(|one| (one.token as usize) < kept));
            let sum: f32 = alignment.iter().map(|one| one.product).sum();
            assert!((sum / 4.0 - score.value()).abs() < 2e-2, "{compression:?}");
        }
        assert!(index.align(&query, id(99, 0)).unwrap().is_empty());
        assert_eq!(index.tokens_of(id(99, 0)).unwrap(), None);
        let text = &documents[0][0];
        let alignment = index.align_text(&text[..WIDTH], text).unwrap();
        assert_eq!(alignment[0].token, 0);
        assert!((alignment[0].product - 1.0).abs() < 1e-3);
    }
}

#[test]
fn ranking_everything_is_scoring_everything_in_order() {
    let mut documents = documents(40, 7);
    documents[33] = documents[2].clone(); // a tie
    let (_dir, index) = build(&documents, &FORMS[1]);
    let query = Random(8).tokens(3);
    let mut expected = all_scores(&index, &query, 40);
    expected.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let query = index.query(&query).unwrap();
    assert_eq!(index.rank_all(&query, None).unwrap(), expected);
    let mut allowed = FixedBitSet::with_capacity(40);
    allowed.insert_range(5..9);
    expected.retain(|(passage, _)| (5..9).contains(&passage.doc.0));
    assert_eq!(index.rank_all(&query, Some(&allowed)).unwrap(), expected);
}

#[test]
fn parts_deletions_and_copies_score_as_one_index() {
    let documents = documents(24, 9);
    let query = Random(10).tokens(4);
    for compression in FORMS {
        let learned = learn(&documents, &compression);
        let at_once = tempfile::tempdir().unwrap();
        write(at_once.path(), &documents, &compression, learned.clone());
        let at_once = LateIndex::open_folder(at_once.path()).unwrap();

        let folders: Vec<TempDir> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut deleted = FixedBitSet::with_capacity(24);
        for doc in [0, 7, 8, 13, 23] {
            deleted.insert(doc);
        }
        let mut parts = Vec::new();
        for (i, folder) in folders.iter().enumerate() {
            write(
                folder.path(),
                &documents[8 * i..8 * i + 8],
                &compression,
                learned.clone(),
            );
            let of_part: FixedBitSet = deleted
                .ones()
                .filter(|doc| doc / 8 == i)
                .map(|doc| doc % 8)
                .collect();
            parts.push(LatePart {
                dir: folder.path(),
                first_doc: 8 * i as u32,
                deleted: Some(Arc::new(of_part)),
            });
        }
        let index = LateIndex::open(&parts).unwrap();
        let mut expected = all_scores(&at_once, &query, 24);
        expected.retain(|(passage, _)| !deleted.contains(passage.doc.0 as usize));
        assert_eq!(all_scores(&index, &query, 24), expected);
        assert_eq!(index.len(), expected.len());
        assert!(index.passages_of(DocId(7)).unwrap().is_empty());

        let copy = tempfile::tempdir().unwrap();
        let mut writer =
            LateWriter::create(copy.path(), WIDTH, &compression, index.learned()).unwrap();
        assert_eq!(writer.copy_from(&index, |old| old).unwrap(), expected.len());
        assert!(writer.copy(&index, id(1, 0), id(24, 0)).unwrap());
        assert!(!writer.copy(&index, id(7, 0), id(25, 0)).unwrap());
        writer.finish(&NoProgress).unwrap();
        let copied = LateIndex::open_folder(copy.path()).unwrap();
        let first = expected[0].1; // of document 1, the first that is not deleted
        let mut with_copy = expected.clone();
        with_copy.push((id(24, 0), first));
        assert_eq!(all_scores(&copied, &query, 25), with_copy);
    }
}

#[test]
fn what_cannot_be_indexed_or_compared_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let create = |width, compression| {
        LateWriter::create(
            &dir.path().join("new"),
            width,
            &compression,
            Learned::default(),
        )
    };
    let message = |result: Result<LateWriter, Error>| result.unwrap_err().to_string();
    let dimension = |dimension| Compression {
        dimension,
        ..FORMS[0]
    };
    assert!(message(create(1, FORMS[0])).contains("tokens of 1 values"));
    assert!(message(create(WIDTH, dimension(Some(6)))).contains("from 2 to 5"));
    assert!(message(create(WIDTH, dimension(Some(3)))).contains("projection"));
    let pool = Compression {
        pool: 17,
        ..FORMS[0]
    };
    assert!(message(create(WIDTH, pool)).contains("`late.pool` is 17"));
    assert!(message(create(WIDTH, FORMS[6])).contains("centroids are missing"));
    let others = learn(&documents(9, 1), &FORMS[7]);
    let other = LateWriter::create(&dir.path().join("new"), WIDTH, &FORMS[6], others);
    assert!(message(other).contains("for 6 values in 1 bits"));

    let documents = documents(3, 11);
    let (folder, index) = build(&documents, &FORMS[0]);
    assert!(matches!(
        LateWriter::create(folder.path(), WIDTH, &FORMS[0], Learned::default()),
        Err(Error::Exists { .. })
    ));
    let mut writer = create(WIDTH, FORMS[0]).unwrap();
    let token = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    writer.add(id(1, 0), &token).unwrap();
    for (passage, values, words) in [
        (id(1, 0), &token[..], "was added after"),
        (id(2, 0), &token[..5], "not whole tokens of 6 values"),
        (id(2, 0), &[], "not whole tokens"),
        (id(2, 0), &[0.5; 6], "length 1.22"),
        (id(2, 0), &[f32::NAN; 6], "length NaN"),
    ] {
        let error = writer.add(passage, values).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    writer.add(id(2, 0), &token).unwrap();
    for query in [&token[..3], &[], &[0.3; 12]] {
        assert!(index.query(query).is_err());
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let documents = documents(12, 12);
    let folders: Vec<(TempDir, LateIndex)> =
        FORMS.iter().map(|form| build(&documents, form)).collect();
    let part = |at: usize, first_doc| LatePart {
        dir: folders[at].0.path(),
        first_doc,
        deleted: None,
    };
    for (one, other) in [
        (0, 1),
        (1, 2),
        (2, 3),
        (1, 4),
        (4, 5),
        (4, 6),
        (6, 7),
        (6, 8),
    ] {
        let mixed = LateIndex::open(&[part(one, 0), part(other, 100)]);
        assert!(matches!(mixed, Err(Error::Mixed { .. })));
        let dir = tempfile::tempdir().unwrap();
        let learned = folders[one].1.learned();
        let mut writer = LateWriter::create(dir.path(), WIDTH, &FORMS[one], learned).unwrap();
        assert!(writer.copy_from(&folders[other].1, |old| old).is_err());
    }
    let overlap = LateIndex::open(&[part(0, 0), part(0, 11)]);
    assert!(matches!(overlap, Err(Error::Overlap { .. })));
    let none = LateIndex::open(&[]).unwrap();
    let query = none.query(&[1.0]).unwrap();
    assert!(none.is_empty() && none.rank_all(&query, None).unwrap().is_empty());
}
