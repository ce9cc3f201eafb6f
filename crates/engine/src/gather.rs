//! Gathering: runs the steps of a pipeline in order, on one query or a batch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fixedbitset::FixedBitSet;
use foldhash::fast::RandomState;
use treffer_types::{BoxError, Candidate, Clock, DocId, Evidence, Query, StageName};

use crate::deadline::{Deadline, SystemClock};
use crate::engine::Engine;
use crate::error::Error;
use crate::pipeline::{Pipeline, Step};
use crate::profile::Profile;
use crate::rerank_order::{first_to_rerank, passages_to_read};
use crate::stages::{Found, Parameters, StageQuery};

mod batch;
mod languages;
mod reading;
mod trace;

use batch::Batch;
use languages::Languages;
pub(crate) use reading::rerank_at;
use reading::{Unread, rerank};
pub use trace::StageTrace;

/// What the stages found for one query. Fusing it is cheap and can be repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Gathered {
    /// Every candidate with the evidence found for it.
    pub candidates: Vec<Candidate>,
    /// What each step did, in the order in which they ran. BM25 appears twice in
    /// mode `hybrid`: it retrieves first, and later scores what only the bi-encoder retrieved.
    pub traces: Vec<StageTrace>,
}

/// Chooses the candidates that a reranker scores, as positions in the pool, in the order of
/// scoring.
type Select<'a> = dyn Fn(&[Candidate]) -> Vec<usize> + 'a;

/// What differs from one query to the next.
#[derive(Clone, Copy)]
struct Scope<'a> {
    /// Documents that the query does not find.
    excluded: &'a [DocId],
    /// The documents among which to search.
    allowed: Option<&'a FixedBitSet>,
    /// Instead of the profile's order.
    select: Option<&'a Select<'a>>,
}

/// The pipeline of a profile, ready for any number of queries.
#[derive(Clone)]
pub struct Gatherer {
    engine: Engine,
    pipeline: Pipeline,
    profile: Profile,
    deadline: Option<Duration>,
    clock: Arc<dyn Clock>,
    /// The documents among which to search.
    allowed: Option<Arc<FixedBitSet>>,
}

impl Gatherer {
    /// Prepares to run `pipeline`, which was made of `profile`, on `engine`.
    pub fn new(engine: &Engine, profile: &Profile, pipeline: Pipeline) -> Self {
        Gatherer {
            engine: engine.clone(),
            pipeline,
            profile: profile.clone(),
            deadline: profile.deadline_ms.map(Duration::from_millis),
            clock: Arc::new(SystemClock::start()),
            allowed: None,
        }
    }

    /// The same among these documents only, by their numbers; all for `None`.
    pub fn among(mut self, docs: Option<Arc<FixedBitSet>>) -> Self {
        self.allowed = docs;
        self
    }

    fn parameters(&self) -> Parameters {
        Parameters {
            allowed: self.allowed.clone(),
            ..self.profile.parameters()
        }
    }

    /// The same without the profile's deadline: for results that must not depend on the speed
    /// of the machine.
    pub fn without_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// The same with `clock` for its deadline and its times, instead of the system's.
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        self.with_shared_clock(Arc::new(clock))
    }

    pub(crate) fn with_shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The pipeline that it runs.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Runs the steps on a query.
    ///
    /// # Errors
    /// If the query is blank, or a stage fails; it is named with the query.
    pub fn gather(&self, query: &Query) -> Result<Gathered, Error> {
        self.gather_one(query, None, None)
    }

    /// As [`Gatherer::gather`], with `forced` among the candidates from the start, as if a
    /// stage had retrieved it.
    ///
    /// # Errors
    /// As [`Gatherer::gather`].
    pub fn gather_with(&self, query: &Query, forced: DocId) -> Result<Gathered, Error> {
        self.gather_one(query, Some(forced), None)
    }

    /// As [`Gatherer::gather`], but rerankers score what `select` chooses instead of the first
    /// in the profile's order.
    ///
    /// # Errors
    /// As [`Gatherer::gather`].
    pub(crate) fn gather_selecting(
        &self,
        query: &Query,
        select: &Select<'_>,
    ) -> Result<Gathered, Error> {
        self.gather_one(query, None, Some(select))
    }

    /// Runs the steps on every query, in order; models encode all queries in one pass.
    ///
    /// Candidates are the same as when each query is gathered alone. Times differ: the time of
    /// the pass is divided evenly among the queries.
    ///
    /// # Errors
    /// As [`Gatherer::gather`], of the first query at fault.
    pub fn gather_batch(&self, queries: &[Query]) -> Result<Vec<Gathered>, Error> {
        let queries: Vec<&Query> = queries.iter().collect();
        queries.iter().try_for_each(|query| refuse_blank(query))?;
        let parameters = self.parameters();
        let mut batch = Batch::new(&self.engine, parameters, &queries, self.clock.as_ref());
        (0..queries.len())
            .map(|at| self.run(&mut batch, at, None, None))
            .collect()
    }

    fn gather_one(
        &self,
        query: &Query,
        forced: Option<DocId>,
        select: Option<&Select<'_>>,
    ) -> Result<Gathered, Error> {
        refuse_blank(query)?;
        let queries = [query];
        let parameters = self.parameters();
        let mut batch = Batch::new(&self.engine, parameters, &queries, self.clock.as_ref());
        self.run(&mut batch, 0, forced, select)
    }

    fn run(
        &self,
        batch: &mut Batch<'_>,
        at: usize,
        forced: Option<DocId>,
        select: Option<&Select<'_>>,
    ) -> Result<Gathered, Error> {
        let excluded = self.excluded(batch.query(at))?;
        let scope = Scope {
            excluded: &excluded,
            allowed: self.allowed.as_deref(),
            select,
        };
        let mut deadline = Deadline::after(self.deadline, self.clock.as_ref());
        let languages = Languages::of(&self.engine, &self.profile, batch.query(at));
        let mut candidates = self.first_candidates(forced, &excluded);
        languages.mark(&mut candidates)?;
        let mut traces = Vec::with_capacity(self.pipeline.steps().len());
        for step in self.pipeline.steps() {
            let unknown = match step {
                Step::Rerank { .. } => languages.unknown_to_reranker(),
                Step::Retrieve { .. } | Step::Score { .. } => None,
            };
            // The first step always runs, so that there are candidates.
            let trace = if let Some(language) = unknown {
                StageTrace::of_unknown_language(*step, &candidates, language)
            } else if !traces.is_empty() && deadline.is_over() {
                StageTrace::of_skipped(*step, &candidates)
            } else {
                let query = batch.query(at);
                let failed = |source| Error::Stage {
                    stage: step.stage(),
                    query: query_name(query),
                    source,
                };
                self.run_step(*step, batch, at, &mut candidates, &mut deadline, scope)
                    .map_err(failed)?
            };
            languages.mark(&mut candidates[trace.candidates_in..])?;
            traces.push(trace);
        }
        Ok(Gathered { candidates, traces })
    }

    fn run_step(
        &self,
        step: Step,
        batch: &mut Batch<'_>,
        at: usize,
        candidates: &mut Vec<Candidate>,
        deadline: &mut Deadline<'_>,
        scope: Scope<'_>,
    ) -> Result<StageTrace, BoxError> {
        let stage = step.stage();
        let (start, candidates_in) = (self.clock.now(), candidates.len());
        let scored_before = n_scored(candidates, stage);
        let (answer, share) = batch.answer(stage, at)?;
        deadline.adjust(share);
        let mut unread = Unread::default();
        // What choosing for several depths takes is not the reranker's time.
        let mut choosing = Duration::ZERO;
        match step {
            Step::Retrieve { depth, .. } => {
                let retrieved =
                    retrieve(&self.engine, answer, depth, scope.excluded, scope.allowed)?;
                if candidates.is_empty() && !self.engine.has_split_documents() {
                    // Each is another document.
                    candidates.extend(retrieved.into_iter().map(|found| {
                        let mut candidate = Candidate::new(found.doc);
                        candidate.add(stage, found.evidence);
                        candidate
                    }));
                } else {
                    add_retrieved(candidates, stage, retrieved);
                }
                self.complete(candidates, stage, answer)?;
            }
            Step::Score { .. } => self.complete(candidates, stage, answer)?,
            Step::Rerank { depth, order, .. } => {
                let cross_passages = self.profile.cross_passages;
                // In mode `exhaustive`, whatever is to be read of each document.
                let limit = if self.pipeline.scores_every_document() {
                    usize::MAX
                } else {
                    depth
                };
                let (places, limit) = match scope.select {
                    // What several depths choose, which is more than each of them.
                    Some(select) => {
                        let before = self.clock.now();
                        let places = select(candidates);
                        choosing = self.clock.now().saturating_sub(before);
                        (places, usize::MAX)
                    }
                    None => {
                        let before = self
                            .pipeline
                            .normalization_before(stage, self.profile.scaling());
                        (first_to_rerank(candidates, order, &before, depth), limit)
                    }
                };
                let readings = passages_to_read(
                    &self.engine,
                    candidates,
                    &places,
                    &self.pipeline.query_scorers(),
                    cross_passages,
                    limit,
                )?;
                // What several depths choose, and everything, is to be complete.
                let is_all = scope.select.is_some() || self.pipeline.scores_every_document();
                let patience = if is_all {
                    0
                } else {
                    self.profile.cross_patience
                };
                unread = rerank(candidates, stage, answer, &readings, deadline, patience)?;
            }
        }
        Ok(StageTrace {
            stage,
            elapsed: share
                .adjust(self.clock.now().saturating_sub(start))
                .saturating_sub(choosing),
            candidates_in,
            candidates_out: candidates.len(),
            scored: n_scored(candidates, stage) - scored_before,
            skipped: unread.skipped,
            settled: unread.settled,
            unknown_language: None,
        })
    }

    /// Has a stage score every candidate of which it has not scored all passages.
    fn complete(
        &self,
        candidates: &mut [Candidate],
        stage: StageName,
        answer: &dyn StageQuery,
    ) -> Result<(), BoxError> {
        let mut places = Vec::new();
        for (at, candidate) in candidates.iter().enumerate() {
            let mut found = candidate.evidence(stage);
            let is_complete = match found.next() {
                None => false,
                Some(Evidence { passage: None, .. }) => true,
                Some(_) => found.count() + 1 >= self.engine.n_passages_of(candidate.doc)? as usize,
            };
            if !is_complete {
                places.push(at);
            }
        }
        score_at(candidates, stage, answer, &places)
    }

    /// The documents that the query is not to find, as far as the index has them.
    fn excluded(&self, query: &Query) -> Result<Vec<DocId>, Error> {
        let found = query.exclude.iter().map(|id| self.engine.find(id));
        found.filter_map(Result::transpose).collect()
    }

    fn first_candidates(&self, forced: Option<DocId>, excluded: &[DocId]) -> Vec<Candidate> {
        if self.pipeline.scores_every_document() {
            let is_allowed = |doc: &DocId| {
                let allowed = self.allowed.as_ref();
                allowed.is_none_or(|allowed| allowed.contains(doc.0 as usize))
            };
            let docs = self.engine.store().live_docs();
            let docs = docs.filter(|doc| !excluded.contains(doc) && is_allowed(doc));
            let forced = forced.filter(|doc| excluded.contains(doc) || !is_allowed(doc));
            return docs.chain(forced).map(Candidate::new).collect();
        }
        forced.map(Candidate::new).into_iter().collect()
    }
}

/// The passages of the `depth` best documents that a stage retrieves, none of which is excluded;
/// where no document is split, one of each.
/// The stage was told which are allowed; it is not trusted to have heeded that.
pub(crate) fn retrieve(
    engine: &Engine,
    answer: &dyn StageQuery,
    depth: usize,
    excluded: &[DocId],
    allowed: Option<&FixedBitSet>,
) -> Result<Vec<Found>, BoxError> {
    let mut asked = depth.saturating_add(excluded.len());
    let is_split = engine.has_split_documents();
    loop {
        let mut found = answer.retrieve(asked)?;
        let is_all = found.len() < asked;
        let room = depth.min(found.len());
        let mut docs = HashSet::with_capacity_and_hasher(room, RandomState::default());
        found.retain(|Found { doc, .. }| {
            let is_allowed = allowed.is_none_or(|allowed| allowed.contains(doc.0 as usize));
            if !is_allowed || excluded.contains(doc) {
                return false;
            }
            if docs.len() == depth {
                return is_split && docs.contains(doc);
            }
            docs.insert(*doc) || is_split
        });
        // Several passages may be of one document.
        if docs.len() == depth || is_all || !is_split {
            return Ok(found);
        }
        asked = asked.saturating_mul(2);
    }
}

/// Adds what a stage retrieved. For a document that is already a candidate, only evidence is
/// added.
fn add_retrieved(candidates: &mut Vec<Candidate>, stage: StageName, retrieved: Vec<Found>) {
    candidates.reserve(retrieved.len());
    let most = candidates.len() + retrieved.len();
    let mut places = HashMap::with_capacity_and_hasher(most, RandomState::default());
    let old = candidates.iter().enumerate();
    places.extend(old.map(|(at, candidate)| (candidate.doc, at)));
    for found in retrieved {
        let at = *places.entry(found.doc).or_insert_with(|| {
            candidates.push(Candidate::new(found.doc));
            candidates.len() - 1
        });
        candidates[at].add(stage, found.evidence);
    }
}

/// Has a stage score the documents at `places`; what it found in them before is replaced.
pub(crate) fn score_at(
    candidates: &mut [Candidate],
    stage: StageName,
    answer: &dyn StageQuery,
    places: &[usize],
) -> Result<(), BoxError> {
    if places.is_empty() {
        return Ok(());
    }
    let docs: Vec<DocId> = places.iter().map(|at| candidates[*at].doc).collect();
    let found = answer.score(&docs)?;
    let mut rest = places.iter().zip(&docs);
    for of_document in found.chunk_by(|a, b| a.doc == b.doc) {
        // In the order of the documents; those that the stage cannot score are missing.
        let doc = of_document[0].doc;
        let (at, _) = rest.find(|(_, one)| **one == doc).ok_or_else(|| {
            format!("the {stage} stage scored documents out of order or that were not asked for")
        })?;
        candidates[*at].set(stage, of_document.iter().map(|found| found.evidence));
    }
    Ok(())
}

fn n_scored(candidates: &[Candidate], stage: StageName) -> usize {
    let scored = candidates.iter().filter(|one| one.is_scored_by(stage));
    scored.count()
}

fn refuse_blank(query: &Query) -> Result<(), Error> {
    if !query.text.trim().is_empty() || query.vector.is_some() {
        return Ok(());
    }
    Err(Error::Request(match query.id.as_str() {
        "" => "the query is empty".into(),
        id => format!("query {id} is empty"),
    }))
}

/// How a message names a query: by id, or by the start of its text.
pub(crate) fn query_name(query: &Query) -> String {
    const SHOWN: usize = 60;
    match query.id.as_str() {
        "" if query.text.chars().count() > SHOWN => {
            let start: String = query.text.chars().take(SHOWN).collect();
            format!("`{start}...`")
        }
        "" => format!("`{}`", query.text),
        id => format!("`{id}`"),
    }
}
