//! Late interaction: the token vectors of a query against those of each candidate's passages, or of
//! the passages that lists of centroids promise most.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_api::TokenMatch;
use treffer_fusion::Normalizer;
use treffer_late::{LateIndex, LateQuery, Nearest, Pruning};
use treffer_types::{
    BoxError, DocId, Evidence, PassageId, Query, Score, StageName, TokenEmbedder, TokenEmbedding,
};

use super::{Capabilities, Found, OpenContext, Parameters, Stage, StageKind, StageQuery};
use crate::error::Error;
use crate::models;

pub(super) static KIND: StageKind = StageKind {
    name: StageName::LATE,
    capabilities: Capabilities {
        retrieves: true,
        scores: true,
        reranks: false,
        matches_words: false,
        by_document: false,
    },
    // Scoring what others found is cheaper, and usually no worse.
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
        parameters: Parameters,
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
        let begun = embeddings.into_iter().zip(queries);
        let begun = begun.map(|(TokenEmbedding { vectors, .. }, query)| {
            Ok(Box::new(LateStageQuery {
                stage: self,
                query: self.index.query(&vectors)?,
                vectors,
                text: &query.text,
                pruning: parameters.late,
                allowed: parameters.allowed.clone(),
            }) as Box<dyn StageQuery + 'a>)
        });
        begun.collect()
    }
}

struct LateStageQuery<'a> {
    stage: &'a LateStage,
    query: LateQuery,
    vectors: Vec<f32>,
    text: &'a str,
    pruning: Pruning,
    /// The documents among which to search.
    allowed: Option<Arc<FixedBitSet>>,
}

impl StageQuery for LateStageQuery<'_> {
    fn retrieve(&self, depth: usize) -> Result<Vec<Found>, BoxError> {
        let (index, allowed) = (&self.stage.index, self.allowed.as_deref());
        let found = index.retrieve(&self.query, depth, self.pruning, allowed)?;
        Ok(found.into_iter().map(of_passage).collect())
    }

    fn rank_all(&self) -> Result<Vec<Found>, BoxError> {
        let found = self
            .stage
            .index
            .rank_all(&self.query, self.allowed.as_deref())?;
        Ok(found.into_iter().map(of_passage).collect())
    }

    fn score(&self, docs: &[DocId]) -> Result<Vec<Found>, BoxError> {
        let scored = self.stage.index.score_docs(&self.query, docs)?;
        Ok(scored.into_iter().map(of_passage).collect())
    }

    fn align(&self, passage: PassageId, text: &str) -> Result<Vec<TokenMatch>, BoxError> {
        let LateStage { index, model } = self.stage;
        let Some(kept) = index.tokens_of(passage)? else {
            return Ok(Vec::new());
        };
        let query_tokens = model.query_tokens(self.text)?;
        if query_tokens.len() * model.width() != self.vectors.len() {
            return Ok(Vec::new()); // the model does not tell what its vectors stand for
        }
        let tokens = model.passage_tokens(text)?;
        let found = if tokens.len() == kept {
            index.align(&self.vectors, passage)?
        } else {
            // One vector stands for several tokens, so they are compared as they were before.
            let embedding = model.embed_passages(&[text])?.pop().unwrap_or_default();
            index.align_text(&self.vectors, &embedding.vectors)?
        };
        let place =
            |place: Option<(u32, u32)>| place.map(|(from, to)| (from as usize, to as usize));
        let matches = query_tokens.into_iter().zip(found);
        let matches = matches.filter_map(|(of_query, Nearest { token, product })| {
            let token = tokens.get(token as usize)?;
            Some(TokenMatch {
                query_token: of_query.text,
                query_place: place(of_query.place),
                token: token.text.clone(),
                place: place(token.place),
                similarity: product.clamp(-1.0, 1.0),
            })
        });
        Ok(matches.collect())
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
