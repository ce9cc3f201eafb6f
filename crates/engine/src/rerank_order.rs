//! Which candidates a reranker scores first, and which of their passages.

use treffer_fusion::{Normalization, Prepared, Weights};
use treffer_types::{Candidate, StageName};

use crate::engine::Engine;
use crate::error::Error;
use crate::profile::Order;

/// A passage that a reranker is to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The place of its document among the candidates.
    pub(crate) at: usize,
    /// Its number within the document.
    pub(crate) passage: u32,
}

/// The passages of the candidates at `places` that a reranker scores, in their order: of each
/// document at most `per_document`, and of all at most `depth`.
///
/// The most promising of a document are those that the stages before it scored highest, each
/// stage's best in turn, the last stage of `scorers` first.
pub(crate) fn passages_to_read(
    engine: &Engine,
    candidates: &[Candidate],
    places: &[usize],
    scorers: &[StageName],
    per_document: usize,
    depth: usize,
) -> Result<Vec<Reading>, Error> {
    let mut readings = Vec::with_capacity(places.len().min(depth));
    for at in places {
        if readings.len() >= depth {
            break;
        }
        let candidate = &candidates[*at];
        let n_passages = engine.n_passages_of(candidate.doc)?;
        let promising = match n_passages {
            1 => vec![0],
            n => most_promising(candidate, scorers, n, per_document),
        };
        let reading = |passage| Reading { at: *at, passage };
        readings.extend(promising.into_iter().map(reading));
    }
    readings.truncate(depth);
    Ok(readings)
}

/// The numbers of the most promising `most` of a document's `n` passages.
fn most_promising(candidate: &Candidate, scorers: &[StageName], n: u32, most: usize) -> Vec<u32> {
    let rankings: Vec<Vec<u32>> = scorers
        .iter()
        .rev()
        .map(|stage| {
            let found = candidate.ranked(*stage).into_iter();
            found.filter_map(|one| one.passage).collect()
        })
        .collect();
    let longest = rankings.iter().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..longest).flat_map(|rank| {
        let at_rank = move |ranking: &Vec<u32>| ranking.get(rank).copied();
        rankings.iter().filter_map(at_rank)
    });
    let mut chosen = Vec::new();
    // Without any evidence, a document is read from its beginning.
    for passage in in_turn.chain(0..n) {
        if chosen.len() == most {
            break;
        }
        if !chosen.contains(&passage) {
            chosen.push(passage);
        }
    }
    chosen
}

/// The `depth` candidates that a reranker would score first, best first, as positions in
/// `candidates`: of those that it can read. `before` normalizes the stages that run before it.
///
/// If the order is by a stage that scored nothing, the fusion of all stages is used.
pub(crate) fn first_to_rerank(
    candidates: &[Candidate],
    order: Order,
    before: &Normalization,
    depth: usize,
) -> Vec<usize> {
    let scored_something = |stage: StageName| candidates.iter().any(|one| one.is_scored_by(stage));
    let all: Vec<StageName> = before.normalizers.stages().collect();
    let by = match order {
        Order::Stage(stage) if scored_something(stage) => vec![stage],
        // A stage that scored nothing has no influence on the fusion.
        _ => all,
    };
    let n_unreadable = candidates.iter().filter(|one| one.is_unreadable).count();
    let mut first = match Weights::equal(&by) {
        Some(weights) => {
            Prepared::new(candidates, before).top(&weights, depth.saturating_add(n_unreadable))
        }
        // In mode `exhaustive` a reranker may run alone.
        None => (0..candidates.len()).collect(),
    };
    first.retain(|at| !candidates[*at].is_unreadable);
    first.truncate(depth);
    first
}
