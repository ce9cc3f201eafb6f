//! A reranker reads passages.

use treffer_types::{BoxError, Candidate, PassageId, StageName};

use crate::deadline::{Deadline, Pace};
use crate::rerank_order::Reading;
use crate::stages::StageQuery;

/// Scores the passages: all at once, or in batches if there is a deadline. Returns how many
/// documents were left out.
pub(super) fn rerank(
    candidates: &mut [Candidate],
    stage: StageName,
    answer: &dyn StageQuery,
    readings: &[Reading],
    deadline: &Deadline<'_>,
) -> Result<usize, BoxError> {
    let (mut done, mut pace) = (0, Pace::default());
    while done < readings.len() {
        let rest = &readings[done..];
        let n = match deadline.left() {
            None => rest.len(),
            Some(left) => pace.next_batch(left, rest.len()),
        };
        if n == 0 {
            break;
        }
        let start = deadline.now();
        rerank_at(candidates, stage, answer, &rest[..n])?;
        pace.record(n, deadline.now().saturating_sub(start));
        done += n;
    }
    let rest = readings[done..].chunk_by(|a, b| a.at == b.at);
    Ok(rest
        .filter(|of_one| !candidates[of_one[0].at].is_scored_by(stage))
        .count())
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
