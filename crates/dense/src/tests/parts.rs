//! Indexes of several parts, with deleted documents and under filters, against the obvious
//! computation.

use std::path::Path;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use proptest::prelude::*;
use tempfile::TempDir;
use treffer_types::{DocId, NoProgress, PassageId, Score};

use super::{CONFIG, Random, bits, passage, problems, unit};
use crate::{DenseIndex, DensePart, DenseWriter, Error, Storage};

/// A folder of vectors whose documents are numbered from 0.
fn folder(rows: &[(PassageId, Vec<f32>)], dimension: usize, graph_from: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), dimension, &CONFIG, Storage::F32)
        .unwrap()
        .graph_from(graph_from);
    for (passage, vector) in rows {
        writer.add(*passage, vector).unwrap();
    }
    writer.finish(&NoProgress).unwrap();
    dir
}

fn part(dir: &Path, first_doc: u32) -> DensePart<'_> {
    DensePart {
        dir,
        first_doc,
        deleted: None,
    }
}

fn set(docs: impl IntoIterator<Item = usize>) -> FixedBitSet {
    let mut set = FixedBitSet::new();
    docs.into_iter().for_each(|doc| set.grow_and_insert(doc));
    set
}

/// Documents in parts, and the folders that hold them.
struct World {
    /// By global number.
    rows: Vec<(PassageId, Vec<f32>)>,
    folders: Vec<(TempDir, u32, Option<Arc<FixedBitSet>>)>,
    docs: u32,
}

impl World {
    /// Document `d` has `d % 3` passages, so some have none.
    fn new(random: &mut Random, sizes: &[u32], dimension: usize, graph_from: usize) -> Self {
        let mut world = World {
            rows: Vec::new(),
            folders: Vec::new(),
            docs: 0,
        };
        for &size in sizes {
            let first = world.docs;
            let mut rows = Vec::new();
            for doc in 0..size {
                for passage in 0..(first + doc) % 3 {
                    let doc = DocId(doc);
                    rows.push((PassageId { doc, passage }, random.vector(dimension)));
                }
            }
            let dir = folder(&rows, dimension, graph_from);
            world.folders.push((dir, first, None));
            world.rows.extend(rows.into_iter().map(|(id, vector)| {
                let doc = DocId(first + id.doc.0);
                (PassageId { doc, ..id }, vector)
            }));
            world.docs += size;
        }
        world
    }

    /// Deletes documents by their global numbers.
    fn delete(&mut self, docs: &FixedBitSet) {
        let ends = self.folders.iter().skip(1).map(|folder| folder.1 as usize);
        let ends: Vec<usize> = ends.chain([self.docs as usize]).collect();
        for ((_, first, deleted), end) in self.folders.iter_mut().zip(ends) {
            let first = *first as usize;
            let local = (first..end).filter(|&doc| docs.contains(doc));
            *deleted = Some(Arc::new(set(local.map(|doc| doc - first))));
        }
        self.rows
            .retain(|(id, _)| !docs.contains(id.doc.0 as usize));
    }

    fn open(&self) -> DenseIndex {
        let parts: Vec<DensePart<'_>> = self
            .folders
            .iter()
            .map(|(dir, first_doc, deleted)| DensePart {
                dir: dir.path(),
                first_doc: *first_doc,
                deleted: deleted.clone(),
            })
            .collect();
        DenseIndex::open(&parts).unwrap()
    }

    /// One folder of all rows.
    fn as_one(&self, dimension: usize) -> (TempDir, DenseIndex) {
        let dir = folder(&self.rows, dimension, 1);
        let index = DenseIndex::open_folder(dir.path()).unwrap();
        (dir, index)
    }
}

fn some_docs(random: &mut Random, docs: u32, one_in: u64) -> FixedBitSet {
    set((0..docs as usize).filter(|_| random.next().is_multiple_of(one_in)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn parts_answer_as_one_index_of_what_is_not_deleted(
        seed: u64,
        sizes in prop::collection::vec(0u32..40, 0..5),
        one_in in 1u64..6,
        depth in 0usize..50,
    ) {
        let mut random = Random(seed);
        let mut world = World::new(&mut random, &sizes, 6, 20);
        world.delete(&some_docs(&mut random, world.docs, one_in));
        let (_dir, one) = world.as_one(6);
        let parts = world.open();
        prop_assert_eq!(parts.len(), world.rows.len());
        prop_assert_eq!(problems(&parts), [""; 0]);
        let query = random.vector(6);
        let all: Vec<DocId> = (0..world.docs + 2).map(DocId).collect();
        let scored = one.score_docs(&query, &all).unwrap();
        prop_assert_eq!(bits(&parts.score_docs(&query, &all).unwrap()), bits(&scored));
        for &doc in &all {
            prop_assert_eq!(parts.passages_of(doc).unwrap(), one.passages_of(doc).unwrap());
        }
        for (passage, vector) in &world.rows {
            prop_assert_eq!(parts.vector(*passage).unwrap(), Some(vector.clone()));
            let scores = parts.score(&query, &[*passage]).unwrap();
            prop_assert_eq!(scores, one.score(&query, &[*passage]).unwrap());
        }
        for allowed in [None, Some(some_docs(&mut random, world.docs, 2))] {
            let exact = one.exact(&query, depth, allowed.as_ref()).unwrap();
            let found = parts.exact(&query, depth, allowed.as_ref()).unwrap();
            prop_assert_eq!(bits(&found), bits(&exact));
        }
    }

    #[test]
    fn a_search_finds_only_what_is_allowed_and_as_much_as_there_is(
        seed: u64,
        sizes in prop::collection::vec(0u32..120, 1..4),
        one_in in 1u64..20,
        depth in 1usize..20,
        more in 0usize..5,
    ) {
        let mut random = Random(seed);
        let mut world = World::new(&mut random, &sizes, 4, 1);
        world.delete(&some_docs(&mut random, world.docs, 5));
        let allowed = some_docs(&mut random, world.docs, one_in);
        let index = world.open();
        let query = random.vector(4);
        let exact = index.exact(&query, usize::MAX, Some(&allowed)).unwrap();
        let is_allowed = |id: PassageId| allowed.contains(id.doc.0 as usize);
        let expected = world.rows.iter().filter(|row| is_allowed(row.0)).count();
        prop_assert_eq!(exact.len(), expected);
        let found = index.search(&query, depth, depth + more, Some(&allowed)).unwrap();
        prop_assert_eq!(found.len(), depth.min(exact.len()));
        prop_assert!(found.is_sorted_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)).is_lt()));
        prop_assert!(found.iter().all(|hit| exact.contains(hit)));
    }
}

#[test]
fn deleted_documents_are_unknown() {
    let mut random = Random(60);
    let mut world = World::new(&mut random, &[30, 30], 8, 1);
    let gone = world.rows[50].clone();
    world.delete(&set([gone.0.doc.0 as usize]));
    let index = world.open();
    assert_eq!(index.vector(gone.0).unwrap(), None);
    assert_eq!(index.passages_of(gone.0.doc).unwrap(), []);
    let error = index.score(&gone.1, &[gone.0]).unwrap_err();
    assert!(matches!(error, Error::UnknownPassage { .. }), "{error}");
    let found = index.search(&gone.1, 40, 40, None).unwrap();
    assert_eq!(found.len(), 40);
    assert!(found.iter().all(|hit| hit.0.doc != gone.0.doc));
}

#[test]
fn an_index_without_parts_is_empty() {
    let index = DenseIndex::open(&[]).unwrap();
    assert!(index.is_empty());
    assert_eq!(index.dimension(), None);
    let query = Random(61).vector(8);
    assert_eq!(index.search(&query, 10, 10, None).unwrap(), []);
    assert_eq!(index.exact(&query, 10, Some(&set([3]))).unwrap(), []);
    assert_eq!(index.score_docs(&query, &[DocId(0)]).unwrap(), []);
    assert_eq!(index.vector(passage(0)).unwrap(), None);
    assert!(index.search(&[1.0, 1.0], 10, 10, None).is_err());
    assert_eq!(problems(&index), [""; 0]);
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let rows = |n: u32, dimension| -> Vec<_> {
        let vector = unit(vec![1.0; dimension]);
        (0..n)
            .map(|doc| (PassageId::whole(DocId(doc)), vector.clone()))
            .collect()
    };
    let [three, other] = [folder(&rows(3, 4), 4, 1), folder(&rows(2, 5), 5, 1)];
    let empty = folder(&[], 4, 1);
    let error = DenseIndex::open(&[part(three.path(), 0), part(other.path(), 3)]).unwrap_err();
    assert!(
        error.to_string().contains("have 5 dimensions") && !error.is_damage(),
        "{error}"
    );
    let error = DenseIndex::open(&[part(three.path(), 5), part(three.path(), 3)]).unwrap_err();
    assert!(error.to_string().contains("have a document 5"), "{error}");
    let error = DenseIndex::open(&[part(three.path(), u32::MAX - 1)]).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    // In any order, and an empty part anywhere.
    let parts = [
        part(three.path(), u32::MAX - 2),
        part(empty.path(), 1),
        part(three.path(), 0),
    ];
    let index = DenseIndex::open(&parts).unwrap();
    assert_eq!((index.len(), index.records().len()), (6, 3));
    let hits = index.exact(&[0.5; 4], 6, None).unwrap();
    let docs: Vec<u32> = hits.iter().map(|hit| hit.0.doc.0).collect();
    let last = u32::MAX;
    assert_eq!(docs, [0, 1, 2, last - 2, last - 1, last]);
    assert_eq!(index.passages_of(DocId(last)).unwrap().len(), 1);
    assert_eq!(index.passages_of(DocId(3)).unwrap().len(), 0);
}

#[test]
fn a_small_part_has_no_graph_and_is_scanned() {
    let rows: Vec<_> = Random(62)
        .vectors(1999, 8)
        .into_iter()
        .enumerate()
        .collect();
    let dir = tempfile::tempdir().unwrap();
    // Of a build that did not finish.
    std::fs::write(dir.path().join("graph.links"), b"left over").unwrap();
    let mut writer = DenseWriter::create(dir.path(), 8, &CONFIG, Storage::F32).unwrap();
    for (i, vector) in &rows {
        writer.add(passage(*i), vector).unwrap();
    }
    writer.finish(&NoProgress).unwrap();
    assert!(!dir.path().join("graph.links").exists());
    let index = DenseIndex::open_folder(dir.path()).unwrap();
    assert_eq!(problems(&index), [""; 0]);
    let query = Random(63).vector(8);
    let found = index.search(&query, 10, 10, None).unwrap();
    assert_eq!(found, index.exact(&query, 10, None).unwrap());

    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), 8, &CONFIG, Storage::F32).unwrap();
    for (i, vector) in &rows {
        writer.add(passage(*i), vector).unwrap();
    }
    writer.add(passage(1999), &rows[0].1).unwrap();
    writer.finish(&NoProgress).unwrap();
    assert!(dir.path().join("graph.links").exists());
}

#[test]
fn a_copy_of_what_is_live_has_the_same_values() {
    let mut random = Random(64);
    let mut world = World::new(&mut random, &[40, 0, 70, 10], 8, 1);
    world.delete(&some_docs(&mut random, world.docs, 4));
    let old = world.open();
    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), 8, &CONFIG, Storage::F32).unwrap();
    let mut docs: Vec<DocId> = world.rows.iter().map(|row| row.0.doc).collect();
    docs.dedup();
    let renumber = |id: PassageId| PassageId {
        doc: DocId(docs.binary_search(&id.doc).unwrap() as u32),
        ..id
    };
    assert_eq!(writer.copy_from(&old, renumber).unwrap(), world.rows.len());
    writer.finish(&NoProgress).unwrap();
    let new = DenseIndex::open_folder(dir.path()).unwrap();
    assert_eq!(new.len(), old.len());
    let query = random.vector(8);
    let by_old = |hits: Vec<(PassageId, Score)>| -> Vec<_> {
        bits(&hits)
            .into_iter()
            .map(|(id, score)| (renumber(id), score))
            .collect()
    };
    assert_eq!(
        bits(&new.exact(&query, 1000, None).unwrap()),
        by_old(old.exact(&query, 1000, None).unwrap())
    );
    for (id, vector) in &world.rows {
        assert_eq!(new.vector(renumber(*id)).unwrap(), Some(vector.clone()));
    }
    // A numbering out of order is refused.
    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), 8, &CONFIG, Storage::F32).unwrap();
    let error = writer.copy_from(&old, |_| passage(0)).unwrap_err();
    assert!(matches!(error, Error::Order { .. }), "{error}");
}
