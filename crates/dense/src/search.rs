//! Searches a layered graph: the algorithm of Malkov and Yashunin, "Efficient and robust
//! approximate nearest neighbor search using Hierarchical Navigable Small World graphs",
//! 2018 (algorithms 2 and 5), with one change: the search of the bottom layer begins at
//! several rows of the layer above, not at the nearest alone. Where vectors come in clusters
//! that no links join, a single start is in the wrong one for some queries, and then nothing
//! is found.

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

/// Distances of rows from a query.
pub(crate) trait Away {
    /// The distance of a row.
    fn to(&mut self, row: u32) -> Result<f32, Error>;

    /// Says that the distance of a row will be asked for soon.
    fn expect(&mut self, _row: u32) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: FnMut(u32) -> Result<f32, Error>> Away for F {
    fn to(&mut self, row: u32) -> Result<f32, Error> {
        self(row)
    }
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

/// Rows of layer 1 from which a search of the bottom layer begins.
const STARTS: usize = 16;

/// Up to `ef` rows that are not far `away`, nearest first. It computes the distance only of
/// rows that it visits.
pub(crate) fn near(
    graph: &impl Links,
    ef: usize,
    away: &mut impl Away,
) -> Result<Vec<Near>, Error> {
    let mut visited = Rows::of(graph);
    let starts = starts_above(graph, 0, &mut visited, away)?;
    near_from(graph, 0, &starts, ef, &mut visited, away)
}

/// Where a search in `layer` begins: rows that are not far `away`, found in the layers above it.
pub(crate) fn starts_above(
    graph: &impl Links,
    layer: usize,
    visited: &mut Rows,
    away: &mut impl Away,
) -> Result<Vec<u32>, Error> {
    let mut starts = vec![graph.entry()];
    for layer in (layer + 1..=graph.top()).rev() {
        let width = if layer == 1 { STARTS } else { 1 };
        let found = near_from(graph, layer, &starts, width, visited, away)?;
        starts.clear();
        starts.extend(found.iter().map(|near| near.row));
    }
    Ok(starts)
}

/// Up to `ef` rows that are not far `away`, nearest first, found in one layer from some rows
/// of it on. What `visited` holds is of no importance.
pub(crate) fn near_from(
    graph: &impl Links,
    layer: usize,
    starts: &[u32],
    ef: usize,
    visited: &mut Rows,
    away: &mut impl Away,
) -> Result<Vec<Near>, Error> {
    visited.clear();
    let mut candidates = BinaryHeap::with_capacity(ef.min(4096));
    let mut found = Beam::new(ef);
    let mut next = Vec::new();
    next.extend(starts.iter().filter(|&&row| visited.insert(row)));
    loop {
        // Most of the time of a search is spent waiting for vectors: all are asked for before
        // the first is compared.
        for &row in &next {
            away.expect(row)?;
        }
        for row in next.drain(..) {
            let distance = away.to(row)?;
            let near = Near { distance, row };
            if found.push(near) {
                candidates.push(Reverse(near));
            }
        }
        let Some(Reverse(candidate)) = candidates.pop() else {
            break;
        };
        if found.is_beyond(&candidate) {
            break;
        }
        let links = graph.links(layer, candidate.row)?;
        next.extend(links.iter().filter(|&&row| visited.insert(row)));
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
            // One more than it keeps, for a moment; a scan may ask for any number.
            found: BinaryHeap::with_capacity(width.saturating_add(1).min(4096)),
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

    /// The rows, nearest first.
    pub(crate) fn into_sorted(self) -> Vec<Near> {
        self.found.into_sorted_vec()
    }
}

/// A set of rows of a graph: a bit for each, 125 KB for a million, which is little beside the
/// vectors that a search reads.
pub(crate) struct Rows {
    bits: FixedBitSet,
    /// Those in the set, so that clearing it takes no longer than filling it.
    rows: Vec<u32>,
}

impl Rows {
    pub(crate) fn of(graph: &impl Links) -> Self {
        Rows {
            bits: FixedBitSet::with_capacity(graph.rows()),
            rows: Vec::new(),
        }
    }

    /// Adds a row of the graph; whether it was not there before.
    #[inline]
    pub(crate) fn insert(&mut self, row: u32) -> bool {
        let is_new = !self.bits.put(row as usize);
        if is_new {
            self.rows.push(row);
        }
        is_new
    }

    fn clear(&mut self) {
        for row in self.rows.drain(..) {
            self.bits.set(row as usize, false);
        }
    }
}
