//! The stages: each adds candidates to the pool or its own score to those in it.
//!
//! A stage never drops a candidate and never touches another stage's score.

use std::collections::HashSet;

use treffer_dense::DenseIndex;
use treffer_fusion::{Normalizer, Prepared, Weights};
use treffer_bm25::Bm25Index;
use treffer_store::Store;
use treffer_types::{
    BoxError, Candidate, DocId, Embedder, PairScorer, PassageId, Query, Score, StageMap, StageName,
};

use crate::deadline::{Deadline, Pace};
use crate::profile::CrossOrder;

/// A step of gathering.
pub trait Stage {
    /// Whose score it sets.
    fn name(&self) -> StageName;

    /// The pool with this stage's candidates and scores added. A stage that can be cut
    /// short stops before `deadline`.
    ///
    /// # Errors
    /// If the stage cannot be run.
    fn run(
        &self,
        query: &Query,
        pool: Vec<Candidate>,
        deadline: &Deadline<'_>,
    ) -> Result<Step, BoxError>;
}

/// What a stage leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The pool with the stage's candidates and scores.
    pub pool: Vec<Candidate>,
    /// How many candidates it would have scored but for the deadline.
    pub skipped: usize,
}

impl Step {
    /// Of a stage that did all it was to do.
    fn complete(pool: Vec<Candidate>) -> Self {
        Step { pool, skipped: 0 }
    }
}

/// BM25. Brings in its best documents and scores every candidate that it has not
/// scored yet.
pub struct Bm25Stage<'a> {
    /// The inverted index.
    pub index: &'a Bm25Index,
    /// How many documents to bring in; 0 to complete scores only.
    pub depth: usize,
}

impl Stage for Bm25Stage<'_> {
    fn name(&self) -> StageName {
        StageName::Bm25
    }

    fn run(
        &self,
        query: &Query,
        mut pool: Vec<Candidate>,
        _deadline: &Deadline<'_>,
    ) -> Result<Step, BoxError> {
        if self.depth > 0 {
            let found = self.index.search(&query.text, self.depth)?;
            let found = found
                .into_iter()
                .map(|(doc, score)| (PassageId::whole(doc), score));
            add(&mut pool, self.name(), found);
        }
        let missing = without_score(&pool, self.name());
        let docs: Vec<DocId> = missing.iter().map(|at| pool[*at].doc()).collect();
        let scores = self.index.score(&query.text, &docs)?;
        set(&mut pool, self.name(), &missing, &scores);
        Ok(Step::complete(pool))
    }
}

/// The bi-encoder. Brings in its nearest passages and scores every candidate that it
/// has not scored yet.
pub struct DenseStage<'a> {
    /// The vectors.
    pub index: &'a DenseIndex,
    /// The model that made them.
    pub embedder: &'a dyn Embedder,
    /// How many passages to bring in; 0 to complete scores only.
    pub depth: usize,
    /// Beam of the graph search; `None` scans every vector.
    pub ef_search: Option<usize>,
}

impl Stage for DenseStage<'_> {
    fn name(&self) -> StageName {
        StageName::Dense
    }

    fn run(
        &self,
        query: &Query,
        mut pool: Vec<Candidate>,
        _deadline: &Deadline<'_>,
    ) -> Result<Step, BoxError> {
        let mut embeddings = self.embedder.embed_queries(&[&query.text])?;
        let vector = embeddings
            .pop()
            .ok_or("the bi-encoder returned no vector")?
            .vector;
        if self.depth > 0 {
            let found = match self.ef_search {
                Some(ef_search) => self.index.search(&vector, self.depth, ef_search)?,
                None => self.index.exact(&vector, self.depth)?,
            };
            add(&mut pool, self.name(), found.into_iter());
        }
        let missing = without_score(&pool, self.name());
        let passages: Vec<PassageId> = missing.iter().map(|at| pool[*at].passage).collect();
        let scores = self.index.score(&vector, &passages)?;
        set(&mut pool, self.name(), &missing, &scores);
        Ok(Step::complete(pool))
    }
}

/// Every document as a candidate, for mode `exhaustive`. Sets no score itself.
pub(crate) fn every_document(n_docs: u32) -> Vec<Candidate> {
    (0..n_docs)
        .map(|doc| Candidate::new(PassageId::whole(DocId(doc))))
        .collect()
}

/// The cross-encoder. Brings in nothing; reads the most promising candidates
/// together with the query: all at once, or in batches if there is a deadline.
pub struct CrossStage<'a> {
    /// The model.
    pub scorer: &'a dyn PairScorer,
    /// Where the texts are.
    pub store: &'a Store,
    /// How many candidates to read.
    pub depth: usize,
    /// Which first.
    pub order: CrossOrder,
    /// How scores are brought to a common scale for [`CrossOrder::Fused`].
    pub normalizers: &'a StageMap<Normalizer>,
}

impl Stage for CrossStage<'_> {
    fn name(&self) -> StageName {
        StageName::Cross
    }

    fn run(
        &self,
        query: &Query,
        mut pool: Vec<Candidate>,
        deadline: &Deadline<'_>,
    ) -> Result<Step, BoxError> {
        let promising = promise(&pool, self.order, self.normalizers, self.depth);
        let (mut read, mut pace) = (0, Pace::default());
        while read < promising.len() {
            let unread = &promising[read..];
            let n = match deadline.left() {
                None => unread.len(),
                Some(left) => pace.next_batch(left, unread.len()),
            };
            if n == 0 {
                break;
            }
            let begun = deadline.now();
            read_pairs(self.scorer, self.store, query, &mut pool, &unread[..n])?;
            pace.record(n, deadline.now().saturating_sub(begun));
            read += n;
        }
        let skipped = promising.len() - read;
        Ok(Step { pool, skipped })
    }
}

/// Has the cross-encoder read the candidates at `places` together with the query.
pub(crate) fn read_pairs(
    scorer: &dyn PairScorer,
    store: &Store,
    query: &Query,
    pool: &mut [Candidate],
    places: &[usize],
) -> Result<(), BoxError> {
    let texts = places
        .iter()
        .map(|at| Ok(store.document(pool[*at].doc())?.full_text()))
        .collect::<Result<Vec<String>, treffer_store::Error>>()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let scores = scorer.score_pairs(&query.text, &texts)?;
    for (at, pair) in places.iter().zip(scores) {
        let score = Score::new(pair.logit)
            .ok_or_else(|| format!("the cross-encoder gave {} for a pair", pair.logit))?;
        pool[*at].scores.set(StageName::Cross, score);
        pool[*at].tokens_cut = pair.tokens_cut;
    }
    Ok(())
}

/// The `depth` candidates that the cross-encoder would read first, best first, as
/// places in `pool`. An order by a stage that did not run falls back on the other.
pub(crate) fn promise(
    pool: &[Candidate],
    order: CrossOrder,
    normalizers: &StageMap<Normalizer>,
    depth: usize,
) -> Vec<usize> {
    let ran = |stage: StageName| {
        pool.iter()
            .any(|candidate| candidate.scores.get(stage).is_some())
    };
    let asked: &[StageName] = match order {
        CrossOrder::Bm25 if ran(StageName::Bm25) => &[StageName::Bm25],
        CrossOrder::Dense if ran(StageName::Dense) => &[StageName::Dense],
        // A stage that scored nothing has no influence on the fusion.
        _ => &[StageName::Bm25, StageName::Dense],
    };
    // The cross-encoder weighs nothing here, so what it has said does not matter.
    let weights = Weights::equal(asked).expect("one or two stages are asked");
    Prepared::new(pool, normalizers).top(&weights, depth)
}

/// Adds what a stage found, with its scores, to the pool.
fn add(
    pool: &mut Vec<Candidate>,
    stage: StageName,
    found: impl Iterator<Item = (PassageId, Score)>,
) {
    let known: HashSet<PassageId> = pool.iter().map(|candidate| candidate.passage).collect();
    for (passage, score) in found.filter(|(passage, _)| !known.contains(passage)) {
        let mut candidate = Candidate::new(passage);
        candidate.scores.set(stage, score);
        pool.push(candidate);
    }
}

fn without_score(pool: &[Candidate], stage: StageName) -> Vec<usize> {
    (0..pool.len())
        .filter(|at| pool[*at].scores.get(stage).is_none())
        .collect()
}

fn set(pool: &mut [Candidate], stage: StageName, places: &[usize], scores: &[Score]) {
    for (at, score) in places.iter().zip(scores) {
        pool[*at].scores.set(stage, *score);
    }
}
