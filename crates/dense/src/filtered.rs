//! Searches a graph for rows that match a filter.
//!
//! How they are found depends on how many match, and on where they are:
//!
//! 1. Few matching rows are scanned: that is exact, and less work than a walk.
//! 2. Otherwise a search without the filter is made. If enough of the rows that it finds
//!    match, as they do where nearly all match or where the filter goes with the query, these
//!    are the result.
//! 3. If about as many of them match as of all rows, matching rows are everywhere around the
//!    query, and a second walk goes over them alone. Where a link leads to a row that does not
//!    match, the links of that row are followed in its place (ACORN-1: Patel, Kraft, Guestrin
//!    and Zaharia, "ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings and
//!    Structured Data", 2024).
//! 4. If far fewer of them match, the filter goes against the query: the nearest rows that
//!    match are far away and far from each other, and no graph leads to all of them. They
//!    are scanned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::Error;
use crate::search::{Beam, Links, Near, Rows, near};

/// Matching rows for each row that a search keeps, up to which they are scanned: both then
/// take equally long, as measured with 100,000 vectors of 384 dimensions.
const SCANNED: usize = 24;

/// A search that finds so many times the rows that are wanted has found the best of them.
const ENOUGH: f64 = 1.5;

/// A filter goes against the query if less than this share of the matching rows that are
/// expected near the query are there.
const AGAINST: f64 = 0.25;

/// Matching neighbors of a row that a walk goes on to, before links of rows that do not match
/// are no longer followed.
const NEIGHBORS: usize = 64;

/// What came of a walk.
pub(crate) enum Found {
    /// The rows, nearest first.
    Rows(Vec<Near>),
    /// The matching rows have to be scanned.
    Nothing,
}

/// Up to `ef` rows with a small `distance` among those for which `matches` holds, which are
/// about `matching`; the nearest `depth` of them are wanted.
pub(crate) fn near_matching(
    graph: &impl Links,
    depth: usize,
    ef: usize,
    matching: usize,
    matches: impl Fn(u32) -> Result<bool, Error>,
    mut distance: impl FnMut(u32) -> Result<f32, Error>,
) -> Result<Found, Error> {
    if matching <= ef.saturating_mul(SCANNED) {
        return Ok(Found::Nothing);
    }
    let around = near(graph, ef, &mut distance)?;
    let n = around.len();
    let mut seeds = Vec::new();
    for near in around {
        if matches(near.row)? {
            seeds.push(near);
        }
    }
    if seeds.len() as f64 >= ENOUGH * depth as f64 || seeds.len() == n {
        return Ok(Found::Rows(seeds));
    }
    // If they were everywhere alike.
    let expected = n as f64 * matching as f64 / graph.rows() as f64;
    if (seeds.len() as f64) < AGAINST * expected || seeds.is_empty() {
        return Ok(Found::Nothing);
    }
    walk_matching(graph, &seeds, ef, matching, &matches, &mut distance)
}

/// Walks on the bottom layer over the rows that match, from some of them on, and computes at
/// most `budget` distances.
fn walk_matching(
    graph: &impl Links,
    starts: &[Near],
    ef: usize,
    mut budget: usize,
    matches: &impl Fn(u32) -> Result<bool, Error>,
    distance: &mut impl FnMut(u32) -> Result<f32, Error>,
) -> Result<Found, Error> {
    let mut visited = Rows::of(graph);
    let mut candidates = BinaryHeap::new();
    let mut found = Beam::new(ef);
    for &start in starts {
        if visited.insert(start.row) && found.push(start) {
            candidates.push(Reverse(start));
        }
    }
    let mut next = Vec::new();
    let mut others = Vec::new();
    while let Some(Reverse(candidate)) = candidates.pop() {
        if found.is_full() && found.is_beyond(&candidate) {
            break;
        }
        next.clear();
        others.clear();
        let mut matched = 0;
        for &row in graph.links(0, candidate.row)? {
            if matches(row)? {
                matched += 1;
                if visited.insert(row) {
                    next.push(row);
                }
            } else if visited.insert(row) {
                others.push(row);
            }
        }
        for &other in &others {
            if matched >= NEIGHBORS {
                break;
            }
            for &row in graph.links(0, other)? {
                if !visited.contains(row) && matches(row)? {
                    visited.insert(row);
                    matched += 1;
                    next.push(row);
                }
            }
        }
        let Some(left) = budget.checked_sub(next.len()) else {
            return Ok(Found::Nothing);
        };
        budget = left;
        for &row in &next {
            let near = Near {
                distance: distance(row)?,
                row,
            };
            if found.push(near) {
                candidates.push(Reverse(near));
            }
        }
    }
    Ok(Found::Rows(found.into_sorted()))
}
