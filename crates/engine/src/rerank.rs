//! Reranking with the cross-encoder: runs of other programs over the documents of an index, and
//! [`texts`] that need no index.

use std::collections::BTreeMap;

use treffer_eval::{Run, RunEntry};
use treffer_types::{Candidate, Progress, Query, StageName};

use crate::engine::Engine;
use crate::error::{Error, stop_if_asked};
use crate::gather::{query_name, rerank_at};
use crate::profile::Profile;
use crate::rerank_order::Reading;

pub mod texts;

/// The reranked run, and what could not be scored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reranked {
    /// The scored documents by descending logit, then the others in the run's order, each with
    /// a score 1 below the one before. Equal logits keep the run's order.
    pub run: Run,
    /// Pairs of query and document id of which the index lacks the document: they are left
    /// out, and do not count toward the depth.
    pub unknown: Vec<(String, String)>,
    /// Queries of the run whose text was not given; they are left out.
    pub without_text: Vec<String>,
    /// Given queries that the run lacks.
    pub not_in_run: usize,
    /// How many pairs the cross-encoder scored.
    pub n_scored: usize,
}

/// Scores the first `depth` documents of each ranking of the run with the cross-encoder, and
/// sorts them by its logits, the highest of a document's passages. Documents that a query excludes are left out.
///
/// # Errors
/// If the index was opened without a cross-encoder, if two queries have one id, if no
/// query of the run is among `queries`, if one of them is blank, if scoring fails, or if
/// `progress` says to stop.
pub fn rerank(
    engine: &Engine,
    run: &Run,
    queries: &[Query],
    depth: usize,
    progress: &dyn Progress,
) -> Result<Reranked, Error> {
    if !engine.stages().contains(&StageName::CROSS) {
        return Err(Error::Request(
            "nothing can be re-ranked here: the index has no cross-encoder; build it with one (cross.model)".into(),
        ));
    }
    let texts = by_id(queries)?;
    let mut reranked = Reranked {
        not_in_run: texts.keys().filter(|id| !run.0.contains_key(**id)).count(),
        ..Reranked::default()
    };
    if reranked.not_in_run == texts.len() {
        return Err(Error::Request(format!(
            "no query of the run has a text: the run has {}, {} were given, but no id is in both",
            run.0.len(),
            texts.len()
        )));
    }
    progress.begin("re-ranking", Some(run.0.len() as u64), "queries");
    for (id, ranking) in &run.0 {
        stop_if_asked(progress)?;
        match texts.get(id.as_str()) {
            Some(query) => rerank_query(engine, query, ranking, depth, &mut reranked)?,
            None => reranked.without_text.push(id.clone()),
        }
        progress.advance(1);
    }
    progress.end();
    Ok(reranked)
}

fn by_id(queries: &[Query]) -> Result<BTreeMap<&str, &Query>, Error> {
    let mut texts = BTreeMap::new();
    for query in queries {
        if texts.insert(query.id.as_str(), query).is_some() {
            return Err(Error::Request(format!(
                "two queries have the id `{}`; a run goes by id, so each needs its own",
                query.id
            )));
        }
    }
    Ok(texts)
}

fn rerank_query(
    engine: &Engine,
    query: &Query,
    ranking: &[RunEntry],
    depth: usize,
    into: &mut Reranked,
) -> Result<(), Error> {
    if query.text.trim().is_empty() {
        return Err(Error::Request(format!("query {} is empty", query.id)));
    }
    let mut pool = Vec::new();
    let mut docs = Vec::new();
    let is_wanted = |entry: &&RunEntry| !query.exclude.contains(&entry.doc);
    for RunEntry { doc, .. } in ranking.iter().filter(is_wanted) {
        match engine.find(doc)? {
            Some(number) => {
                pool.push(Candidate::new(number));
                docs.push(doc);
            }
            None => into.unknown.push((query.id.clone(), doc.clone())),
        }
    }
    if pool.is_empty() {
        return Ok(());
    }
    let n_read = pool.len().min(depth);
    let mut readings = Vec::with_capacity(n_read);
    for (at, candidate) in pool[..n_read].iter().enumerate() {
        let passages = 0..engine.n_passages_of(candidate.doc)?;
        readings.extend(passages.map(|passage| Reading { at, passage }));
    }
    // None of them influences the score of a pair.
    let parameters = Profile::default().parameters();
    let failed = |source| Error::Stage {
        stage: StageName::CROSS,
        query: query_name(query),
        source,
    };
    let answers = engine.begin(StageName::CROSS, &[query], parameters);
    for answer in answers.map_err(failed)? {
        rerank_at(&mut pool, StageName::CROSS, &*answer, &readings).map_err(failed)?;
    }
    into.n_scored += readings.len();
    let scores = pool.iter().map(|candidate| {
        let logit = candidate.best_score(StageName::CROSS);
        logit.map(|logit| f64::from(logit.value()))
    });
    let entries = ordered(docs.into_iter().zip(scores));
    into.run.0.insert(query.id.clone(), entries);
    Ok(())
}

/// The scored documents by descending score, then the others, each 1 below the one before.
fn ordered<'a>(scored: impl Iterator<Item = (&'a String, Option<f64>)>) -> Vec<RunEntry> {
    let (mut read, unscored): (Vec<_>, Vec<_>) = scored.partition(|(_, score)| score.is_some());
    // Stable: equal scores stay in the run's order.
    read.sort_by(|(_, a), (_, b)| b.unwrap_or_default().total_cmp(&a.unwrap_or_default()));
    let mut last = 0.0;
    let entry = |(doc, score): (&String, Option<f64>)| {
        last = score.unwrap_or(last - 1.0);
        RunEntry {
            doc: doc.clone(),
            score: last,
        }
    };
    read.into_iter().chain(unscored).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_read_comes_below_in_its_order() {
        let docs = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let scores = [Some(-7.0), Some(2.0), Some(-7.0), None, None];
        let entries = ordered(docs.iter().zip(scores));
        let shown: Vec<(&str, f64)> = entries
            .iter()
            .map(|entry| (entry.doc.as_str(), entry.score))
            .collect();
        assert_eq!(
            shown,
            [
                ("b", 2.0),
                ("a", -7.0),
                ("c", -7.0),
                ("d", -8.0),
                ("e", -9.0)
            ]
        );
    }
}
