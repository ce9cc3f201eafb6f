//! The cross-encoder: scores pairs of query and document.

use std::sync::Arc;

use treffer_fusion::Normalizer;
use treffer_store::Store;
use treffer_types::{BoxError, DocId, Evidence, PairScorer, Query, Score, StageName};

use super::{Capabilities, Found, OpenContext, Parameters, Stage, StageKind, StageQuery};
use crate::error::Error;
use crate::manifest::Manifest;
use crate::models;

pub(super) static KIND: StageKind = StageKind {
    name: StageName::CROSS,
    capabilities: Capabilities {
        retrieves: false,
        scores: false,
        reranks: true,
    },
    default_depth: 100,
    // A logit has no bound, but its sigmoid is in 0..=1; for grades, see `bounds`.
    theoretical: Normalizer::Sigmoid {
        slope: 1.0,
        offset: 0.0,
    },
    is_in: |manifest| manifest.blueprint.cross.is_some(),
    open: |context| Ok(Arc::new(CrossStage::open(context)?)),
};

/// The bounds of the scores, if the cross-encoder gives grades.
pub(super) fn bounds(manifest: &Manifest) -> Option<Normalizer> {
    let record = manifest.models.cross.as_ref()?;
    let (low, high) = record.spec.details.scoring.grades()?;
    Some(Normalizer::Bounds {
        low: low.into(),
        high: high.into(),
    })
}

/// The cross-encoder with the texts that it reads.
struct CrossStage {
    scorer: Arc<dyn PairScorer>,
    store: Arc<Store>,
}

impl CrossStage {
    fn open(context: &OpenContext<'_>) -> Result<Self, Error> {
        let manifest = context.manifest;
        let (Some(config), Some(record)) = (&manifest.blueprint.cross, &manifest.models.cross)
        else {
            return Err(Error::Request("this index has no cross stage".into()));
        };
        let models = context.models;
        let scorer = models.pair_scorer_with(&config.model, &config.settings, context.device);
        let scorer = scorer.map_err(|source| models::load_error(&config.model, source))?;
        record.check(&models::record_scorer(scorer.as_ref()))?;
        Ok(CrossStage {
            scorer,
            store: Arc::clone(context.store),
        })
    }
}

impl Stage for CrossStage {
    fn begin<'a>(
        &'a self,
        queries: &[&'a Query],
        _parameters: Parameters,
    ) -> Result<Vec<Box<dyn StageQuery + 'a>>, BoxError> {
        let begun = |query: &&'a Query| -> Box<dyn StageQuery + 'a> {
            Box::new(CrossQuery {
                stage: self,
                text: &query.text,
            })
        };
        Ok(queries.iter().map(begun).collect())
    }
}

struct CrossQuery<'a> {
    stage: &'a CrossStage,
    text: &'a str,
}

impl StageQuery for CrossQuery<'_> {
    fn score(&self, docs: &[DocId]) -> Result<Vec<Found>, BoxError> {
        let texts = docs
            .iter()
            .map(|doc| Ok(self.stage.store.document(*doc)?.full_text()))
            .collect::<Result<Vec<String>, treffer_store::Error>>()?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let pairs = self.stage.scorer.score_pairs(self.text, &texts)?;
        if pairs.len() != docs.len() {
            return Err(format!(
                "the cross-encoder returned {} scores for {} pairs",
                pairs.len(),
                docs.len()
            )
            .into());
        }
        let found = docs.iter().zip(pairs).map(|(doc, pair)| {
            let score = Score::new(pair.score)
                .ok_or_else(|| format!("the cross-encoder gave {} for a pair", pair.score))?;
            Ok(Found {
                doc: *doc,
                evidence: Evidence {
                    passage: 0,
                    score,
                    tokens_cut: pair.tokens_cut,
                },
            })
        });
        found.collect()
    }
}
