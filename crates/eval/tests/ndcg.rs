//! nDCG against the one that LightGBM computes for its learner of rankings, with grades
//! as gains. `golden/ndcg.py` makes the file and says with which version.

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

/// Documents in no order.
#[derive(Deserialize)]
struct Ranking {
    scores: Vec<f64>,
    grades: Vec<Grade>,
    /// By cutoff.
    ndcg: Vec<f64>,
}

#[test]
fn values_are_those_of_lightgbm_but_where_there_is_nothing_to_find() {
    let golden: Golden = serde_json::from_str(include_str!("golden/ndcg.json")).unwrap();
    let mut n_with_nothing = 0;
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
        let is_nothing = ranking.grades.iter().all(|grade| *grade == 0);
        n_with_nothing += usize::from(is_nothing);
        for (cutoff, theirs) in golden.cutoffs.iter().zip(&ranking.ndcg) {
            let metric: Metric = format!("nDCG@{cutoff}").parse().unwrap();
            let ours = metric.score(run.ranking("q"), Some(&judged));
            // LightGBM calls a query solved that cannot be; trec_eval and we give it 0.
            let theirs = if is_nothing { theirs - 1.0 } else { *theirs };
            assert!((ours - theirs).abs() < 1e-12, "@{cutoff}: {ours} {theirs}");
        }
    }
    assert_eq!((golden.rankings.len(), n_with_nothing), (20, 2));
}
