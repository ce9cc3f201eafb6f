//! Searching: from a query to hits.

use std::sync::Arc;

use treffer_api::{FeatureScore, Hit, QueryName, SearchOptions, SearchRequest, SearchResponse};
use treffer_columns::SortKey;
use treffer_fusion::Fused;
use treffer_types::{Candidate, Clock, DocId, Query, StageMap, StageName};

use crate::engine::Engine;
use crate::error::{Error, part};
use crate::fields::json;
use crate::gather::{Gathered, Gatherer};
use crate::learned::Ranker;
use crate::pipeline::Pipeline;
use crate::profile::Profile;
use crate::profiles::Profiles;

mod passages;
mod scope;

use passages::Passages;
pub use passages::Shown;
pub(crate) use scope::Scope;

impl Engine {
    /// The best documents for a query: `fuse(gather(query), profile)`.
    ///
    /// # Errors
    /// If there is no such profile, a key or value is wrong, a requested stage does not run,
    /// the query is blank, the filter is wrong, a field is not there, a stage fails, or a document
    /// cannot be read.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResponse, Error> {
        self.searcher(&request.options)?.search(&request.query)
    }

    /// As [`Engine::search`] for every query, in order; models encode all of them in one
    /// pass.
    ///
    /// # Errors
    /// As [`Engine::search`], of the first query at fault.
    pub fn search_batch(
        &self,
        queries: &[Query],
        options: &SearchOptions,
    ) -> Result<Vec<SearchResponse>, Error> {
        self.searcher(options)?.search_batch(queries)
    }

    /// The documents that the filter holds for, or all of them, in the order of a field or else of
    /// the index: no query, no stages and no scores. Of `options`, those count that say which
    /// documents, in which order and how many, and what is counted of them.
    ///
    /// # Errors
    /// If the filter is wrong, a field is not there, or a document cannot be read.
    pub fn browse(&self, options: &SearchOptions) -> Result<SearchResponse, Error> {
        let scope = Scope::new(self, options)?;
        let mut hits = Vec::new();
        for (key, doc) in scope.first(self, options.top_k)? {
            let document = self.store().document(doc);
            let document = document.map_err(part("read", "store", self.dir()))?;
            hits.push(Hit {
                rank: hits.len() as u32 + 1,
                id: document.id,
                score: 0.0,
                sort_value: key.and_then(sort_value),
                passages: Vec::new(),
                title: document.title,
                text: document.text,
                stages: StageMap::new(),
                learned: Vec::new(),
            });
        }
        Ok(scope.respond(SearchResponse {
            query: QueryName {
                id: String::new(),
                text: String::new(),
            },
            matched: None,
            note: None,
            n_candidates: 0,
            stages: Vec::new(),
            facets: Vec::new(),
            hits,
        }))
    }

    /// Prepares searches with the same options, so that shared work is done once.
    ///
    /// # Errors
    /// As [`Engine::search`], as far as it does not depend on the query.
    pub fn searcher(&self, options: &SearchOptions) -> Result<Searcher, Error> {
        Searcher::under(self, Profiles::of(self, options)?, options)
    }
}

/// Searches of one index with the same options.
#[derive(Clone)]
pub struct Searcher {
    engine: Engine,
    profiles: Profiles,
    /// Of each profile.
    searches: Vec<Search>,
}

impl Searcher {
    /// Prepares searches under a profile that need not be one of the index; those that it names
    /// for queries of some languages are. Only those `options` count that are not part of a
    /// profile: stages, filter, facets, order, number of hits, what they show.
    ///
    /// # Errors
    /// As [`Pipeline::only`] and [`Ranker::new`], or if it names a profile that is not there, the
    /// filter is wrong, or a field is not there.
    pub fn new(engine: &Engine, profile: &Profile, options: &SearchOptions) -> Result<Self, Error> {
        Searcher::under(engine, Profiles::new(engine, profile)?, options)
    }

    fn under(engine: &Engine, profiles: Profiles, options: &SearchOptions) -> Result<Self, Error> {
        let scope = Arc::new(Scope::new(engine, options)?);
        let search = |profile: &Profile| Search::new(engine, profile, options, &scope);
        let searches = profiles
            .all()
            .iter()
            .map(search)
            .collect::<Result<_, _>>()?;
        Ok(Searcher {
            engine: engine.clone(),
            profiles,
            searches,
        })
    }

    /// The same with `clock` for deadlines and times, instead of the system's.
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        for search in &mut self.searches {
            let gatherer = search.gatherer.clone();
            search.gatherer = gatherer.with_shared_clock(Arc::clone(&clock));
        }
        self
    }

    /// The best documents for a query.
    ///
    /// # Errors
    /// If the query is blank, a stage fails, or a document cannot be read.
    pub fn search(&self, query: &Query) -> Result<SearchResponse, Error> {
        let search = self.of(query);
        search.respond(query, &search.gatherer.gather(query)?)
    }

    /// The best documents for every query, in order.
    ///
    /// # Errors
    /// As [`Searcher::search`], of the first query at fault.
    pub fn search_batch(&self, queries: &[Query]) -> Result<Vec<SearchResponse>, Error> {
        let [search] = self.searches.as_slice() else {
            return queries.iter().map(|query| self.search(query)).collect();
        };
        let gathered = search.gatherer.gather_batch(queries)?;
        let pairs = queries.iter().zip(&gathered);
        pairs
            .map(|(query, gathered)| search.respond(query, gathered))
            .collect()
    }

    /// The search for the language of a query.
    fn of(&self, query: &Query) -> &Search {
        &self.searches[self.profiles.place(&self.engine, &query.text)]
    }
}

/// Searches under one profile.
#[derive(Clone)]
struct Search {
    engine: Engine,
    gatherer: Gatherer,
    ranker: Ranker,
    options: SearchOptions,
    scope: Arc<Scope>,
}

impl Search {
    fn new(
        engine: &Engine,
        profile: &Profile,
        options: &SearchOptions,
        scope: &Arc<Scope>,
    ) -> Result<Self, Error> {
        let available = scope.available(engine);
        let pipeline = match &options.stages {
            Some(stages) => Pipeline::only(profile, &available, stages)?,
            None => Pipeline::effective(profile, &available)?,
        };
        Ok(Search {
            ranker: Ranker::new(engine, profile, &pipeline)?,
            gatherer: Gatherer::new(engine, profile, pipeline).among(scope.allowed()),
            engine: engine.clone(),
            options: options.clone(),
            scope: Arc::clone(scope),
        })
    }

    fn respond(&self, query: &Query, gathered: &Gathered) -> Result<SearchResponse, Error> {
        let SearchOptions {
            top_k,
            explain,
            timings,
            ..
        } = self.options;
        let candidates = &gathered.candidates;
        let shown = Shown::of(&self.options);
        let order = |doc| self.scope.sort_key(&self.engine, doc);
        let ranked = ranked(&self.engine, query, candidates, &self.ranker, top_k, order)?;
        let mut hits = shown_hits(&self.engine, query, candidates, ranked, shown)?;
        if !explain {
            hits.iter_mut().for_each(drop_explanation);
        }
        Ok(self.scope.respond(SearchResponse {
            query: QueryName {
                id: query.id.clone(),
                text: query.text.clone(),
            },
            matched: None,
            note: None,
            facets: Vec::new(),
            n_candidates: candidates.len(),
            stages: gathered
                .traces
                .iter()
                .map(|trace| trace.report(timings))
                .collect(),
            hits,
        }))
    }
}

fn drop_explanation(hit: &mut Hit) {
    hit.stages = StageMap::new();
    hit.learned = Vec::new();
}

/// The best `top_k` of gathered candidates, with their documents and what explains their
/// scores: the second half of a search, for candidates that were gathered before.
///
/// # Errors
/// As [`Ranker::fuse`], or if a document cannot be read.
pub fn hits(
    engine: &Engine,
    query: &Query,
    candidates: &[Candidate],
    ranker: &Ranker,
    top_k: usize,
    shown: Shown,
) -> Result<Vec<Hit>, Error> {
    let ranked = ranked(engine, query, candidates, ranker, top_k, |_| Ok(None))?;
    shown_hits(engine, query, candidates, ranked, shown)
}

/// A candidate in its place among the hits.
struct Ranked {
    fused: Fused,
    learned: Vec<FeatureScore>,
    /// What it is sorted by, if it is not by its score.
    key: Option<SortKey>,
}

/// The first `top_k` candidates, by score or by the keys that `key` gives them all.
fn ranked(
    engine: &Engine,
    query: &Query,
    candidates: &[Candidate],
    ranker: &Ranker,
    top_k: usize,
    key: impl Fn(DocId) -> Result<Option<SortKey>, Error>,
) -> Result<Vec<Ranked>, Error> {
    let is_sorted = match candidates.first() {
        Some(candidate) => key(candidate.doc)?.is_some(),
        None => false,
    };
    let most = if is_sorted { usize::MAX } else { top_k };
    let explained = ranker.explained(engine, query, candidates, most)?;
    let with_key = |(fused, learned): (Fused, Vec<FeatureScore>)| {
        Ok(Ranked {
            key: key(fused.doc)?,
            fused,
            learned,
        })
    };
    let ranked = explained.into_iter().map(with_key);
    let mut ranked = ranked.collect::<Result<Vec<_>, Error>>()?;
    // Stable, so that equal ones stay in the order of their scores.
    ranked.sort_by(|a, b| a.key.cmp(&b.key));
    ranked.truncate(top_k);
    Ok(ranked)
}

fn shown_hits(
    engine: &Engine,
    query: &Query,
    candidates: &[Candidate],
    ranked: Vec<Ranked>,
    shown: Shown,
) -> Result<Vec<Hit>, Error> {
    let stages = ranked.first().map(|first| first.fused.stages.stages());
    let stages: Vec<StageName> = stages.into_iter().flatten().collect();
    let passages = Passages::new(engine, query, &stages, candidates, shown)?;
    (1..)
        .zip(ranked)
        .map(|(rank, ranked)| {
            let candidate = &candidates[ranked.fused.candidate];
            hit(engine, rank, ranked, candidate, &passages)
        })
        .collect()
}

fn sort_value(key: SortKey) -> Option<serde_json::Value> {
    key.value.as_ref().map(json)
}

/// The corpus's ids of all candidates in their fused order, without their documents.
///
/// # Errors
/// As [`Ranker::fuse`], or if the id of a document cannot be read.
pub fn ranking(
    engine: &Engine,
    query: &Query,
    candidates: &[Candidate],
    ranker: &Ranker,
) -> Result<Vec<String>, Error> {
    let fused = ranker.fuse(engine, query, candidates)?;
    let id = |fused: &Fused| engine.doc_id(fused.doc).map(str::to_owned);
    fused.iter().map(id).collect()
}

fn hit(
    engine: &Engine,
    rank: u32,
    ranked: Ranked,
    candidate: &Candidate,
    passages: &Passages<'_>,
) -> Result<Hit, Error> {
    let Ranked {
        fused,
        learned,
        key,
    } = ranked;
    let read = engine.store().split_document(fused.doc);
    let (document, split) = read.map_err(part("read", "store", engine.dir()))?;
    Ok(Hit {
        rank,
        passages: passages.of(candidate, &document, &split)?,
        id: document.id,
        score: fused.score,
        sort_value: key.and_then(sort_value),
        title: document.title,
        text: document.text,
        stages: fused.stages,
        learned,
    })
}
