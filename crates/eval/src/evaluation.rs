//! Evaluates a run by relevance judgments: values by query, averages, and coverage.

use std::collections::{BTreeMap, BTreeSet};

use treffer_types::Qrels;

use crate::error::Error;
use crate::measure::{Topic, grades};
use crate::metric::Metric;
use crate::run::Run;

/// The values of some metrics for every judged query.
///
/// As in `ir_measures` and `trec_eval -c`, every query of the judgments counts: one without
/// results has the value 0, and so has one without a relevant document. Queries without
/// judgments are ignored. [`Coverage`] lists all of these queries.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The metrics, in the order of the values.
    pub metrics: Vec<Metric>,
    /// One value per metric, by query id. Never empty.
    pub queries: BTreeMap<String, Vec<f64>>,
}

impl Evaluation {
    /// Measures every judged query.
    ///
    /// # Errors
    /// If `qrels` is empty.
    pub fn new(run: &Run, qrels: &Qrels, metrics: &[Metric]) -> Result<Self, Error> {
        if qrels.0.is_empty() {
            return Err(Error::NoQueries);
        }
        let mut queries = BTreeMap::new();
        for (query, judgments) in &qrels.0 {
            let grades = grades(run.ranking(query), Some(judgments));
            let topic = Topic::new(judgments);
            let score = |metric: &Metric| metric.score_grades(&grades, &topic);
            queries.insert(query.clone(), metrics.iter().map(score).collect());
        }
        Ok(Evaluation {
            metrics: metrics.to_vec(),
            queries,
        })
    }

    /// One number per metric over all queries: the mean, or for a count the sum.
    pub fn summary(&self) -> Vec<f64> {
        let summarize = |(i, metric): (usize, &Metric)| {
            let sum: f64 = self.queries.values().map(|values| values[i]).sum();
            if metric.is_count() {
                sum
            } else {
                sum / self.queries.len() as f64
            }
        };
        self.metrics.iter().enumerate().map(summarize).collect()
    }

    /// The values of one metric in the order of query ids, for a paired comparison;
    /// `None` if it was not measured.
    pub fn values(&self, metric: &Metric) -> Option<Vec<f64>> {
        let i = self
            .metrics
            .iter()
            .position(|measured| measured == metric)?;
        Some(self.queries.values().map(|values| values[i]).collect())
    }

    /// The evaluation of only the queries that `keep` accepts, such as those with a certain
    /// tag or in one fold; `None` if it accepts none.
    pub fn restricted_to(&self, keep: impl Fn(&str) -> bool) -> Option<Evaluation> {
        let kept = self.queries.iter().filter(|(query, _)| keep(query));
        let queries: BTreeMap<_, _> = kept
            .map(|(q, values)| (q.clone(), values.clone()))
            .collect();
        (!queries.is_empty()).then(|| Evaluation {
            metrics: self.metrics.clone(),
            queries,
        })
    }
}

/// Which queries a run and judgments have in common and which they do not, as query ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Judged queries, over which an evaluation averages.
    pub evaluated: BTreeSet<String>,
    /// Judged queries without results in the run. They count as 0.
    pub without_results: BTreeSet<String>,
    /// Judged queries without a document of a grade above 0. They count as 0 for any run.
    pub without_relevant: BTreeSet<String>,
    /// Queries of the run that were not judged. They are ignored.
    pub without_judgments: BTreeSet<String>,
}

impl Coverage {
    /// Compares the queries of a run with those of the judgments.
    pub fn new(run: &Run, qrels: &Qrels) -> Self {
        let has_results = |query: &str| run.ranking(query).next().is_some();
        let judged = |keep: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            qrels
                .0
                .keys()
                .filter(|query| keep(query))
                .cloned()
                .collect()
        };
        let is_relevant = |query: &str| {
            qrels
                .query(query)
                .is_some_and(|j| Topic::new(j).n_relevant(1) > 0)
        };
        Coverage {
            evaluated: judged(&|_| true),
            without_results: judged(&|query| !has_results(query)),
            without_relevant: judged(&|query| !is_relevant(query)),
            without_judgments: (run.0.keys())
                .filter(|query| qrels.query(query).is_none())
                .cloned()
                .collect(),
        }
    }
}

/// Ids of the judged documents that a collection does not contain, by `is_known`. Relevant
/// documents among them can never be retrieved and lower the metrics.
pub fn unknown_documents(qrels: &Qrels, is_known: impl Fn(&str) -> bool) -> BTreeSet<&str> {
    let judged = qrels
        .0
        .values()
        .flat_map(BTreeMap::keys)
        .map(String::as_str);
    judged.filter(|doc| !is_known(doc)).collect()
}

#[cfg(test)]
mod tests;
