//! The scores that tuning works on, gathered once for all choices that it measures.

use std::collections::BTreeMap;
use std::time::Instant;

use treffer_eval::Topic;
use treffer_fusion::Lengths;
use treffer_types::{Candidate, Grade, Progress, Query, StageName, StageTrace};

use crate::error::{Error, part, stop_if_asked};
use crate::gather::Plan;
use crate::index::Index;
use crate::learned::lengths;
use crate::profile::Profile;
use crate::stages::read_pairs;
use crate::topics::Topics;
use crate::tune::Search;
use crate::tune::space::Space;

/// One query with the scores of its candidates, and what they are worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The query.
    pub query: Query,
    /// Every candidate that a choice may look at. The cross-encoder may have read more
    /// of them than any single choice would.
    pub candidates: Vec<Candidate>,
    /// The grade of each candidate; `None` where nobody judged it.
    pub grades: Vec<Option<Grade>>,
    /// How long the query and the candidates' documents are.
    pub lengths: Lengths,
    /// What there was to be found.
    pub topic: Topic,
    /// What each stage did, and how long it took.
    pub traces: Vec<StageTrace>,
}

/// What one query's stages said: all of a [`Pool`] that costs time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scores {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) traces: Vec<StageTrace>,
}

/// Runs the stages on every query: as the profile says, or for every choice of a full
/// search at once.
///
/// # Errors
/// If a stage fails, or `progress` says to stop.
pub(crate) fn gather(
    index: &Index,
    profile: &Profile,
    space: &Space,
    topics: &Topics,
    progress: &dyn Progress,
) -> Result<Vec<Scores>, Error> {
    let stages = &space.stages;
    let reads_apart = space.search == Search::Full && stages.contains(&StageName::Cross);
    let first: Vec<StageName> = stages
        .iter()
        .copied()
        .filter(|stage| !(reads_apart && *stage == StageName::Cross))
        .collect();
    // Exhaustive gathering needs no first stage, and reads everything anyway.
    let reads_apart = reads_apart && !space.is_exhaustive();
    let plan = match reads_apart {
        true => Plan::new(index, profile, Some(&first))?,
        false => Plan::new(index, profile, Some(stages))?,
    };
    let plan = plan.without_deadline(); // scores must not depend on the machine's speed
    progress.begin("gathering", Some(topics.queries.len() as u64), "queries");
    let mut all = Vec::with_capacity(topics.queries.len());
    for query in &topics.queries {
        stop_if_asked(progress)?;
        let gathered = plan.gather(query)?;
        let mut scores = Scores {
            candidates: gathered.candidates,
            traces: gathered.traces,
        };
        if reads_apart {
            read_for_all_choices(index, space, query, &mut scores)?;
        }
        all.push(scores);
        progress.advance(1);
    }
    progress.end();
    Ok(all)
}

/// Has the cross-encoder read whatever some choice would have it read.
fn read_for_all_choices(
    index: &Index,
    space: &Space,
    query: &Query,
    scores: &mut Scores,
) -> Result<(), Error> {
    let Some(scorer) = &index.cross else {
        return Ok(());
    };
    let places = space.places_to_read(&scores.candidates);
    let (start, n_candidates) = (Instant::now(), scores.candidates.len());
    read_pairs(
        scorer.as_ref(),
        &index.store,
        query,
        &mut scores.candidates,
        &places,
    )
    .map_err(|source| Error::Stage {
        stage: StageName::Cross,
        query: format!("`{}`", query.id),
        source,
    })?;
    scores.traces.push(StageTrace {
        stage: StageName::Cross,
        elapsed: start.elapsed(),
        candidates_in: n_candidates,
        candidates_out: n_candidates,
        scored: places.len(),
        skipped: 0,
    });
    Ok(())
}

/// Puts scores and judgements together, query by query.
///
/// # Errors
/// If the index cannot say what a document is called.
pub(crate) fn pools(
    index: &Index,
    topics: &Topics,
    scores: Vec<Scores>,
) -> Result<Vec<Pool>, Error> {
    let no_judgements = BTreeMap::new();
    let mut pools = Vec::with_capacity(scores.len());
    for (query, scores) in topics.queries.iter().zip(scores) {
        let judgements = topics.qrels.query(&query.id).unwrap_or(&no_judgements);
        let mut grades = Vec::with_capacity(scores.candidates.len());
        for candidate in &scores.candidates {
            let id = index
                .store
                .id(candidate.doc())
                .map_err(part("read", "store", index.dir()))?;
            grades.push(judgements.get(id).copied());
        }
        pools.push(Pool {
            query: query.clone(),
            lengths: lengths(index, query, &scores.candidates)?,
            candidates: scores.candidates,
            grades,
            topic: Topic::new(judgements),
            traces: scores.traces,
        });
    }
    Ok(pools)
}
