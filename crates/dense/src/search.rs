//! Searches a layered graph: the algorithm of Malkov and Yashunin, "Efficient and robust
//! approximate nearest neighbor search using Hierarchical Navigable Small World graphs",
//! 2018 (algorithm 2, and 5 with one step in each upper layer).
//!
//! It follows `hnsw_rs` step by step, including the order in which equal distances leave a
//! heap, so that it finds the same rows in the same graph. Hence the single step: in the
//! paper, the search continues in each upper layer until no neighbor is nearer.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use fixedbitset::FixedBitSet;

use crate::error::Error;

/// A graph of layers, of one row at least.
pub(crate) trait Links {
    /// Where every search begins: a row of the top layer.
    fn entry(&self) -> u32;

    /// The number of the top layer; the bottom is 0.
    fn top(&self) -> usize;

    /// How many rows there are.
    fn rows(&self) -> usize;

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
    let start = descend(graph, 0, &mut distance)?;
    near_from(graph, start.row, ef, distance)
}

/// The row at which a search that walks in `layer` begins: the nearest that is seen on the
/// way down from the entry.
pub(crate) fn descend(
    graph: &impl Links,
    layer: usize,
    distance: &mut impl FnMut(u32) -> Result<f32, Error>,
) -> Result<Near, Error> {
    let row = graph.entry();
    let mut start = Near {
        distance: distance(row)?,
        row,
    };
    for layer in (layer + 1..=graph.top()).rev() {
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
    Ok(start)
}

/// The same as [`near`] from one row of the bottom layer on.
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
    let mut visited = Rows::of(graph);
    visited.insert(start.row);
    let mut candidates = BinaryHeap::from([Reverse(start)]);
    let mut found = Beam::new(ef);
    found.push(start);
    while let Some(Reverse(candidate)) = candidates.pop() {
        if found.is_beyond(&candidate) {
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
            if found.push(near) {
                candidates.push(Reverse(near));
            }
        }
    }
    Ok(found.into_sorted())
}

/// The nearest rows so far, a limited number.
pub(crate) struct Beam {
    width: usize,
    found: BinaryHeap<Near>,
}

impl Beam {
    /// An empty beam for `width` rows, one at least.
    pub(crate) fn new(width: usize) -> Self {
        Beam {
            width,
            found: BinaryHeap::new(),
        }
    }

    /// Takes a row if there is room or it is nearer than another, which then has to go.
    pub(crate) fn push(&mut self, near: Near) -> bool {
        let farthest = self.found.peek().map(|near| near.distance);
        let is_taken = self.found.len() < self.width
            || farthest.is_some_and(|farthest| near.distance < farthest);
        if is_taken {
            self.found.push(near);
            if self.found.len() > self.width {
                self.found.pop();
            }
        }
        is_taken
    }

    /// Whether all rows of the beam are nearer, which is to say that a walk that has come here
    /// finds no more.
    pub(crate) fn is_beyond(&self, near: &Near) -> bool {
        self.found
            .peek()
            .is_some_and(|farthest| near.distance > farthest.distance)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= self.width
    }

    /// The rows, nearest first.
    pub(crate) fn into_sorted(self) -> Vec<Near> {
        self.found.into_sorted_vec()
    }
}

/// A set of rows of a graph: a bit for each, 125 KB for a million, which is little beside the
/// vectors that a search reads.
pub(crate) struct Rows(FixedBitSet);

impl Rows {
    pub(crate) fn of(graph: &impl Links) -> Self {
        Rows(FixedBitSet::with_capacity(graph.rows()))
    }

    /// Adds a row of the graph; whether it was not there before.
    #[inline]
    pub(crate) fn insert(&mut self, row: u32) -> bool {
        !self.0.put(row as usize)
    }

    #[inline]
    pub(crate) fn contains(&self, row: u32) -> bool {
        self.0.contains(row as usize)
    }
}
