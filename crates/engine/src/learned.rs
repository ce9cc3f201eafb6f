//! Learned fusions of an index: where they are kept, and how a search uses one.
//!
//! ```text
//! INDEX/learned/PROFILE.json   named, with its checksum, by the profile that uses it
//! ```

use treffer_api::FeatureScore;
use treffer_fusion::{Contribution, Fused, Fusion, Learned, Lengths, fuse};
use treffer_types::{Candidate, DocId, Query, StageName, stage_list};

use crate::engine::Engine;
use crate::error::{Error, part};
use crate::pipeline::Pipeline;
use crate::profile::Profile;

mod file;

pub use crate::profile::LearnedFile;
pub(crate) use file::verify;
pub use file::{keep, load};

/// The lengths of the query and of the candidates' documents, in terms of the analyzer.
///
/// # Errors
/// If the index does not know a candidate.
pub(crate) fn lengths(
    engine: &Engine,
    query: &Query,
    candidates: &[Candidate],
) -> Result<Lengths, Error> {
    let mut documents = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let rows: Vec<DocId> = engine.bm25_rows(candidate.doc)?.map(DocId).collect();
        let lengths = engine.bm25().lengths(&rows);
        let lengths = lengths.map_err(part("read", "BM25 part", engine.dir()))?;
        documents.push(lengths.into_iter().sum());
    }
    Ok(Lengths {
        query: engine.bm25().length_of(&query.text),
        documents,
    })
}

/// Ranks candidates.
#[derive(Clone, Debug)]
pub enum Ranker {
    /// The profile's weights.
    Linear(Fusion),
    /// The profile's learned fusion.
    Learned(std::sync::Arc<Learned>),
}

impl Ranker {
    /// The one that `profile` uses over the stages of `pipeline`: its learned fusion if that
    /// was trained on exactly these stages, otherwise its weights.
    ///
    /// # Errors
    /// If the learned fusion cannot be read, or if there are several stages and all their
    /// weights are 0.
    pub fn new(engine: &Engine, profile: &Profile, pipeline: &Pipeline) -> Result<Self, Error> {
        match profile.learned_for(pipeline.stages()) {
            Some(record) => Ranker::learned(engine, record),
            None => Ranker::linear(profile, pipeline),
        }
    }

    fn learned(engine: &Engine, record: &LearnedFile) -> Result<Self, Error> {
        let learned = load(engine.dir(), record)?;
        Ok(Ranker::Learned(std::sync::Arc::new(learned)))
    }

    /// The profile's weights over the stages of `pipeline`, learned fusion or not.
    ///
    /// # Errors
    /// If there are several stages and all their weights are 0.
    fn linear(profile: &Profile, pipeline: &Pipeline) -> Result<Self, Error> {
        let fusion = pipeline.fusion(profile).ok_or_else(|| {
            Error::Request(format!(
                "the weights {} give nothing to the stages that run: {}",
                profile.weights,
                stage_list(pipeline.stages())
            ))
        })?;
        Ok(Ranker::Linear(fusion))
    }

    /// The weights, or those that the learned fusion corrects.
    pub fn fusion(&self) -> &Fusion {
        match self {
            Ranker::Linear(fusion) => fusion,
            Ranker::Learned(learned) => learned.fusion(),
        }
    }

    /// Whether `stage` influences the order.
    pub(crate) fn looks_at(&self, stage: StageName) -> bool {
        match self {
            Ranker::Linear(fusion) => fusion.weights.weight(stage) > 0.0,
            Ranker::Learned(learned) => learned.stages().contains(&stage),
        }
    }

    /// All candidates of a query, best first.
    ///
    /// # Errors
    /// If the index does not know a candidate, or the trees cannot be applied.
    pub fn fuse(
        &self,
        engine: &Engine,
        query: &Query,
        candidates: &[Candidate],
    ) -> Result<Vec<Fused>, Error> {
        match self {
            Ranker::Linear(fusion) => Ok(fuse(candidates, fusion)),
            Ranker::Learned(learned) => {
                let lengths = lengths(engine, query, candidates)?;
                Ok(learned.fuse(candidates, &lengths)?)
            }
        }
    }

    /// The first `top_k` of [`Ranker::fuse`], each with what every feature added to its score;
    /// empty under weights alone.
    ///
    /// # Errors
    /// As [`Ranker::fuse`].
    pub fn explained(
        &self,
        engine: &Engine,
        query: &Query,
        candidates: &[Candidate],
        top_k: usize,
    ) -> Result<Vec<(Fused, Vec<FeatureScore>)>, Error> {
        match self {
            Ranker::Linear(fusion) => {
                let fused = fuse(candidates, fusion).into_iter().take(top_k);
                Ok(fused.map(|fused| (fused, Vec::new())).collect())
            }
            Ranker::Learned(learned) => {
                let lengths = lengths(engine, query, candidates)?;
                let mut fused = learned.fuse(candidates, &lengths)?;
                fused.truncate(top_k);
                let positions: Vec<usize> = fused.iter().map(|fused| fused.candidate).collect();
                let contributions = learned.contributions(candidates, &lengths, &positions)?;
                let additions = contributions.into_iter().map(|of_one| {
                    let named = |one: Contribution| FeatureScore {
                        feature: one.feature.map_or_else(|| "mean".to_owned(), Into::into),
                        value: one.value,
                        part: one.part,
                    };
                    of_one.into_iter().map(named).collect()
                });
                Ok(fused.into_iter().zip(additions).collect())
            }
        }
    }
}
