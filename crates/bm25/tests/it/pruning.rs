//! Search passes over most of a large index, and still finds what scoring every document finds.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use proptest::prelude::*;
use treffer_bm25::{Analyzer, Bm25Config, Bm25Index, Bm25Part, Fields};
use treffer_types::{DocId, Score};

use crate::support::{Doc, Sequence, build, config, plain, weighted};

/// Documents in which some words are frequent, lengths differ much, and many are alike.
fn corpus(n: u32, words: &[&str], seed: u64) -> Vec<Doc> {
    let mut sequence = Sequence(seed);
    let mut docs: Vec<Doc> = Vec::new();
    for doc in 0..n {
        if doc > 10 && sequence.below(3) == 0 {
            // Ties.
            let (_, title, text) = docs[sequence.below(u64::from(doc)) as usize].clone();
            docs.push((doc, title, text));
            continue;
        }
        let mut text = |most: u64| {
            let mut text = String::new();
            for _ in 0..sequence.below(most) {
                // The first words are in most documents, the last in few.
                let n_words = 1 + sequence.below(words.len() as u64);
                let word = words[sequence.below(n_words) as usize];
                let n = if sequence.below(400) == 0 {
                    300
                } else {
                    1 + sequence.below(3)
                };
                for _ in 0..n {
                    text.push_str(word);
                    text.push(' ');
                }
            }
            text
        };
        let most = if doc % 100 == 0 { 200 } else { 12 };
        docs.push((doc, text(3), text(most)));
    }
    docs
}

const PLAIN: [&str; 16] = [
    "aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii", "jj", "kk", "ll", "mm", "nn", "a-1", "oo",
];
const GERMAN: [&str; 10] = [
    "Labor",
    "Schrank",
    "Laborschrank",
    "Kühlschrank",
    "Kühl",
    "Wohnung",
    "Laborkühlschrank",
    "Brand",
    "Wohnungsbrand",
    "Kühl-Schrank",
];

/// Scores every document, drops what is not allowed, and sorts.
fn exhaustive(
    index: &Bm25Index,
    live: &[DocId],
    query: &str,
    allowed: Option<&FixedBitSet>,
) -> Vec<(DocId, Score)> {
    let scores = index.score(query, live).unwrap();
    let mut all: Vec<(DocId, Score)> = live
        .iter()
        .copied()
        .zip(scores)
        .filter(|(doc, score)| {
            *score > Score::ZERO && allowed.is_none_or(|allowed| allowed.contains(doc.0 as usize))
        })
        .collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

fn rows(n: usize, one_in: u64, seed: u64) -> FixedBitSet {
    let mut sequence = Sequence(seed);
    let mut rows = FixedBitSet::with_capacity(n);
    for row in 0..n {
        rows.set(row, sequence.below(one_in) == 0);
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_search_finds_what_scoring_everything_finds(
        seed in any::<u64>(),
        is_german in any::<bool>(),
        fields in prop_oneof![
            Just(Fields::Concatenated),
            (0.1f32..3.0, 0.1f32..3.0).prop_map(|(title, text)| Fields::Weighted { title, text }),
            Just(Fields::Weighted { title: 0.0, text: 1.0 }),
        ],
        settings in prop::collection::vec((0.0f32..3.0, 0.0f32..=1.0), 3),
        one_in in prop::sample::select(vec![2u64, 10, 100]),
    ) {
        const N: u32 = 6000;
        let (analyzer, words) = if is_german {
            (Analyzer::German, GERMAN.as_slice())
        } else {
            (Analyzer::Plain, PLAIN.as_slice())
        };
        let docs = corpus(N, words, seed);
        let built = config(analyzer, fields);
        let dir = tempfile::tempdir().unwrap();
        build(dir.path(), &built, &docs);
        let deleted = rows(N as usize, one_in, seed ^ 1);
        let sets = [1, 7, 80, 2000].map(|one_in| rows(N as usize, one_in, seed ^ 2));
        // Neighbors.
        let mut few = FixedBitSet::with_capacity(N as usize);
        few.insert_range(3000..3300);
        let allowed: Vec<Option<&FixedBitSet>> =
            sets.iter().chain([&few]).map(Some).chain([None]).collect();
        let mut sequence = Sequence(seed ^ 3);
        for (i, &(k1, b)) in settings.iter().enumerate() {
            let config = Bm25Config { k1, b, ..built.clone() };
            let deleted = (i > 0).then(|| Arc::new(deleted.clone()));
            let live = (0..N).filter(|&row| {
                deleted.as_ref().is_none_or(|deleted| !deleted.contains(row as usize))
            });
            let live: Vec<DocId> = live.map(DocId).collect();
            let part = Bm25Part { dir: dir.path(), first: 0, deleted };
            let index = Bm25Index::open(&[part], &config).unwrap();
            for _ in 0..6 {
                let n_words = 1 + sequence.below(4);
                let words: Vec<&str> = (0..n_words)
                    .map(|_| words[sequence.below(words.len() as u64) as usize])
                    .collect();
                let query = words.join(" ");
                for allowed in &allowed {
                    let expected = exhaustive(&index, &live, &query, *allowed);
                    for depth in [1, 3, 40, 700, N as usize] {
                        let found = index.search(&query, depth, *allowed).unwrap();
                        let expected = &expected[..depth.min(expected.len())];
                        prop_assert_eq!(&found[..], expected, "{} {} {:?}", query, depth, config);
                    }
                }
            }
        }
    }
}

/// Bounds of frequencies that a byte does not hold, and of lengths that no other document has.
#[test]
fn a_document_far_from_all_others_is_found() {
    for config in [plain(), weighted(2.0, 1.0)] {
        let docs: Vec<Doc> = (0..3000)
            .map(|doc| {
                let text = match doc {
                    1500 => "x y ".repeat(100_000),
                    2900 => "x".to_owned(),
                    _ => format!("x {}", "y ".repeat(40)),
                };
                (doc, String::new(), text)
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        build(dir.path(), &config, &docs);
        for (k1, b, first) in [(1.2, 0.0, 1500), (1.2, 1.0, 2900), (50.0, 0.1, 1500)] {
            let config = Bm25Config {
                k1,
                b,
                ..config.clone()
            };
            let index = Bm25Index::open_folder(dir.path(), &config).unwrap();
            let all: Vec<DocId> = (0..3000).map(DocId).collect();
            let expected = exhaustive(&index, &all, "x", None);
            assert_eq!(expected[0].0, DocId(first), "{k1} {b}");
            for depth in [1, 2, 5] {
                assert_eq!(index.search("x", depth, None).unwrap(), expected[..depth]);
            }
        }
    }
}
