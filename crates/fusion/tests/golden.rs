//! Fusions of foreign runs against ranx, score by score. `golden/make.py` makes the file
//! and says with which version, and where ranx is no oracle.

#![allow(clippy::unwrap_used, reason = "the file is the test's own")]

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use treffer_fusion::{Normalizer, System, combine};

type Scores = BTreeMap<String, f64>;

#[derive(Deserialize)]
struct Case {
    normalizer: String,
    weights: Vec<f64>,
    runs: Vec<BTreeMap<String, Scores>>,
    fused: BTreeMap<String, Scores>,
}

#[test]
fn fused_scores_and_orders_are_those_of_ranx() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/ranx.json")).unwrap();
    assert_eq!(cases.len(), 5);
    for case in &cases {
        for (query, expected) in &case.fused {
            let rankings: Vec<&Scores> = case.runs.iter().map(|run| &run[query]).collect();
            let found = fused(&rankings, case.normalizer.parse().unwrap(), &case.weights);
            assert_eq!(found.len(), expected.len());
            for (doc, score) in &found {
                let gap = (score - expected[doc]).abs();
                assert!(gap < 1e-12, "{} {query} {doc}: {score}", case.normalizer);
            }
            let mut order: Vec<(&String, &f64)> = expected.iter().collect();
            order.sort_by(|a, b| b.1.total_cmp(a.1));
            // Scores that agree to the last bits may stand in either order.
            for ((doc, score), (other, theirs)) in found.iter().zip(order) {
                assert!(doc == other || (score - theirs).abs() < 1e-12, "{query}");
            }
        }
    }
}

fn fused(rankings: &[&Scores], normalizer: Normalizer, weights: &[f64]) -> Vec<(String, f64)> {
    let docs: BTreeSet<&String> = rankings.iter().flat_map(|scores| scores.keys()).collect();
    let docs: Vec<&String> = docs.into_iter().collect();
    let columns: Vec<Vec<Option<f64>>> = rankings
        .iter()
        .map(|scores| docs.iter().map(|doc| scores.get(*doc).copied()).collect())
        .collect();
    let systems: Vec<System<'_>> = columns
        .iter()
        .zip(weights)
        .map(|(scores, &share)| System {
            scores,
            normalizer,
            share,
        })
        .collect();
    let combined = combine(&systems).into_iter();
    combined
        .map(|c| (docs[c.candidate].clone(), c.score))
        .collect()
}
