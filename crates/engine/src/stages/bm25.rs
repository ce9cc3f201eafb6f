//! BM25 over the inverted index. Documents are scored as a whole, so the evidence is for
//! passage 0.

use std::sync::Arc;

use treffer_bm25::Bm25Index;
use treffer_fusion::Normalizer;
use treffer_types::{BoxError, DocId, Evidence, Query, Score, StageName};

use super::{Capabilities, Found, Parameters, Stage, StageKind, StageQuery};

/// BM25 never retrieves a document with this score: no term of the query occurs in it.
pub(crate) const LEAST_BM25: Score = Score::ZERO;

pub(super) static KIND: StageKind = StageKind {
    name: StageName::BM25,
    capabilities: Capabilities {
        retrieves: true,
        scores: true,
        reranks: false,
    },
    default_depth: 200,
    theoretical: Normalizer::TheoreticalMin { low: 0.0 },
    is_in: |_| true,
    open: |context| Ok(Arc::new(Bm25Stage(Arc::clone(context.bm25)))),
};

struct Bm25Stage(Arc<Bm25Index>);

impl Stage for Bm25Stage {
    fn begin<'a>(
        &'a self,
        queries: &[&'a Query],
        _parameters: Parameters,
    ) -> Result<Vec<Box<dyn StageQuery + 'a>>, BoxError> {
        let begun = |query: &&'a Query| -> Box<dyn StageQuery + 'a> {
            Box::new(Bm25Query {
                index: &self.0,
                text: &query.text,
            })
        };
        Ok(queries.iter().map(begun).collect())
    }
}

struct Bm25Query<'a> {
    index: &'a Bm25Index,
    text: &'a str,
}

impl StageQuery for Bm25Query<'_> {
    fn retrieve(&self, depth: usize) -> Result<Vec<Found>, BoxError> {
        let found = self.index.search(self.text, depth)?;
        Ok(found.into_iter().map(of_document).collect())
    }

    fn rank_all(&self) -> Result<Vec<Found>, BoxError> {
        self.retrieve(self.index.n_docs() as usize)
    }

    fn score(&self, docs: &[DocId]) -> Result<Vec<Found>, BoxError> {
        let scores = self.index.score(self.text, docs)?;
        Ok(docs.iter().copied().zip(scores).map(of_document).collect())
    }
}

fn of_document((doc, score): (DocId, Score)) -> Found {
    Found {
        doc,
        evidence: Evidence::new(0, score),
    }
}
