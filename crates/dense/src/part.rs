//! One folder of an index: its vectors, passages and graph, and which documents of it are
//! deleted.

use std::cmp::Reverse;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_disk::Sealed;
use treffer_types::{DocId, PassageId, Score};

use crate::error::{Error, damaged};
use crate::filter::Filter;
use crate::filtered::near_matching;
use crate::graph::{GRAPH, Graph};
use crate::passages::Passages;
use crate::search::near;
use crate::storage::Query;
use crate::vectors::MappedVectors;

/// A folder that [`DenseWriter`](crate::DenseWriter) wrote, as a part of an index.
#[derive(Clone, Debug)]
pub struct DensePart<'a> {
    /// The folder.
    pub dir: &'a Path,
    /// The number in the index of the part's document 0.
    pub first_doc: u32,
    /// The documents that were deleted since the part was written, by their numbers in the
    /// part; a set of any length.
    pub deleted: Option<Arc<FixedBitSet>>,
}

/// A row with its score, ordered from the best to the worst, equal scores by row.
pub(crate) type Ranked = (Reverse<Score>, u32);

/// An open part.
///
/// Rows are in the order of their passages, so the row with the lower number is also
/// the one that ranks first among equal scores.
pub(crate) struct Part {
    pub(crate) sealed: Sealed,
    pub(crate) vectors: MappedVectors,
    pub(crate) passages: Passages,
    /// Small parts have none.
    pub(crate) graph: Option<Graph>,
    first_doc: u32,
    deleted: Option<Arc<FixedBitSet>>,
    /// Rows of documents that are not deleted.
    live: usize,
}

impl Part {
    pub(crate) fn open(part: &DensePart<'_>) -> Result<Self, Error> {
        let mut opened = Part::without_graph(part)?;
        let graph = opened
            .sealed
            .contains(GRAPH)
            .then(|| Graph::open(&opened.sealed, opened.vectors.len()));
        opened.graph = graph.transpose()?;
        Ok(opened)
    }

    /// Opens everything but the graph, which may be damaged.
    pub(crate) fn without_graph(part: &DensePart<'_>) -> Result<Self, Error> {
        let sealed = Sealed::open(part.dir)?;
        let vectors = MappedVectors::open(&sealed)?;
        let passages = Passages::open(&sealed, vectors.len())?;
        if passages.docs() + u64::from(part.first_doc) > 1 << 32 {
            let reason = format!(
                "its {} documents cannot be numbered from {} on",
                passages.docs(),
                part.first_doc
            );
            return Err(damaged(passages.path(), reason));
        }
        let mut live = vectors.len();
        let mut deleted = part.deleted.clone();
        if let Some(docs) = &deleted {
            for doc in docs
                .ones()
                .take_while(|&doc| (doc as u64) < passages.docs())
            {
                live -= passages.rows_of(DocId(doc as u32))?.len().min(live);
            }
        }
        if live == vectors.len() {
            deleted = None;
        }
        Ok(Part {
            sealed,
            vectors,
            passages,
            graph: None,
            first_doc: part.first_doc,
            deleted,
            live,
        })
    }

    /// Rows of documents that are not deleted.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// The global numbers of its documents, up to the last that has a vector.
    pub(crate) fn docs(&self) -> Range<u64> {
        let first = u64::from(self.first_doc);
        first..first + self.passages.docs()
    }

    /// A query for the form of the part's vectors.
    pub(crate) fn query(&self, values: &[f32]) -> Query {
        Query::new(values, self.vectors.storage())
    }

    fn filter<'a>(&'a self, allowed: Option<&'a FixedBitSet>) -> Filter<'a> {
        let docs = self.passages.docs() as usize;
        Filter::new(docs, self.first_doc, self.deleted.as_deref(), allowed)
    }

    /// The rows of a document, by its global number, which is one of the part's; none if it
    /// is deleted.
    pub(crate) fn rows_of(&self, doc: DocId) -> Result<Range<u32>, Error> {
        let local = self.local(doc);
        if !self.filter(None).contains(local) {
            return Ok(0..0);
        }
        self.passages.rows_of(local)
    }

    /// The row of a passage of one of the part's documents; none if it is deleted.
    pub(crate) fn row(&self, passage: PassageId) -> Result<Option<u32>, Error> {
        let local = PassageId {
            doc: self.local(passage.doc),
            ..passage
        };
        if !self.filter(None).contains(local.doc) {
            return Ok(None);
        }
        self.passages.row(local)
    }

    /// The passage of a row, by its global number.
    pub(crate) fn passage(&self, row: u32) -> Result<PassageId, Error> {
        let local = self.passages.get(row)?;
        Ok(PassageId {
            // Below 2^32 for every document up to the last; an earlier one is only greater
            // in a file that makes no sense.
            doc: DocId(self.first_doc.wrapping_add(local.doc.0)),
            ..local
        })
    }

    fn local(&self, doc: DocId) -> DocId {
        DocId(doc.0 - self.first_doc)
    }

    /// Every row that is not deleted, ascending.
    pub(crate) fn for_each_live(
        &self,
        visit: &mut dyn FnMut(u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.for_each(&self.filter(None), visit)
    }

    /// The best `depth` rows among those of allowed documents: every one is scored.
    pub(crate) fn scan(
        &self,
        query: &Query,
        depth: usize,
        allowed: Option<&FixedBitSet>,
    ) -> Result<Vec<Ranked>, Error> {
        self.scan_where(query, depth, &self.filter(allowed))
    }

    fn scan_where(
        &self,
        query: &Query,
        depth: usize,
        filter: &Filter<'_>,
    ) -> Result<Vec<Ranked>, Error> {
        let mut best = Best::new(depth);
        self.for_each(filter, &mut |row| {
            best.add(self.vectors.score(query, row)?, row);
            Ok(())
        })?;
        Ok(best.finish())
    }

    /// Up to `depth` good rows among those of allowed documents: as many as there are.
    pub(crate) fn search(
        &self,
        query: &Query,
        depth: usize,
        ef_search: usize,
        allowed: Option<&FixedBitSet>,
    ) -> Result<Vec<Ranked>, Error> {
        let filter = self.filter(allowed);
        let Some(graph) = &self.graph else {
            return self.scan_where(query, depth, &filter);
        };
        let rows = self.vectors.len();
        let mut away = self.vectors.away_from(query);
        let found = if filter.is_open() {
            if ef_search >= rows {
                return self.scan_where(query, depth, &filter);
            }
            Some(near(graph, ef_search, &mut away)?)
        } else {
            // Exact where every document has equally many passages.
            let matching = (filter.count() as u128 * rows as u128
                / u128::from(self.passages.docs().max(1))) as usize;
            let matches = |row| Ok(filter.contains(self.passages.doc(row)?));
            near_matching(graph, depth, ef_search, matching, matches, &mut away)?
        };
        if let Some(near) = found
            && (near.len() >= depth || near.len() == rows)
        {
            let mut best = Best::new(depth);
            for near in near {
                best.add(self.vectors.score(query, near.row)?, near.row);
            }
            return Ok(best.finish());
        }
        self.scan_where(query, depth, &filter)
    }

    /// The rows of the documents that pass, ascending.
    fn for_each(
        &self,
        filter: &Filter<'_>,
        visit: &mut dyn FnMut(u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        /// One document in so many: fewer are looked up, more are read with all others.
        const SPARSE: usize = 8;
        let rows = 0..self.vectors.len() as u32;
        if filter.is_open() {
            return rows.into_iter().try_for_each(visit);
        }
        if filter.count() > self.passages.docs() as usize / SPARSE {
            for row in rows {
                if filter.contains(self.passages.doc(row)?) {
                    visit(row)?;
                }
            }
        } else {
            for doc in filter.iter() {
                self.passages.rows_of(doc)?.try_for_each(&mut *visit)?;
            }
        }
        Ok(())
    }
}

/// The best rows so far: a buffer that is cut back to the best `depth` when it is full.
struct Best {
    depth: usize,
    /// Entries before it is cut back.
    most: usize,
    ranked: Vec<Ranked>,
    /// Beyond the best `depth` of those that were there when it was last cut back.
    worst: Option<Ranked>,
}

impl Best {
    fn new(depth: usize) -> Self {
        Best {
            depth,
            most: depth.saturating_mul(2).max(1024),
            ranked: Vec::new(),
            worst: None,
        }
    }

    #[inline]
    fn add(&mut self, score: Score, row: u32) {
        let ranked = (Reverse(score), row);
        if self.worst.is_some_and(|worst| ranked > worst) {
            return;
        }
        if self.ranked.len() >= self.most {
            self.cut();
        }
        self.ranked.push(ranked);
    }

    fn cut(&mut self) {
        if self.depth < self.ranked.len() {
            let (_, &mut worst, _) = self.ranked.select_nth_unstable(self.depth);
            self.worst = Some(worst);
            self.ranked.truncate(self.depth);
        }
    }

    /// The best rows, best first.
    fn finish(mut self) -> Vec<Ranked> {
        self.cut();
        self.ranked.sort_unstable();
        self.ranked
    }
}
