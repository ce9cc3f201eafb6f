//! The cross-encoder: scores pairs of query and document.

use std::collections::BTreeMap;
use std::sync::Arc;

use treffer_bm25::Bm25Index;
use treffer_fusion::Normalizer;
use treffer_store::Store;
use treffer_types::{BoxError, Evidence, Language, PairScorer, PassageId, Query, Score, StageName};

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
        matches_words: false,
        by_document: false,
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
    /// Those that read queries in these languages in its place.
    by_language: BTreeMap<Language, Arc<dyn PairScorer>>,
    store: Arc<Store>,
    /// Tells the language of a query.
    bm25: Arc<Bm25Index>,
}

impl CrossStage {
    fn open(context: &OpenContext<'_>) -> Result<Self, Error> {
        let manifest = context.data.manifest();
        let (Some(config), Some(record)) = (&manifest.blueprint.cross, &manifest.models.cross)
        else {
            return Err(Error::Request("this index has no cross stage".into()));
        };
        let models = context.models;
        let scorer = models.pair_scorer_with(&config.model, &config.settings, context.device);
        let scorer = scorer.map_err(|source| models::load_error(&config.model, source))?;
        record.check(&models::record_scorer(scorer.as_ref()))?;
        let mut by_language = BTreeMap::new();
        for (language, name) in &config.by_language {
            let of_language = manifest.models.cross_by_language.get(language);
            let of_language = of_language.ok_or_else(|| Error::Damaged {
                path: context.data.dir().into(),
                what: format!("its manifest has no record of the cross-encoder {name}"),
            })?;
            let other = models::scorer_in_place(models, name, context.device, record)?;
            of_language.check(&models::record_scorer(other.as_ref()))?;
            by_language.insert(*language, other);
        }
        Ok(CrossStage {
            scorer,
            by_language,
            store: Arc::clone(&context.data.store),
            bm25: Arc::clone(&context.data.bm25),
        })
    }

    /// The model that reads a query.
    fn scorer_of(&self, query: &str) -> &dyn PairScorer {
        if self.by_language.is_empty() {
            return self.scorer.as_ref();
        }
        let language = self.bm25.detect(query).language;
        let other = language.and_then(|language| self.by_language.get(&language));
        other.unwrap_or(&self.scorer).as_ref()
    }
    /// What the model reads of each passage.
    fn texts(&self, ids: &[PassageId]) -> Result<Vec<String>, BoxError> {
        let mut texts = Vec::with_capacity(ids.len());
        for of_document in ids.chunk_by(|a, b| a.doc == b.doc) {
            let doc = of_document[0].doc;
            let (document, passages) = self.store.split_document(doc)?;
            for PassageId { passage, .. } in of_document {
                let found = passages.get(*passage as usize);
                let found = found.ok_or_else(|| {
                    format!("document `{}` has no passage {passage}", document.id)
                })?;
                texts.push(found.full_text(&document.text));
            }
        }
        Ok(texts)
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
                scorer: self.scorer_of(&query.text),
                text: &query.text,
            })
        };
        Ok(queries.iter().map(begun).collect())
    }
}

struct CrossQuery<'a> {
    stage: &'a CrossStage,
    scorer: &'a dyn PairScorer,
    text: &'a str,
}

impl StageQuery for CrossQuery<'_> {
    fn rerank(&self, passages: &[PassageId]) -> Result<Vec<Found>, BoxError> {
        let texts = self.stage.texts(passages)?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let scored = passages.iter().zip(self.score_texts(&texts)?);
        let found = scored.map(|(id, (score, tokens_cut))| Found {
            doc: id.doc,
            evidence: Evidence {
                passage: Some(id.passage),
                score,
                tokens_cut,
            },
        });
        Ok(found.collect())
    }

    fn reads_any_text(&self) -> bool {
        true
    }

    fn compare(&self, texts: &[&str]) -> Result<Vec<Score>, BoxError> {
        let scored = self.score_texts(texts)?.into_iter();
        Ok(scored.map(|(score, _)| score).collect())
    }
}

impl CrossQuery<'_> {
    /// The score of each text, and how many of its tokens were not read.
    fn score_texts(&self, texts: &[&str]) -> Result<Vec<(Score, u32)>, BoxError> {
        let pairs = self.scorer.score_pairs(self.text, texts)?;
        if pairs.len() != texts.len() {
            return Err(format!(
                "the cross-encoder returned {} scores for {} pairs",
                pairs.len(),
                texts.len()
            )
            .into());
        }
        let checked = pairs.into_iter().map(|pair| {
            let score = Score::new(pair.score)
                .ok_or_else(|| format!("the cross-encoder gave {} for a pair", pair.score))?;
            Ok((score, pair.tokens_cut))
        });
        checked.collect()
    }
}
