//! The second journey: query to hits.

use treffer_fusion::{Contribution, Fused};
use treffer_types::{Candidate, Clock, FeatureScore, Hit, Query, StageName, StageTrace};

use crate::error::{Error, part};
use crate::gather::{Gathered, Plan};
use crate::index::Index;
use crate::learned::Ranker;
use crate::profile::Profile;

/// What a search is to do.
#[derive(Clone, Debug)]
pub struct SearchRequest<'a> {
    /// How to gather and fuse.
    pub profile: &'a Profile,
    /// The stages to run; `None` for all that the profile runs, but for a
    /// cross-encoder without weight: reading for it would change nothing. Under stages
    /// that the profile's learned fusion does not know, its weights decide.
    pub stages: Option<&'a [StageName]>,
    /// Most hits to return.
    pub top_k: usize,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResult {
    /// Best first.
    pub hits: Vec<Hit>,
    /// What each stage did.
    pub traces: Vec<StageTrace>,
    /// How many candidates were fused.
    pub n_candidates: usize,
}

/// Searches of one kind over one index.
pub struct Searcher<'a> {
    index: &'a Index,
    plan: Plan<'a>,
    ranker: Ranker,
    request: SearchRequest<'a>,
}

impl<'a> Searcher<'a> {
    /// Prepares searches; the work is in [`Searcher::search`].
    ///
    /// # Errors
    /// As [`Plan::new`] and [`Ranker::new`].
    pub fn new(index: &'a Index, request: SearchRequest<'a>) -> Result<Self, Error> {
        let plan = match request.stages {
            Some(stages) => Plan::new(index, request.profile, Some(stages))?,
            None => Plan::new(
                index,
                request.profile,
                Some(&request.profile.stages_with_effect(index.stages())),
            )?,
        };
        let ranker = Ranker::new(index, request.profile, plan.stages())?;
        Ok(Searcher {
            index,
            plan,
            ranker,
            request,
        })
    }

    /// The same searches, their deadline and times by another clock than the system's.
    pub fn with_clock(mut self, clock: impl Clock + 'a) -> Self {
        self.plan = self.plan.with_clock(clock);
        self
    }

    /// The best documents for a query: `fuse(gather(query), profile)`.
    ///
    /// # Errors
    /// If the query is blank, a stage fails, or a document cannot be read.
    pub fn search(&self, query: &Query) -> Result<SearchResult, Error> {
        let Gathered { candidates, traces } = self.plan.gather(query)?;
        let top_k = self.request.top_k;
        let hits = hits(self.index, query, &candidates, &self.ranker, top_k)?;
        Ok(SearchResult {
            hits,
            traces,
            n_candidates: candidates.len(),
        })
    }
}

/// The best `top_k` of gathered candidates, with their documents: the second half of a
/// search, for candidates that are there already.
///
/// # Errors
/// As [`Ranker::fuse`], or if a document cannot be read.
pub fn hits(
    index: &Index,
    query: &Query,
    candidates: &[Candidate],
    ranker: &Ranker,
    top_k: usize,
) -> Result<Vec<Hit>, Error> {
    let ranked = (1..).zip(ranker.explained(index, query, candidates, top_k)?);
    ranked
        .map(|(rank, (fused, learned))| {
            hit(index, rank, &fused, &candidates[fused.candidate], learned)
        })
        .collect()
}

/// The corpus's names of all candidates in their fused order, without their documents.
///
/// # Errors
/// As [`Ranker::fuse`], or if the index cannot say what a document is called.
pub fn ranking(
    index: &Index,
    query: &Query,
    candidates: &[Candidate],
    ranker: &Ranker,
) -> Result<Vec<String>, Error> {
    let fused = ranker.fuse(index, query, candidates)?;
    let name = |fused: &Fused| {
        let id = index.store.id(fused.doc);
        let id = id.map_err(part("read", "store", index.dir()))?;
        Ok(id.to_owned())
    };
    fused.iter().map(name).collect()
}

fn hit(
    index: &Index,
    rank: u32,
    fused: &Fused,
    candidate: &Candidate,
    learned: Vec<Contribution>,
) -> Result<Hit, Error> {
    let document = index.store.document(fused.doc);
    let document = document.map_err(part("read", "store", index.dir()))?;
    let named = |one: Contribution| FeatureScore {
        feature: one.feature.unwrap_or("mean").to_owned(),
        value: one.value,
        part: one.part,
    };
    Ok(Hit {
        rank,
        id: document.id,
        score: fused.score,
        passage: candidate.passage,
        title: document.title,
        text: document.text,
        stages: fused.stages,
        learned: learned.into_iter().map(named).collect(),
        tokens_cut: candidate.tokens_cut,
    })
}
