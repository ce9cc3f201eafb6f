//! Tuning: what maximizes a metric on judged queries, and whether the gain is significant.
//!
//! Scores are gathered once and kept. Then every choice is fused and measured on every
//! query, which is cheap, and nested cross-validation estimates the metric on queries that had
//! no part in the choice.
//!
//! Reading order: `report` is the output and `pool` the input; `setup` defines a choice,
//! `space` which ones there are, `prior` what is known of them beforehand, `table` measures them, `calibrate` fits the reranker's
//! sigmoid, `select` chooses, `nested` cross-validates the choice, `learn` trains a learned fusion, `verdict` compares with the
//! baselines, `adopt` changes the profile, `cache` stores gathered scores, and `rehearse` chooses with fewer queries.

use treffer_eval::Metric;
use treffer_types::{NoProgress, Progress, StageName};

mod adopt;
mod cache;
mod calibrate;
#[cfg(feature = "learned")]
mod learn;
mod nested;
mod pool;
mod prior;
mod rehearse;
mod report;
mod select;
mod setup;
mod space;
mod table;
mod verdict;

pub use adopt::{Decision, Tuned, Winner, adopt};
pub use pool::Pool;
pub use prior::{Prior, PriorOrigin};
pub use rehearse::{Rehearsal, gather_pools, rehearse};
pub use report::{
    Against, Baseline, DepthPoint, LEVEL, LearnedReport, Measured, PriorReport, QueryOutcome,
    ScoresOrigin, StageCost, SurfacePoint, TuneReport, Verdict,
};
pub use setup::{Choice, Setting, Setup};

use crate::engine::Engine;
use crate::error::Error;
use crate::manifest::Models;
use crate::pipeline::Pipeline;
use crate::profile::Profile;
use crate::topics::Topics;
use prior::PriorWeights;
use space::{Corpus, Space};

/// How to tune.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneRequest<'a> {
    /// The profile to start from, and to compare with.
    pub profile: &'a Profile,
    /// The stages to give weights; `None` for all that the profile runs.
    pub stages: Option<&'a [StageName]>,
    /// What to maximize: its mean over queries.
    pub metric: Metric,
    /// What to search.
    pub search: Search,
    /// What the weights are drawn towards.
    pub prior: Prior,
    /// Steps from weight 0 to weight 1; 20 means a grid of 0.05.
    pub steps: u32,
    /// Folds of the cross-validation, at least 2.
    pub folds: usize,
    /// Seed of the folds, the bootstrap and the randomization tests.
    pub seed: u64,
    /// Draws of the bootstrap and of each randomization test.
    pub draws: u32,
    /// Maximum milliseconds per query, by the times measured while gathering; only for a full
    /// search.
    pub budget_ms: Option<f64>,
    /// Whether scores are cached in the index's folder.
    pub cache: bool,
    /// Whether a learned fusion is trained as well.
    pub learn: bool,
}

/// Default number of draws.
pub const DRAWS: u32 = 10_000;

/// What tuning may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// The weights alone.
    #[default]
    Weights,
    /// Weights, normalizers, depths, and the order in which the cross-encoder takes
    /// candidates.
    Full,
}

impl TuneRequest<'_> {
    /// What is searched; `models` are those of the index, if there is one.
    fn space(&self, pipeline: &Pipeline, corpus: Corpus, models: Option<&Models>) -> Space {
        let prior = PriorWeights::of(self.prior, self.profile, pipeline.stages(), models);
        Space::new(self.profile, self.search, pipeline, corpus, self.steps).towards(prior)
    }
}

/// What a tuning searches, and the scores that it does so with.
struct Prepared {
    space: Space,
    pools: Vec<Pool>,
    /// Query ids by fold.
    folds: Vec<Vec<String>>,
    scores: ScoresOrigin,
}

/// Checks a request and gathers.
fn prepare(
    engine: &Engine,
    request: &TuneRequest<'_>,
    topics: &Topics,
    progress: &dyn Progress,
) -> Result<Prepared, Error> {
    let (profile, available) = (request.profile, &topics.available(engine));
    profile.refuse_other_profiles("tune")?;
    let pipeline = match request.stages {
        Some(stages) => Pipeline::only(profile, available, stages)?,
        None => Pipeline::of(profile, available)?,
    };
    engine.refuse_moving_now(pipeline.stages(), "a tuning")?;
    let ids = topics.queries.iter().map(|query| query.id.as_str());
    let folds = verdict::check(request, pipeline.stages(), ids)?; // before any work
    let corpus = Corpus {
        is_split: engine.has_split_documents(),
        has_several_languages: engine.has_several_languages(),
    };
    let space = request.space(&pipeline, corpus, Some(&engine.manifest().models));
    let gather = || pool::gather(engine, profile, &space, topics, progress);
    let (gathered, scores) = if request.cache {
        cache::load_or(engine, profile, &space, topics, gather)?
    } else {
        (gather()?, ScoresOrigin::Gathered { note: None })
    };
    let pools = pool::pools(engine, topics, gathered)?;
    Ok(Prepared {
        space,
        pools,
        folds,
        scores,
    })
}

/// Finds what maximizes a metric on judged queries, and compares it with the baselines. Queries
/// are searched under the filter of `topics`.
///
/// # Errors
/// If fewer than two stages are given weights, there are fewer queries than folds, no choice
/// is within the budget, a stage fails or counts from the time of the search, or `progress` says to stop.
pub fn tune(
    engine: &Engine,
    request: &TuneRequest<'_>,
    topics: &Topics,
    progress: &dyn Progress,
) -> Result<TuneReport, Error> {
    let prepared = prepare(engine, request, topics, progress)?;
    let work = verdict::Work {
        space: &prepared.space,
        pools: &prepared.pools,
        request,
        folds: &prepared.folds,
        scores: prepared.scores,
    };
    verdict::report(work, progress)
}

/// As [`tune`], on scores that were gathered before by this pipeline. Reads no index, so it
/// can be used in simulations; a prior that asks for a preset's weights takes the profile's.
///
/// # Errors
/// As [`tune`], except errors of gathering.
pub fn tune_pools(
    pools: &[Pool],
    request: &TuneRequest<'_>,
    pipeline: &Pipeline,
) -> Result<TuneReport, Error> {
    let ids = pools.iter().map(|pool| pool.query.id.as_str());
    let folds = verdict::check(request, pipeline.stages(), ids)?;
    let work = verdict::Work {
        space: &request.space(pipeline, pool::corpus(pools), None),
        pools,
        request,
        folds: &folds,
        scores: ScoresOrigin::Gathered { note: None },
    };
    verdict::report(work, &NoProgress)
}
