//! Searches a dense index.

use std::cmp::Reverse;
use std::path::Path;

use treffer_disk::{SealRecord, Sealed};
use treffer_types::{DocId, PassageId, Score};

use crate::config::GraphConfig;
use crate::error::{Error, Owner};
use crate::graph::Graph;
use crate::passages::Passages;
use crate::search::near;
use crate::vectors::{MappedVectors, check_unit, distance};

/// An open dense index. Any number of threads may search it; results do not depend on their
/// number.
///
/// Rows are in the order of their passages, so the row with the lower number is also
/// the one that ranks first among equal scores.
pub struct DenseIndex {
    pub(crate) sealed: Sealed,
    pub(crate) vectors: MappedVectors,
    pub(crate) passages: Passages,
    pub(crate) graph: Graph,
}

impl DenseIndex {
    /// Opens the index in `dir`: maps its files and checks their lengths and first blocks.
    /// Other blocks are verified when a search first touches them; [`verify`](Self::verify)
    /// checks everything.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no complete index in `dir`, [`Error::Damaged`] with
    /// the file at fault if one has another length or begins otherwise than it was written,
    /// [`Error::Version`] if another version of this program wrote it, [`Error::Io`] if it cannot
    /// be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let sealed = Sealed::open(dir)?;
        let vectors = MappedVectors::open(&sealed)?;
        let passages = Passages::open(&sealed, vectors.len())?;
        let graph = Graph::open(&sealed, vectors.len())?;
        Ok(DenseIndex {
            sealed,
            vectors,
            passages,
            graph,
        })
    }

    /// What the graph was built with.
    pub fn config(&self) -> &GraphConfig {
        self.graph.config()
    }

    /// Values of each vector.
    pub fn dimension(&self) -> usize {
        self.vectors.dimension()
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Whether there are no vectors at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What [`DenseWriter::finish`](crate::DenseWriter::finish) returned for this index.
    pub fn record(&self) -> SealRecord {
        self.sealed.record()
    }

    /// The `depth` passages most similar to `query` as found by the graph search, best first,
    /// equal scores by passage.
    ///
    /// `ef_search` candidates are kept on the way: more improve recall and take longer. If it
    /// is at least the number of vectors, a scan is no more work, so the result is that of
    /// [`exact`](Self::exact). Among many equal vectors the graph search may find others than
    /// the scan.
    ///
    /// # Errors
    /// [`Error::EfBelowDepth`] if `ef_search` is below `depth`; if the query has another
    /// dimension or is not of length 1; [`Error::Damaged`] if what is touched is not as it
    /// was written.
    pub fn search(
        &self,
        query: &[f32],
        depth: usize,
        ef_search: usize,
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        if ef_search < depth {
            return Err(Error::EfBelowDepth { ef_search, depth });
        }
        self.check_query(query)?;
        if depth == 0 || ef_search >= self.len() {
            return self.best(query, self.rows(), depth);
        }
        let near = near(&self.graph, ef_search, |row| {
            Ok(distance(query, self.vectors.row(row)?))
        })?;
        self.best(query, near.into_iter().map(|near| near.row), depth)
    }

    /// The `depth` passages most similar to `query`, best first, equal scores by passage:
    /// every vector is scored. Meant for small indexes, and as the reference for large ones.
    ///
    /// # Errors
    /// If the query has another dimension or is not of length 1; [`Error::Damaged`].
    pub fn exact(&self, query: &[f32], depth: usize) -> Result<Vec<(PassageId, Score)>, Error> {
        self.check_query(query)?;
        self.best(query, self.rows(), depth)
    }

    /// Cosine similarity of `query` and each of the passages, in their order.
    ///
    /// # Errors
    /// [`Error::UnknownPassage`] if a passage has no vector; if the query has another dimension
    /// or is not of length 1; [`Error::Damaged`].
    pub fn score(&self, query: &[f32], passages: &[PassageId]) -> Result<Vec<Score>, Error> {
        self.check_query(query)?;
        let mut scores = Vec::with_capacity(passages.len());
        for &passage in passages {
            let Some(row) = self.passages.row(passage)? else {
                return Err(Error::UnknownPassage { passage });
            };
            scores.push(self.vectors.score(query, row)?);
        }
        Ok(scores)
    }

    /// Cosine similarity of `query` and every passage of each of the documents, documents in
    /// their order, the passages of each ascending. A document without a vector contributes
    /// nothing.
    ///
    /// # Errors
    /// If the query has another dimension or is not of length 1; [`Error::Damaged`].
    pub fn score_docs(
        &self,
        query: &[f32],
        docs: &[DocId],
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        self.check_query(query)?;
        let mut scores = Vec::with_capacity(docs.len());
        for &doc in docs {
            for row in self.passages.rows_of(doc)? {
                scores.push((self.passages.get(row)?, self.vectors.score(query, row)?));
            }
        }
        Ok(scores)
    }

    /// The passages of a document that have a vector, in order; none if it is not known.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn passages_of(&self, doc: DocId) -> Result<Vec<PassageId>, Error> {
        let rows = self.passages.rows_of(doc)?;
        rows.map(|row| self.passages.get(row)).collect()
    }

    /// The vector of a passage, if it has one: a unit vector, which can be searched for.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn vector(&self, passage: PassageId) -> Result<Option<&[f32]>, Error> {
        let row = self.passages.row(passage)?;
        row.map(|row| self.vectors.row(row)).transpose()
    }

    fn check_query(&self, query: &[f32]) -> Result<(), Error> {
        check_unit(self.dimension(), Owner::Query, query)
    }

    fn rows(&self) -> std::ops::Range<u32> {
        0..self.len() as u32
    }

    fn best(
        &self,
        query: &[f32],
        rows: impl Iterator<Item = u32>,
        depth: usize,
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        // A buffer that is cut back to the best `depth` when it is full.
        let most = (2 * depth).clamp(1024, self.len().max(1024));
        let mut ranked: Vec<(Reverse<Score>, u32)> = Vec::new();
        for row in rows {
            if ranked.len() >= most && depth < most {
                keep_best(&mut ranked, depth);
            }
            ranked.push((Reverse(self.vectors.score(query, row)?), row));
        }
        keep_best(&mut ranked, depth);
        ranked.sort_unstable();
        ranked
            .into_iter()
            .map(|(Reverse(score), row)| Ok((self.passages.get(row)?, score)))
            .collect()
    }
}

fn keep_best(ranked: &mut Vec<(Reverse<Score>, u32)>, depth: usize) {
    if depth < ranked.len() {
        ranked.select_nth_unstable(depth);
        ranked.truncate(depth);
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
