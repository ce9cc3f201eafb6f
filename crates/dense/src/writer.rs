//! Collects vectors and writes an index of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use treffer_disk::{CHECKSUMS, SealRecord, create_dir_durably, seal};
use treffer_types::{PassageId, Progress};

use crate::build::build;
use crate::config::GraphConfig;
use crate::error::{Error, Owner};
use crate::format::{DIMENSIONS, MOST_VECTORS};
use crate::layers::Layers;
use crate::passages;
use crate::repair::connect;
use crate::vectors::Vectors;

/// Writes a dense index. Nothing can be opened until [`finish`](Self::finish) has returned.
///
/// All vectors are held in memory, `4 d + 8` bytes each; the graph comes on top while
/// finishing.
#[derive(Debug)]
pub struct DenseWriter {
    dir: PathBuf,
    config: GraphConfig,
    vectors: Vectors,
    passages: Vec<PassageId>,
}

impl DenseWriter {
    /// Begins an index in `dir`, which is created if it is not there.
    ///
    /// # Errors
    /// If the configuration or the dimension (2 to 65536) is out of range, if `dir` holds a dense
    /// index already, or if it cannot be created.
    pub fn create(dir: &Path, dimension: usize, config: &GraphConfig) -> Result<Self, Error> {
        config.validate()?;
        if !DIMENSIONS.contains(&dimension) {
            return Err(Error::Dimension { dimension });
        }
        create_dir_durably(dir)?;
        let seal = dir.join(CHECKSUMS);
        let exists = seal.try_exists().map_err(|source| Error::Io {
            action: "look for",
            path: seal,
            source,
        })?;
        if exists {
            return Err(Error::Exists {
                path: dir.to_owned(),
            });
        }
        Ok(DenseWriter {
            dir: dir.to_owned(),
            config: *config,
            vectors: Vectors::new(dimension),
            passages: Vec::new(),
        })
    }

    /// Adds the vector of a passage. Passages come in increasing order, each once; a
    /// document may have any number of them.
    ///
    /// # Errors
    /// If the passage is not after the last one, if the vector has another dimension, is not
    /// finite or not of length 1 (its square within 0.002), or if the index is full. Nothing
    /// was added then, and the writer can go on.
    pub fn add(&mut self, passage: PassageId, vector: &[f32]) -> Result<(), Error> {
        if let Some(&last) = self.passages.last()
            && passage <= last
        {
            return Err(Error::Order { passage, last });
        }
        if self.passages.len() == MOST_VECTORS {
            return Err(Error::Full { most: MOST_VECTORS });
        }
        self.vectors.push(Owner::Passage(passage), vector)?;
        self.passages.push(passage);
        Ok(())
    }

    /// Builds the graph, writes everything and seals it; the seal comes last, after all the
    /// rest is on disk. Reports one step, in vectors.
    ///
    /// One thread inserts in order, so that two builds from the same vectors are the same.
    ///
    /// # Errors
    /// If a file cannot be written, or [`Error::Cancelled`] if `progress` says so. The directory
    /// then holds no index.
    pub fn finish(self, progress: &dyn Progress) -> Result<SealRecord, Error> {
        let DenseWriter {
            dir,
            config,
            vectors,
            passages,
        } = self;
        vectors.write(&dir)?;
        passages::write(&dir, &passages)?;
        let mut layers = Layers::default();
        if vectors.len() > 0 {
            let vectors = Arc::new(vectors);
            progress.begin("building the graph", Some(vectors.len() as u64), "vectors");
            let built = build(&vectors, &config, progress);
            progress.end();
            layers = built?;
            connect(&mut layers, &vectors, &config)?;
        }
        layers.write(&dir, &config)?;
        Ok(seal(&dir)?)
    }
}
