//! Retrieval by lists of centroids against its definition, and against scoring everything.

use std::collections::HashSet;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use proptest::prelude::*;
use tempfile::TempDir;
use treffer_kernels::{Isa, Level, dot};
use treffer_types::{DocId, NoProgress, PassageId, Progress, Score};

use super::{FORMS, Random, WIDTH, build, documents, id, learn, problems, write};
use crate::part::Part;
use crate::{Compression, Error, LateIndex, LatePart, LateQuery, LateWriter, Learned, Pruning};

/// Documents of each of two parts.
const N: usize = 20;

/// Two parts, of whose documents some are deleted.
fn parts(compression: &Compression, seed: u64) -> (Vec<TempDir>, LateIndex) {
    let documents = documents(2 * N, seed);
    let learned = learn(&documents, compression);
    let folders: Vec<TempDir> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    for (folder, documents) in folders.iter().zip(documents.chunks(N)) {
        write(folder.path(), documents, compression, learned.clone());
    }
    let deleted: FixedBitSet = [1, 5, 6, 19].into_iter().collect();
    let part = |at: usize| LatePart {
        dir: folders[at].path(),
        first_doc: (at * N) as u32,
        deleted: (at == 1).then(|| Arc::new(deleted.clone())),
    };
    let index = LateIndex::open(&[part(0), part(1)]).unwrap();
    (folders, index)
}

/// The rows of a part that are searched, with their estimates by the definition: for each token of
/// the query the greatest product with a probed centroid in whose list the row is, the least probed
/// one if it is in none.
fn estimated(
    part: &Part,
    query: &LateQuery,
    probes: usize,
    allowed: &FixedBitSet,
) -> Vec<(f32, u32)> {
    let lists = part.lists.as_ref().unwrap();
    let products = query.for_floats().products(lists.centroids().unwrap());
    let members: Vec<HashSet<u32>> = (0..lists.len())
        .map(|centroid| {
            let mut rows = HashSet::new();
            lists
                .for_each(centroid, |row| assert!(rows.insert(row)))
                .unwrap();
            rows
        })
        .collect();
    let mut estimated = Vec::new();
    part.for_each_live(Some(allowed), &mut |row| {
        let mut sum = 0.0;
        for products in products.chunks_exact(lists.len()) {
            let mut order: Vec<usize> = (0..lists.len()).collect();
            order.sort_by(|a, b| products[*b].total_cmp(&products[*a]));
            order.truncate(probes);
            let least = products[*order.last().unwrap()];
            let listed = order
                .iter()
                .find(|centroid| members[**centroid].contains(&row));
            sum += listed.map_or(least, |centroid| products[*centroid]) - least;
        }
        estimated.push((sum, row));
        Ok(())
    })
    .unwrap();
    estimated
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_best_of_those_that_the_lists_promise_most_are_retrieved(
        seed in 0u64..1000,
        form in 0..FORMS.len(),
        tokens in 1usize..6,
        probes in 1usize..9,
        candidates in 1usize..30,
        depth in 1usize..30,
        allowed in prop::collection::vec(any::<bool>(), 2 * N),
    ) {
        let (_folders, index) = parts(&FORMS[form], seed);
        prop_assert!(problems(&index).is_empty());
        let query = index.query(&Random(seed + 1).tokens(tokens)).unwrap();
        let everything: FixedBitSet = (0..2 * N).collect();
        let some: FixedBitSet = (0..2 * N).filter(|doc| allowed[*doc]).collect();
        for (filter, allowed) in [(None, &everything), (Some(&some), &some)] {
            let mut chosen = HashSet::new();
            for part in &index.parts {
                let mut estimated = estimated(part, &query, probes, allowed);
                estimated.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                for (_, row) in estimated.into_iter().take(candidates.max(depth)) {
                    chosen.insert(part.stored(row).unwrap().0);
                }
            }
            let mut expected = index.rank_all(&query, filter).unwrap();
            expected.retain(|(passage, _)| chosen.contains(passage));
            expected.truncate(depth);
            let pruning = Pruning { probes, candidates };
            prop_assert_eq!(&index.retrieve(&query, depth, pruning, filter).unwrap(), &expected);
            // What is asked for is found, however few of the allowed are in the probed lists.
            let all = index.rank_all(&query, filter).unwrap();
            prop_assert_eq!(expected.len(), depth.min(all.len()));
            let pruning = Pruning { probes: usize::MAX, candidates: 1000 };
            let found = index.retrieve(&query, depth, pruning, filter).unwrap();
            prop_assert_eq!(&found[..], &all[..found.len()]);
        }
    }
}

#[test]
fn a_passage_is_in_the_list_of_the_nearest_centroid_of_each_token() {
    for form in [0, 1, 2, 4] {
        let (_dir, index) = build(&documents(30, 40), &FORMS[form]);
        let part = &index.parts[0];
        let lists = part.lists.as_ref().unwrap();
        let centroids = lists.centroids().unwrap();
        let width = part.tokens.width();
        assert!(lists.len() > 5);
        let mut rows_of = vec![HashSet::new(); lists.len()];
        for (centroid, rows) in rows_of.iter_mut().enumerate() {
            lists
                .for_each(centroid, |row| assert!(rows.insert(row)))
                .unwrap();
        }
        let mut values = Vec::new();
        for row in 0..part.passages.len() as u32 {
            part.stored(row).unwrap().1.values(width, &mut values);
            for token in values.chunks_exact(width) {
                let products: Vec<f32> = centroids
                    .chunks_exact(width)
                    .map(|one| dot(one, token))
                    .collect();
                let greatest = products.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let mut listed = (0..lists.len()).filter(|&one| rows_of[one].contains(&row));
                assert!(listed.any(|one| products[one] > greatest - 1e-5));
            }
        }
    }
}

/// Documents of one passage each, of tokens around a few directions, and queries of such tokens.
fn clustered(n: usize, queries: usize) -> (Vec<Vec<Vec<f32>>>, Vec<Vec<f32>>) {
    let mut random = Random(50);
    let middles = random.tokens(60);
    let mut text = |tokens: usize| -> Vec<f32> {
        let mut values = Vec::new();
        for _ in 0..tokens {
            let middle = random.below(60) * WIDTH;
            let noise = random.tokens(1);
            let mut token: Vec<f32> = middles[middle..middle + WIDTH]
                .iter()
                .zip(&noise)
                .map(|(middle, noise)| middle + 0.25 * noise)
                .collect();
            crate::projection::normalize(&mut token);
            values.extend(token);
        }
        values
    };
    let documents = (0..n).map(|_| vec![text(8)]).collect();
    (documents, (0..queries).map(|_| text(4)).collect())
}

fn recall(index: &LateIndex, queries: &[Vec<f32>], pruning: Pruning) -> f64 {
    let ids = |ranking: &[(PassageId, Score)]| -> HashSet<PassageId> {
        ranking.iter().take(10).map(|(id, _)| *id).collect()
    };
    let mut found = 0;
    for query in queries {
        let query = index.query(query).unwrap();
        let exact = ids(&index.rank_all(&query, None).unwrap());
        let retrieved = ids(&index.retrieve(&query, 10, pruning, None).unwrap());
        found += exact.intersection(&retrieved).count();
    }
    found as f64 / (10 * queries.len()) as f64
}

#[test]
fn few_candidates_hold_most_of_the_best() {
    let (documents, queries) = clustered(1000, 20);
    for form in [1, 6] {
        let (_dir, index) = build(&documents, &FORMS[form]);
        let of = |probes, candidates| recall(&index, &queries, Pruning { probes, candidates });
        let (little, much) = (of(1, 10), of(16, 150));
        assert!(little < much && much > 0.9, "{little} {much}");
    }
}

#[test]
fn results_depend_neither_on_the_processor_nor_on_threads() {
    let (documents, queries) = clustered(300, 3);
    let (_dir, index) = build(&documents, &FORMS[1]);
    let pruning = Pruning {
        probes: 4,
        candidates: 40,
    };
    for query in &queries {
        let mut found = Vec::new();
        for isa in Level::ALL.into_iter().filter_map(Isa::get) {
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let query = index.query_on(isa, query).unwrap();
                let retrieve = || index.retrieve(&query, 10, pruning, None).unwrap();
                found.push(pool.build().unwrap().install(retrieve));
            }
        }
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    }
    let (again, _) = build(&documents, &FORMS[1]);
    for name in ["lists", "list-centroids"] {
        let read = |dir: &TempDir| std::fs::read(dir.path().join(name)).unwrap();
        assert_eq!(read(&_dir), read(&again));
    }
}

#[test]
fn few_passages_have_no_lists_and_a_copy_of_many_has_them() {
    let (documents, queries) = clustered(600, 1);
    let of = |documents: &[Vec<Vec<f32>>], from: Option<usize>| {
        let dir = tempfile::tempdir().unwrap();
        let writer = LateWriter::create(dir.path(), WIDTH, &FORMS[1], Learned::default());
        let mut writer = writer.unwrap();
        if let Some(from) = from {
            writer = writer.lists_from(from);
        }
        for (doc, passages) in documents.iter().enumerate() {
            writer.add(id(doc, 0), &passages[0]).unwrap();
        }
        writer.finish(&NoProgress).unwrap();
        let index = LateIndex::open_folder(dir.path()).unwrap();
        (dir, index)
    };
    let (_few, few) = of(&documents[..500], None);
    assert!(few.parts[0].lists.is_none());
    assert_eq!(few.unlisted(), 0);
    // As an earlier version wrote it.
    let (_old, old) = of(&documents, Some(usize::MAX));
    assert_eq!(old.unlisted(), 600);
    let query = old.query(&queries[0]).unwrap();
    let pruning = Pruning {
        probes: 1,
        candidates: 1,
    };
    let found = old.retrieve(&query, 5, pruning, None).unwrap();
    assert_eq!(found, old.rank_all(&query, None).unwrap()[..5]);

    let dir = tempfile::tempdir().unwrap();
    let mut writer = LateWriter::create(dir.path(), WIDTH, &FORMS[1], Learned::default()).unwrap();
    writer.copy_from(&old, |passage| passage).unwrap();
    writer.finish(&NoProgress).unwrap();
    let copy = LateIndex::open_folder(dir.path()).unwrap();
    assert!(copy.parts[0].lists.is_some() && copy.unlisted() == 0);
    assert!(problems(&copy).is_empty());
}

#[test]
fn a_stop_is_heeded_while_lists_are_made() {
    struct Stopping;
    impl Progress for Stopping {
        fn begin(&self, _step: &str, _total: Option<u64>, _unit: &str) {}
        fn advance(&self, _done: u64) {}
        fn end(&self) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let writer = LateWriter::create(dir.path(), WIDTH, &FORMS[1], Learned::default()).unwrap();
    let mut writer = writer.lists_from(1);
    writer
        .add(PassageId::whole(DocId(0)), &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        .unwrap();
    assert!(matches!(writer.finish(&Stopping), Err(Error::Cancelled)));
}
