//! Explaining: why a document ranks where it does, or is not found at all.

use treffer_api::{ExplainRequest, HitPassage};
pub use treffer_bm25::{FieldScore, TermScore};
use treffer_fusion::{Fused, Prepared, Weights};
use treffer_types::{
    BoxError, Candidate, DocId, Document, Language, Query, Score, StageName, StageScore,
};

use crate::engine::Engine;
use crate::error::{Error, part};
use crate::gather::{Gathered, Gatherer, query_name, rerank_at, retrieve};
use crate::learned::Ranker;
use crate::pipeline::Pipeline;
use crate::profile::Profile;
use crate::profiles::Profiles;
use crate::rerank_order::{first_to_rerank, passages_to_read};
use crate::search::{Scope, Shown, hits};
use crate::stages::{Parameters, StageQuery};

/// One document's way through the stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The corpus's id of the document.
    pub id: String,
    /// Its title, possibly empty.
    pub title: String,
    /// How many candidates were fused, the document included.
    pub n_candidates: usize,
    /// Its fused rank from 1: its rank in the search, or the rank that it would have had if a
    /// stage had retrieved it.
    pub rank: u32,
    /// Its fused score at that rank.
    pub score: f64,
    /// What the trees of a learned fusion added to it; 0 under weights alone.
    pub learned: f64,
    /// What each stage found in it, in the order in which they run.
    pub stages: Vec<StageView>,
    /// The query's terms that occur in it with their parts of its BM25 score, in the order
    /// in which they are summed; empty if BM25 does not run.
    pub terms: Vec<TermScore>,
    /// Its best passage: where it is, its scores, and which of its tokens late interaction found
    /// nearest to those of the query, if that stage runs.
    pub passage: Option<HitPassage>,
    /// Why the reranker was left out or did not read it, if that is for a language that its model
    /// does not know.
    pub unknown_language: Option<UnknownLanguage>,
    /// Its outcome in the search.
    pub outcome: Outcome,
    /// What weights alone would do, without a learned fusion; `None` if it is not among the
    /// candidates, where they can do nothing.
    pub by_weights: Option<Reweighting>,
    /// What weights would do if the document were retrieved and reranked.
    pub if_reranked: Reweighting,
}

/// A language that the reranker's model does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownLanguage {
    /// That of the query: the stage was left out.
    OfQuery(Language),
    /// That of the document: it ranks by the other stages.
    OfDocument(Language),
}

/// What one stage found in a document.
#[derive(Clone, Debug, PartialEq)]
pub struct StageView {
    /// Which stage.
    pub stage: StageName,
    /// What the stage does under the profile.
    pub role: Role,
    /// Whether the stage retrieved or scored the document in the search.
    pub is_reached: bool,
    /// Its score. If a reranker did not score it in the search, the score was computed for
    /// this explanation.
    pub raw: Option<Score>,
    /// Its rank from 1 in the stage's own ranking: of the whole index, or, for a stage
    /// that does not retrieve, of what it scored. `None` if it is not in it: BM25 only
    /// ranks documents in which a term of the query occurs.
    pub rank: Option<u32>,
    /// How many documents that ranking holds.
    pub n_ranked: usize,
    /// What it contributed to the fused score.
    pub fused: StageScore,
}

/// What a stage does under a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Adds this many of its best documents to the candidates.
    Retrieves(usize),
    /// Scores the candidates that others retrieved.
    Scores,
    /// Scores the best of the candidates.
    Reranks {
        /// How many of them.
        depth: usize,
        /// The document's place from 1 in the order in which it takes them.
        place: u32,
    },
}

/// The outcome of a search for one document.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is among the first `top_k`.
    Found,
    /// The filter does not hold for it.
    FilteredOut,
    /// No stage retrieved it.
    NotRetrieved,
    /// It was a candidate, but not among the best that were reranked, and so ranks below all
    /// that were.
    NotReranked,
    /// It was scored by all stages and ranks below the first `top_k`.
    Outranked {
        /// The stage in whose weighted score it is furthest behind the last of the first
        /// `top_k`; `None` if the trees of a learned fusion did.
        by: Option<StageName>,
        /// How far behind, in units of the fused score.
        deficit: f64,
        /// The id of that last one.
        last: String,
    },
}

/// The weightings that would bring a document among the first `top_k`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reweighting {
    /// How many were tried.
    pub n_points: usize,
    /// How many of them would.
    pub n_winning: usize,
    /// The one of these nearest to the profile's weights, and the rank it gives.
    pub nearest: Option<(Weights, u32)>,
    /// The best rank that any of them gives; of equal ones, by the weights nearest to the
    /// profile's.
    pub best: (Weights, u32),
}

impl Engine {
    /// Follows a document through the stages for one query.
    ///
    /// The stages' own rankings are of the whole index, so this takes longer than a search.
    /// Deadlines are ignored, so that the result does not depend on the speed of the machine.
    ///
    /// # Errors
    /// As [`Engine::search`]; if no hits are asked for, or if the index holds no document
    /// of that id.
    pub fn explain(&self, request: &ExplainRequest) -> Result<Explanation, Error> {
        let profile = self.profile(&request.options)?;
        explain(self, &profile, request)
    }
}

/// As [`Engine::explain`], under a profile that need not be one of the index.
///
/// # Errors
/// As [`Engine::explain`].
pub fn explain(
    engine: &Engine,
    profile: &Profile,
    request: &ExplainRequest,
) -> Result<Explanation, Error> {
    let (query, top_k) = (&request.query, request.options.top_k);
    let profiles = Profiles::around(engine, profile, &request.options)?;
    let profile = profiles.for_query(engine, &query.text);
    if top_k == 0 {
        return Err(Error::Request(
            "of no hits none can be explained; ask for at least one".into(),
        ));
    }
    let scope = Scope::new(engine, &request.options)?;
    let available = scope.available(engine);
    let pipeline = match &request.options.stages {
        Some(stages) => Pipeline::only(profile, &available, stages)?,
        None => Pipeline::of(profile, &available)?,
    };
    // What a search ranks by, which may be less than what is shown.
    let deciding = match &request.options.stages {
        Some(_) => pipeline.clone(),
        None => Pipeline::effective(profile, &available)?,
    };
    let ranker = Ranker::new(engine, profile, &deciding)?;
    let (doc, document) = find(engine, &request.doc)?;
    let gatherer = Gatherer::new(engine, profile, pipeline.clone())
        .without_deadline()
        .among(scope.allowed());
    let Gathered { candidates, traces } = gatherer.gather_with(query, doc)?;
    let explaining = Explaining {
        engine,
        profile,
        pipeline: &pipeline,
        query,
        doc,
        at: place_of(doc, &candidates)?,
        scope: &scope,
    };
    let of_query = traces.iter().find_map(|trace| trace.unknown_language);
    let here = &candidates[explaining.at];
    let unknown_language = match (of_query, engine.language_of(doc)?) {
        (Some(language), _) => Some(UnknownLanguage::OfQuery(language)),
        (None, Some(language)) if here.is_unreadable && pipeline.reranker().is_some() => {
            Some(UnknownLanguage::OfDocument(language))
        }
        _ => None,
    };
    let reranked = match unknown_language {
        None => explaining.reranked(&candidates)?,
        Some(_) => candidates.clone(),
    };

    let fused = ranker.fuse(engine, query, &candidates)?;
    let rank = rank_in(&fused, explaining.at);
    let here = &fused[rank as usize - 1];
    let mut stages = pipeline
        .stages()
        .iter()
        .map(|stage| explaining.view(*stage, &candidates, &reranked, here))
        .collect::<Result<Vec<StageView>, Error>>()?;
    let is_allowed = scope.allows(doc);
    let is_candidate =
        is_allowed && (pipeline.scores_every_document() || stages.iter().any(is_retrieved));
    for view in &mut stages {
        view.is_reached &= is_candidate; // forced into the pool, so not found by the search
    }
    let this = std::slice::from_ref(&candidates[explaining.at]);
    let alone = hits(engine, query, this, &ranker, 1, Shown::ALIGNED)?;
    let weights = &ranker.fusion().weights;
    let reweighted = |pool: &[Candidate]| explaining.reweight(pool, top_k, request.steps, weights);
    Ok(Explanation {
        id: document.id,
        title: document.title,
        unknown_language,
        n_candidates: candidates.len(),
        rank,
        score: here.score,
        learned: here.learned,
        outcome: if !is_allowed {
            Outcome::FilteredOut
        } else if !is_candidate {
            Outcome::NotRetrieved
        } else if rank as usize <= top_k {
            Outcome::Found
        } else if unknown_language.is_none()
            && is_not_reranked(&candidates[explaining.at], &pipeline, &ranker)
        {
            Outcome::NotReranked
        } else {
            outranked(engine, here, &fused[top_k - 1])?
        },
        by_weights: is_candidate.then(|| reweighted(&candidates)).transpose()?,
        if_reranked: reweighted(&reranked)?,
        terms: explaining.terms()?,
        passage: alone.into_iter().flat_map(|hit| hit.passages).next(),
        stages,
    })
}

fn find(engine: &Engine, id: &str) -> Result<(DocId, Document), Error> {
    let Some(doc) = engine.find(id)? else {
        return Err(Error::Request(format!(
            "the index holds no document `{id}`; ids are those of the corpus, as a search prints them"
        )));
    };
    let document = engine.store().document(doc);
    Ok((doc, document.map_err(part("read", "store", engine.dir()))?))
}

fn place_of(doc: DocId, candidates: &[Candidate]) -> Result<usize, Error> {
    let place = candidates.iter().position(|candidate| candidate.doc == doc);
    place.ok_or_else(|| Error::Request("the document was dropped by a stage".into()))
}

fn rank_in(fused: &[Fused], at: usize) -> u32 {
    let before = fused.iter().take_while(|fused| fused.candidate != at);
    before.count() as u32 + 1
}

fn is_retrieved(view: &StageView) -> bool {
    matches!(view.role, Role::Retrieves(_)) && view.is_reached
}

/// Whether it ranks below all others because the reranker has not scored it.
fn is_not_reranked(candidate: &Candidate, pipeline: &Pipeline, ranker: &Ranker) -> bool {
    let reranker = pipeline.reranker();
    reranker.is_some_and(|stage| ranker.looks_at(stage) && !candidate.is_scored_by(stage))
}

fn outranked(engine: &Engine, here: &Fused, last: &Fused) -> Result<Outcome, Error> {
    let stages = last.stages.iter().map(|(stage, theirs)| {
        let ours = here.stages.get(stage).map_or(0.0, |score| score.weighted);
        (Some(stage), theirs.weighted - ours)
    });
    let trees = (None, last.learned - here.learned);
    // The first of equals.
    let worst =
        (stages.chain([trees])).reduce(|worst, one| if one.1 > worst.1 { one } else { worst });
    let (by, deficit) = worst.unwrap_or(trees);
    Ok(Outcome::Outranked {
        by,
        deficit,
        last: engine.doc_id(last.doc)?.to_owned(),
    })
}

/// One document and one query under one profile.
struct Explaining<'a> {
    engine: &'a Engine,
    profile: &'a Profile,
    pipeline: &'a Pipeline,
    query: &'a Query,
    doc: DocId,
    /// The document's place among the candidates.
    at: usize,
    scope: &'a Scope,
}

impl Explaining<'_> {
    fn failed(&self, stage: StageName) -> impl FnOnce(BoxError) -> Error + '_ {
        move |source| Error::Stage {
            stage,
            query: query_name(self.query),
            source,
        }
    }

    fn begin(&self, stage: StageName) -> Result<Box<dyn StageQuery + '_>, BoxError> {
        let parameters = Parameters {
            allowed: self.scope.allowed(),
            ..self.profile.parameters()
        };
        let mut answers = self.engine.begin(stage, &[self.query], parameters)?;
        answers.pop().ok_or_else(|| "it began no query".into())
    }

    /// The candidates as if every reranker had scored the document.
    fn reranked(&self, candidates: &[Candidate]) -> Result<Vec<Candidate>, Error> {
        let mut reranked = candidates.to_vec();
        for stage in self.pipeline.stages() {
            let is_reranker = self.pipeline.reranks(*stage).is_some();
            if is_reranker && !reranked[self.at].is_scored_by(*stage) {
                let readings = passages_to_read(
                    self.engine,
                    candidates,
                    &[self.at],
                    &self.pipeline.query_scorers(),
                    self.profile.cross_passages,
                    usize::MAX,
                )?;
                let answer = self.begin(*stage);
                answer
                    .and_then(|answer| rerank_at(&mut reranked, *stage, &*answer, &readings))
                    .map_err(self.failed(*stage))?;
            }
        }
        Ok(reranked)
    }

    fn view(
        &self,
        stage: StageName,
        candidates: &[Candidate],
        reranked: &[Candidate],
        fused: &Fused,
    ) -> Result<StageView, Error> {
        let role = self.role(stage, candidates);
        let (ranking, is_within) = self.ranking(stage, reranked).map_err(self.failed(stage))?;
        let rank = ranking.iter().position(|doc| *doc == self.doc);
        Ok(StageView {
            stage,
            role,
            is_reached: match role {
                Role::Retrieves(_) => is_within,
                Role::Scores => true,
                Role::Reranks { .. } => candidates[self.at].is_scored_by(stage),
            },
            raw: reranked[self.at].best_score(stage),
            rank: rank.map(|rank| rank as u32 + 1),
            n_ranked: ranking.len(),
            fused: fused.stages.get(stage).copied().unwrap_or_default(),
        })
    }

    fn role(&self, stage: StageName, candidates: &[Candidate]) -> Role {
        if let Some((depth, order)) = self.pipeline.reranks(stage) {
            let before = self
                .pipeline
                .normalization_before(stage, self.profile.scaling());
            let order = first_to_rerank(candidates, order, &before, candidates.len());
            let earlier = order.iter().take_while(|at| **at != self.at).count();
            return Role::Reranks {
                depth,
                place: earlier as u32 + 1,
            };
        }
        self.pipeline
            .retrieves(stage)
            .map_or(Role::Scores, Role::Retrieves)
    }

    /// The stage's ranking of every document that it can rank, and whether it retrieves this
    /// one within its depth, which an approximate search may fail to do. A stage that does
    /// not retrieve ranks what it has scored.
    fn ranking(
        &self,
        stage: StageName,
        reranked: &[Candidate],
    ) -> Result<(Vec<DocId>, bool), BoxError> {
        let mut stages = self.engine.available().stages.iter();
        let can_retrieve = stages.any(|one| one.name == stage && one.retrieves(self.profile));
        if !can_retrieve {
            return Ok((scored_by(stage, reranked), false));
        }
        let answer = self.begin(stage)?;
        let mut ranking: Vec<DocId> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for found in answer.rank_all()? {
            if seen.insert(found.doc) {
                ranking.push(found.doc);
            }
        }
        let is_within = match self.pipeline.retrieves(stage) {
            None => false,
            Some(depth) => {
                let allowed = self.scope.allowed();
                let retrieved = retrieve(self.engine, &*answer, depth, &[], allowed.as_deref())?;
                retrieved.iter().any(|found| found.doc == self.doc)
            }
        };
        Ok((ranking, is_within))
    }

    fn terms(&self) -> Result<Vec<TermScore>, Error> {
        if !self.pipeline.runs(StageName::BM25) {
            return Ok(Vec::new());
        }
        // Of several passages, those of the best.
        let mut best: (f32, Vec<TermScore>) = (0.0, Vec::new());
        for row in self.engine.bm25_rows(self.doc)? {
            let terms = self.engine.bm25().explain(&self.query.text, DocId(row));
            let terms = terms.map_err(part("read", "BM25 part", self.engine.dir()))?;
            let score = terms.iter().map(|term| term.score.value()).sum();
            if score > best.0 {
                best = (score, terms);
            }
        }
        Ok(best.1)
    }

    /// Tries every weighting of the simplex on candidates.
    fn reweight(
        &self,
        candidates: &[Candidate],
        top_k: usize,
        steps: u32,
        current: &Weights,
    ) -> Result<Reweighting, Error> {
        let normalization = self.pipeline.normalization(self.profile.scaling());
        let prepared = Prepared::new(candidates, &normalization);
        let rank = |weights: &Weights| {
            let order = prepared.rank(weights);
            order.iter().take_while(|place| **place != self.at).count() as u32 + 1
        };
        let mut points: Vec<Weights> = Weights::simplex(steps, self.pipeline.stages()).collect();
        // Stable, so that the first of the grid wins among equally near ones.
        points.sort_by(|a, b| a.distance(current).total_cmp(&b.distance(current)));
        let ranked: Vec<(Weights, u32)> = points
            .into_iter()
            .map(|point| {
                let rank = rank(&point);
                (point, rank)
            })
            .collect();
        let is_winning = |(_, rank): &&(Weights, u32)| *rank as usize <= top_k;
        let best = ranked.iter().min_by_key(|(_, rank)| *rank);
        Ok(Reweighting {
            n_points: ranked.len(),
            n_winning: ranked.iter().filter(is_winning).count(),
            nearest: ranked.iter().find(is_winning).cloned(),
            best: best
                .cloned()
                .ok_or_else(|| Error::Request("the grid needs at least one step".into()))?,
        })
    }
}

/// What a stage has scored, best first.
fn scored_by(stage: StageName, candidates: &[Candidate]) -> Vec<DocId> {
    let scored = candidates
        .iter()
        .filter_map(|one| Some((one.best_score(stage)?, one.doc)));
    let mut scored: Vec<(Score, DocId)> = scored.collect();
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().map(|(_, doc)| doc).collect()
}
