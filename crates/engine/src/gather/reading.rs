//! A reranker reads passages.

use treffer_types::{BoxError, Candidate, PassageId, StageName};

use crate::deadline::{Deadline, Pace};
use crate::rerank_order::Reading;
use crate::settled::n_until_settled;
use crate::stages::StageQuery;

/// Documents that a reranker did not score, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unread {
    /// There was no time.
    pub(super) skipped: usize,
    /// The best were settled.
    pub(super) settled: usize,
}

/// Passages that are read at once where reading may stop early.
const AT_ONCE: usize = 16;

/// Scores the passages: all at once, or in batches if there is a deadline or, above 0, a
/// patience. What is scored does not depend on the batches unless time runs out.
pub(super) fn rerank(
    candidates: &mut [Candidate],
    stage: StageName,
    answer: &dyn StageQuery,
    readings: &[Reading],
    deadline: &Deadline<'_>,
    patience: usize,
) -> Result<Unread, BoxError> {
    let (mut done, mut pace) = (0, Pace::default());
    let most = if patience == 0 { usize::MAX } else { AT_ONCE };
    while done < readings.len() {
        let rest = &readings[done..];
        let n = match deadline.left() {
            None => rest.len(),
            Some(left) => pace.next_batch(left, rest.len()),
        };
        let n = n.min(most);
        if n == 0 {
            break;
        }
        let start = deadline.now();
        rerank_at(candidates, stage, answer, &rest[..n])?;
        pace.record(n, deadline.now().saturating_sub(start));
        done += n;
        if let Some(settled) = settle(candidates, stage, readings, done, patience) {
            return Ok(Unread {
                skipped: 0,
                settled,
            });
        }
    }
    let rest = readings[done..].chunk_by(|a, b| a.at == b.at);
    let skipped = rest.filter(|of_one| !candidates[of_one[0].at].is_scored_by(stage));
    Ok(Unread {
        skipped: skipped.count(),
        settled: 0,
    })
}

/// If the best documents are settled after the first `done` readings: takes away what was read
/// beyond that, and returns how many documents remain unread.
fn settle(
    candidates: &mut [Candidate],
    stage: StageName,
    readings: &[Reading],
    done: usize,
    patience: usize,
) -> Option<usize> {
    if patience == 0 {
        return None;
    }
    let places: Vec<usize> = readings
        .chunk_by(|a, b| a.at == b.at)
        .map(|of_one| of_one[0].at)
        .collect();
    // A document of which passages are still to be read has no score yet.
    let n_read = match readings.get(done) {
        None => places.len(),
        Some(next) => places.iter().position(|at| *at == next.at)?,
    };
    let scores = places[..n_read].iter();
    let scores = scores.map(|at| candidates[*at].best_score(stage));
    // Whether the next one would be read, whatever its score.
    let next = (n_read < places.len()).then_some(None);
    let n_asked = n_read + usize::from(next.is_some());
    let n_kept = n_until_settled(scores.chain(next), patience);
    if n_kept == n_asked {
        return None;
    }
    for at in &places[n_kept..] {
        candidates[*at].forget(stage);
    }
    Some(places.len() - n_kept)
}

/// Has a reranker score these passages.
pub(crate) fn rerank_at(
    candidates: &mut [Candidate],
    stage: StageName,
    answer: &dyn StageQuery,
    readings: &[Reading],
) -> Result<(), BoxError> {
    if readings.is_empty() {
        return Ok(());
    }
    let ids = readings.iter().map(|reading| PassageId {
        doc: candidates[reading.at].doc,
        passage: reading.passage,
    });
    let ids: Vec<PassageId> = ids.collect();
    let mut rest = readings.iter().zip(&ids);
    for found in answer.rerank(&ids)? {
        // In the order of the passages; those that the stage cannot score are missing.
        let is_it = |(_, id): &(&Reading, &PassageId)| {
            id.doc == found.doc && Some(id.passage) == found.evidence.passage
        };
        let (reading, _) = rest.find(is_it).ok_or_else(|| {
            format!("the {stage} stage scored passages out of order or that were not asked for")
        })?;
        candidates[reading.at].add(stage, found.evidence);
    }
    Ok(())
}
