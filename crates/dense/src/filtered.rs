//! Searches a graph for rows that match a filter.
//!
//! What a filter asks for decides how it is found:
//!
//! * few matching rows are scanned, which is exact and less work than any walk;
//! * if nearly every row matches, a walk over all rows returns those that match;
//! * in between, the walk is over matching rows alone, and where a link leads to a row that
//!   does not match, that row's links are followed in its place (ACORN-1: Patel, Kraft,
//!   Guestrin and Zaharia, "ACORN: Performant and Predicate-Agnostic Search Over Vector
//!   Embeddings and Structured Data", 2024).
//!
//! Rows that match may be far from the query, and a walk over them that begins far from its
//! goal ends in the wrong place. So it begins at several matching rows, the nearest that a
//! walk in an upper layer comes across. That walk follows all links, so no filter can break
//! its way; an upper layer has few rows, so that it may look far around.
//!
//! A walk that costs more than a scan would is given up for the scan.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::Error;
use crate::search::{Beam, Links, Near, Rows, descend};

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

/// Up to `ef` rows with a small `distance` among those for which `matches` holds, about
/// `matching` in number.
pub(crate) fn near_matching(
    graph: &impl Links,
    ef: usize,
    matching: usize,
    matches: impl Fn(u32) -> Result<bool, Error>,
    mut distance: impl FnMut(u32) -> Result<f32, Error>,
) -> Result<Found, Error> {
    let scan_per_ef = tune("T_SCAN", 40);
    let plain = tune("T_PLAIN", 90);
    if matching <= ef.saturating_mul(scan_per_ef) {
        return Ok(Found::Nothing);
    }
    let rows = graph.rows();
    // Distances that a walk may compute.
    let mut budget = matching;
    if matching as u128 * 100 >= rows as u128 * plain as u128 {
        let start = descend(graph, 0, &mut distance)?;
        return walk(graph, 0, start, ef, &mut budget, &matches, &mut distance);
    }
    let layer = graph.top().min(1);
    let start = descend(graph, layer, &mut distance)?;
    let seeds = tune("T_SEEDS", 32);
    let found = walk(
        graph,
        layer,
        start,
        seeds,
        &mut budget,
        &matches,
        &mut distance,
    )?;
    match found {
        Found::Rows(seeds) if !seeds.is_empty() && layer > 0 => {
            walk_matching(graph, &seeds, ef, &mut budget, &matches, &mut distance)
        }
        _ => Ok(Found::Nothing),
    }
}

/// Walks over all rows of a layer and returns the nearest that match.
fn walk(
    graph: &impl Links,
    layer: usize,
    start: Near,
    ef: usize,
    budget: &mut usize,
    matches: &impl Fn(u32) -> Result<bool, Error>,
    distance: &mut impl FnMut(u32) -> Result<f32, Error>,
) -> Result<Found, Error> {
    let mut visited = Rows::of(graph);
    visited.insert(start.row);
    let mut candidates = BinaryHeap::from([Reverse(start)]);
    let mut found = Beam::new(ef);
    if matches(start.row)? {
        found.push(start);
    }
    while let Some(Reverse(candidate)) = candidates.pop() {
        if found.is_full() && found.is_beyond(&candidate) {
            break;
        }
        for &row in graph.links(layer, candidate.row)? {
            if !visited.insert(row) {
                continue;
            }
            if *budget == 0 {
                return Ok(Found::Nothing);
            }
            *budget -= 1;
            let near = Near {
                distance: distance(row)?,
                row,
            };
            if found.is_full() && found.is_beyond(&near) {
                continue;
            }
            candidates.push(Reverse(near));
            if matches(row)? {
                found.push(near);
            }
        }
    }
    Ok(Found::Rows(found.into_sorted()))
}

/// Walks on the bottom layer over the rows that match.
fn walk_matching(
    graph: &impl Links,
    starts: &[Near],
    ef: usize,
    budget: &mut usize,
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
        if next.len() > *budget {
            return Ok(Found::Nothing);
        }
        *budget -= next.len();
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
