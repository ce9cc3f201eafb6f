//! Other systems: fused like stages where they are stages, total for any numbers, and in
//! agreement with ranx.

use proptest::prelude::*;
use treffer_types::StageName;

use super::*;
use crate::testing::{ALL, fusions, pools};
use crate::{Weights, fuse};

fn system(scores: &[Option<f64>], normalizer: Normalizer, share: f64) -> System<'_> {
    System {
        scores,
        normalizer,
        share,
    }
}

fn places(combined: &[Combined]) -> Vec<usize> {
    combined.iter().map(|combined| combined.candidate).collect()
}

proptest! {
    /// Where every candidate was reranked, the two are one fusion.
    #[test]
    fn three_systems_that_are_stages_are_fused_as_stages(
        mut pool in pools(),
        fusion in fusions(),
    ) {
        pool.retain(|c| c.is_scored_by(StageName::CROSS));
        pool.sort_by_key(|c| c.doc);
        let columns = ALL.map(|stage| -> Vec<Option<f64>> {
            let score = pool.iter().map(|c| c.best_score(stage));
            score.map(|score| score.map(|score| f64::from(score.value()))).collect()
        });
        let systems: Vec<System<'_>> = (ALL.into_iter().zip(&columns))
            .map(|(stage, column)| {
                let normalizer = *fusion.normalization.normalizers.get(stage).unwrap();
                system(column, normalizer, fusion.weights.weight(stage))
            })
            .collect();
        let expected: Vec<(usize, u64)> = fuse(&pool, &fusion)
            .iter()
            .map(|fused| (fused.candidate, fused.score.to_bits()))
            .collect();
        let found: Vec<(usize, u64)> = combine(&systems)
            .iter()
            .map(|combined| (combined.candidate, combined.score.to_bits()))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_numbers_give_a_total_order(
        columns in prop::collection::vec(
            prop::collection::vec(prop::option::of(any::<f64>()), 0..9),
            0..5,
        ),
        normalizer in prop::sample::select(
            ["min-max", "z-score", "rank", "linear-rank", "theoretical-min:0", "sigmoid:1:0"]
                .map(|text| text.parse::<Normalizer>().unwrap())
                .to_vec(),
        ),
    ) {
        let systems: Vec<System<'_>> =
            columns.iter().map(|column| system(column, normalizer, 0.5)).collect();
        let combined = combine(&systems);
        prop_assert!(combined.iter().all(|c| c.score.is_finite()));
        prop_assert!(combined.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let mut seen = places(&combined);
        seen.sort_unstable();
        let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
        prop_assert!(seen.into_iter().eq(0..longest));
    }

    #[test]
    fn shares_are_those_of_weights(weights in crate::testing::weights()) {
        let expected = ALL.map(|stage| weights.weight(stage));
        prop_assert_eq!(shares(&expected).unwrap(), expected);
    }
}

#[test]
fn one_sum_of_decimals_is_as_exact_as_the_stages_have_it() {
    // As f64 these sum to less than 1.
    let weights: Weights = "0.1,0.2,0.7".parse().unwrap();
    let expected = ALL.map(|stage| weights.weight(stage));
    assert_eq!(shares(&[0.1, 0.2, 0.7]).unwrap(), expected);
    assert_eq!(shares(&[1.0, 2.0, 7.0]).unwrap(), expected);
    assert_eq!(shares(&[1.0; 4]).unwrap(), [0.25; 4]);
}

#[test]
fn weights_that_share_nothing_out_are_refused() {
    for (weights, reason) in [
        (vec![0.5, -0.5], "weight 2 is -0.5"),
        (vec![f64::NAN], "weight 1 is NaN"),
        (vec![1.0, f64::INFINITY], "weight 2 is inf"),
        (vec![1e7], "weight 1 is 10000000"),
        (vec![0.0, 0.0], "all 2 weights are 0"),
        (vec![], "all 0 weights are 0"),
        (vec![1e-12, 0.0], "all 2 weights are 0"),
    ] {
        let message = shares(&weights).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_system_without_a_score_is_silent_and_equal_scores_say_nothing() {
    let (none, equal) = ([None; 3], [Some(4.0); 3]);
    let order = [Some(1.0), Some(3.0), Some(2.0)];
    for silent in [&none, &equal] {
        for text in ["min-max", "z-score", "rank", "linear-rank", "bounds:0:9"] {
            let normalizer: Normalizer = text.parse().unwrap();
            let found = combine(&[
                system(silent, normalizer, 0.9),
                system(&order, normalizer, 0.1),
            ]);
            assert_eq!(places(&found), [1, 2, 0], "{text}");
        }
    }
}

#[test]
fn a_score_that_is_not_finite_counts_as_none() {
    let (bad, clean) = (
        [
            Some(f64::NAN),
            Some(2.0),
            Some(f64::NEG_INFINITY),
            Some(1.0),
        ],
        [None, Some(2.0), None, Some(1.0)],
    );
    let found = combine(&[system(&bad, Normalizer::MinMax, 1.0)]);
    assert_eq!(found, combine(&[system(&clean, Normalizer::MinMax, 1.0)]));
}

#[test]
fn a_shorter_column_has_not_scored_the_rest() {
    let found = combine(&[
        system(&[Some(1.0)], Normalizer::Rank { k: 60 }, 1.0),
        system(
            &[None, Some(5.0), Some(7.0)],
            Normalizer::Rank { k: 60 },
            1.0,
        ),
    ]);
    assert_eq!(places(&found), [0, 2, 1]);
    assert_eq!(found[0].score, 1.0 / 61.0);
}
