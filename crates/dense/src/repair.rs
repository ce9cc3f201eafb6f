//! Makes every vector reachable.
//!
//! hnsw_rs 0.3.5 cuts a full list of links by dropping the farthest one, without checking
//! whether another link leads to it. A vector that every neighbor has dropped cannot be
//! reached by any search. Here such vectors get links from rows of the bottom layer that a
//! search for them visits, so that the same search then finds them.

use crate::config::GraphConfig;
use crate::error::Error;
use crate::layers::Layers;
use crate::search::{Links, Near, Rows, near, near_from};
use crate::vectors::Vectors;

/// Which rows can be reached on the bottom layer from the entry.
pub(crate) fn reachable(graph: &impl Links, rows: usize) -> Result<Vec<bool>, Error> {
    let mut reached = vec![false; rows];
    if rows > 0 {
        reach(graph, graph.entry(), &mut reached)?;
    }
    Ok(reached)
}

/// Marks a row and all that can be reached from it.
fn reach(graph: &impl Links, row: u32, reached: &mut [bool]) -> Result<(), Error> {
    reached[row as usize] = true;
    let mut pending = vec![row];
    while let Some(row) = pending.pop() {
        for &link in graph.links(0, row)? {
            if !std::mem::replace(&mut reached[link as usize], true) {
                pending.push(link);
            }
        }
    }
    Ok(())
}

/// Makes every row reachable on the bottom layer from the entry; returns how many rows got
/// links of their own. The same graph always gets the same links.
///
/// In ascending order, each unreachable row is linked from up to `m` of the nearest reachable
/// rows that a search finds; the rows that it links to are then reachable as well. Lists keep
/// their order by distance and take up to `m` such links beyond the builder's `2 m`, more only
/// if all that were found are full.
pub(crate) fn connect(
    layers: &mut Layers,
    vectors: &Vectors,
    config: &GraphConfig,
) -> Result<usize, Error> {
    let mut reached = reachable(layers, vectors.len())?;
    let mut linked = 0;
    for row in 0..vectors.len() as u32 {
        if reached[row as usize] {
            continue;
        }
        let found = near_reached(layers, vectors, config.ef_construction, row, &reached)?;
        let has_room = |from: u32| layers.bottom[from as usize].len() < 3 * config.m;
        let mut from: Vec<u32> = found
            .iter()
            .map(|near| near.row)
            .filter(|&from| has_room(from))
            .take(config.m)
            .collect();
        if from.is_empty() {
            from.extend(found.first().map(|near| near.row));
        }
        for from in from {
            add_link(layers, vectors, from, row);
        }
        reach(layers, row, &mut reached)?;
        linked += 1;
    }
    Ok(linked)
}

/// Rows near `row` that can be reached, nearest first: those that a search for it visits, so
/// that a later search finds it from there. The upper layers can lead such a search past all
/// of them; a search on the bottom layer alone cannot miss them.
fn near_reached(
    layers: &Layers,
    vectors: &Vectors,
    ef: usize,
    row: u32,
    reached: &[bool],
) -> Result<Vec<Near>, Error> {
    let mut away = |other| Ok(vectors.distance(row, other));
    let mut found = near(layers, ef, &mut away)?;
    found.retain(|near| reached[near.row as usize]);
    if found.is_empty() {
        found = near_from(
            layers,
            0,
            &[layers.entry],
            ef,
            &mut Rows::of(layers),
            &mut away,
        )?;
    }
    found.sort_by(|a, b| a.cmp(b).then(a.row.cmp(&b.row)));
    Ok(found)
}

/// Adds a link after those of equal distance.
fn add_link(layers: &mut Layers, vectors: &Vectors, from: u32, to: u32) {
    let away = |row: u32| vectors.distance(from, row);
    let list = &mut layers.bottom[from as usize];
    let place = list.partition_point(|&link| away(link) <= away(to));
    list.insert(place, to);
}
