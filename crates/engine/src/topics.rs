//! Judged queries: the input of evaluation and tuning.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_eval::unknown_documents;
use treffer_types::{Progress, Qrels, Query};

use crate::engine::Engine;
use crate::error::{Error, part, stop_if_asked};
use crate::gather::{Gathered, Gatherer};
use crate::pipeline::Available;

/// Queries with their judgments, and what does not match.
#[derive(Clone, Debug, PartialEq)]
pub struct Topics {
    /// The queries that have judgments, in the order in which they were given.
    pub queries: Vec<Query>,
    /// Their judgments.
    pub qrels: Qrels,
    /// What was left out, and what counts but cannot be retrieved.
    pub mismatches: Mismatches,
    /// The filter under which each of them is searched.
    pub filter: Option<TopicFilter>,
}

/// A filter under which every query of a set is searched. It is part of what is asked for, so
/// that a document that it excludes is not relevant, whatever was judged without it: its grade
/// is 0, and it has no part in the ideal ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFilter {
    /// The filter, in one way of writing it.
    pub text: String,
    /// The documents that it holds for, by their numbers in the index.
    pub docs: Arc<FixedBitSet>,
    /// How many there are.
    pub documents: usize,
    /// Judgments by which a document was relevant that the filter excludes.
    pub relevant_excluded: usize,
    /// Queries all of whose relevant documents in the index are excluded. If none is left
    /// elsewhere, they are among those without a relevant document.
    pub queries_emptied: usize,
}

/// Mismatches of queries, judgments and index. None is an error, but all should be reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatches {
    /// Queries without judgments, which are left out.
    pub queries_not_judged: usize,
    /// Judged queries whose text was not given, which are left out.
    pub judged_not_given: usize,
    /// Queries without a relevant document. They count, with a value of 0.
    pub queries_without_relevant: usize,
    /// Judged documents that the index lacks. Relevant ones can never be retrieved and lower
    /// the metrics.
    pub documents_unknown: usize,
}

impl Topics {
    /// Joins queries and judgments and compares them with the index. Only the first `limit`
    /// judged queries are kept, if a limit is given.
    ///
    /// # Errors
    /// If no query is judged, two judged ones have one id, or the index cannot be read.
    pub fn new(
        engine: &Engine,
        queries: Vec<Query>,
        qrels: Qrels,
        limit: Option<usize>,
    ) -> Result<Self, Error> {
        Topics::filtered(engine, queries, qrels, limit, None)
    }

    /// As [`Topics::new`], of queries that are searched under `filter`, if there is one.
    /// [`TopicFilter`] says what becomes of judgments of documents that it excludes.
    ///
    /// # Errors
    /// As [`Topics::new`], or if the filter is wrong or holds for no document.
    pub fn filtered(
        engine: &Engine,
        queries: Vec<Query>,
        qrels: Qrels,
        limit: Option<usize>,
        filter: Option<&str>,
    ) -> Result<Self, Error> {
        let (n_given, n_judged) = (queries.len(), qrels.0.len());
        let mut queries = queries;
        queries.retain(|query| qrels.query(&query.id).is_some());
        let mut ids = HashSet::new();
        if let Some(twice) = queries.iter().find(|query| !ids.insert(&query.id)) {
            return Err(Error::Request(format!(
                "two queries have the id `{}`; judgments go by id, so each needs its own",
                twice.id
            )));
        }
        let n_both = queries.len();
        if n_both == 0 {
            return Err(Error::Request(format!(
                "no query is judged: {n_given} queries and judgments for {n_judged}, but no id is in both"
            )));
        }
        queries.truncate(limit.unwrap_or(n_both));
        if queries.is_empty() {
            return Err(Error::Request("a limit of 0 leaves no query".into()));
        }
        let mut qrels = qrels;
        let kept: HashSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
        qrels.0.retain(|query, _| kept.contains(query.as_str()));
        let filter = match filter {
            Some(text) => Some(apply(engine, text, &mut qrels)?),
            None => None,
        };
        let mismatches = Mismatches {
            queries_not_judged: n_given - n_both,
            judged_not_given: n_judged - n_both,
            queries_without_relevant: qrels
                .0
                .values()
                .filter(|grades| !is_relevant(grades))
                .count(),
            documents_unknown: n_unknown(engine, &qrels)?,
        };
        Ok(Topics {
            queries,
            qrels,
            mismatches,
            filter,
        })
    }

    /// The documents among which the queries are searched; `None` for all.
    pub fn allowed(&self) -> Option<Arc<FixedBitSet>> {
        let filter = self.filter.as_ref();
        filter.map(|filter| Arc::clone(&filter.docs))
    }

    /// What the index offers where these are all of its documents.
    pub(crate) fn available(&self, engine: &Engine) -> Available {
        let mut available = engine.available().clone();
        if let Some(filter) = &self.filter {
            available.n_docs = filter.documents as u32;
        }
        available
    }

    /// Gathers every query, in order.
    ///
    /// # Errors
    /// If a stage fails on a query, or `progress` says to stop.
    pub fn gather(
        &self,
        gatherer: &Gatherer,
        progress: &dyn Progress,
    ) -> Result<Vec<Gathered>, Error> {
        self.gather_by(progress, |_, query| gatherer.gather(query))
    }

    /// Calls `gather` on every query and its place, in order.
    pub(crate) fn gather_by(
        &self,
        progress: &dyn Progress,
        gather: impl Fn(usize, &Query) -> Result<Gathered, Error>,
    ) -> Result<Vec<Gathered>, Error> {
        progress.begin("gathering", Some(self.queries.len() as u64), "queries");
        let mut gathered = Vec::with_capacity(self.queries.len());
        for (n, query) in self.queries.iter().enumerate() {
            stop_if_asked(progress)?;
            gathered.push(gather(n, query)?);
            progress.advance(1);
        }
        progress.end();
        Ok(gathered)
    }
}

fn is_relevant(grades: &BTreeMap<String, i32>) -> bool {
    grades.values().any(|grade| *grade > 0)
}

/// Selects documents, and grades the others 0.
fn apply(engine: &Engine, text: &str, qrels: &mut Qrels) -> Result<TopicFilter, Error> {
    let selection = engine.filter(text)?;
    if let Some(note) = selection.note() {
        return Err(Error::Request(format!(
            "{note}, so there is nothing to measure"
        )));
    }
    let (mut relevant_excluded, mut queries_emptied) = (0, 0);
    for grades in qrels.0.values_mut() {
        let (mut n_excluded, mut n_left) = (0, 0);
        for (id, grade) in grades.iter_mut().filter(|(_, grade)| **grade > 0) {
            // The filter says nothing of a document that the index lacks.
            match engine.find(id)? {
                Some(doc) if !selection.contains(doc) => {
                    *grade = 0;
                    n_excluded += 1;
                }
                Some(_) => n_left += 1,
                None => {}
            }
        }
        relevant_excluded += n_excluded;
        queries_emptied += usize::from(n_excluded > 0 && n_left == 0);
    }
    Ok(TopicFilter {
        text: selection.filter().unwrap_or(text).to_owned(),
        docs: Arc::clone(selection.docs()),
        documents: selection.len(),
        relevant_excluded,
        queries_emptied,
    })
}

fn n_unknown(engine: &Engine, qrels: &Qrels) -> Result<usize, Error> {
    let failure = std::cell::Cell::new(None);
    let unknown = unknown_documents(qrels, |id| match engine.store().find(id) {
        Ok(found) => found.is_some(),
        Err(error) => {
            failure.set(Some(error));
            true
        }
    });
    let n_unknown = unknown.len();
    match failure.into_inner() {
        None => Ok(n_unknown),
        Some(error) => Err(part("read", "store", engine.dir())(error)),
    }
}
