//! Late interaction: the token vectors of a query against those of each candidate's passages.

use std::sync::Arc;

use treffer_fusion::Normalizer;
use treffer_late::{LateIndex, LateQuery};
use treffer_types::{
    BoxError, DocId, Evidence, PassageId, Query, Score, StageName, TokenEmbedder, TokenEmbedding,
};

use super::{Capabilities, Found, OpenContext, Parameters, Stage, StageKind, StageQuery};
use crate::error::Error;
use crate::models;

pub(super) static KIND: StageKind = StageKind {
    name: StageName::LATE,
    capabilities: Capabilities {
        // Every passage would have to be scored.
        retrieves: false,
        scores: true,
        reranks: false,
        matches_words: false,
        by_document: false,
    },
    default_depth: 0,
    theoretical: Normalizer::TheoreticalMin { low: -1.0 },
    is_in: |manifest| manifest.blueprint.late.is_some(),
    open,
};

fn open(context: &OpenContext<'_>) -> Result<Arc<dyn Stage>, Error> {
    let manifest = context.data.manifest();
    let (Some(config), Some(record)) = (&manifest.blueprint.late, &manifest.models.late) else {
        return Err(Error::Request(
            "this index has no token vectors; build it with late.model set".into(),
        ));
    };
    let model = models::token_embedder(context.models, config, context.device)?;
    record.check(&models::record_token_embedder(model.as_ref()))?;
    let index = context.data.open_late()?;
    if let Some(width) = index.width()
        && width != model.width()
    {
        return Err(Error::Request(format!(
            "{} makes tokens of {} values, those of the index have {width}; bring the model back that it was built with, or build it again",
            config.model,
            model.width()
        )));
    }
    Ok(Arc::new(LateStage { index, model }))
}

struct LateStage {
    index: LateIndex,
    model: Arc<dyn TokenEmbedder>,
}

impl Stage for LateStage {
    fn begin<'a>(
        &'a self,
        queries: &[&'a Query],
        _parameters: Parameters,
    ) -> Result<Vec<Box<dyn StageQuery + 'a>>, BoxError> {
        let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        let embeddings = self.model.embed_queries(&texts)?;
        if embeddings.len() != texts.len() {
            return Err(format!(
                "the model returned the token vectors of {} queries for {}",
                embeddings.len(),
                texts.len()
            )
            .into());
        }
        let begun = embeddings
            .into_iter()
            .map(|TokenEmbedding { vectors, .. }| {
                let query = self.index.query(&vectors)?;
                Ok(Box::new(LateStageQuery { stage: self, query }) as Box<dyn StageQuery + 'a>)
            });
        begun.collect()
    }
}

struct LateStageQuery<'a> {
    stage: &'a LateStage,
    query: LateQuery,
}

impl StageQuery for LateStageQuery<'_> {
    fn score(&self, docs: &[DocId]) -> Result<Vec<Found>, BoxError> {
        let scored = self.stage.index.score_docs(&self.query, docs)?;
        Ok(scored.into_iter().map(of_passage).collect())
    }

    fn reads_any_text(&self) -> bool {
        true
    }

    fn compare(&self, texts: &[&str]) -> Result<Vec<Score>, BoxError> {
        let embeddings = self.stage.model.embed_passages(texts)?;
        let score = |embedding: TokenEmbedding| {
            Ok(self.stage.index.compare(&self.query, &embedding.vectors)?)
        };
        embeddings.into_iter().map(score).collect()
    }
}

fn of_passage((id, score): (PassageId, Score)) -> Found {
    Found {
        doc: id.doc,
        evidence: Evidence::new(id.passage, score),
    }
}
