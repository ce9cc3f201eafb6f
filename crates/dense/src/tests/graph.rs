//! The graph against the library that built it, and the links that it lacked.

use std::collections::BTreeMap;
use std::sync::Arc;

use treffer_disk::{Sealed, seal};
use treffer_types::NoProgress;

use super::{CONFIG, Random, build, problems, recall, unit, write};
use crate::batches;
use crate::graph::Graph;
use crate::layers::Layers;
use crate::library::{freeze, insert_all};
use crate::repair::{connect, reachable};
use crate::search::{Links, Near, Rows, near, near_from};
use crate::storage::Query;
use crate::vectors::Vectors;
use crate::{Builder, DenseIndex, Error, GraphConfig, Owner, Storage};

fn rows(vectors: &[Vec<f32>]) -> Arc<Vectors> {
    let mut rows = Vectors::new(vectors[0].len(), Storage::F32);
    for vector in vectors {
        rows.push(Owner::Query, vector).unwrap();
    }
    Arc::new(rows)
}

/// Vectors around centers, in their order.
fn clustered(random: &mut Random, n: usize, dimension: usize) -> Vec<Vec<f32>> {
    let centers = random.vectors(12, dimension);
    (0..n)
        .map(|i| random.near(&centers[i * 12 / n], 0.05))
        .collect()
}

/// Searches the library's graph, the same in memory and the same on disk: the same rows, in
/// the same order even among equal distances.
fn compare(vectors: &[Vec<f32>], queries: &[Vec<f32>], config: &GraphConfig) {
    let rows = rows(vectors);
    let library = insert_all(&rows, config, &NoProgress).unwrap();
    let layers = freeze(&library, rows.len()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    layers.write(dir.path(), config).unwrap();
    seal(dir.path()).unwrap();
    let graph = Graph::open(&Sealed::open(dir.path()).unwrap(), rows.len()).unwrap();
    assert_eq!(graph.top(), usize::from(library.get_max_level_observed()));
    for query in queries {
        for ef in [1, 2, 10, 100] {
            let expected: Vec<u32> = library
                .search(query, ef, ef)
                .iter()
                .map(|found| found.d_id as u32)
                .collect();
            let prepared = Query::new(query, Storage::F32);
            let away = |row| Ok(prepared.distance(rows.coarse(row)));
            for found in [as_library(&layers, ef, away), as_library(&graph, ef, away)] {
                let found: Vec<u32> = found.unwrap().iter().map(|near| near.row).collect();
                assert_eq!(found, expected);
            }
        }
    }
}

/// A search as the library makes it, with one step in each upper layer.
fn as_library(
    graph: &impl Links,
    ef: usize,
    mut away: impl Fn(u32) -> Result<f32, Error>,
) -> Result<Vec<Near>, Error> {
    let mut start = graph.entry();
    for layer in (1..=graph.top()).rev() {
        let mut nearest = away(start)?;
        let from = start;
        for &row in graph.links(layer, from)? {
            if away(row)? < nearest {
                (nearest, start) = (away(row)?, row);
            }
        }
    }
    near_from(graph, 0, &[start], ef, &mut Rows::of(graph), &mut away)
}

#[test]
fn searches_find_what_the_library_finds_among_random_vectors() {
    let mut random = Random(40);
    for n in [1, 2, 3, 17, 900] {
        let vectors = random.vectors(n, 24);
        compare(&vectors, &random.vectors(60, 24), &CONFIG);
    }
}

#[test]
fn searches_find_what_the_library_finds_in_many_layers() {
    let mut random = Random(41);
    let config = GraphConfig::new(4, 12);
    let vectors = random.vectors(2000, 8);
    compare(&vectors, &random.vectors(100, 8), &config);
}

#[test]
fn searches_find_what_the_library_finds_in_clusters() {
    let mut random = Random(42);
    let vectors = clustered(&mut random, 900, 24);
    let mut queries = random.vectors(30, 24);
    queries.extend(vectors.iter().step_by(20).cloned());
    compare(&vectors, &queries, &CONFIG);
}

#[test]
fn searches_find_what_the_library_finds_among_equal_vectors() {
    let mut random = Random(43);
    let few = random.vectors(5, 8);
    let vectors: Vec<_> = (0..300).map(|i| few[i % 5].clone()).collect();
    compare(&vectors, &few, &CONFIG);
    compare(&vectors, &random.vectors(20, 8), &CONFIG);
}

fn lost(layers: &Layers) -> usize {
    let reached = reachable(layers, layers.bottom.len()).unwrap();
    reached.iter().filter(|reached| !**reached).count()
}

#[test]
fn vectors_that_the_library_leaves_out_of_reach_are_found() {
    let config = GraphConfig::new(4, 8);
    let vectors = clustered(&mut Random(44), 1500, 16);
    let rows = rows(&vectors);
    let library = insert_all(&rows, &config, &NoProgress).unwrap();
    let mut layers = freeze(&library, rows.len()).unwrap();
    let before = reachable(&layers, rows.len()).unwrap();
    let lost_before: Vec<usize> = (0..rows.len()).filter(|&row| !before[row]).collect();
    assert!(lost_before.len() > 5, "{} are lost", lost_before.len());
    let linked = connect(&mut layers, &rows, &config, &NoProgress).unwrap();
    assert!(linked > 0 && linked <= lost_before.len());
    assert_eq!(lost(&layers), 0);
    // In order by distance, each once, and not without bound.
    for (row, links) in layers.bottom.iter().enumerate() {
        let away = |link: &u32| rows.distance(row as u32, *link);
        assert!(links.is_sorted_by(|a, b| away(a) <= away(b)));
        let distinct: std::collections::BTreeSet<_> = links.iter().collect();
        assert_eq!(distinct.len(), links.len());
        assert!(links.len() <= 4 * config.m, "{} links", links.len());
    }
}

#[test]
fn a_search_for_a_vector_that_was_out_of_reach_finds_it() {
    let config = GraphConfig::new(4, 8);
    let vectors = Random(47).vectors(3000, 24);
    let rows = rows(&vectors);
    let library = insert_all(&rows, &config, &NoProgress).unwrap();
    let before = freeze(&library, rows.len()).unwrap();
    let reached = reachable(&before, rows.len()).unwrap();
    let lost: Vec<u32> = (0..3000).filter(|&row| !reached[row as usize]).collect();
    assert!(lost.len() > 10, "{} are lost", lost.len());
    let mut after = before.clone();
    connect(&mut after, &rows, &config, &NoProgress).unwrap();
    let found = |layers: &Layers| {
        let finds = |row: u32| {
            let mut away = |other| Ok(rows.distance(row, other));
            near(layers, 50, &mut away).unwrap()[0].row == row
        };
        lost.iter().filter(|&&row| finds(row)).count()
    };
    let [before, after] = [found(&before), found(&after)];
    let n = lost.len();
    assert!(
        before * 2 < n && after * 100 >= n * 95,
        "of {n} lost vectors {before} were found before and {after} after"
    );

    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &vectors, &config);
    assert_eq!(
        problems(&DenseIndex::open_folder(dir.path()).unwrap()),
        [""; 0]
    );
}

/// Two rows lead to each other and to the rest, but nothing leads to them.
#[test]
fn a_component_gets_one_way_in() {
    let angles = [0.0f32, 0.1, 0.2, 1.0, 1.1];
    let vectors = rows(&angles.map(|angle| unit(vec![angle.cos(), angle.sin()])));
    let mut layers = Layers {
        entry: 0,
        bottom: vec![vec![1], vec![0, 2], vec![1], vec![4, 2], vec![3]],
        upper: vec![BTreeMap::from([(0, vec![])])],
    };
    assert_eq!(lost(&layers), 2);
    assert_eq!(
        connect(&mut layers, &vectors, &CONFIG, &NoProgress).unwrap(),
        1
    );
    assert_eq!(
        layers.bottom,
        [vec![1, 3], vec![0, 2, 3], vec![1, 3], vec![4, 2], vec![3]]
    );
    let again = layers.clone();
    assert_eq!(
        connect(&mut layers, &vectors, &CONFIG, &NoProgress).unwrap(),
        0
    );
    assert_eq!(layers, again);
}

#[test]
fn verifying_counts_what_cannot_be_reached() {
    let vectors = Random(45).vectors(20, 4);
    let (dir, _) = build(&vectors);
    let layers = Layers {
        entry: 3,
        bottom: (0..20).map(|row| vec![(row + 1) % 10]).collect(),
        upper: vec![],
    };
    layers.write(dir.path(), &CONFIG).unwrap();
    seal(dir.path()).unwrap();
    let index = DenseIndex::open_folder(dir.path()).unwrap();
    assert_eq!(
        problems(&index),
        ["graph.links: no links lead to 10 of 20 vectors"]
    );
}

/// Behind valid checksums, links to missing rows are errors.
#[test]
fn a_link_that_leads_nowhere_is_an_error_where_it_is_met() {
    let vectors = Random(46).vectors(20, 4);
    let (dir, _) = build(&vectors);
    let good: Vec<Vec<u32>> = (0..20).map(|row| vec![(row + 1) % 20]).collect();
    let mut far = good.clone();
    far[4].push(20);
    for (bottom, upper, message) in [
        (far, vec![], "row 4 links to row 20 of 20"),
        (
            good,
            vec![
                BTreeMap::from([(0, vec![])]),
                BTreeMap::from([(0, vec![7])]),
            ],
            "a link leads to row 7, which is not in layer ",
        ),
    ] {
        let layers = Layers {
            entry: 0,
            bottom,
            upper,
        };
        layers.write(dir.path(), &CONFIG).unwrap();
        seal(dir.path()).unwrap();
        let index = DenseIndex::open_folder(dir.path()).unwrap();
        let error = index
            .search(&vectors[7], 5, 15, None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
        let found = problems(&index);
        assert!(found.len() == 1 && found[0].contains(message), "{found:?}");
        assert!(index.exact(&vectors[5], 5, None).is_ok());
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_graph() {
    let mut random = Random(48);
    let mut vectors = clustered(&mut random, 1500, 16);
    vectors.extend(random.vectors(500, 16));
    let config = GraphConfig::new(6, 30);
    let rows = rows(&vectors);
    let build_on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| batches::build(&rows, &config, &NoProgress).unwrap())
    };
    let alone = build_on(1);
    for threads in [2, 3, 8] {
        assert!(build_on(threads) == alone, "{threads} threads");
    }
}

#[test]
fn lists_of_a_graph_are_in_order_and_within_their_limits() {
    let vectors = Random(49).vectors(3000, 12);
    let config = GraphConfig::new(4, 30);
    let rows = rows(&vectors);
    let layers = batches::build(&rows, &config, &NoProgress).unwrap();
    let lists = layers
        .bottom
        .iter()
        .zip(0..)
        .map(|(list, row)| (row, list, 8));
    let upper = layers.upper.iter().flatten();
    let mut n = 0;
    for (row, list, most) in lists.chain(upper.map(|(&row, list)| (row, list, 4))) {
        assert!(list.len() <= most && !list.contains(&row));
        let near: Vec<(f32, u32)> = list
            .iter()
            .map(|&other| (rows.distance(row, other), other))
            .collect();
        assert!(near.is_sorted_by(|a, b| a < b), "{near:?}");
        n += 1;
    }
    // A quarter of the rows in each layer, about.
    assert!((3900..4100).contains(&n), "{n} lists");
    assert!((3..8).contains(&layers.top()), "{} layers", layers.top());
}

/// Neither finds less than the other, whatever the vectors.
#[test]
fn both_builders_make_graphs_in_which_the_best_are_found() {
    let mut random = Random(50);
    for vectors in [random.vectors(2500, 16), clustered(&mut random, 2500, 16)] {
        let queries: Vec<_> = vectors
            .iter()
            .step_by(50)
            .map(|v| random.near(v, 0.1))
            .collect();
        for builder in [Builder::Batches, Builder::HnswRs] {
            let dir = tempfile::tempdir().unwrap();
            let config = GraphConfig { builder, ..CONFIG };
            write(dir.path(), &vectors, &config);
            let index = DenseIndex::open_folder(dir.path()).unwrap();
            assert_eq!(problems(&index), [""; 0]);
            let found = recall(&index, &queries, 10, 60);
            assert!(found >= 0.99, "{found} with {builder:?}");
        }
    }
}

/// Of many dimensions, searches of the builder read bytes: with the vectors as close to each
/// other as the bytes' error, no less is found.
#[test]
fn a_graph_that_was_searched_for_by_bytes_leads_to_the_best() {
    let mut random = Random(52);
    let centers = random.vectors(40, 64);
    for away in [0.7, 0.02] {
        let vectors: Vec<_> = (0..2500)
            .map(|i| random.near(&centers[i % 40], away))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &vectors, &CONFIG);
        let index = DenseIndex::open_folder(dir.path()).unwrap();
        let queries: Vec<_> = (0..40).map(|i| random.near(&centers[i], away)).collect();
        let found = recall(&index, &queries, 10, 60);
        assert!(found >= 0.99, "{found} at {away}");
    }
}

/// Links are dropped from full lists in this builder as well.
#[test]
fn vectors_that_batches_leave_out_of_reach_are_found() {
    let config = GraphConfig::new(4, 8);
    let mut random = Random(51);
    let centers = random.vectors(60, 16);
    let vectors: Vec<_> = (0..3000)
        .map(|i| random.near(&centers[i / 50], 0.01))
        .collect();
    let rows = rows(&vectors);
    let mut layers = batches::build(&rows, &config, &NoProgress).unwrap();
    assert!(lost(&layers) > 0);
    connect(&mut layers, &rows, &config, &NoProgress).unwrap();
    assert_eq!(lost(&layers), 0);
}

/// Vectors of which most are equal, in a shuffled order.
fn mostly_equal(random: &mut Random, equal: usize, others: usize) -> Vec<Vec<f32>> {
    let one = random.vector(8);
    let mut vectors = vec![one; equal];
    vectors.extend(random.vectors(others, 8));
    for last in (1..vectors.len()).rev() {
        vectors.swap(last, (random.next() % (last as u64 + 1)) as usize);
    }
    vectors
}

#[test]
fn among_equal_vectors_all_are_reached_and_no_list_is_long() {
    let mut random = Random(53);
    for (equal, others) in [(6000, 0), (3000, 1000)] {
        let vectors = mostly_equal(&mut random, equal, others);
        let rows = rows(&vectors);
        for config in [GraphConfig::new(4, 12), GraphConfig::new(8, 40)] {
            let mut layers = batches::build(&rows, &config, &NoProgress).unwrap();
            assert!(lost(&layers) > 20 * config.m, "{config:?}");
            connect(&mut layers, &rows, &config, &NoProgress).unwrap();
            assert_eq!(lost(&layers), 0);
            for links in &layers.bottom {
                assert!(links.len() <= 4 * config.m, "{} links", links.len());
                let distinct: std::collections::BTreeSet<_> = links.iter().collect();
                assert_eq!(distinct.len(), links.len());
            }
            let again = layers.clone();
            connect(&mut layers, &rows, &config, &NoProgress).unwrap();
            assert!(layers == again);
        }
    }
}

#[test]
fn among_equal_vectors_a_search_finds_what_a_scan_finds() {
    let mut random = Random(54);
    let vectors = vec![random.vector(8); 4000];
    let (_dir, index) = build(&vectors);
    assert_eq!(problems(&index), [""; 0]);
    for query in [vectors[0].clone(), random.vector(8)] {
        let scores = |hits: Vec<(treffer_types::PassageId, treffer_types::Score)>| {
            let scores = hits.into_iter().map(|(_, score)| score.value().to_bits());
            scores.collect::<Vec<u32>>()
        };
        let exact = index.exact(&query, 200, None).unwrap();
        let found = index.search(&query, 200, 300, None).unwrap();
        assert_eq!(scores(found), scores(exact));
    }
}

/// What was reported, and when to stop.
#[derive(Default)]
struct Reported {
    steps: std::sync::Mutex<Vec<(u64, u64)>>,
    stops: bool,
}

impl treffer_types::Progress for Reported {
    fn begin(&self, _: &str, total: Option<u64>, _: &str) {
        self.steps.lock().unwrap().push((total.unwrap(), 0));
    }

    fn advance(&self, done: u64) {
        self.steps.lock().unwrap().last_mut().unwrap().1 += done;
    }

    fn end(&self) {}

    fn cancelled(&self) -> bool {
        self.stops
    }
}

#[test]
fn linking_what_is_out_of_reach_is_a_step_that_can_be_stopped() {
    let config = GraphConfig::new(4, 12);
    let rows = rows(&mostly_equal(&mut Random(55), 3000, 0));
    let layers = batches::build(&rows, &config, &NoProgress).unwrap();
    let n = lost(&layers) as u64;
    let progress = Reported::default();
    connect(&mut layers.clone(), &rows, &config, &progress).unwrap();
    assert_eq!(*progress.steps.lock().unwrap(), [(n, n)]);
    let progress = Reported {
        stops: true,
        ..Reported::default()
    };
    let stopped = connect(&mut layers.clone(), &rows, &config, &progress);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    let done = progress.steps.lock().unwrap()[0].1;
    assert!(done > 0 && done < n, "{done} of {n}");
}
