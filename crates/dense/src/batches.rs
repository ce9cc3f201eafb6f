//! Builds a graph in batches, on all threads.
//!
//! The algorithm is that of Malkov and Yashunin ("Efficient and robust approximate nearest
//! neighbor search using Hierarchical Navigable Small World graphs", 2018, algorithms 1, 2
//! and 4), with vectors inserted in batches: all of a batch search the graph as it was
//! before the batch, each on its own; then their links are added. Neither depends on what
//! other threads do, so the same vectors give the same graph on any number of threads (as in
//! ParlayANN: Manohar et al., "ParlayANN: Scalable and Deterministic Parallel Graph-Based
//! Approximate Nearest Neighbor Search Algorithms", 2024). Vectors of one batch do not find
//! each other, so batches are small beside the graph: the first vectors come alone, and
//! later a batch is a sixty-fourth of what is there.
//!
//! Searches compare bytes in the place of vectors ([`crate::codes`]), and links are chosen by
//! the vectors. The distance of a link is kept with it: a list that is full is chosen from
//! again for each new link, and only the distances of its rows from each other are computed
//! then.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use treffer_types::Progress;

use crate::codes::Codes;
use crate::config::GraphConfig;
use crate::error::Error;
use crate::layers::Layers;
use crate::order::{insertion_order, random};
use crate::search::{Links, Near, Rows, near_from, starts_above};
use crate::storage::Query;
use crate::vectors::Vectors;

/// Vectors that are inserted one at a time before there are batches.
const ALONE: usize = 256;

/// A batch is one vector for so many in the graph.
const SHARE: usize = 64;

/// Most vectors of a batch, so that progress is seen and a stop is heard.
const MOST: usize = 4096;

/// More layers are not drawn; with the least `m`, 4, one vector in 4^15 would be above.
const MOST_LEVEL: usize = 15;

/// Builds the graph over `vectors`, of which there is one at least.
pub(crate) fn build(
    vectors: &Vectors,
    config: &GraphConfig,
    progress: &dyn Progress,
) -> Result<Layers, Error> {
    let order = insertion_order(vectors.len() as u32);
    let mut graph = Growing::new(vectors, config, order[0]);
    progress.advance(1);
    let pool = Mutex::new(Vec::new());
    let mut inserted = 1;
    while inserted < order.len() {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let size = if inserted < ALONE {
            1
        } else {
            (inserted / SHARE).min(MOST)
        };
        let batch = &order[inserted..order.len().min(inserted + size)];
        // A row above the top comes alone, or two of them would not link to each other.
        let tall = |row: &u32| graph.level(*row) > graph.top;
        let end = match batch.iter().position(tall) {
            Some(0) => 1,
            Some(before) => before,
            None => batch.len(),
        };
        graph.insert(&batch[..end], &pool)?;
        inserted += end;
        progress.advance(end as u64);
    }
    Ok(graph.finish())
}

/// What a thread needs for a search, kept for the next one.
struct Scratch {
    query: Query,
    visited: Rows,
}

/// The links of a new row: for each layer, from the bottom, the rows that it links to.
type NewLinks = Vec<Vec<Near>>;

/// A link back: layer, the row that gets it, and the new row that it leads to.
type Back = (u8, u32, Near);

/// A graph to which rows are added.
struct Growing<'a> {
    vectors: &'a Vectors,
    /// What searches read of them.
    codes: Codes<'a>,
    m: usize,
    ef_construction: usize,
    entry: u32,
    top: usize,
    /// `2 m` places for each row.
    bottom: Vec<u32>,
    /// The distance of each link, so that it is not computed again when the list is full.
    distances: Vec<f32>,
    /// How many places are used.
    lengths: Vec<u16>,
    /// For each row, its links in the layers above the bottom, as high as it is.
    upper: Vec<Box<[Upper]>>,
}

/// The links of a row in an upper layer.
#[derive(Clone, Default)]
struct Upper {
    rows: Vec<u32>,
    distances: Vec<f32>,
}

impl<'a> Growing<'a> {
    /// A graph of one row.
    fn new(vectors: &'a Vectors, config: &GraphConfig, entry: u32) -> Self {
        let n = vectors.len();
        let mut graph = Growing {
            vectors,
            codes: Codes::of(vectors),
            m: config.m,
            ef_construction: config.ef_construction,
            entry,
            top: 0,
            bottom: vec![0; n * 2 * config.m],
            distances: vec![0.0; n * 2 * config.m],
            lengths: vec![0; n],
            upper: vec![Box::default(); n],
        };
        graph.top = graph.level(entry);
        graph.add(entry, &[]);
        graph
    }

    /// The top layer of a row: each is in a layer above with the probability `1 / m`.
    fn level(&self, row: u32) -> usize {
        // From 2^-53 to 1.
        let share = ((random(1 << 32 | u64::from(row)) >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let mut least = 1.0 / self.m as f64;
        let mut level = 0;
        // Compares with powers, since a logarithm may differ between systems.
        while share <= least && level < MOST_LEVEL {
            level += 1;
            least /= self.m as f64;
        }
        level
    }

    /// Inserts rows that do not find each other.
    fn insert(&mut self, batch: &[u32], pool: &Mutex<Vec<Scratch>>) -> Result<(), Error> {
        let take = || {
            let kept = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
            kept.unwrap_or_else(|| Scratch {
                query: Query::default(),
                visited: Rows::of(&*self),
            })
        };
        let found: Vec<NewLinks> = batch
            .par_iter()
            .map(|&row| {
                let mut scratch = take();
                let links = self.links_of_new(row, &mut scratch);
                pool.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(scratch);
                links
            })
            .collect::<Result<_, _>>()?;
        // Links back: by layer and target, in the order of the batch.
        let mut back: Vec<Back> = Vec::new();
        for (&row, links) in batch.iter().zip(&found) {
            self.add(row, links);
            for (layer, links) in links.iter().enumerate() {
                let back_to = |near: &Near| (layer as u8, near.row, Near { row, ..*near });
                back.extend(links.iter().map(back_to));
            }
        }
        back.sort_by_key(|&(layer, target, _)| (layer, target));
        let groups: Vec<&[Back]> = back.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
        let lists: Vec<Vec<Near>> = groups.par_iter().map(|group| self.with(group)).collect();
        for (group, list) in groups.iter().zip(lists) {
            let (layer, target, _) = group[0];
            self.set(usize::from(layer), target, &list);
        }
        for &row in batch {
            let level = self.level(row);
            if level > self.top {
                (self.top, self.entry) = (level, row);
            }
        }
        Ok(())
    }

    /// Searches for the rows that a new row is to link to.
    fn links_of_new(&self, row: u32, scratch: &mut Scratch) -> Result<NewLinks, Error> {
        let Scratch { query, visited } = scratch;
        query.set(self.codes.row(row));
        let mut away = self.codes.away_from(query);
        let level = self.level(row).min(self.top);
        let mut starts = starts_above(self, level, visited, &mut away)?;
        let mut all = Vec::new();
        for layer in (0..=level).rev() {
            let mut found = near_from(
                self,
                layer,
                &starts,
                self.ef_construction,
                visited,
                &mut away,
            )?;
            starts.clear();
            starts.extend(found.iter().map(|near| near.row));
            if self.codes.are_coarse() {
                self.compare(row, &mut found);
            }
            all.push(self.choose(found, self.m));
        }
        all.reverse();
        Ok(all)
    }

    /// Sets the distances of some rows from another to those of the vectors.
    fn compare(&self, row: u32, found: &mut [Near]) {
        let own = self.vectors.coarse(row);
        for near in &*found {
            self.vectors.coarse(near.row).prefetch();
        }
        for near in found {
            near.distance = own.distance(self.vectors.coarse(near.row));
        }
    }

    /// Of some rows, given with their distance from another, those to link to, nearest first: a
    /// row that is nearer to one that was chosen is left to be found by way of it (algorithm 4).
    fn choose(&self, mut near: Vec<Near>, most: usize) -> Vec<Near> {
        sort(&mut near);
        if near.len() <= most {
            return near;
        }
        let mut chosen: Vec<Near> = Vec::with_capacity(most);
        for near in near {
            if chosen.len() == most {
                break;
            }
            let own = self.vectors.coarse(near.row);
            let is_hidden = chosen
                .iter()
                .any(|other| own.distance(self.vectors.coarse(other.row)) < near.distance);
            if !is_hidden {
                chosen.push(near);
            }
        }
        chosen
    }

    /// The links of a row with new ones: as many as may be.
    fn with(&self, group: &[Back]) -> Vec<Near> {
        let (layer, row, _) = group[0];
        let most = if layer == 0 { 2 * self.m } else { self.m };
        let mut list = self.near(usize::from(layer), row);
        list.extend(group.iter().map(|&(_, _, new)| new));
        if list.len() <= most {
            return list;
        }
        self.choose(list, most)
    }

    /// Makes place for a row and sets its links.
    fn add(&mut self, row: u32, links: &[Vec<Near>]) {
        self.upper[row as usize] = vec![Upper::default(); self.level(row)].into_boxed_slice();
        for (layer, links) in links.iter().enumerate() {
            self.set(layer, row, links);
        }
    }

    fn set(&mut self, layer: usize, row: u32, links: &[Near]) {
        let rows = links.iter().map(|near| near.row);
        let distances = links.iter().map(|near| near.distance);
        match layer.checked_sub(1) {
            None => {
                let start = row as usize * 2 * self.m;
                let places = start..start + links.len();
                for (place, row) in self.bottom[places.clone()].iter_mut().zip(rows) {
                    *place = row;
                }
                for (place, distance) in self.distances[places].iter_mut().zip(distances) {
                    *place = distance;
                }
                self.lengths[row as usize] = links.len() as u16;
            }
            Some(layer) => {
                self.upper[row as usize][layer] = Upper {
                    rows: rows.collect(),
                    distances: distances.collect(),
                };
            }
        }
    }

    fn list(&self, layer: usize, row: u32) -> &[u32] {
        self.parts(layer, row).0
    }

    /// The links of a row with their distances.
    fn near(&self, layer: usize, row: u32) -> Vec<Near> {
        let (rows, distances) = self.parts(layer, row);
        let both = rows.iter().zip(distances);
        both.map(|(&row, &distance)| Near { distance, row })
            .collect()
    }

    fn parts(&self, layer: usize, row: u32) -> (&[u32], &[f32]) {
        match layer.checked_sub(1) {
            None => {
                let start = row as usize * 2 * self.m;
                let places = start..start + usize::from(self.lengths[row as usize]);
                (&self.bottom[places.clone()], &self.distances[places])
            }
            Some(layer) => self.upper[row as usize]
                .get(layer)
                .map_or((&[], &[]), |upper| (&upper.rows, &upper.distances)),
        }
    }

    /// Every list in order by distance.
    fn finish(mut self) -> Layers {
        // Searches are over, and these take memory.
        self.codes = Codes::Vectors(self.vectors);
        let sorted = |layer: usize, row: u32| -> Vec<u32> {
            let mut near = self.near(layer, row);
            sort(&mut near);
            near.into_iter().map(|near| near.row).collect()
        };
        let rows = 0..self.vectors.len() as u32;
        let bottom = rows.clone().into_par_iter();
        let bottom = bottom.map(|row| sorted(0, row)).collect();
        let upper = (1..=self.top).map(|layer| {
            let members = rows.clone().filter(|&row| self.level(row) >= layer);
            members.map(|row| (row, sorted(layer, row))).collect()
        });
        let mut layers = Layers {
            entry: self.entry,
            bottom,
            upper: upper.collect(),
        };
        layers.keep_reachable();
        layers
    }
}

/// By distance, equal ones by row.
fn sort(near: &mut [Near]) {
    near.sort_unstable_by(|a, b| a.cmp(b).then(a.row.cmp(&b.row)));
}

impl Links for Growing<'_> {
    fn entry(&self) -> u32 {
        self.entry
    }

    fn top(&self) -> usize {
        self.top
    }

    fn rows(&self) -> usize {
        self.vectors.len()
    }

    fn links(&self, layer: usize, row: u32) -> Result<&[u32], Error> {
        Ok(self.list(layer, row))
    }
}
