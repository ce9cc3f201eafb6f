//! Leads to every vector.
//!
//! hnsw_rs 0.3.5 cuts a full list of links by dropping the farthest one, without looking
//! whether another link leads there. A vector that every neighbor has dropped can be reached
//! by no search. Here such vectors get links from those of the bottom layer that a search for
//! them comes by, so that the same search then finds them.

use crate::config::GraphConfig;
use crate::error::Error;
use crate::layers::Layers;
use crate::search::{Links, Near, near, near_from};
use crate::vectors::{Vectors, distance};

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
/// In ascending order, each row that is out of reach is linked from up to `m` of the nearest
/// within reach that a search finds; what it leads to is then within reach as well. Lists keep their order by distance and take up to `m` such links beyond the builder's
/// `2 m`, more only if all that were found are full.
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

/// Rows near `row` that can be reached, nearest first: those that a search for it comes by,
/// so that a later one finds it from there. Such a search can be led past all of them by the
/// upper layers; one that stays on the bottom layer cannot.
fn near_reached(
    layers: &Layers,
    vectors: &Vectors,
    ef: usize,
    row: u32,
    reached: &[bool],
) -> Result<Vec<Near>, Error> {
    let vector = vectors.row(row);
    let away = |other| Ok(distance(vector, vectors.row(other)));
    let mut found = near(layers, ef, away)?;
    found.retain(|near| reached[near.row as usize]);
    if found.is_empty() {
        found = near_from(layers, layers.entry, ef, away)?;
    }
    found.sort_by(|a, b| a.cmp(b).then(a.row.cmp(&b.row)));
    Ok(found)
}

/// Adds a link behind those that are as near.
fn add_link(layers: &mut Layers, vectors: &Vectors, from: u32, to: u32) {
    let vector = vectors.row(from);
    let away = |row: u32| distance(vector, vectors.row(row));
    let list = &mut layers.bottom[from as usize];
    let place = list.partition_point(|&link| away(link) <= away(to));
    list.insert(place, to);
}
