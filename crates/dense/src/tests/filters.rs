//! Searches under filters against a scan: filters without regard to the query, with it and
//! against it, of every width.

use fixedbitset::FixedBitSet;
use tempfile::TempDir;
use treffer_types::{DocId, NoProgress, PassageId, Score};

use super::{CONFIG, Random};
use crate::{DenseIndex, DenseWriter, Storage};

const N: usize = 6000;
const CLUSTERS: usize = 30;
const DEPTH: usize = 10;
/// So narrow that a filter for a seventh of the documents is no longer scanned.
const EF_SEARCH: usize = 20;

struct World {
    _dir: TempDir,
    index: DenseIndex,
    queries: Vec<Vec<f32>>,
}

/// Document `d` is in cluster `d % CLUSTERS`, query `q` in cluster `q`.
fn world(storage: Storage) -> World {
    let mut random = Random(70);
    let centers = random.vectors(CLUSTERS, 16);
    let dir = tempfile::tempdir().unwrap();
    let mut writer = DenseWriter::create(dir.path(), 16, &CONFIG, storage).unwrap();
    for doc in 0..N {
        let vector = random.near(&centers[doc % CLUSTERS], 0.7);
        let passage = PassageId::whole(DocId(doc as u32));
        writer.add(passage, &vector).unwrap();
    }
    writer.finish(&NoProgress).unwrap();
    World {
        index: DenseIndex::open_folder(dir.path()).unwrap(),
        queries: centers.iter().map(|c| random.near(c, 0.7)).collect(),
        _dir: dir,
    }
}

fn set(docs: impl Iterator<Item = usize>) -> FixedBitSet {
    let mut set = FixedBitSet::with_capacity(N);
    docs.for_each(|doc| set.insert(doc));
    set
}

impl World {
    fn ranking(&self, query: &[f32]) -> Vec<usize> {
        let all = self.index.exact(query, N, None).unwrap();
        all.iter().map(|hit| hit.0.doc.0 as usize).collect()
    }

    /// The share of the best allowed documents that are found, over all queries.
    fn recall(&self, allowed: impl FnMut(usize, &[f32]) -> FixedBitSet) -> f64 {
        self.recall_at(DEPTH, EF_SEARCH, allowed)
    }

    fn recall_at(
        &self,
        depth: usize,
        ef_search: usize,
        mut allowed: impl FnMut(usize, &[f32]) -> FixedBitSet,
    ) -> f64 {
        let (mut found, mut all) = (0, 0);
        for (number, query) in self.queries.iter().enumerate() {
            let allowed = allowed(number, query);
            let search = self.index.search(query, depth, ef_search, Some(&allowed));
            let [search, exact]: [Vec<(PassageId, Score)>; 2] = [
                search.unwrap(),
                self.index.exact(query, depth, Some(&allowed)).unwrap(),
            ];
            assert_eq!(search.len(), depth.min(allowed.count_ones(..)));
            found += exact.iter().filter(|hit| search.contains(hit)).count();
            all += exact.len();
        }
        found as f64 / all as f64
    }
}

#[test]
fn filters_without_regard_to_the_query_cost_no_recall() {
    let world = world(Storage::F32);
    let mut random = Random(71);
    for percent in [100, 95, 70, 50, 30, 15, 5, 1] {
        let recall = world.recall(|_, _| set((0..N).filter(|_| random.next() % 100 < percent)));
        assert!(recall >= 0.99, "{recall} of {percent} %");
    }
}

/// As many are wanted as the search keeps, and they are in many clusters.
#[test]
fn filters_cost_no_recall_where_many_are_wanted() {
    let world = world(Storage::F32);
    let mut random = Random(73);
    for percent in [90, 70, 50, 30, 20, 10] {
        let drawn = |_: usize, _: &[f32]| set((0..N).filter(|_| random.next() % 100 < percent));
        let recall = world.recall_at(60, 60, drawn);
        assert!(recall >= 0.99, "{recall} of {percent} %");
    }
}

#[test]
fn filters_with_the_query_and_against_it_cost_no_recall() {
    let world = world(Storage::F32);
    for share in [0.9, 0.5, 0.2, 0.05] {
        let n = (share * N as f64) as usize;
        let near = world.recall(|_, query| set(world.ranking(query).into_iter().take(n)));
        assert!(near >= 0.99, "{near} of the nearest {n}");
        let far = world.recall(|_, query| set(world.ranking(query).into_iter().skip(N - n)));
        assert!(far >= 0.99, "{far} of the farthest {n}");
    }
}

#[test]
fn filters_for_clusters_cost_no_recall() {
    let world = world(Storage::F32);
    for (name, is_allowed) in [
        (
            "its own",
            (|own, other| own == other) as fn(usize, usize) -> bool,
        ),
        ("all others", |own, other| own != other),
        ("every second one", |own, other| (own + other) % 2 == 1),
        ("some", |own, other| (own + other) % 5 == 0),
    ] {
        let recall =
            world.recall(|own, _| set((0..N).filter(|doc| is_allowed(own, doc % CLUSTERS))));
        assert!(recall >= 0.99, "{recall} of {name}");
    }
}

#[test]
fn other_forms_are_searched_as_well() {
    for storage in [Storage::F16, Storage::Int8] {
        let world = world(storage);
        let mut random = Random(72);
        for percent in [100, 40, 10] {
            let drawn = |_: usize, _: &[f32]| set((0..N).filter(|_| random.next() % 100 < percent));
            // Of so few dimensions, bytes are coarse: a search keeps more.
            let recall = world.recall_at(DEPTH, 2 * EF_SEARCH, drawn);
            assert!(recall >= 0.99, "{recall} of {percent} % in {storage:?}");
        }
    }
}
