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

fn tune(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |v| v.parse().unwrap_or(default))
}

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
    let scan_per_ef = tune("T_SCAN", 40);
    if matching <= ef.saturating_mul(scan_per_ef) {
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
    let enough = depth.saturating_mul(tune("T_ENOUGH", 150)) / 100;
    if seeds.len() >= enough || seeds.len() == n {
        return Ok(Found::Rows(seeds));
    }
    // As many match as of all rows, or at least a good part of that.
    let expected = n as f64 * matching as f64 / graph.rows() as f64;
    if (seeds.len() as f64) < expected * tune("T_LOCAL", 25) as f64 / 100.0 || seeds.is_empty() {
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
    let cap = tune("T_CAP", 64);
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
            if matched >= cap {
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
