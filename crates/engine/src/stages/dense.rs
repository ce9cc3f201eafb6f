//! The bi-encoder: cosine similarity of embeddings, passage by passage.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_dense::DenseIndex;
use treffer_fusion::Normalizer;
use treffer_types::{BoxError, DocId, Embedder, Evidence, PassageId, Query, Score, StageName};

use super::{Capabilities, Found, OpenContext, Parameters, Stage, StageKind, StageQuery};
use crate::error::Error;
use crate::models;

pub(super) static KIND: StageKind = StageKind {
    name: StageName::DENSE,
    capabilities: Capabilities {
        retrieves: true,
        scores: true,
        reranks: false,
        matches_words: false,
        by_document: false,
    },
    default_depth: 200,
    theoretical: Normalizer::TheoreticalMin { low: -1.0 },
    is_in: |manifest| manifest.blueprint.dense.is_some(),
    open,
};

fn open(context: &OpenContext<'_>) -> Result<Arc<dyn Stage>, Error> {
    let manifest = context.data.manifest();
    let (Some(config), Some(record)) = (&manifest.blueprint.dense, &manifest.models.dense) else {
        return Err(Error::Request("this index has no dense stage".into()));
    };
    let embedder = models::embedder(context.models, config, context.device)?;
    record.check(&models::record_embedder(embedder.as_ref()))?;
    let index = context.data.open_dense()?;
    Ok(Arc::new(DenseStage { index, embedder }))
}

struct DenseStage {
    index: DenseIndex,
    embedder: Arc<dyn Embedder>,
}

impl Stage for DenseStage {
    fn begin<'a>(
        &'a self,
        queries: &[&'a Query],
        parameters: Parameters,
    ) -> Result<Vec<Box<dyn StageQuery + 'a>>, BoxError> {
        let vectors = self.vectors(queries)?;
        let scans = self.index.len() < parameters.exact_below;
        let begun = vectors.into_iter().map(|vector| {
            Box::new(DenseQuery {
                index: &self.index,
                embedder: self.embedder.as_ref(),
                vector,
                ef_search: (!scans).then_some(parameters.ef_search),
                allowed: parameters.allowed.clone(),
            }) as Box<dyn StageQuery + 'a>
        });
        Ok(begun.collect())
    }
}

impl DenseStage {
    /// The vector of each query: the one that it brings, or what the bi-encoder makes of its
    /// text.
    fn vectors(&self, queries: &[&Query]) -> Result<Vec<Vec<f32>>, BoxError> {
        let texts = queries.iter().filter(|query| query.vector.is_none());
        let texts: Vec<&str> = texts.map(|query| query.text.as_str()).collect();
        let mut embeddings = Vec::new();
        if !texts.is_empty() {
            embeddings = self.embedder.embed_queries(&texts)?;
        }
        if embeddings.len() != texts.len() {
            return Err(format!(
                "the bi-encoder returned {} vectors for {} queries",
                embeddings.len(),
                texts.len()
            )
            .into());
        }
        let mut embeddings = embeddings.into_iter();
        let dimension = self.embedder.dimension();
        let vector = |query: &&Query| match &query.vector {
            Some(given) if given.len() == dimension => Ok(models::unit(given.clone())),
            Some(given) => {
                let n = given.len();
                Err(format!(
                    "the query's vector has {n} values, those of the index have {dimension}"
                )
                .into())
            }
            None => Ok(embeddings.next().map(|one| one.vector).unwrap_or_default()),
        };
        queries.iter().map(vector).collect()
    }
}

struct DenseQuery<'a> {
    index: &'a DenseIndex,
    embedder: &'a dyn Embedder,
    vector: Vec<f32>,
    /// Beam of the graph search; `None` scans every vector.
    ef_search: Option<usize>,
    /// The documents among which to search.
    allowed: Option<Arc<FixedBitSet>>,
}

impl StageQuery for DenseQuery<'_> {
    fn retrieve(&self, depth: usize) -> Result<Vec<Found>, BoxError> {
        let allowed = self.allowed.as_deref();
        let found = match self.ef_search {
            // More than the profile's depth where several passages are of one document.
            Some(ef_search) => {
                let ef_search = ef_search.max(depth);
                self.index.search(&self.vector, depth, ef_search, allowed)?
            }
            None => self.index.exact(&self.vector, depth, allowed)?,
        };
        Ok(found.into_iter().map(of_passage).collect())
    }

    fn rank_all(&self) -> Result<Vec<Found>, BoxError> {
        let allowed = self.allowed.as_deref();
        let found = self.index.exact(&self.vector, self.index.len(), allowed)?;
        Ok(found.into_iter().map(of_passage).collect())
    }

    fn score(&self, docs: &[DocId]) -> Result<Vec<Found>, BoxError> {
        let scored = self.index.score_docs(&self.vector, docs)?;
        Ok(scored.into_iter().map(of_passage).collect())
    }

    fn reads_any_text(&self) -> bool {
        true
    }

    fn compare(&self, texts: &[&str]) -> Result<Vec<Score>, BoxError> {
        let embeddings = self.embedder.embed_passages(texts)?;
        let cosines = embeddings.into_iter().map(|embedding| {
            let products = embedding
                .vector
                .iter()
                .zip(&self.vector)
                .map(|(a, b)| a * b);
            let cosine: f32 = products.sum();
            Score::new(cosine).ok_or_else(|| format!("the bi-encoder gave {cosine}").into())
        });
        cosines.collect()
    }
}

fn of_passage((id, score): (PassageId, Score)) -> Found {
    Found {
        doc: id.doc,
        evidence: Evidence::new(id.passage, score),
    }
}
