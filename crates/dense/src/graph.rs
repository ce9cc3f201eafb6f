//! The graph on disk: `graph.links`.
//!
//! ```text
//! prologue, m u32, ef_construction u32, rows u32, entry row u32, upper layers u32
//! bottom: lists, one for each row
//! then per upper layer, from the lowest: rows u64, their numbers u32 (ascending), padding,
//!         lists, one for each of these rows
//!
//! lists:  links u64, the end of each list u64 (counted in links), links u32, padding
//! ```
//!
//! A list holds the rows that a row links to, nearest first. Padding is zeros up to a
//! multiple of 8 bytes. An upper layer holds the rows that a search can reach there.

use std::path::Path;
use std::sync::Arc;

use treffer_disk::{Numbers, Prologue, Sealed, VerifiedFile, partition_point};

use crate::config::GraphConfig;
use crate::error::{Error, damaged};
use crate::format::VERSION;
use crate::search::Links;

pub(crate) const GRAPH: &str = "graph.links";
pub(crate) const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFgrph\n",
    version: VERSION,
};
const START: usize = Prologue::BYTES + 20;

/// More layers than the algorithm's level generator can produce.
const MOST_LAYERS: usize = 64;

/// A graph on disk. Only the offsets of its parts are in memory.
#[derive(Debug)]
pub(crate) struct Graph {
    file: Arc<VerifiedFile>,
    rows: usize,
    entry: u32,
    bottom: Lists,
    /// Above the bottom, lowest first.
    upper: Vec<UpperLayer>,
}

#[derive(Debug)]
struct UpperLayer {
    rows: Numbers<u32>,
    lists: Lists,
}

/// Lists of rows, one after the other.
#[derive(Debug)]
struct Lists {
    ends: Numbers<u64>,
    links: Numbers<u32>,
}

impl Graph {
    /// Opens the graph over the given number of rows.
    pub(crate) fn open(sealed: &Sealed, rows: usize) -> Result<Self, Error> {
        let file = sealed.file(GRAPH)?;
        PROLOGUE.check_file(&file)?;
        let head = Numbers::<u32>::new(Arc::clone(&file), Prologue::BYTES, 5)?;
        let head = head.slice(0..5)?;
        let &[m, ef_construction, found, entry, upper] = head else {
            unreachable!("the slice has the requested length");
        };
        let config = GraphConfig::new(m as usize, ef_construction as usize);
        let wrong = |reason: String| Err(damaged(file.path(), reason));
        if let Err(error) = config.validate() {
            return wrong(error.to_string());
        }
        if found as usize != rows || (rows > 0 && entry as usize >= rows) {
            return wrong(format!(
                "it leads from row {entry} over {found} rows instead of {rows}"
            ));
        }
        if upper as usize > MOST_LAYERS {
            return wrong(format!("it has {upper} layers"));
        }
        let mut parts = Parts {
            file: &file,
            at: START,
        };
        let bottom = parts.lists(rows)?;
        let mut layers = Vec::new();
        for _ in 0..upper {
            let n = parts.count()?;
            layers.push(UpperLayer {
                rows: parts.numbers(n)?,
                lists: parts.lists(n)?,
            });
        }
        if parts.at != file.len() {
            return wrong(format!("{} bytes follow its end", file.len() - parts.at));
        }
        Ok(Graph {
            rows,
            entry,
            bottom,
            upper: layers,
            file,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The rows of an upper layer, from 1.
    pub(crate) fn rows_of(&self, layer: usize) -> &Numbers<u32> {
        &self.upper[layer - 1].rows
    }
}

impl Links for Graph {
    fn entry(&self) -> u32 {
        self.entry
    }

    fn top(&self) -> usize {
        self.upper.len()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn links(&self, layer: usize, row: u32) -> Result<&[u32], Error> {
        let links = match layer.checked_sub(1) {
            None => self.bottom.get(row as usize)?,
            Some(upper) => {
                let UpperLayer { rows, lists } = &self.upper[upper];
                let index = partition_point(rows.len(), |i| Ok::<_, Error>(rows.get(i)? < row))?;
                if index == rows.len() || rows.get(index)? != row {
                    return Err(damaged(
                        self.path(),
                        format!("a link leads to row {row}, which is not in layer {layer}"),
                    ));
                }
                lists.get(index)?
            }
        };
        match links.iter().find(|&&link| link as usize >= self.rows) {
            None => Ok(links),
            Some(link) => Err(damaged(
                self.path(),
                format!("row {row} links to row {link} of {}", self.rows),
            )),
        }
    }
}

impl Lists {
    fn get(&self, index: usize) -> Result<&[u32], Error> {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before)?,
            None => 0,
        };
        // A mapped file fits the address space; an offset beyond it is refused.
        let [start, end] = [start, self.ends.get(index)?]
            .map(|offset| usize::try_from(offset).unwrap_or(usize::MAX));
        Ok(self.links.slice(start..end)?)
    }
}

/// Walks over the parts of the file, each beginning at a multiple of 8 bytes.
struct Parts<'a> {
    file: &'a Arc<VerifiedFile>,
    at: usize,
}

impl Parts<'_> {
    fn count(&mut self) -> Result<usize, Error> {
        let count = Numbers::<u64>::new(Arc::clone(self.file), self.at, 1)?.get(0)?;
        self.at += 8;
        usize::try_from(count).map_err(|_| {
            damaged(
                self.file.path(),
                format!("a part of it has {count} numbers"),
            )
        })
    }

    fn numbers<T: treffer_disk::Number>(&mut self, n: usize) -> Result<Numbers<T>, Error> {
        let numbers = Numbers::new(Arc::clone(self.file), self.at, n)?;
        // They fit the file, so the sum does not overflow.
        self.at = (self.at + n * size_of::<T>()).next_multiple_of(8);
        Ok(numbers)
    }

    fn lists(&mut self, n: usize) -> Result<Lists, Error> {
        let links = self.count()?;
        Ok(Lists {
            ends: self.numbers(n)?,
            links: self.numbers(links)?,
        })
    }
}
