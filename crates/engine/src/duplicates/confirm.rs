//! The cross-encoder's word: each document is the query once.

use treffer_api::{BothWays, Identity};
use treffer_types::{BoxError, DocId, PassageId, Progress, Query, Score, StageName};

use super::{Found, document};
use crate::engine::Engine;
use crate::error::{Error, part, stop_if_asked};
use crate::profile::Profile;

/// Fails if the index has no cross-encoder, or if it was not opened.
pub(super) fn check(engine: &Engine) -> Result<(), Error> {
    if engine.stages().contains(&StageName::CROSS) {
        return Ok(());
    }
    Err(Error::Request(
        "nothing can be confirmed here: the index has no cross-encoder; build it with one (cross.model), or do without".into(),
    ))
}

/// The pairs of which both scores reach `least`; identical documents are not read.
pub(super) fn confirmed(
    engine: &Engine,
    found: Vec<Found>,
    least: f64,
    progress: &dyn Progress,
) -> Result<Vec<Found>, Error> {
    let scoring = engine.manifest().models.cross_scoring();
    let mut confirmed = Vec::new();
    progress.begin("confirming", Some(found.len() as u64), "pairs");
    for mut found in found {
        stop_if_asked(progress)?;
        if found.pair.identical != Some(Identity::Document) {
            let (a, b) = found.docs;
            let (ab, cut_ab) = score(engine, a, b)?;
            let (ba, cut_ba) = score(engine, b, a)?;
            found.pair.cross = Some(BothWays {
                ab,
                ba,
                tokens_cut: cut_ab.saturating_add(cut_ba),
            });
            if scoring.share(ab.min(ba).value()) < least {
                progress.advance(1);
                continue;
            }
        }
        confirmed.push(found);
        progress.advance(1);
    }
    progress.end();
    Ok(confirmed)
}

/// The best score of a passage of `read` for the whole of `query`.
fn score(engine: &Engine, query: DocId, read: DocId) -> Result<(Score, u32), Error> {
    let document = document(engine, query)?;
    let failed = |source: BoxError| Error::Stage {
        stage: StageName::CROSS,
        query: format!("document `{}`", document.id),
        source,
    };
    let query = Query::text(document.full_text());
    // None of them influences the score of a pair.
    let parameters = Profile::default().parameters();
    let split = engine.store().split_document(read);
    let (_, split) = split.map_err(part("read", "store", engine.dir()))?;
    let passages = (0..split.len() as u32).map(|passage| PassageId { doc: read, passage });
    let passages: Vec<PassageId> = passages.collect();
    let answers = engine.begin(StageName::CROSS, &[&query], parameters);
    let mut found = Vec::new();
    for answer in answers.map_err(failed)? {
        found.extend(answer.rerank(&passages).map_err(failed)?);
    }
    let best = found.into_iter().max_by_key(|found| found.evidence.score);
    let best = best.ok_or_else(|| failed("it gave no score".into()))?;
    Ok((best.evidence.score, best.evidence.tokens_cut))
}
