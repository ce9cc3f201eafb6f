//! Explaining: why a document stands where it does, or does not stand at all.

use treffer_fusion::{Fused, Prepared, Weights};
use treffer_types::{BoxError, Candidate, DocId, PassageId, Query, Score, StageName, StageScore};

use crate::error::{Error, part};
use crate::gather::Plan;
use crate::index::Index;
use crate::learned::Ranker;
use crate::profile::{FirstStage, Mode, Profile};
use crate::stages::{promise, read_pairs};

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct ExplainRequest<'a> {
    /// How to gather and fuse.
    pub profile: &'a Profile,
    /// The stages to run; `None` for all that the profile runs.
    pub stages: Option<&'a [StageName]>,
    /// How many hits are good enough.
    pub top_k: usize,
    /// Steps from weight 0 to weight 1 of the weightings that are tried.
    pub steps: u32,
}

/// One document's way through the stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The corpus's name of the document.
    pub id: String,
    /// Its title, possibly empty.
    pub title: String,
    /// How many candidates were fused, the document included.
    pub n_candidates: usize,
    /// Its fused rank from 1: where the search has it, or where it would be if it alone
    /// were brought in besides.
    pub rank: u32,
    /// Its fused score there.
    pub score: f64,
    /// What the trees of a learned fusion added to it; 0 under weights alone.
    pub learned: f64,
    /// What each stage saw of it, in the order in which they run.
    pub stages: Vec<StageView>,
    /// What became of it.
    pub fate: Fate,
    /// What weights alone would do, without a learned fusion; `None` if it is not among the candidates, where
    /// they can do nothing.
    pub by_weights: Option<Rescue>,
    /// What weights would do if the document were brought in and read.
    pub if_read: Rescue,
}

/// What one stage saw of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct StageView {
    /// Which stage.
    pub stage: StageName,
    /// What the stage does, and down to which rank.
    pub part: Part,
    /// Whether the stage brought it in, scored it or read it in the search.
    pub is_reached: bool,
    /// Its score; of a cross-encoder that had not read it, read for this explanation.
    pub raw: Option<Score>,
    /// Its rank from 1 in the stage's own ranking: of the whole index, or, for the
    /// cross-encoder, of what was read. `None` if it is not in it: BM25 only ranks
    /// documents in which a word of the query occurs.
    pub rank: Option<u32>,
    /// How many the stage ranks so.
    pub n_ranked: usize,
    /// What it contributed to the fused score.
    pub fused: StageScore,
}

/// What a stage does under a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Adds its best to the candidates, so many of them.
    BringsIn(usize),
    /// Scores the candidates that others brought in.
    Scores,
    /// Reads the most promising candidates.
    Reads {
        /// So many of them.
        depth: usize,
        /// The document's place in the order of promise, from 1.
        promise: u32,
    },
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is among the first `top_k`.
    Found,
    /// No first stage brought it in.
    NotBroughtIn,
    /// It was a candidate, but not promising enough to be read, and so came after all
    /// that were.
    NotRead,
    /// It was weighed and came after better ones.
    Outweighed {
        /// The stage that set it back most against the last of the first `top_k`; `None`
        /// if the trees of a learned fusion did.
        by: Option<StageName>,
        /// By how much of the fused score.
        deficit: f64,
        /// That last one.
        last: String,
    },
}

/// The weightings that would bring a document among the first `top_k`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rescue {
    /// How many were tried.
    pub n_points: usize,
    /// How many would.
    pub n_winning: usize,
    /// The one of these nearest to the profile's weights, and the rank it gives.
    pub nearest: Option<(Weights, u32)>,
    /// The best rank that any gives, by the weights nearest to the profile's.
    pub best: (Weights, u32),
}

/// Follows `doc` through the stages for one query.
///
/// The stages' own rankings are of the whole index, so this takes longer than a search.
/// A deadline is not kept: what is explained does not depend on how fast the machine is.
///
/// # Errors
/// As [`Plan::new`] and [`Plan::gather`]; if the index holds no document of that name,
/// or as [`Ranker::new`].
pub fn explain(
    index: &Index,
    request: &ExplainRequest<'_>,
    query: &Query,
    doc: &str,
) -> Result<Explanation, Error> {
    let (profile, top_k) = (request.profile, request.top_k);
    if top_k == 0 {
        return Err(Error::Request(
            "of no hits none can be explained; ask for at least one".into(),
        ));
    }
    let plan = Plan::new(index, profile, request.stages)?.without_deadline();
    let ranker = Ranker::new(index, profile, plan.stages())?;
    let fusion = ranker.fusion();
    let (id, document) = find(index, doc)?;
    let passage = PassageId::whole(id);
    let pool = plan.gather_with(query, Some(passage))?.candidates;
    let at = place(&pool, passage);
    let read = with_logit(index, &plan, query, &pool, at)?;

    let fused = ranker.fuse(index, query, &pool)?;
    let rank = rank_in(&fused, at);
    let here = &fused[rank as usize - 1];
    let looks = Looks {
        index,
        profile,
        query,
        passage,
    };
    let mut stages = plan
        .stages()
        .iter()
        .map(|stage| looks.view(*stage, &plan, &pool, &read, here))
        .collect::<Result<Vec<StageView>, Error>>()?;
    let is_candidate = profile.mode == Mode::Exhaustive || stages.iter().any(brought_in);
    for view in &mut stages {
        view.is_reached &= is_candidate; // what it was forced into was no search
    }
    let weighed = |pool: &[Candidate]| rescue(pool, at, request, plan.stages(), &fusion.weights);
    Ok(Explanation {
        id: document.id,
        title: document.title,
        n_candidates: pool.len(),
        rank,
        score: here.score,
        learned: here.learned,
        fate: match () {
            () if !is_candidate => Fate::NotBroughtIn,
            () if rank as usize <= top_k => Fate::Found,
            () if is_unread(&pool[at], &stages, &ranker) => Fate::NotRead,
            () => outweighed(index, here, &fused[top_k - 1])?,
        },
        by_weights: is_candidate.then(|| weighed(&pool)).transpose()?,
        if_read: weighed(&read)?,
        stages,
    })
}

fn find(index: &Index, doc: &str) -> Result<(DocId, treffer_types::Document), Error> {
    let failed = |source| part("read", "store", index.dir())(source);
    match index.store.find(doc).map_err(failed)? {
        Some(id) => Ok((id, index.store.document(id).map_err(failed)?)),
        None => Err(Error::Request(format!(
            "the index holds no document `{doc}`; ids are those of the corpus, as a search prints them"
        ))),
    }
}

/// The place of a passage in a pool that it was forced into.
fn place(pool: &[Candidate], passage: PassageId) -> usize {
    let at = pool
        .iter()
        .position(|candidate| candidate.passage == passage);
    at.expect("a stage never drops a candidate, and this one was there from the start")
}

/// The pool as if the cross-encoder had read the document at `at`, if there is one.
fn with_logit(
    index: &Index,
    plan: &Plan<'_>,
    query: &Query,
    pool: &[Candidate],
    at: usize,
) -> Result<Vec<Candidate>, Error> {
    let mut pool = pool.to_vec();
    let runs = plan.stages().contains(&StageName::Cross);
    if let (true, None, Some(scorer)) = (runs, pool[at].scores.get(StageName::Cross), &index.cross)
    {
        read_pairs(scorer.as_ref(), &index.store, query, &mut pool, &[at])
            .map_err(|source| stage_error(StageName::Cross, query, source))?;
    }
    Ok(pool)
}

fn stage_error(stage: StageName, query: &Query, source: BoxError) -> Error {
    Error::Stage {
        stage,
        query: format!("`{}`", query.text),
        source,
    }
}

fn rank_in(fused: &[Fused], at: usize) -> u32 {
    let before = fused.iter().take_while(|fused| fused.candidate != at);
    before.count() as u32 + 1
}

fn brought_in(view: &StageView) -> bool {
    matches!(view.part, Part::BringsIn(_)) && view.is_reached
}

/// Whether it stands behind all others because the cross-encoder has not read it.
fn is_unread(candidate: &Candidate, stages: &[StageView], ranker: &Ranker) -> bool {
    let runs = stages.iter().any(|view| view.stage == StageName::Cross);
    let weighs = match ranker {
        Ranker::Linear(fusion) => fusion.weights.weight(StageName::Cross) > 0.0,
        Ranker::Learned(learned) => learned.stages().contains(&StageName::Cross),
    };
    runs && weighs && candidate.scores.get(StageName::Cross).is_none()
}

fn outweighed(index: &Index, here: &Fused, last: &Fused) -> Result<Fate, Error> {
    let stage = |stage: StageName| {
        let deficit = last.stages[stage].weighted - here.stages[stage].weighted;
        (Some(stage), deficit)
    };
    let trees = (None, last.learned - here.learned);
    let sides = StageName::ALL.map(stage).into_iter().chain([trees]);
    // The first of equals.
    let worst = sides.reduce(|worst, side| if side.1 > worst.1 { side } else { worst });
    let (by, deficit) = worst.unwrap_or(trees);
    let id = index.store.id(last.doc);
    Ok(Fate::Outweighed {
        by,
        deficit,
        last: id.map_err(part("read", "store", index.dir()))?.to_owned(),
    })
}

/// Looks at one passage through the eyes of each stage.
struct Looks<'a> {
    index: &'a Index,
    profile: &'a Profile,
    query: &'a Query,
    passage: PassageId,
}

impl Looks<'_> {
    fn view(
        &self,
        stage: StageName,
        plan: &Plan<'_>,
        pool: &[Candidate],
        read: &[Candidate],
        fused: &Fused,
    ) -> Result<StageView, Error> {
        let at = place(pool, self.passage);
        let failed = |source: BoxError| stage_error(stage, self.query, source);
        let (ranking, found) = match stage {
            StageName::Bm25 => self.bm25().map_err(failed)?,
            StageName::Dense => self.dense().map_err(failed)?,
            StageName::Cross => (logits(read), false),
        };
        let part = self.part(stage, plan, pool);
        let rank = ranking.iter().position(|passage| *passage == self.passage);
        Ok(StageView {
            stage,
            part,
            is_reached: match part {
                Part::BringsIn(_) => found,
                Part::Scores => true,
                Part::Reads { .. } => pool[at].scores.get(StageName::Cross).is_some(),
            },
            raw: read[at].scores.get(stage),
            rank: rank.map(|rank| rank as u32 + 1),
            n_ranked: ranking.len(),
            fused: fused.stages[stage],
        })
    }

    fn part(&self, stage: StageName, plan: &Plan<'_>, pool: &[Candidate]) -> Part {
        let profile = self.profile;
        let runs_bm25 = plan.stages().contains(&StageName::Bm25);
        match (stage, profile.mode, profile.first_stage) {
            (StageName::Cross, _, _) => Part::Reads {
                depth: profile.cross_depth,
                promise: self.promise(pool),
            },
            (_, Mode::Exhaustive, _) => Part::Scores,
            (StageName::Dense, Mode::Cascade, _) if runs_bm25 => Part::Scores,
            (StageName::Dense, Mode::TwoStage, FirstStage::Bm25)
            | (StageName::Bm25, Mode::TwoStage, FirstStage::Dense) => Part::Scores,
            (StageName::Bm25, _, _) => Part::BringsIn(profile.bm25_depth),
            (StageName::Dense, _, _) => Part::BringsIn(profile.dense_depth),
        }
    }

    /// Place from 1 in the order in which the cross-encoder reads.
    fn promise(&self, pool: &[Candidate]) -> u32 {
        let Profile {
            cross_order,
            normalizers,
            ..
        } = self.profile;
        let order = promise(pool, *cross_order, normalizers, pool.len());
        let before = order
            .iter()
            .take_while(|at| pool[**at].passage != self.passage);
        before.count() as u32 + 1
    }

    /// BM25's ranking of every document, and whether this one is within the depth.
    fn bm25(&self) -> Result<(Vec<PassageId>, bool), BoxError> {
        let n_docs = self.index.n_docs() as usize;
        let found = self.index.bm25.search(&self.query.text, n_docs)?;
        let ranking: Vec<PassageId> = found
            .iter()
            .map(|(doc, _)| PassageId::whole(*doc))
            .collect();
        let is_within = ranking
            .iter()
            .take(self.profile.bm25_depth)
            .any(|p| *p == self.passage);
        Ok((ranking, is_within))
    }

    /// The bi-encoder's ranking of every passage, by a scan, and whether the search
    /// finds this one within the depth, which a graph may fail to do.
    fn dense(&self) -> Result<(Vec<PassageId>, bool), BoxError> {
        let dense = self
            .index
            .dense
            .as_ref()
            .ok_or("the dense stage was not opened")?;
        let mut embeddings = dense.embedder.embed_queries(&[&self.query.text])?;
        let vector = embeddings
            .pop()
            .ok_or("the bi-encoder returned no vector")?
            .vector;
        let (index, profile) = (&dense.index, self.profile);
        let everything = index.exact(&vector, index.len())?;
        let is_here = |(passage, _): &(PassageId, Score)| *passage == self.passage;
        let is_within = match index.len() < profile.exact_below {
            true => everything.iter().take(profile.dense_depth).any(is_here),
            false => index
                .search(&vector, profile.dense_depth, profile.ef_search)?
                .iter()
                .any(is_here),
        };
        Ok((
            everything.into_iter().map(|(passage, _)| passage).collect(),
            is_within,
        ))
    }
}

/// What the cross-encoder has read, best first.
fn logits(pool: &[Candidate]) -> Vec<PassageId> {
    let logit = |candidate: &Candidate| candidate.scores.get(StageName::Cross);
    let mut read: Vec<&Candidate> = pool.iter().filter(|c| logit(c).is_some()).collect();
    read.sort_by(|a, b| logit(b).cmp(&logit(a)).then(a.passage.cmp(&b.passage)));
    read.into_iter()
        .map(|candidate| candidate.passage)
        .collect()
}

/// Tries every weighting of the simplex on a pool.
fn rescue(
    pool: &[Candidate],
    at: usize,
    request: &ExplainRequest<'_>,
    stages: &[StageName],
    current: &Weights,
) -> Result<Rescue, Error> {
    let prepared = Prepared::new(pool, &request.profile.normalizers);
    let rank = |weights: &Weights| {
        let order = prepared.rank(weights);
        order.iter().take_while(|place| **place != at).count() as u32 + 1
    };
    let mut points: Vec<Weights> = Weights::simplex(request.steps, stages).collect();
    // Stable, so that of equally near ones the first of the grid comes first.
    points.sort_by(|a, b| a.distance(current).total_cmp(&b.distance(current)));
    let ranked: Vec<(Weights, u32)> = points.iter().map(|point| (*point, rank(point))).collect();
    let is_winning = |(_, rank): &&(Weights, u32)| *rank as usize <= request.top_k;
    let best = ranked.iter().min_by_key(|(_, rank)| *rank);
    Ok(Rescue {
        n_points: ranked.len(),
        n_winning: ranked.iter().filter(is_winning).count(),
        nearest: ranked.iter().find(is_winning).copied(),
        best: *best.ok_or_else(|| Error::Request("the grid needs at least one step".into()))?,
    })
}
