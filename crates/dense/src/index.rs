//! Searches a dense index.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

use treffer_types::{DocId, PassageId, Score};

use crate::config::GraphConfig;
use crate::error::{Error, Owner};
use crate::files::{Header, PASSAGES, Prologue, VECTORS, damaged};
use crate::graph::Graph;
use crate::vectors::Vectors;

pub(crate) const VECTORS_MAGIC: [u8; 8] = *b"TRFvecs\n";
pub(crate) const PASSAGES_MAGIC: [u8; 8] = *b"TRFpass\n";

/// A dense index in memory. Any number of threads may search it; results do not depend
/// on how many do.
///
/// Rows are in the order of their passages, so the row with the lower number is also
/// the one that ranks first among equal scores.
pub struct DenseIndex {
    config: GraphConfig,
    vectors: Arc<Vectors>,
    passages: Vec<PassageId>,
    /// None if there are no vectors.
    graph: Option<Graph>,
}

impl DenseIndex {
    /// Reads an index into memory. Sizes, checksums and contents of all its files are
    /// checked before the graph library sees a byte.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no complete index in `dir`, [`Error::Damaged`] with
    /// the file at fault if it is not as it was written, [`Error::Version`] if another
    /// version of this program wrote it, [`Error::Io`] if it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let header = Header::open(dir)?;
        let passages = read_passages(dir, &header)?;
        let vectors = Arc::new(read_vectors(dir, &header, &passages)?);
        let graph = match passages.is_empty() {
            true => None,
            false => Some(Graph::load(dir, &vectors, &header.graph)?),
        };
        Ok(DenseIndex {
            config: header.graph,
            vectors,
            passages,
            graph,
        })
    }

    /// What the graph was built with.
    pub fn config(&self) -> &GraphConfig {
        &self.config
    }

    /// Values of each vector.
    pub fn dimension(&self) -> usize {
        self.vectors.dimension()
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.passages.len()
    }

    /// Whether there are no vectors at all.
    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// The `depth` passages most similar to `query` as far as the graph leads to them, best
    /// first, equal scores by passage.
    ///
    /// `ef_search` candidates are kept on the way: more find more of the true best and take
    /// longer. Once it reaches the number of vectors a scan is no more work, so the answer is
    /// then that of [`exact`](Self::exact). Among many equal vectors the graph may come by
    /// others than the scan does.
    ///
    /// # Errors
    /// [`Error::EfBelowDepth`] if `ef_search` is below `depth`; if the query has another
    /// dimension or is not of length 1.
    pub fn search(
        &self,
        query: &[f32],
        depth: usize,
        ef_search: usize,
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        if ef_search < depth {
            return Err(Error::EfBelowDepth { ef_search, depth });
        }
        self.vectors.check(Owner::Query, query)?;
        match &self.graph {
            Some(graph) if depth > 0 && ef_search < self.len() => {
                let near = graph.near(query, ef_search)?;
                Ok(self.best(query, near.into_iter(), depth))
            }
            _ => Ok(self.best(query, self.rows(), depth)),
        }
    }

    /// The `depth` passages most similar to `query`, best first, equal scores by passage:
    /// every vector is looked at. The way for small indexes, and the truth for large ones.
    ///
    /// # Errors
    /// If the query has another dimension or is not of length 1.
    pub fn exact(&self, query: &[f32], depth: usize) -> Result<Vec<(PassageId, Score)>, Error> {
        self.vectors.check(Owner::Query, query)?;
        Ok(self.best(query, self.rows(), depth))
    }

    /// Cosine similarity of `query` and each of the passages, in their order.
    ///
    /// # Errors
    /// [`Error::UnknownPassage`] if a passage has no vector; if the query has another dimension
    /// or is not of length 1.
    pub fn score(&self, query: &[f32], passages: &[PassageId]) -> Result<Vec<Score>, Error> {
        self.vectors.check(Owner::Query, query)?;
        let mut scores = Vec::with_capacity(passages.len());
        for &passage in passages {
            let row = self
                .passages
                .binary_search(&passage)
                .map_err(|_| Error::UnknownPassage { passage })?;
            scores.push(self.vectors.score(query, row as u32));
        }
        Ok(scores)
    }

    /// The passages of a document that have a vector, in order; none if it is not known.
    pub fn passages_of(&self, doc: DocId) -> impl ExactSizeIterator<Item = PassageId> + '_ {
        let start = self.passages.partition_point(|id| id.doc < doc);
        let end = self.passages.partition_point(|id| id.doc <= doc);
        self.passages[start..end].iter().copied()
    }

    fn rows(&self) -> std::ops::Range<u32> {
        0..self.len() as u32
    }

    fn best(
        &self,
        query: &[f32],
        rows: impl Iterator<Item = u32>,
        depth: usize,
    ) -> Vec<(PassageId, Score)> {
        let mut ranked: Vec<(Reverse<Score>, u32)> = rows
            .map(|row| (Reverse(self.vectors.score(query, row)), row))
            .collect();
        if depth < ranked.len() {
            ranked.select_nth_unstable(depth);
            ranked.truncate(depth);
        }
        ranked.sort_unstable();
        ranked
            .into_iter()
            .map(|(Reverse(score), row)| (self.passages[row as usize], score))
            .collect()
    }
}

impl std::fmt::Debug for DenseIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DenseIndex")
            .field("dimension", &self.dimension())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn read_passages(dir: &Path, header: &Header) -> Result<Vec<PassageId>, Error> {
    let path = dir.join(PASSAGES);
    let prologue = Prologue {
        magic: PASSAGES_MAGIC,
        width: 2,
        rows: header.vectors,
    };
    let mut passages = Vec::new();
    prologue.read(&path, |row| {
        let [doc, passage] = [row[0], row[1]].map(u32::from_le_bytes);
        let id = PassageId {
            doc: DocId(doc),
            passage,
        };
        if passages.last().is_some_and(|&last| id <= last) {
            return Err(damaged(&path, "its passages are out of order"));
        }
        passages.push(id);
        Ok(())
    })?;
    Ok(passages)
}

fn read_vectors(dir: &Path, header: &Header, passages: &[PassageId]) -> Result<Vectors, Error> {
    let path = dir.join(VECTORS);
    let prologue = Prologue {
        magic: VECTORS_MAGIC,
        width: header.dimension,
        rows: header.vectors,
    };
    let mut vectors = Vectors::new(header.dimension);
    let mut vector = Vec::with_capacity(header.dimension);
    prologue.read(&path, |row| {
        vector.clear();
        vector.extend(row.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        let owner = Owner::Passage(passages[vectors.len()]);
        vectors
            .push(owner, &vector)
            .map_err(|error| damaged(&path, error.to_string()))
    })?;
    Ok(vectors)
}
