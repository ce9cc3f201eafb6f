//! A graph in memory, between the builder and the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use treffer_disk::FileWriter;

use crate::config::GraphConfig;
use crate::error::Error;
use crate::graph::{GRAPH, PROLOGUE};
use crate::search::Links;

/// The links of every row that a search can reach.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Layers {
    /// Where a search begins.
    pub(crate) entry: u32,
    /// By row, nearest first.
    pub(crate) bottom: Vec<Vec<u32>>,
    /// Above the bottom, lowest layer first: the rows of a layer and their links.
    pub(crate) upper: Vec<BTreeMap<u32, Vec<u32>>>,
}

impl Layers {
    /// Keeps in each upper layer only the rows that a search can reach there: those to which
    /// links lead from the entry or from a row of the layer above.
    pub(crate) fn keep_reachable(&mut self) {
        let mut starts = BTreeSet::from([self.entry]);
        for layer in self.upper.iter_mut().rev() {
            let mut kept = BTreeMap::new();
            let mut pending: Vec<u32> = starts.iter().copied().collect();
            while let Some(row) = pending.pop() {
                let links = layer.remove(&row).unwrap_or_default();
                pending.extend(links.iter().filter(|&&link| starts.insert(link)));
                kept.insert(row, links);
            }
            *layer = kept;
        }
    }

    /// Writes the graph in the format of [`crate::graph`].
    pub(crate) fn write(&self, dir: &Path, config: &GraphConfig) -> Result<(), Error> {
        let mut file = FileWriter::create(&dir.join(GRAPH))?;
        file.push(&PROLOGUE.to_bytes())?;
        for number in [
            config.m,
            config.ef_construction,
            self.bottom.len(),
            self.entry as usize,
            self.upper.len(),
        ] {
            file.push(&(number as u32).to_le_bytes())?;
        }
        write_lists(&mut file, self.bottom.iter())?;
        for layer in &self.upper {
            file.push(&(layer.len() as u64).to_le_bytes())?;
            for row in layer.keys() {
                file.push(&row.to_le_bytes())?;
            }
            pad(&mut file)?;
            write_lists(&mut file, layer.values())?;
        }
        Ok(file.finish()?)
    }
}

fn write_lists<'a>(
    file: &mut FileWriter,
    lists: impl Iterator<Item = &'a Vec<u32>> + Clone,
) -> Result<(), Error> {
    let links: usize = lists.clone().map(Vec::len).sum();
    file.push(&(links as u64).to_le_bytes())?;
    let mut end = 0;
    for list in lists.clone() {
        end += list.len() as u64;
        file.push(&end.to_le_bytes())?;
    }
    for link in lists.flatten() {
        file.push(&link.to_le_bytes())?;
    }
    pad(file)
}

/// What follows begins at a multiple of 8 bytes.
fn pad(file: &mut FileWriter) -> Result<(), Error> {
    if !file.bytes().is_multiple_of(8) {
        file.push(&[0; 4])?;
    }
    Ok(())
}

impl Links for Layers {
    fn entry(&self) -> u32 {
        self.entry
    }

    fn top(&self) -> usize {
        self.upper.len()
    }

    fn rows(&self) -> usize {
        self.bottom.len()
    }

    fn links(&self, layer: usize, row: u32) -> Result<&[u32], Error> {
        let links = match layer.checked_sub(1) {
            None => self.bottom.get(row as usize),
            Some(upper) => self.upper.get(upper).and_then(|rows| rows.get(&row)),
        };
        Ok(links.map_or(&[], Vec::as_slice))
    }
}
