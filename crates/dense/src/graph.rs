//! The wall around `hnsw_rs`.
//!
//! The library exits the process on some bad files and configurations, panics on
//! others, prints to standard output, and borrows a loaded graph from its loader.
//! Nothing of that gets out: configurations are checked before they come here, dumps
//! are read through by [`crate::dump`] before the library sees them, calls run under
//! `catch_unwind`, and the loader is kept beside the graph.
//!
//! The graph does not hold the vectors. A point's data is its row number alone, and
//! [`RowDistance`] looks the row up, so that each vector is once in memory and once on
//! disk.
//!
//! Levels are drawn from a generator that the library seeds with a constant, and
//! vectors are inserted one after the other in an order that depends on their number
//! alone ([`insertion_order`]): the same vectors give the same graph, byte for byte.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use hnsw_rs::anndists::dist::distances::Distance;
use hnsw_rs::api::AnnT;
use hnsw_rs::hnsw::Hnsw;
use hnsw_rs::hnswio::HnswIo;
use self_cell::self_cell;
use treffer_types::{BoxError, Progress};

use crate::config::GraphConfig;
use crate::dump::Dump;
use crate::error::Error;
use crate::files::io_error;
use crate::vectors::{Vectors, cosine};

/// The files of a dumped graph: links and points.
pub(crate) const FILES: [&str; 2] = ["graph.hnsw.graph", "graph.hnsw.data"];
const BASENAME: &str = "graph";

/// The number of layers without which the library refuses to dump.
pub(crate) const LAYERS: usize = 16;

/// Vectors between two reports of progress.
const REPORT_EVERY: usize = 64;

/// A graph read from disk.
pub(crate) struct Graph(LoadedGraph);

self_cell!(
    struct LoadedGraph {
        owner: HnswIo,
        #[not_covariant]
        dependent: Borrowed,
    }
);

type Borrowed<'loader> = Hnsw<'loader, f32, RowDistance>;

impl Graph {
    /// Loads the dump in `dir` of a graph over `vectors`, of which there is one at least.
    pub(crate) fn load(
        dir: &Path,
        vectors: &Arc<Vectors>,
        config: &GraphConfig,
    ) -> Result<Self, Error> {
        Dump::new(dir, vectors.len(), config).check()?;
        let distance = RowDistance(Arc::clone(vectors));
        guarded("load", || {
            LoadedGraph::try_new(HnswIo::new(dir, BASENAME), |loader| {
                loader.load_hnsw_with_dist(distance)
            })
            .map(Graph)
            .map_err(BoxError::from)
        })
    }

    /// Rows near `query`, at most `ef_search`, in no order that means anything.
    pub(crate) fn near(&self, query: &[f32], ef_search: usize) -> Result<Vec<u32>, Error> {
        let found = guarded("search", || {
            Ok(self
                .0
                .with_dependent(|_, graph| graph.search(query, ef_search, ef_search)))
        })?;
        Ok(found.iter().map(|point| point.d_id as u32).collect())
    }
}

/// Builds the graph over `vectors`, of which there is one at least, and dumps it to
/// `dir`.
pub(crate) fn build(
    dir: &Path,
    vectors: &Arc<Vectors>,
    config: &GraphConfig,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let graph = guarded("build", || {
        Ok(Hnsw::new(
            config.m,
            vectors.len(),
            LAYERS,
            config.ef_construction,
            RowDistance(Arc::clone(vectors)),
        ))
    })?;
    for (before, row) in insertion_order(vectors.len() as u32)
        .into_iter()
        .enumerate()
    {
        guarded("build", || {
            graph.insert((&[f32::from_bits(row)], row as usize));
            Ok(())
        })?;
        if (before + 1).is_multiple_of(REPORT_EVERY) {
            progress.advance(REPORT_EVERY as u64);
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
        }
    }
    progress.advance((vectors.len() % REPORT_EVERY) as u64);
    dump(dir, &graph)?;
    // A full disk can go unnoticed by the library, so the dump is read through at once.
    Dump::new(dir, vectors.len(), config).check()
}

/// The rows `0..n`, shuffled, always the same way.
///
/// A corpus usually comes in order of topic. Inserted in that order, a topic's vectors
/// link to one another before there is anything else to link to, and later ones crowd out
/// the few links that lead in: whole topics are lost to searches. In a shuffled order the
/// first vectors span all topics.
fn insertion_order(n: u32) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..n).collect();
    let mut state = 0u64;
    for last in (1..rows.len()).rev() {
        // SplitMix64 (Steele, Lea and Flood, 2014), then Fisher and Yates's shuffle.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = state;
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        random ^= random >> 31;
        rows.swap(last, (random % (last as u64 + 1)) as usize);
    }
    rows
}

fn dump(dir: &Path, graph: &Hnsw<'_, f32, RowDistance>) -> Result<(), Error> {
    // The library panics when it cannot create a file; creating them first gives the reason.
    for name in FILES {
        let path = dir.join(name);
        File::create(&path).map_err(io_error("create", &path))?;
    }
    guarded("write", || {
        let basename = graph.file_dump(dir, BASENAME)?;
        if basename == BASENAME {
            Ok(())
        } else {
            Err(format!("it was written as {basename} instead of {BASENAME}").into())
        }
    })?;
    for name in FILES {
        let path = dir.join(name);
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(io_error("sync", &path))?;
    }
    Ok(())
}

/// Runs a call into the library; a panic becomes an error.
fn guarded<T>(
    action: &'static str,
    call: impl FnOnce() -> Result<T, BoxError>,
) -> Result<T, Error> {
    // What the call may leave half-changed is dropped with the error or only ever read.
    let outcome = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(format!("hnsw_rs panicked: {said}").into())
    });
    outcome.map_err(|source| Error::Graph { action, source })
}

/// The distance that the graph goes by, `1 - cosine`, from 0 to 2.
///
/// An operand of one value is a stored point, the bits of its row number; any other is
/// a query. There are no vectors of one dimension, so the two cannot be confused.
///
/// The library writes this type's path into the dump and compares it when loading:
/// moving or renaming the type changes the format.
pub(crate) struct RowDistance(Arc<Vectors>);

impl RowDistance {
    fn vector<'a>(&'a self, operand: &'a [f32]) -> &'a [f32] {
        match operand {
            [row] => self.0.row(row.to_bits()),
            query => query,
        }
    }
}

impl Distance<f32> for RowDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        1.0 - cosine(self.vector(a), self.vector(b))
    }
}
