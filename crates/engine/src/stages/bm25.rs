//! BM25 over the inverted index, of documents as a whole or of their passages.

use std::ops::Range;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_bm25::Bm25Index;
use treffer_fusion::Normalizer;
use treffer_store::Store;
use treffer_types::{BoxError, DocId, Evidence, PassageId, Query, Score, StageName};

use super::{Capabilities, Found, Parameters, Stage, StageKind, StageQuery};
use crate::passages::Unit;

/// BM25 never retrieves a document with this score: no term of the query occurs in it.
pub(crate) const LEAST_BM25: Score = Score::ZERO;

pub(super) static KIND: StageKind = StageKind {
    name: StageName::BM25,
    capabilities: Capabilities {
        retrieves: true,
        scores: true,
        reranks: false,
        matches_words: true,
        by_document: false,
    },
    default_depth: 200,
    theoretical: Normalizer::TheoreticalMin { low: 0.0 },
    is_in: |_| true,
    open: |context| {
        Ok(Arc::new(Bm25Stage {
            index: Arc::clone(&context.data.bm25),
            store: Arc::clone(&context.data.store),
            unit: context.data.manifest().blueprint.bm25_unit(),
        }))
    },
};

struct Bm25Stage {
    index: Arc<Bm25Index>,
    store: Arc<Store>,
    unit: Unit,
}

impl Stage for Bm25Stage {
    fn begin<'a>(
        &'a self,
        queries: &[&'a Query],
        parameters: Parameters,
    ) -> Result<Vec<Box<dyn StageQuery + 'a>>, BoxError> {
        let allowed = parameters.allowed.map(|docs| self.rows(docs)).transpose()?;
        let begun = |query: &&'a Query| -> Box<dyn StageQuery + 'a> {
            Box::new(Bm25Query {
                stage: self,
                text: &query.text,
                allowed: allowed.clone(),
            })
        };
        Ok(queries.iter().map(begun).collect())
    }
}

impl Bm25Stage {
    /// The rows of documents: they themselves, or their passages.
    fn rows(&self, docs: Arc<FixedBitSet>) -> Result<Arc<FixedBitSet>, BoxError> {
        let n_passages = self.store.n_passages() as usize;
        if self.unit == Unit::Document || n_passages == self.store.len() {
            return Ok(docs);
        }
        let mut rows = FixedBitSet::with_capacity(n_passages);
        for doc in docs.ones() {
            let Range { start, end } = self.store.passages_of(DocId(doc as u32))?;
            rows.insert_range(start as usize..(end as usize).min(n_passages));
        }
        Ok(Arc::new(rows))
    }
}

struct Bm25Query<'a> {
    stage: &'a Bm25Stage,
    text: &'a str,
    /// The rows among which to search.
    allowed: Option<Arc<FixedBitSet>>,
}

impl StageQuery for Bm25Query<'_> {
    fn retrieve(&self, depth: usize) -> Result<Vec<Found>, BoxError> {
        let found = self
            .stage
            .index
            .search(self.text, depth, self.allowed.as_deref())?;
        found.into_iter().map(|found| self.of_row(found)).collect()
    }

    fn rank_all(&self) -> Result<Vec<Found>, BoxError> {
        self.retrieve(self.stage.index.n_docs() as usize)
    }

    fn score(&self, docs: &[DocId]) -> Result<Vec<Found>, BoxError> {
        let Bm25Stage { index, store, unit } = self.stage;
        let rows = match unit {
            Unit::Document => docs.to_vec(),
            Unit::Passage => {
                let mut rows = Vec::with_capacity(docs.len());
                for doc in docs {
                    rows.extend(store.passages_of(*doc)?.map(DocId));
                }
                rows
            }
        };
        let scores = index.score(self.text, &rows)?;
        let scored = rows.into_iter().zip(scores);
        scored.map(|scored| self.of_row(scored)).collect()
    }
}

impl Bm25Query<'_> {
    /// What a row of the index stands for: a document, or a passage by its number.
    fn of_row(&self, (row, score): (DocId, Score)) -> Result<Found, BoxError> {
        Ok(match self.stage.unit {
            Unit::Document => Found {
                doc: row,
                evidence: Evidence::whole(score),
            },
            Unit::Passage => {
                let PassageId { doc, passage } = self.stage.store.passage(row.0)?;
                Found {
                    doc,
                    evidence: Evidence::new(passage, score),
                }
            }
        })
    }
}
