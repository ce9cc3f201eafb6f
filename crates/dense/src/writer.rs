//! Collects vectors and writes an index of them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use treffer_disk::{SealRecord, create_dir_durably, is_sealed, seal};
use treffer_types::{PassageId, Progress};

use crate::build::build;
use crate::config::GraphConfig;
use crate::error::{Error, Owner};
use crate::format::{DIMENSIONS, MOST_VECTORS};
use crate::graph::GRAPH;
use crate::index::DenseIndex;
use crate::passages;
use crate::storage::Storage;
use crate::vectors::Vectors;

/// Writes a dense index. Nothing can be opened until [`finish`](Self::finish) has returned.
///
/// All vectors are held in memory in the form in which they are kept, besides 8 bytes each;
/// the graph comes on top while finishing.
#[derive(Debug)]
pub struct DenseWriter {
    dir: PathBuf,
    config: GraphConfig,
    graph_from: usize,
    vectors: Vectors,
    passages: Vec<PassageId>,
}

/// Vectors from which on there is a graph, unless a writer is told otherwise: a scan of fewer
/// takes a fifth of a millisecond at most.
const GRAPH_FROM: usize = 2000;

impl DenseWriter {
    /// Begins an index in `dir`, which is created if it is not there.
    ///
    /// # Errors
    /// If the configuration or the dimension (2 to 65536) is out of range, if `dir` holds a dense
    /// index already, or if it cannot be created.
    pub fn create(
        dir: &Path,
        dimension: usize,
        config: &GraphConfig,
        storage: Storage,
    ) -> Result<Self, Error> {
        config.validate()?;
        if !DIMENSIONS.contains(&dimension) {
            return Err(Error::Dimension { dimension });
        }
        create_dir_durably(dir)?;
        if is_sealed(dir)? {
            return Err(Error::Exists {
                path: dir.to_owned(),
            });
        }
        Ok(DenseWriter {
            dir: dir.to_owned(),
            config: *config,
            graph_from: GRAPH_FROM,
            vectors: Vectors::new(dimension, storage),
            passages: Vec::new(),
        })
    }

    /// Sets the number of vectors from which on a graph is built; 2000 unless it is set. An
    /// index of fewer is scanned.
    pub fn graph_from(mut self, vectors: usize) -> Self {
        self.graph_from = vectors;
        self
    }

    /// Adds the vector of a passage. Passages come in increasing order, each once; a
    /// document may have any number of them.
    ///
    /// # Errors
    /// If the passage is not after the last one, if the vector has another dimension, is not
    /// finite or not of length 1 (its square within 0.002), or if the index is full. Nothing
    /// was added then, and the writer can go on.
    pub fn add(&mut self, passage: PassageId, vector: &[f32]) -> Result<(), Error> {
        self.check_passage(passage)?;
        self.vectors.push(Owner::Passage(passage), vector)?;
        self.passages.push(passage);
        Ok(())
    }

    fn check_passage(&self, passage: PassageId) -> Result<(), Error> {
        if let Some(&last) = self.passages.last()
            && passage <= last
        {
            return Err(Error::Order { passage, last });
        }
        if self.passages.len() == MOST_VECTORS {
            return Err(Error::Full { most: MOST_VECTORS });
        }
        Ok(())
    }

    /// Adds the vectors of an index whose documents are not deleted, each under the passage
    /// that `renumber` gives for its old one. Their values stay the same bit for bit if the
    /// index keeps them in the form of the new one. Returns how many there were.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the index is not as it was written, or as [`add`](Self::add);
    /// vectors before the one at fault were added then.
    pub fn copy_from(
        &mut self,
        index: &DenseIndex,
        mut renumber: impl FnMut(PassageId) -> PassageId,
    ) -> Result<usize, Error> {
        let before = self.passages.len();
        for part in &index.parts {
            part.for_each_live(&mut |row| {
                let passage = renumber(part.passage(row)?);
                self.check_passage(passage)?;
                let owner = Owner::Passage(passage);
                self.vectors.push_stored(owner, part.vectors.row(row)?)?;
                self.passages.push(passage);
                Ok(())
            })?;
        }
        Ok(self.passages.len() - before)
    }

    /// Builds the graph, writes everything and seals it; the seal comes last, after all the
    /// rest is on disk. Reports one step, in vectors, and another if some of them have to be linked
    /// after the others to be reached.
    ///
    /// Two builds from the same vectors are the same, on any number of threads.
    ///
    /// # Errors
    /// If a file cannot be written, or [`Error::Cancelled`] if `progress` says so. The directory
    /// then holds no index.
    pub fn finish(self, progress: &dyn Progress) -> Result<SealRecord, Error> {
        let DenseWriter {
            dir,
            config,
            graph_from,
            vectors,
            passages,
        } = self;
        vectors.write(&dir)?;
        passages::write(&dir, &passages)?;
        if vectors.len() > 0 && vectors.len() >= graph_from {
            build(vectors, &config, progress)?.write(&dir, &config)?;
        } else {
            // An unfinished build may have left one, and what is there is sealed.
            remove_file_if_there(&dir.join(GRAPH))?;
        }
        Ok(seal(&dir)?)
    }
}

fn remove_file_if_there(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(Error::Io {
            action: "remove",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
