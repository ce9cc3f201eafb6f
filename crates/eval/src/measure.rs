//! The metrics' values for one ranking.

use std::collections::{BTreeMap, HashSet};

use treffer_types::Grade;

use crate::metric::Metric;

impl Metric {
    /// The value for one ranking, best document first.
    ///
    /// A document that comes again is skipped, as if its second place did not exist.
    /// Without judgements every value is 0, except the number of documents.
    pub fn score<'a>(
        &self,
        ranking: impl IntoIterator<Item = &'a str>,
        judgements: Option<&BTreeMap<String, Grade>>,
    ) -> f64 {
        let topic = judgements.map(Topic::new).unwrap_or_default();
        self.score_grades(&grades(ranking, judgements), &topic)
    }

    /// The value for a ranking given as grades, `None` for a document that was not
    /// judged: the same as [`score`](Self::score) without a look-up per document,
    /// for a tuner that ranks one pool many times. No document may come twice.
    pub fn score_grades(&self, grades: &[Option<Grade>], topic: &Topic) -> f64 {
        let cutoff = self.cutoff().map_or(grades.len(), |cutoff| cutoff.get());
        let grades = &grades[..cutoff.min(grades.len())];
        match *self {
            Metric::Ndcg { .. } => ndcg(grades, topic, self.cutoff().map(|cutoff| cutoff.get())),
            Metric::ReciprocalRank { rel, .. } => relevant_ranks(grades, rel)
                .next()
                .map_or(0.0, |rank| 1.0 / rank),
            Metric::AveragePrecision { rel, .. } => {
                let found = (1..).zip(relevant_ranks(grades, rel));
                // `sum` of nothing would be -0.
                let precisions = found.fold(0.0, |sum, (n, rank)| sum + f64::from(n) / rank);
                share(precisions, topic.n_relevant(rel))
            }
            Metric::Recall { rel, .. } => share(n_relevant_in(grades, rel), topic.n_relevant(rel)),
            Metric::Precision { rel, .. } => share(n_relevant_in(grades, rel), cutoff),
            Metric::Success { rel, .. } => n_relevant_in(grades, rel).min(1.0),
            Metric::Judged { .. } => share(grades.iter().flatten().count() as f64, grades.len()),
            Metric::NumRet { rel: Some(rel) } => n_relevant_in(grades, rel),
            Metric::NumRet { rel: None } => grades.len() as f64,
            Metric::NumRel { rel } => topic.n_relevant(rel) as f64,
        }
    }
}

/// The grade of each document in its first place, `None` where there is no judgement.
pub(crate) fn grades<'a>(
    ranking: impl IntoIterator<Item = &'a str>,
    judgements: Option<&BTreeMap<String, Grade>>,
) -> Vec<Option<Grade>> {
    let mut seen = HashSet::new();
    ranking
        .into_iter()
        .filter(|doc| seen.insert(*doc))
        .map(|doc| judgements?.get(doc).copied())
        .collect()
}

/// What there was to be found for one query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// Every judgement's grade, largest first.
    grades: Vec<Grade>,
}

impl Topic {
    /// Sorts the grades of one query's judgements.
    pub fn new(judgements: &BTreeMap<String, Grade>) -> Self {
        let mut grades: Vec<Grade> = judgements.values().copied().collect();
        grades.sort_unstable_by(|a, b| b.cmp(a));
        Topic { grades }
    }

    /// Number of documents judged `rel` or better.
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
        .fold(0.0, |sum, gain| sum + gain) // `sum` of nothing would be -0
}

/// The ranks from 1 that hold a relevant document.
fn relevant_ranks(grades: &[Option<Grade>], rel: Grade) -> impl Iterator<Item = f64> {
    (1_u32..)
        .zip(grades)
        .filter(move |(_, grade)| grade.is_some_and(|grade| grade >= rel))
        .map(|(rank, _)| f64::from(rank))
}

fn n_relevant_in(grades: &[Option<Grade>], rel: Grade) -> f64 {
    relevant_ranks(grades, rel).count() as f64
}

/// `part / whole`, and 0 of nothing.
fn share(part: f64, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}

#[cfg(test)]
mod tests;
