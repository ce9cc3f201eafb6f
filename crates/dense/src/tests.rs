//! Building, searching and reloading. What damage gets is in [`damage`], how the graph
//! compares with the library's in [`graph`], parts in [`parts`], filters in [`filters`].

mod damage;
mod filters;
mod graph;
mod parts;

use std::cmp::Ordering;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use treffer_types::{DocId, NoProgress, PassageId, Progress, Score};

use crate::{DenseIndex, DenseWriter, Error, GraphConfig, Storage};

const CONFIG: GraphConfig = GraphConfig::new(16, 100);

/// SplitMix64: seeded numbers for test vectors.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A vector whose values are sums of uniform numbers: nearly any direction alike.
    fn vector(&mut self, dimension: usize) -> Vec<f32> {
        let mut value = || {
            (0..4)
                .map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5)
                .sum::<f32>()
        };
        unit((0..dimension).map(|_| value()).collect())
    }

    /// `center` moved by about `distance`.
    fn near(&mut self, center: &[f32], distance: f32) -> Vec<f32> {
        let away = self.vector(center.len());
        unit(
            center
                .iter()
                .zip(away)
                .map(|(x, y)| x + distance * y)
                .collect(),
        )
    }

    fn vectors(&mut self, n: usize, dimension: usize) -> Vec<Vec<f32>> {
        (0..n).map(|_| self.vector(dimension)).collect()
    }
}

fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
    values.iter_mut().for_each(|x| *x /= length);
    values
}

/// Document `i / 3`, passage `i % 3`: several passages for each document.
fn passage(i: usize) -> PassageId {
    PassageId {
        doc: DocId((i / 3) as u32),
        passage: (i % 3) as u32,
    }
}

fn write(dir: &Path, vectors: &[Vec<f32>], config: &GraphConfig) {
    let dimension = vectors.first().map_or(8, Vec::len);
    let mut writer = DenseWriter::create(dir, dimension, config, Storage::F32)
        .unwrap()
        .graph_from(1);
    for (i, vector) in vectors.iter().enumerate() {
        writer.add(passage(i), vector).unwrap();
    }
    writer.finish(&NoProgress).unwrap();
}

fn build(vectors: &[Vec<f32>]) -> (TempDir, DenseIndex) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), vectors, &CONFIG);
    let index = DenseIndex::open_folder(dir.path()).unwrap();
    (dir, index)
}

/// What a complete check finds.
fn problems(index: &DenseIndex) -> Vec<String> {
    let mut problems = Vec::new();
    index.verify(&mut |path, reason| {
        let name = path.file_name().unwrap().to_string_lossy();
        problems.push(format!("{name}: {reason}"));
    });
    problems
}

/// Share of the exact best `depth` that the graph finds, over all queries.
fn recall(index: &DenseIndex, queries: &[Vec<f32>], depth: usize, ef_search: usize) -> f64 {
    let mut found = 0;
    for query in queries {
        let exact = index.exact(query, depth, None).unwrap();
        let graph = index.search(query, depth, ef_search, None).unwrap();
        found += exact.iter().filter(|hit| graph.contains(hit)).count();
    }
    found as f64 / (queries.len() * depth) as f64
}

/// The obvious ranking: every score in double precision, sorted.
fn oracle(vectors: &[Vec<f32>], query: &[f32]) -> Vec<(PassageId, f64)> {
    let mut all: Vec<(PassageId, f64)> = vectors
        .iter()
        .enumerate()
        .map(|(i, vector)| {
            let products = vector
                .iter()
                .zip(query)
                .map(|(&x, &y)| f64::from(x) * f64::from(y));
            (passage(i), products.sum())
        })
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

fn bits(hits: &[(PassageId, Score)]) -> Vec<(PassageId, u32)> {
    hits.iter()
        .map(|(id, score)| (*id, score.value().to_bits()))
        .collect()
}

#[test]
fn the_graph_finds_nearly_all_of_the_best_among_random_vectors() {
    let mut random = Random(1);
    let (_dir, index) = build(&random.vectors(1500, 24));
    let queries = random.vectors(30, 24);
    let found = recall(&index, &queries, 10, 100);
    assert!(found >= 0.95, "recall is {found}");
}

#[test]
fn the_graph_finds_topics_that_came_one_after_the_other() {
    // Tight clusters in corpus order lose whole topics if they are inserted in it.
    let mut random = Random(2);
    let centers = random.vectors(20, 24);
    let vectors: Vec<_> = (0..2000)
        .map(|i| random.near(&centers[i / 100], 0.01))
        .collect();
    let queries: Vec<_> = centers.iter().map(|c| random.near(c, 0.01)).collect();
    let (_dir, index) = build(&vectors);
    let found = recall(&index, &queries, 50, 100);
    assert!(found >= 0.95, "recall is {found}");
}

#[test]
fn exact_agrees_with_the_obvious_ranking() {
    let mut random = Random(3);
    let vectors = random.vectors(300, 19);
    let (_dir, index) = build(&vectors);
    for query in random.vectors(10, 19) {
        let expected = oracle(&vectors, &query);
        let found = index.exact(&query, 300, None).unwrap();
        assert_eq!(found.len(), 300);
        for ((id, score), (expected_id, cosine)) in found.iter().zip(&expected) {
            assert_eq!(id, expected_id);
            assert!((f64::from(score.value()) - cosine).abs() < 1e-6);
        }
    }
}

#[test]
fn search_exact_and_score_agree_bit_for_bit() {
    let mut random = Random(4);
    let (_dir, index) = build(&random.vectors(600, 37));
    for query in random.vectors(10, 37) {
        let all = index.exact(&query, index.len(), None).unwrap();
        let graph = index.search(&query, 20, 200, None).unwrap();
        assert!(graph.iter().all(|hit| all.contains(hit)));
        let passages: Vec<PassageId> = graph.iter().map(|hit| hit.0).collect();
        let scores = index.score(&query, &passages).unwrap();
        let scored: Vec<_> = passages.into_iter().zip(scores).collect();
        assert_eq!(bits(&graph), bits(&scored));
    }
}

#[test]
fn equal_scores_are_ordered_by_passage() {
    let same = unit(vec![1.0, 2.0, 2.0]);
    let (_dir, index) = build(&vec![same.clone(); 40]);
    let expected: Vec<PassageId> = (0..10).map(passage).collect();
    let exact = index.exact(&same, 10, None).unwrap();
    assert_eq!(exact.iter().map(|hit| hit.0).collect::<Vec<_>>(), expected);
    assert_eq!(exact[0].1.value(), 1.0);
    let graph = index.search(&same, 5, 30, None).unwrap();
    assert!(graph.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(graph.len(), 5);
}

#[test]
fn two_builds_are_the_same_byte_for_byte() {
    let vectors = Random(5).vectors(400, 16);
    let (first, _) = build(&vectors);
    let (second, _) = build(&vectors);
    let mut names = 0;
    for entry in std::fs::read_dir(first.path()).unwrap() {
        let name = entry.unwrap().file_name();
        let [a, b] = [&first, &second].map(|dir| std::fs::read(dir.path().join(&name)).unwrap());
        assert!(a == b, "{name:?} differs");
        names += 1;
    }
    assert_eq!(names, 4);
}

#[test]
fn reopening_and_threads_change_nothing() {
    let mut random = Random(6);
    let vectors = random.vectors(500, 16);
    let queries = random.vectors(20, 16);
    let (dir, index) = build(&vectors);
    let again = DenseIndex::open_folder(dir.path()).unwrap();
    let run = |index: &DenseIndex| -> Vec<_> {
        let search = |query: &Vec<f32>| bits(&index.search(query, 10, 50, None).unwrap());
        queries.iter().map(search).collect()
    };
    let alone = run(&index);
    assert_eq!(run(&again), alone);
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|_| scope.spawn(|| run(&index)));
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

#[test]
fn an_empty_index_answers_every_call() {
    let (_dir, index) = build(&[]);
    let query = Random(7).vector(8);
    assert!(index.is_empty());
    assert_eq!((index.len(), index.dimension()), (0, Some(8)));
    assert_eq!(index.search(&query, 10, 10, None).unwrap(), []);
    assert_eq!(index.exact(&query, 10, None).unwrap(), []);
    assert_eq!(index.score(&query, &[]).unwrap(), []);
    assert_eq!(index.passages_of(DocId(0)).unwrap(), []);
    assert_eq!(index.score_docs(&query, &[DocId(0)]).unwrap(), []);
    assert_eq!(problems(&index), [""; 0]);
}

#[test]
fn a_depth_beyond_the_number_of_vectors_gives_them_all() {
    let mut random = Random(8);
    for n in [1, 2, 7] {
        let (_dir, index) = build(&random.vectors(n, 8));
        let query = random.vector(8);
        assert_eq!(index.search(&query, 100, 100, None).unwrap().len(), n);
        assert_eq!(index.exact(&query, 100, None).unwrap().len(), n);
        assert_eq!(index.search(&query, 0, 0, None).unwrap(), []);
        assert_eq!(index.search(&query, 1, 1, None).unwrap().len(), 1);
    }
}

#[test]
fn a_search_narrower_than_its_depth_is_refused_with_both_numbers() {
    let (_dir, index) = build(&Random(9).vectors(5, 8));
    let error = index
        .search(&Random(1).vector(8), 100, 50, None)
        .unwrap_err();
    assert!(matches!(
        error,
        Error::EfBelowDepth {
            ef_search: 50,
            depth: 100
        }
    ));
    let message = error.to_string();
    assert!(message.contains("50") && message.contains("100"));
}

#[test]
fn a_query_that_does_not_fit_is_refused_by_every_method() {
    let (_dir, index) = build(&Random(10).vectors(5, 8));
    for query in [vec![], vec![1.0], vec![0.0; 8], vec![f32::NAN; 8]] {
        assert!(index.search(&query, 1, 1, None).is_err());
        assert!(index.exact(&query, 1, None).is_err());
        assert!(index.score(&query, &[]).is_err());
    }
}

#[test]
fn documents_have_any_number_of_passages() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), 2, &CONFIG, Storage::F32)
        .unwrap()
        .graph_from(1);
    let id = |doc, passage| PassageId {
        doc: DocId(doc),
        passage,
    };
    for passage in [id(1, 0), id(1, 1), id(4, 2), id(9, 0)] {
        writer.add(passage, &[1.0, 0.0]).unwrap();
    }
    writer.finish(&NoProgress).unwrap();
    let index = DenseIndex::open_folder(dir.path()).unwrap();
    let of = |doc| index.passages_of(DocId(doc)).unwrap();
    assert_eq!(of(0), []);
    assert_eq!(of(1), [id(1, 0), id(1, 1)]);
    assert_eq!(of(4), [id(4, 2)]);
    let unknown = index.score(&[0.0, 1.0], &[id(1, 0), id(4, 0)]).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the index has no vector of document 4, passage 0"
    );
    let docs = [9, 2, 1].map(DocId);
    let scored = index.score_docs(&[0.8, 0.6], &docs).unwrap();
    assert_eq!(
        scored.iter().map(|hit| hit.0).collect::<Vec<_>>(),
        [id(9, 0), id(1, 0), id(1, 1)]
    );
    assert!(scored.iter().all(|hit| hit.1.value() == 0.8));
    assert!(index.score_docs(&[0.8, 0.8], &docs).is_err());
}

#[test]
fn a_passage_out_of_order_is_refused_and_the_writer_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), 2, &CONFIG, Storage::F32)
        .unwrap()
        .graph_from(1);
    writer.add(passage(4), &[1.0, 0.0]).unwrap();
    for early in [4, 3] {
        let error = writer.add(passage(early), &[1.0, 0.0]).unwrap_err();
        assert!(matches!(error, Error::Order { .. }), "{error}");
    }
    let error = writer.add(passage(5), &[1.0, 1.0]).unwrap_err();
    assert!(error.to_string().contains("document 1, passage 2"));
    writer.add(passage(5), &[0.0, 1.0]).unwrap();
    writer.finish(&NoProgress).unwrap();
    assert_eq!(DenseIndex::open_folder(dir.path()).unwrap().len(), 2);
}

#[test]
fn a_configuration_out_of_range_never_reaches_the_library() {
    let dir = tempfile::tempdir().unwrap();
    for (m, ef_construction) in [(0, 100), (3, 100), (256, 300), (300, 300), (16, 8)] {
        let config = GraphConfig::new(m, ef_construction);
        let error = DenseWriter::create(dir.path(), 8, &config, Storage::F32).unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error}");
    }
    for dimension in [0, 1, 1 << 20] {
        assert!(DenseWriter::create(dir.path(), dimension, &CONFIG, Storage::F32).is_err());
    }
}

#[test]
fn the_ends_of_the_configuration_work() {
    let mut random = Random(11);
    let vectors = random.vectors(300, 8);
    let query = random.vector(8);
    for (m, ef_construction) in [(4, 4), (255, 255)] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &vectors, &GraphConfig::new(m, ef_construction));
        let index = DenseIndex::open_folder(dir.path()).unwrap();
        let found = index.search(&query, 20, 200, None).unwrap();
        let exact = index.exact(&query, 20, None).unwrap();
        let both = found.iter().filter(|hit| exact.contains(hit)).count();
        assert!(both > 10, "{both} of 20 found with m {m}");
        assert_eq!(problems(&index), [""; 0]);
    }
}

#[test]
fn an_index_is_not_written_over() {
    let (dir, _) = build(&Random(12).vectors(3, 8));
    let error = DenseWriter::create(dir.path(), 8, &CONFIG, Storage::F32).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
}

#[test]
fn a_cancelled_build_leaves_no_index() {
    struct Cancelled;
    impl Progress for Cancelled {
        fn begin(&self, _: &str, _: Option<u64>, _: &str) {}
        fn advance(&self, _: u64) {}
        fn end(&self) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), 8, &CONFIG, Storage::F32)
        .unwrap()
        .graph_from(1);
    for (i, vector) in Random(13).vectors(200, 8).iter().enumerate() {
        writer.add(passage(i), vector).unwrap();
    }
    assert!(matches!(writer.finish(&Cancelled), Err(Error::Cancelled)));
    let error = DenseIndex::open_folder(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
}

#[test]
fn progress_adds_up_to_the_number_of_vectors() {
    struct Count(std::sync::atomic::AtomicU64);
    impl Progress for Count {
        fn begin(&self, _: &str, total: Option<u64>, _: &str) {
            assert_eq!(total, Some(150));
        }
        fn advance(&self, done: u64) {
            self.0.fetch_add(done, std::sync::atomic::Ordering::Relaxed);
        }
        fn end(&self) {}
    }
    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), 8, &CONFIG, Storage::F32)
        .unwrap()
        .graph_from(1);
    for (i, vector) in Random(14).vectors(150, 8).iter().enumerate() {
        writer.add(passage(i), vector).unwrap();
    }
    let count = Count(0.into());
    writer.finish(&count).unwrap();
    assert_eq!(count.0.into_inner(), 150);
}

#[test]
fn an_index_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<DenseIndex>();
    shared::<DenseWriter>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn results_are_sorted_unique_and_as_deep_as_asked(
        seed: u64, n in 1usize..80, depth in 0usize..90, more in 0usize..40,
    ) {
        let mut random = Random(seed);
        let (_dir, index) = build(&random.vectors(n, 6));
        let query = random.vector(6);
        let exact = index.exact(&query, depth, None).unwrap();
        prop_assert_eq!(exact.len(), depth.min(n));
        let hits = index.search(&query, depth, depth + more, None).unwrap();
        prop_assert!(hits.len() <= depth.min(n));
        for hits in [&exact, &hits] {
            let in_order = hits.windows(2).all(|pair| {
                pair[1].1.cmp(&pair[0].1).then(pair[0].0.cmp(&pair[1].0)) == Ordering::Less
            });
            prop_assert!(in_order);
            prop_assert!(hits.iter().all(|hit| hit.1.value().abs() <= 1.0));
        }
    }
}
