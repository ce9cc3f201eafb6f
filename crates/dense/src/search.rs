//! Searches a layered graph: the algorithm of Malkov and Yashunin, "Efficient and robust
//! approximate nearest neighbor search using Hierarchical Navigable Small World graphs",
//! 2018 (algorithm 2, and 5 with one step in each upper layer).
//!
//! It follows `hnsw_rs` step by step, including the order in which equal distances leave a
//! heap, so that it finds the same rows in the same graph. Hence the single step: in the
//! paper, the search continues in each upper layer until no neighbor is nearer.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::error::Error;

/// A graph of layers, of one row at least.
pub(crate) trait Links {
    /// Where every search begins: a row of the top layer.
    fn entry(&self) -> u32;

    /// The number of the top layer; the bottom is 0.
    fn top(&self) -> usize;

    /// The rows that a row links to in one layer, each a row of the graph.
    fn links(&self, layer: usize, row: u32) -> Result<&[u32], Error>;
}

/// A row and its distance from the query. Ordered by distance alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    pub(crate) distance: f32,
    pub(crate) row: u32,
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance)
    }
}

/// Up to `ef` rows with a small `distance`, nearest first. It computes the distance only of
/// rows that it visits.
pub(crate) fn near(
    graph: &impl Links,
    ef: usize,
    mut distance: impl FnMut(u32) -> Result<f32, Error>,
) -> Result<Vec<Near>, Error> {
    let row = graph.entry();
    let mut start = Near {
        distance: distance(row)?,
        row,
    };
    for layer in (1..=graph.top()).rev() {
        let mut nearest = start;
        for &row in graph.links(layer, start.row)? {
            let near = Near {
                distance: distance(row)?,
                row,
            };
            if near < nearest {
                nearest = near;
            }
        }
        start = nearest;
    }
    near_from(graph, start.row, ef, distance)
}

/// The same from one row of the bottom layer on.
pub(crate) fn near_from(
    graph: &impl Links,
    row: u32,
    ef: usize,
    mut distance: impl FnMut(u32) -> Result<f32, Error>,
) -> Result<Vec<Near>, Error> {
    let start = Near {
        distance: distance(row)?,
        row,
    };
    let mut visited = Rows::default();
    visited.insert(start.row);
    let mut candidates = BinaryHeap::from([Reverse(start)]);
    let mut found = BinaryHeap::from([start]);
    let mut farthest = start.distance;
    while let Some(Reverse(candidate)) = candidates.pop() {
        if candidate.distance > farthest {
            break;
        }
        for &row in graph.links(0, candidate.row)? {
            if !visited.insert(row) {
                continue;
            }
            let near = Near {
                distance: distance(row)?,
                row,
            };
            if near.distance < farthest || found.len() < ef {
                candidates.push(Reverse(near));
                found.push(near);
                if found.len() > ef {
                    found.pop();
                }
                farthest = found.peek().map_or(farthest, |near| near.distance);
            }
        }
    }
    Ok(found.into_sorted_vec())
}

/// A set of rows that grows with the search and not with the index.
type Rows = HashSet<u32, BuildHasherDefault<RowHasher>>;

/// Row numbers need no protection from an attacker, only an even spread: multiplication by the
/// golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4).
#[derive(Default)]
struct RowHasher(u64);

impl Hasher for RowHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, row: u32) {
        let mixed = (self.0 ^ u64::from(row)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The set takes its place from the lower bits, which multiplication spreads least.
        self.0 = mixed ^ (mixed >> 32);
    }
}
