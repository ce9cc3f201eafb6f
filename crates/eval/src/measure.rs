//! Computes the metrics for one ranking.

use std::collections::{BTreeMap, HashSet};

use treffer_types::Grade;

use crate::metric::Metric;

impl Metric {
    /// The metric's value for one ranking of document ids, best first.
    ///
    /// Repeated documents are removed: the first occurrence counts. Without judgments every
    /// value is 0, except the number of retrieved documents.
    pub fn score<'a>(
        &self,
        ranking: impl IntoIterator<Item = &'a str>,
        judgments: Option<&BTreeMap<String, Grade>>,
    ) -> f64 {
        let topic = judgments.map(Topic::new).unwrap_or_default();
        self.score_grades(&grades(ranking, judgments), &topic)
    }

    /// The metric's value for a ranking given as grades, with `None` for a document that was
    /// not judged. Equal to [`score`](Self::score) but without a look-up for each document,
    /// for a tuner that ranks the same documents many times. The grades must be those of
    /// distinct documents.
    pub fn score_grades(&self, grades: &[Option<Grade>], topic: &Topic) -> f64 {
        let cutoff = self.cutoff().map_or(grades.len(), std::num::NonZero::get);
        let grades = &grades[..cutoff.min(grades.len())];
        match *self {
            Metric::Ndcg { .. } => ndcg(grades, topic, self.cutoff().map(std::num::NonZero::get)),
            Metric::ReciprocalRank { rel, .. } => relevant_ranks(grades, rel)
                .next()
                .map_or(0.0, |rank| 1.0 / rank),
            Metric::AveragePrecision { rel, .. } => {
                let found = (1..).zip(relevant_ranks(grades, rel));
                // The `sum` of an empty iterator would be -0.
                let precisions = found.fold(0.0, |sum, (n, rank)| sum + f64::from(n) / rank);
                fraction(precisions, topic.n_relevant(rel))
            }
            Metric::Recall { rel, .. } => {
                fraction(n_relevant_in(grades, rel), topic.n_relevant(rel))
            }
            Metric::Precision { rel, .. } => fraction(n_relevant_in(grades, rel), cutoff),
            Metric::Success { rel, .. } => n_relevant_in(grades, rel).min(1.0),
            Metric::Judged { .. } => fraction(grades.iter().flatten().count() as f64, grades.len()),
            Metric::NumRet { rel: Some(rel) } => n_relevant_in(grades, rel),
            Metric::NumRet { rel: None } => grades.len() as f64,
            Metric::NumRel { rel } => topic.n_relevant(rel) as f64,
        }
    }
}

/// The grades of the distinct documents in order, `None` for one that was not judged.
pub(crate) fn grades<'a>(
    ranking: impl IntoIterator<Item = &'a str>,
    judgments: Option<&BTreeMap<String, Grade>>,
) -> Vec<Option<Grade>> {
    let mut seen = HashSet::new();
    ranking
        .into_iter()
        .filter(|doc| seen.insert(*doc))
        .map(|doc| judgments?.get(doc).copied())
        .collect()
}

/// The grades of all judged documents of one query, which the ideal ranking and the number
/// of relevant documents follow from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// In descending order.
    grades: Vec<Grade>,
}

impl Topic {
    /// Collects the grades of one query's judgments.
    pub fn new(judgments: &BTreeMap<String, Grade>) -> Self {
        let mut grades: Vec<Grade> = judgments.values().copied().collect();
        grades.sort_unstable_by(|a, b| b.cmp(a));
        Topic { grades }
    }

    /// Number of documents with a grade of at least `rel`.
    pub fn n_relevant(&self, rel: Grade) -> usize {
        self.grades.partition_point(|&grade| grade >= rel)
    }
}

fn ndcg(grades: &[Option<Grade>], topic: &Topic, cutoff: Option<usize>) -> f64 {
    let ideal = &topic.grades[..topic.n_relevant(1)];
    let ideal = &ideal[..cutoff.unwrap_or(ideal.len()).min(ideal.len())];
    if ideal.is_empty() {
        return 0.0;
    }
    dcg(grades.iter().map(|grade| grade.unwrap_or(0))) / dcg(ideal.iter().copied())
}

/// `sum over ranks of max(grade, 0) / log2(rank + 1)`.
fn dcg(grades: impl Iterator<Item = Grade>) -> f64 {
    (1_u32..)
        .zip(grades)
        .filter(|(_, grade)| *grade > 0)
        .map(|(rank, grade)| f64::from(grade) / f64::from(rank + 1).log2())
        .fold(0.0, |sum, gain| sum + gain) // the `sum` of an empty iterator would be -0
}

/// The ranks of the relevant documents, from 1.
fn relevant_ranks(grades: &[Option<Grade>], rel: Grade) -> impl Iterator<Item = f64> {
    (1_u32..)
        .zip(grades)
        .filter(move |(_, grade)| grade.is_some_and(|grade| grade >= rel))
        .map(|(rank, _)| f64::from(rank))
}

fn n_relevant_in(grades: &[Option<Grade>], rel: Grade) -> f64 {
    relevant_ranks(grades, rel).count() as f64
}

/// `part / whole`, or 0 if `whole` is 0.
fn fraction(part: f64, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}

#[cfg(test)]
mod tests;
