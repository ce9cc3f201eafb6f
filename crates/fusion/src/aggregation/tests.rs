//! Aggregations: each by its definition, and as text.

use proptest::prelude::*;
use treffer_types::{DocId, Evidence};

use super::*;
use crate::testing::{ALL, aggregations, extreme_pools, fusions, naive_raw, split_pools};
use crate::{Fused, fuse};

fn document(scores: &[f32]) -> Candidate {
    let mut candidate = Candidate::new(DocId(0));
    for (passage, score) in (0..).zip(scores) {
        let score = Score::new(*score).unwrap();
        candidate.add(StageName::DENSE, Evidence::new(passage, score));
    }
    candidate
}

proptest! {
    #[test]
    fn aggregates_are_as_defined(pool in split_pools(), aggregation in aggregations()) {
        for candidate in &pool {
            for stage in ALL {
                let found = aggregation.aggregate(candidate, stage);
                let found = found.map(|score| f64::from(score.value()));
                prop_assert_eq!(found, naive_raw(candidate, stage, aggregation));
            }
        }
    }

    #[test]
    fn one_passage_gives_the_same_bits_under_every_aggregation(
        pool in extreme_pools(),
        mut fusion in fusions(),
        aggregation in aggregations(),
    ) {
        let bits = |fused: &[Fused]| -> Vec<(usize, u64, String)> {
            let of_one = |f: &Fused| (f.candidate, f.score.to_bits(), format!("{:?}", f.stages));
            fused.iter().map(of_one).collect()
        };
        fusion.normalization.aggregation = Aggregation::Max;
        let expected = bits(&fuse(&pool, &fusion));
        fusion.normalization.aggregation = aggregation;
        prop_assert_eq!(bits(&fuse(&pool, &fusion)), expected);
    }

    #[test]
    fn any_scores_have_a_mean(
        scores in prop::collection::vec(
            prop_oneof![Just(f32::MAX), Just(f32::MIN), -9.0..9.0_f32],
            1..9,
        ),
        best: u32,
    ) {
        let mean = Aggregation::Mean { best }.aggregate(&document(&scores), StageName::DENSE);
        let highest = Aggregation::Max.aggregate(&document(&scores), StageName::DENSE);
        prop_assert!(mean.is_some() && mean <= highest);
    }
}

#[test]
fn the_mean_is_of_the_best_passages_or_of_all() {
    let candidate = document(&[0.25, 1.0, -3.0, 0.5]);
    for (text, expected) in [
        ("max", 1.0),
        ("mean:1", 1.0),
        ("mean:2", 0.75),
        ("mean:4", -0.3125),
        ("mean:9", -0.3125),
        ("mean", -0.3125),
        ("first", 0.25),
    ] {
        let aggregation: Aggregation = text.parse().unwrap();
        let found = aggregation.aggregate(&candidate, StageName::DENSE);
        assert_eq!(found, Score::new(expected), "{text}");
        assert_eq!(aggregation.aggregate(&candidate, StageName::BM25), None);
    }
}

#[test]
fn an_aggregation_is_read_as_it_is_written() {
    for text in ["max", "first", "mean", "mean:1", "mean:3"] {
        let aggregation: Aggregation = text.parse().unwrap();
        assert_eq!(aggregation.to_string(), text);
        let json = serde_json::to_string(&aggregation).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(
            serde_json::from_str::<Aggregation>(&json).unwrap(),
            aggregation
        );
    }
    for (text, reason) in [
        (
            "best",
            "unknown aggregation `best`; write max, first, mean, or mean:N",
        ),
        ("mean:", "unknown aggregation"),
        ("mean:-1", "unknown aggregation"),
        ("max:1", "unknown aggregation"),
        ("", "unknown aggregation ``"),
        ("mean:0", "needs an N of at least 1"),
    ] {
        let refusal = text.parse::<Aggregation>().unwrap_err().to_string();
        assert!(refusal.contains(reason), "{text}: {refusal}");
        let json = format!("\"{text}\"");
        assert!(serde_json::from_str::<Aggregation>(&json).is_err());
    }
    assert!(Aggregation::Mean { best: 0 }.check().is_err());
}
