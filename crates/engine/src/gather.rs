//! Gathering: the stages of a profile, one after the other, on one query.

use std::time::Duration;

use treffer_types::{Candidate, Clock, PassageId, Query, StageName, StageTrace};

use crate::deadline::{Deadline, SystemClock};
use crate::error::Error;
use crate::index::{Index, names};
use crate::profile::{FirstStage, Mode, Profile};
use crate::stages::{CrossStage, DenseStage, Bm25Stage, Stage, Step, every_document};

/// What the stages found for one query. Fusing it is cheap and can be repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Gathered {
    /// Every candidate with its raw scores.
    pub candidates: Vec<Candidate>,
    /// What each stage did, in the order in which they ran. BM25 appears twice in
    /// mode `hybrid`: it brings in candidates first, and scores the bi-encoder's last.
    pub traces: Vec<StageTrace>,
}

/// The stages of a profile, ready for any number of queries.
pub struct Plan<'a> {
    start: Vec<Candidate>,
    steps: Vec<Box<dyn Stage + 'a>>,
    stages: Vec<StageName>,
    deadline: Option<Duration>,
    clock: Box<dyn Clock + 'a>,
}

impl<'a> Plan<'a> {
    /// The steps that `profile` takes on `index`, limited to `only` if given: a
    /// search can stop after any stage or leave one out.
    ///
    /// # Errors
    /// If a stage is asked for that the profile does not run or the index has not
    /// opened, if none is left, if neither first stage is left to bring in
    /// candidates, or if mode `exhaustive` would have the cross-encoder read more than
    /// `cross_depth` documents.
    pub fn new(
        index: &'a Index,
        profile: &'a Profile,
        only: Option<&[StageName]>,
    ) -> Result<Self, Error> {
        profile.check().map_err(Error::Request)?;
        let stages = choose(index, profile, only)?;
        let mut plan = Plan {
            start: Vec::new(),
            steps: Vec::new(),
            stages,
            deadline: profile.deadline_ms.map(Duration::from_millis),
            clock: Box::new(SystemClock::start()),
        };
        let brings_in = |stage: StageName| plan.stages.contains(&stage);
        let (bm25, dense) = (brings_in(StageName::Bm25), brings_in(StageName::Dense));
        match profile.mode {
            Mode::Exhaustive => {
                if plan.stages.contains(&StageName::Cross) {
                    refuse_too_many(index, profile)?;
                }
                plan.start = every_document(index.n_docs());
                plan.push_first_stages(index, profile, 0, 0);
            }
            // Without BM25 there is nothing to rescore, so the bi-encoder brings in.
            Mode::Cascade if bm25 => plan.push_first_stages(index, profile, profile.bm25_depth, 0),
            Mode::Cascade | Mode::Hybrid => {
                plan.push_first_stages(index, profile, profile.bm25_depth, profile.dense_depth);
                if bm25 && dense {
                    plan.steps.push(Box::new(Bm25Stage {
                        index: &index.bm25,
                        depth: 0,
                    }));
                }
            }
            Mode::TwoStage => match profile.first_stage {
                FirstStage::Bm25 => plan.push_first_stages(index, profile, profile.bm25_depth, 0),
                FirstStage::Dense => plan.push_first_stages(index, profile, 0, profile.dense_depth),
            },
        }
        if let (true, Some(scorer)) = (plan.stages.contains(&StageName::Cross), &index.cross) {
            plan.steps.push(Box::new(CrossStage {
                scorer: scorer.as_ref(),
                store: &index.store,
                depth: profile.cross_depth,
                order: profile.cross_order,
                normalizers: &profile.normalizers,
            }));
        }
        Ok(plan)
    }

    /// The same plan without the profile's deadline: for work whose result must not
    /// depend on how fast the machine is.
    pub fn without_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// The same plan, its deadline and its times by another clock than the system's.
    pub fn with_clock(mut self, clock: impl Clock + 'a) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The stages that it runs.
    pub fn stages(&self) -> &[StageName] {
        &self.stages
    }

    /// Runs the stages on a query.
    ///
    /// # Errors
    /// If the query is blank, or a stage fails; it is named with the query.
    pub fn gather(&self, query: &Query) -> Result<Gathered, Error> {
        self.gather_with(query, None)
    }

    /// As [`Plan::gather`], with `forced` in the pool from the start, as if a first
    /// stage had brought it in.
    ///
    /// # Errors
    /// As [`Plan::gather`].
    pub fn gather_with(&self, query: &Query, forced: Option<PassageId>) -> Result<Gathered, Error> {
        if query.text.trim().is_empty() {
            return Err(Error::Request(match query.id.as_str() {
                "" => "the query is empty".into(),
                id => format!("query {id} is empty"),
            }));
        }
        let mut candidates = self.start.clone();
        if let Some(forced) = forced
            && !candidates
                .iter()
                .any(|candidate| candidate.passage == forced)
        {
            candidates.push(Candidate::new(forced));
        }
        let mut traces = Vec::with_capacity(self.steps.len());
        let deadline = Deadline::after(self.deadline, self.clock.as_ref());
        for step in &self.steps {
            let stage = step.name();
            let (start, before) = (self.clock.now(), candidates.len());
            let scored_before = n_scored(&candidates, stage);
            let Step { pool, skipped } =
                step.run(query, candidates, &deadline)
                    .map_err(|source| Error::Stage {
                        stage,
                        query: query_name(query),
                        source,
                    })?;
            candidates = pool;
            traces.push(StageTrace {
                stage,
                elapsed: self.clock.now().saturating_sub(start),
                candidates_in: before,
                candidates_out: candidates.len(),
                scored: n_scored(&candidates, stage) - scored_before,
                skipped,
            });
        }
        Ok(Gathered { candidates, traces })
    }

    fn push_first_stages(
        &mut self,
        index: &'a Index,
        profile: &Profile,
        bm25_depth: usize,
        dense_depth: usize,
    ) {
        if self.stages.contains(&StageName::Bm25) {
            self.steps.push(Box::new(Bm25Stage {
                index: &index.bm25,
                depth: bm25_depth,
            }));
        }
        if let (true, Some(dense)) = (self.stages.contains(&StageName::Dense), &index.dense) {
            let scan = dense.index.len() < profile.exact_below;
            self.steps.push(Box::new(DenseStage {
                index: &dense.index,
                embedder: dense.embedder.as_ref(),
                depth: dense_depth,
                ef_search: (!scan).then_some(profile.ef_search),
            }));
        }
    }
}

fn choose(
    index: &Index,
    profile: &Profile,
    only: Option<&[StageName]>,
) -> Result<Vec<StageName>, Error> {
    let runs = profile.stages(index.stages());
    let chosen: Vec<StageName> = match only {
        None => runs,
        Some(only) => {
            if let Some(missing) = only.iter().find(|stage| !runs.contains(stage)) {
                return Err(Error::Request(format!(
                    "the {missing} stage does not run under this profile; it runs {}",
                    names(&runs)
                )));
            }
            runs.into_iter()
                .filter(|stage| only.contains(stage))
                .collect()
        }
    };
    if chosen.is_empty() {
        return Err(Error::Request(
            "no stage is left to run; name at least one".into(),
        ));
    }
    let brings_in = chosen.iter().any(|stage| *stage != StageName::Cross);
    if !brings_in && profile.mode != Mode::Exhaustive {
        return Err(Error::Request(
            "no stage is left to bring in candidates: the cross-encoder reads what bm25 or dense found; name one of them too, or use mode `exhaustive`".into(),
        ));
    }
    Ok(chosen)
}

fn refuse_too_many(index: &Index, profile: &Profile) -> Result<(), Error> {
    if index.n_docs() as usize <= profile.cross_depth {
        return Ok(());
    }
    Err(Error::Request(format!(
        "mode `exhaustive` reads every document with the cross-encoder, but the index holds {} and cross_depth is {}; raise cross_depth or choose another mode",
        index.n_docs(),
        profile.cross_depth
    )))
}

fn n_scored(pool: &[Candidate], stage: StageName) -> usize {
    pool.iter()
        .filter(|candidate| candidate.scores.get(stage).is_some())
        .count()
}

/// How a message names a query: by id, or by the start of its text.
pub(crate) fn query_name(query: &Query) -> String {
    const SHOWN: usize = 60;
    match query.id.as_str() {
        "" if query.text.chars().count() > SHOWN => {
            format!(
                "`{}...`",
                query.text.chars().take(SHOWN).collect::<String>()
            )
        }
        "" => format!("`{}`", query.text),
        id => format!("`{id}`"),
    }
}
