//! Searches a dense index: all its parts.

use std::cmp::Reverse;
use std::path::Path;

use fixedbitset::FixedBitSet;
use treffer_disk::SealRecord;
use treffer_types::{DocId, PassageId, Score};

use crate::error::{Error, Owner};
use crate::part::{DensePart, Part, Ranked};
use crate::storage::{Query, Storage};
use crate::vectors::check_unit;

/// Vectors that are asked for before they are compared, so that there is no waiting for memory.
const AHEAD: usize = 8;

/// An open dense index of any number of parts. Any number of threads may search it; results
/// do not depend on their number.
pub struct DenseIndex {
    /// In the order of their documents, those without any last.
    pub(crate) parts: Vec<Part>,
}

impl DenseIndex {
    /// Opens the parts of an index: maps their files and checks their lengths and first
    /// blocks. Other blocks are verified when a search first touches them;
    /// [`verify`](Self::verify) checks everything. Without parts the index is empty.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no complete index in one of the folders,
    /// [`Error::Damaged`] with the file at fault if one has another length or begins otherwise
    /// than it was written, [`Error::Version`] if another version of this program wrote it,
    /// [`Error::Io`] if it cannot be read; [`Error::Mixed`] if parts have different
    /// dimensions, [`Error::Overlap`] if two parts have documents of the same number.
    pub fn open(parts: &[DensePart<'_>]) -> Result<Self, Error> {
        let mut opened = parts
            .iter()
            .map(Part::open)
            .collect::<Result<Vec<_>, _>>()?;
        if let [first, others @ ..] = opened.as_slice() {
            let expected = first.vectors.dimension();
            if let Some(other) = others.iter().find(|p| p.vectors.dimension() != expected) {
                return Err(Error::Mixed {
                    path: other.sealed.dir().to_owned(),
                    found: other.vectors.dimension(),
                    first: first.sealed.dir().to_owned(),
                    expected,
                });
            }
        }
        // Empty parts may begin anywhere.
        opened.sort_by_key(|part| (part.docs().is_empty(), part.docs().start));
        for pair in opened.windows(2) {
            let [before, after] = pair else { continue };
            if !after.docs().is_empty() && before.docs().end > after.docs().start {
                return Err(Error::Overlap {
                    path: after.sealed.dir().to_owned(),
                    other: before.sealed.dir().to_owned(),
                    doc: DocId(after.docs().start as u32),
                });
            }
        }
        Ok(DenseIndex { parts: opened })
    }

    /// Opens an index of one part, whose documents keep their numbers.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_folder(dir: &Path) -> Result<Self, Error> {
        Self::open(&[DensePart {
            dir,
            first_doc: 0,
            deleted: None,
        }])
    }

    /// Values of each vector, `None` if there are no parts.
    pub fn dimension(&self) -> Option<usize> {
        self.parts.first().map(|part| part.vectors.dimension())
    }

    /// Number of vectors, those of deleted documents not counted.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::live).sum()
    }

    /// Whether there are no vectors at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What [`DenseWriter::finish`](crate::DenseWriter::finish) returned for each part, in the
    /// order of their documents, those without any last.
    pub fn records(&self) -> Vec<SealRecord> {
        self.parts.iter().map(|part| part.sealed.record()).collect()
    }

    /// The `depth` passages most similar to `query`, as found by searching the graphs, among
    /// those of the `allowed` documents (all if `None`) that are not deleted: best first, equal
    /// scores by passage. If there are fewer, all of them.
    ///
    /// `ef_search` candidates are kept on the way in each part: more improve recall and take
    /// longer. Where a scan of the allowed vectors is less work than a search of the graph, or
    /// the search found too few, they are scanned. Among many equal vectors the search may
    /// find others than the scan.
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
        allowed: Option<&FixedBitSet>,
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        if ef_search < depth {
            return Err(Error::EfBelowDepth { ef_search, depth });
        }
        self.check_query(query)?;
        self.merge(depth, |part| {
            part.search(&part.query(query), depth, ef_search, allowed)
        })
    }

    /// The `depth` passages most similar to `query` among those of the `allowed` documents
    /// (all if `None`) that are not deleted, best first, equal scores by passage: every one of
    /// these vectors is scored. Meant for small indexes, and as the reference for large ones.
    /// The result does not depend on how documents are spread over parts.
    ///
    /// # Errors
    /// If the query has another dimension or is not of length 1; [`Error::Damaged`].
    pub fn exact(
        &self,
        query: &[f32],
        depth: usize,
        allowed: Option<&FixedBitSet>,
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        self.check_query(query)?;
        self.merge(depth, |part| part.scan(&part.query(query), depth, allowed))
    }

    /// Cosine similarity of `query` and each of the passages, in their order.
    ///
    /// # Errors
    /// [`Error::UnknownPassage`] if a passage has no vector or its document is deleted; if the
    /// query has another dimension or is not of length 1; [`Error::Damaged`].
    pub fn score(&self, query: &[f32], passages: &[PassageId]) -> Result<Vec<Score>, Error> {
        self.check_query(query)?;
        // Scores do not depend on what the form adds to it.
        let query = Query::new(query, Storage::F32);
        let mut scores = Vec::with_capacity(passages.len());
        for &passage in passages {
            let Some((part, row)) = self.find(passage)? else {
                return Err(Error::UnknownPassage { passage });
            };
            scores.push(part.vectors.score(&query, row)?);
        }
        Ok(scores)
    }

    /// Cosine similarity of `query` and every passage of each of the documents, documents in
    /// their order, the passages of each ascending. A document that has no vector or is
    /// deleted contributes nothing.
    ///
    /// # Errors
    /// If the query has another dimension or is not of length 1; [`Error::Damaged`].
    pub fn score_docs(
        &self,
        query: &[f32],
        docs: &[DocId],
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        self.check_query(query)?;
        // Scores do not depend on what the form adds to it.
        let query = Query::new(query, Storage::F32);
        let mut rows = Vec::with_capacity(docs.len());
        for &doc in docs {
            let Some(part) = self.part_of(doc) else {
                continue;
            };
            rows.extend(part.rows_of(doc)?.map(|row| (part, row)));
        }
        let mut scores = Vec::with_capacity(rows.len());
        for (i, &(part, row)) in rows.iter().enumerate() {
            if let Some(&(part, row)) = rows.get(i + AHEAD) {
                part.vectors.prefetch(row)?;
            }
            scores.push((part.passage(row)?, part.vectors.score(&query, row)?));
        }
        Ok(scores)
    }

    /// The passages of a document that have a vector, in order; none if it is not known or
    /// deleted.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn passages_of(&self, doc: DocId) -> Result<Vec<PassageId>, Error> {
        let Some(part) = self.part_of(doc) else {
            return Ok(Vec::new());
        };
        part.rows_of(doc)?.map(|row| part.passage(row)).collect()
    }

    /// The vector of a passage, if it has one and its document is not deleted, as far as the
    /// form in which it is kept has preserved it: a unit vector, which can be searched for.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn vector(&self, passage: PassageId) -> Result<Option<Vec<f32>>, Error> {
        let found = self.find(passage)?;
        found
            .map(|(part, row)| Ok(part.vectors.row(row)?.values()))
            .transpose()
    }

    fn check_query(&self, query: &[f32]) -> Result<(), Error> {
        let dimension = self.dimension().unwrap_or(query.len());
        check_unit(dimension, Owner::Query, query)
    }

    /// The part that a document's number belongs to.
    fn part_of(&self, doc: DocId) -> Option<&Part> {
        let doc = u64::from(doc.0);
        let before = |part: &Part| !part.docs().is_empty() && part.docs().end <= doc;
        let part = self.parts.get(self.parts.partition_point(before))?;
        part.docs().contains(&doc).then_some(part)
    }

    fn find(&self, passage: PassageId) -> Result<Option<(&Part, u32)>, Error> {
        let Some(part) = self.part_of(passage.doc) else {
            return Ok(None);
        };
        Ok(part.row(passage)?.map(|row| (part, row)))
    }

    /// The best `depth` of what `search` finds in each part.
    fn merge(
        &self,
        depth: usize,
        search: impl Fn(&Part) -> Result<Vec<Ranked>, Error>,
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        if depth == 0 {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for part in &self.parts {
            for (Reverse(score), row) in search(part)? {
                all.push((part.passage(row)?, score));
            }
        }
        // Parts are in the order of their documents, so equal scores already are.
        all.sort_by_key(|&(_, score)| Reverse(score));
        all.truncate(depth);
        Ok(all)
    }
}

impl std::fmt::Debug for DenseIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DenseIndex")
            .field("dimension", &self.dimension())
            .field("parts", &self.parts.len())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
