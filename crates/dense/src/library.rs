//! Builds a graph with `hnsw_rs` and extracts it.
//!
//! The library is used for nothing else: it exits the process on some configurations and
//! panics on others, so configurations are checked before, calls run under `catch_unwind`, and
//! neither its files nor its search are used.
//!
//! The library does not hold the vectors. A point's data is its row number alone, and
//! [`RowDistance`] looks the row up.
//!
//! Levels are drawn from a generator that the library seeds with a constant, and
//! vectors are inserted one after the other in an order that depends on their number
//! alone ([`insertion_order`]): the same vectors give the same graph, byte for byte.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hnsw_rs::anndists::dist::distances::Distance;
use hnsw_rs::hnsw::Hnsw;
use treffer_types::{BoxError, Progress};

use crate::config::GraphConfig;
use crate::error::Error;
use crate::layers::Layers;
use crate::order::insertion_order;
use crate::storage::{Coarse, Query};
use crate::vectors::Vectors;

/// The maximum number of layers of the library.
const LAYERS: usize = 16;

/// Vectors between two reports of progress.
const REPORT_EVERY: usize = 64;

/// The library's graph.
pub(crate) type Library = Hnsw<'static, f32, RowDistance>;

/// Builds the graph over `vectors`, of which there is one at least.
pub(crate) fn build(
    vectors: &Arc<Vectors>,
    config: &GraphConfig,
    progress: &dyn Progress,
) -> Result<Layers, Error> {
    let library = insert_all(vectors, config, progress)?;
    guarded("read", || freeze(&library, vectors.len()))
}

pub(crate) fn insert_all(
    vectors: &Arc<Vectors>,
    config: &GraphConfig,
    progress: &dyn Progress,
) -> Result<Library, Error> {
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
    Ok(graph)
}

/// Extracts the links from the library, in its order.
///
/// Beside the links of its own layers, the library gives a point one link in each layer
/// above, and the first point of a layer one to the entry point before it, which is not of
/// that layer. Both are kept where a search can reach them.
pub(crate) fn freeze(library: &Library, rows: usize) -> Result<Layers, BoxError> {
    let points = library.get_point_indexation();
    let mut bottom = vec![None; rows];
    let mut upper: Vec<BTreeMap<u32, Vec<u32>>> = Vec::new();
    let mut entry = None;
    for level in 0..LAYERS {
        for (rank, point) in points.get_layer_iterator(level).enumerate() {
            let row = point.get_origin_id();
            if rank == 0 {
                // The entry is the first point of the top layer.
                entry = Some(row as u32);
            }
            let mut lists = point
                .get_neighborhood_id()
                .into_iter()
                .map(|list| -> Vec<u32> { list.iter().map(|near| near.d_id as u32).collect() });
            let place = bottom
                .get_mut(row)
                .ok_or_else(|| format!("it has a point {row} of {rows}"))?;
            if place.replace(lists.next().unwrap_or_default()).is_some() {
                return Err(format!("it has point {row} twice").into());
            }
            for (layer, list) in lists.enumerate().filter(|(_, list)| !list.is_empty()) {
                if layer >= upper.len() {
                    upper.resize(layer + 1, BTreeMap::new());
                }
                upper[layer].insert(row as u32, list);
            }
        }
    }
    // The top is the level of the entry. A layer without lists is empty, and no search follows
    // links above the top.
    upper.resize(
        usize::from(points.get_max_level_observed()),
        BTreeMap::new(),
    );
    let bottom: Option<Vec<Vec<u32>>> = bottom.into_iter().collect();
    let (Some(bottom), Some(entry)) = (bottom, entry) else {
        return Err(format!("it has fewer than {rows} points").into());
    };
    let mut layers = Layers {
        entry,
        bottom,
        upper,
    };
    layers.keep_reachable();
    Ok(layers)
}

/// Runs a call into the library; a panic becomes an error.
fn guarded<T>(
    action: &'static str,
    call: impl FnOnce() -> Result<T, BoxError>,
) -> Result<T, Error> {
    // What the call may leave half-changed is either dropped with the error or never changed.
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

/// The distance of the graph, `1 - cosine`, from 0 to 2.
///
/// An operand of one value is a stored point, the bits of its row number; any other is
/// a query. There are no vectors of one dimension, so the two cannot be confused.
pub(crate) struct RowDistance(Arc<Vectors>);

impl Distance<f32> for RowDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        match (a, b) {
            ([a], [b]) => self.0.distance(a.to_bits(), b.to_bits()),
            ([row], query) | (query, [row]) => {
                let row = self.0.coarse(row.to_bits());
                Query::new(query, self.0.storage()).distance(row)
            }
            (a, b) => Coarse::F32(a).distance(Coarse::F32(b)),
        }
    }
}
