//! Makes every vector reachable.
//!
//! hnsw_rs 0.3.5 cuts a full list of links by dropping the farthest one, without checking
//! whether another link leads to it. A vector that every neighbor has dropped cannot be
//! reached by any search. Here such vectors get links from rows of the bottom layer that a
//! search for them visits, so that the same search then finds them.

use std::collections::{HashMap, VecDeque};

use treffer_types::Progress;

use crate::config::GraphConfig;
use crate::error::Error;
use crate::layers::Layers;
use crate::search::{Links, Near, Rows, near_from, starts_above};
use crate::vectors::Vectors;

/// Rows between two reports of progress.
const REPORT_EVERY: usize = 64;

/// Which rows can be reached on the bottom layer from the entry.
pub(crate) fn reachable(graph: &impl Links, rows: usize) -> Result<Vec<bool>, Error> {
    let mut reached = vec![false; rows];
    if rows > 0 {
        reach(graph, graph.entry(), &mut reached)?;
    }
    Ok(reached)
}

/// Marks a row and all that can be reached from it; how many there are that were not before, the
/// row among them.
fn reach(graph: &impl Links, row: u32, reached: &mut [bool]) -> Result<usize, Error> {
    reached[row as usize] = true;
    let mut n = 1;
    let mut pending = vec![row];
    while let Some(row) = pending.pop() {
        for &link in graph.links(0, row)? {
            if !std::mem::replace(&mut reached[link as usize], true) {
                n += 1;
                pending.push(link);
            }
        }
    }
    Ok(n)
}

/// Makes every row reachable on the bottom layer from the entry; returns how many rows got
/// links of their own. The same graph always gets the same links. If there are any, they are a
/// step of their own.
///
/// In ascending order, each unreachable row is linked from up to `m` of the nearest reachable
/// rows that a search finds; the rows that it links to are then reachable as well. Lists keep
/// their order by distance and take up to `m` such links beyond the builder's `2 m`. Where all
/// rows that are found are full, as among many equal vectors, one of those that were linked from
/// them takes the link, the first that has room: they form a tree, so that no list is longer and
/// no row is far away.
///
/// # Errors
/// [`Error::Cancelled`] if `progress` says so.
pub(crate) fn connect(
    layers: &mut Layers,
    vectors: &Vectors,
    config: &GraphConfig,
    progress: &dyn Progress,
) -> Result<usize, Error> {
    let mut reached = reachable(layers, vectors.len())?;
    let lost = reached.iter().filter(|reached| !**reached).count();
    if lost == 0 {
        return Ok(0);
    }
    progress.begin("completing the graph", Some(lost as u64), "vectors");
    let linked = link_all(layers, vectors, config, &mut reached, progress);
    progress.end();
    linked
}

fn link_all(
    layers: &mut Layers,
    vectors: &Vectors,
    config: &GraphConfig,
    reached: &mut [bool],
    progress: &dyn Progress,
) -> Result<usize, Error> {
    let mut visited = Rows::of(layers);
    let mut trees = Trees::default();
    let (mut linked, mut done) = (0_usize, 0);
    for row in 0..vectors.len() as u32 {
        if reached[row as usize] {
            continue;
        }
        let found = near_reached(layers, vectors, config, row, reached, &mut visited)?;
        let has_room = |from: u32| layers.bottom[from as usize].len() < 3 * config.m;
        let near = || found.iter().map(|near| near.row);
        let mut from: Vec<u32> = near()
            .filter(|&from| has_room(from))
            .take(config.m)
            .collect();
        if from.is_empty() {
            let other = near().find_map(|full| trees.with_room(full, has_room));
            // Of full rows, some are linked from them, the last of which has room at least.
            from.extend(other.or(trees.last).or(near().next()));
        }
        if let Some(&nearest) = from.first() {
            trees.add(nearest, row);
        }
        for from in from {
            add_link(layers, vectors, from, row);
        }
        done += reach(layers, row, reached)?;
        linked += 1;
        if linked.is_multiple_of(REPORT_EVERY) {
            progress.advance(std::mem::take(&mut done) as u64);
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
        }
    }
    progress.advance(done as u64);
    Ok(linked)
}

/// Rows that were linked, by the rows near which they are: a tree below each of those that were
/// reachable from the start.
#[derive(Default)]
struct Trees {
    /// The row at the top of each row's tree, if it is not itself there.
    tops: HashMap<u32, u32>,
    /// Of each tree, the rows in the order in which they came, without those at the front that
    /// are known to be full.
    waiting: HashMap<u32, VecDeque<u32>>,
    /// The row that was linked last.
    last: Option<u32>,
}

impl Trees {
    /// Takes a row that is linked from another, which is the nearest of those that it is linked
    /// from.
    fn add(&mut self, from: u32, row: u32) {
        let top = self.top(from);
        self.tops.insert(row, top);
        self.waiting.entry(top).or_default().push_back(row);
        self.last = Some(row);
    }

    /// The first row in the tree of a full one that has room.
    fn with_room(&mut self, full: u32, has_room: impl Fn(u32) -> bool) -> Option<u32> {
        let top = self.top(full);
        let waiting = self.waiting.get_mut(&top)?;
        while let Some(&first) = waiting.front() {
            if has_room(first) {
                return Some(first);
            }
            waiting.pop_front();
        }
        None
    }

    fn top(&self, row: u32) -> u32 {
        self.tops.get(&row).copied().unwrap_or(row)
    }
}

/// Rows near `row` that can be reached, nearest first: those that a search for it visits, so
/// that a later search finds it from there. The upper layers can lead such a search past all
/// of them; a search on the bottom layer alone cannot miss them. What `visited` holds is of no
/// importance.
fn near_reached(
    layers: &Layers,
    vectors: &Vectors,
    config: &GraphConfig,
    row: u32,
    reached: &[bool],
    visited: &mut Rows,
) -> Result<Vec<Near>, Error> {
    let ef = config.ef_construction;
    let mut away = |other| Ok(vectors.distance(row, other));
    let starts = starts_above(layers, 0, visited, &mut away)?;
    let mut found = near_from(layers, 0, &starts, ef, visited, &mut away)?;
    found.retain(|near| reached[near.row as usize]);
    if found.is_empty() {
        found = near_from(layers, 0, &[layers.entry], ef, visited, &mut away)?;
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
