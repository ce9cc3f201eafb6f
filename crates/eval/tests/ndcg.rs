//! nDCG against LightGBM's ranking metric, with grades as gains. `golden/ndcg.py` makes the
//! file and names LightGBM's version.

#![allow(clippy::unwrap_used, reason = "the file is the test's own")]

use std::collections::BTreeMap;

use serde::Deserialize;
use treffer_eval::{Metric, Run, RunEntry};
use treffer_types::Grade;

#[derive(Deserialize)]
struct Golden {
    cutoffs: Vec<usize>,
    rankings: Vec<Ranking>,
}

/// The documents of one query, in no particular order.
#[derive(Deserialize)]
struct Ranking {
    scores: Vec<f64>,
    grades: Vec<Grade>,
    /// By cutoff.
    ndcg: Vec<f64>,
}

#[test]
fn values_are_those_of_lightgbm_except_without_relevant_documents() {
    let golden: Golden = serde_json::from_str(include_str!("golden/ndcg.json")).unwrap();
    let mut n_without_relevant = 0;
    for ranking in &golden.rankings {
        let name = |at: usize| format!("d{at}");
        let judged: BTreeMap<String, Grade> = (0..)
            .map(name)
            .zip(ranking.grades.iter().copied())
            .collect();
        let entries = ranking.scores.iter().enumerate();
        let entries = entries.map(|(at, score)| RunEntry {
            doc: name(at),
            score: *score,
        });
        let mut run = Run::from_rankings([("q".to_owned(), entries.collect())]);
        run.sort_as_trec_eval();
        let is_without_relevant = ranking.grades.iter().all(|grade| *grade == 0);
        n_without_relevant += usize::from(is_without_relevant);
        for (cutoff, theirs) in golden.cutoffs.iter().zip(&ranking.ndcg) {
            let metric: Metric = format!("nDCG@{cutoff}").parse().unwrap();
            let ours = metric.score(run.ranking("q"), Some(&judged));
            // Without a relevant document, LightGBM's value is 1; ours and trec_eval's is 0.
            let theirs = if is_without_relevant {
                theirs - 1.0
            } else {
                *theirs
            };
            assert!((ours - theirs).abs() < 1e-12, "@{cutoff}: {ours} {theirs}");
        }
    }
    assert_eq!((golden.rankings.len(), n_without_relevant), (20, 2));
}
