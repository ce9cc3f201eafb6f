//! The scores that tuning works on, gathered once for all choices that it measures.

use std::collections::BTreeMap;

use treffer_eval::Topic;
use treffer_fusion::Lengths;
use treffer_types::{Candidate, Grade, Progress, Query};

use crate::engine::Engine;
use crate::error::Error;
use crate::gather::{Gathered, Gatherer, StageTrace};
use crate::learned::lengths;
use crate::profile::Profile;
use crate::topics::Topics;
use crate::tune::Search;
use crate::tune::space::{Corpus, Space};

/// One query with its candidates, their scores and their grades.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The query.
    pub query: Query,
    /// Every candidate that any choice would gather. The cross-encoder may have scored more of
    /// them than any single choice would.
    pub candidates: Vec<Candidate>,
    /// The grade of each candidate; `None` if it is not judged.
    pub grades: Vec<Option<Grade>>,
    /// The lengths of the query and of the candidates' documents.
    pub lengths: Lengths,
    /// The judgments of the query.
    pub topic: Topic,
    /// What each stage did, and how long it took.
    pub traces: Vec<StageTrace>,
}

/// Runs the stages on every query: as the profile says, or for every choice of a full
/// search at once.
///
/// # Errors
/// If a stage fails, or `progress` says to stop.
pub(crate) fn gather(
    engine: &Engine,
    profile: &Profile,
    space: &Space,
    topics: &Topics,
    progress: &dyn Progress,
) -> Result<Vec<Gathered>, Error> {
    let gatherer = Gatherer::new(engine, profile, space.pipeline.clone());
    let gatherer = gatherer.among(topics.allowed());
    let gatherer = gatherer.without_deadline(); // scores must not depend on the machine's speed
    match space.search {
        Search::Weights => topics.gather(&gatherer, progress),
        Search::Full => {
            let select = |candidates: &[Candidate]| space.places_to_rerank(candidates);
            topics.gather_by(progress, |_, query| {
                gatherer.gather_selecting(query, &select)
            })
        }
    }
}

/// Joins gathered candidates and judgments, query by query.
///
/// # Errors
/// If the id of a document cannot be read.
pub(crate) fn pools(
    engine: &Engine,
    topics: &Topics,
    gathered: Vec<Gathered>,
) -> Result<Vec<Pool>, Error> {
    let no_judgments = BTreeMap::new();
    let mut pools = Vec::with_capacity(gathered.len());
    for (query, gathered) in topics.queries.iter().zip(gathered) {
        let judgments = topics.qrels.query(&query.id).unwrap_or(&no_judgments);
        let Gathered { candidates, traces } = gathered;
        let mut grades = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            let id = engine.doc_id(candidate.doc)?;
            grades.push(judgments.get(id).copied());
        }
        pools.push(Pool {
            query: query.clone(),
            lengths: lengths(engine, query, &candidates)?,
            candidates,
            grades,
            topic: Topic::new(judgments),
            traces,
        });
    }
    Ok(pools)
}

/// What the candidates of queries tell of the index.
pub(crate) fn corpus(pools: &[Pool]) -> Corpus {
    let candidates = || pools.iter().flat_map(|pool| &pool.candidates);
    let mut evidence = candidates().flat_map(Candidate::all_evidence);
    Corpus {
        is_split: evidence.any(|(_, one)| one.passage.is_some_and(|passage| passage > 0)),
        has_several_languages: candidates().any(|candidate| candidate.is_foreign),
    }
}
