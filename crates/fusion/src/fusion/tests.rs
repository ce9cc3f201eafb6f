//! Fused scores: parts that add up, order that follows, and the unread tail.

use proptest::prelude::*;
use treffer_types::PassageId;

use super::*;
use crate::testing::{bounded_normalizers, candidate, extreme_pools, fusions, pools, weights};

fn min_max(weights: &str) -> Fusion {
    Fusion {
        normalizers: StageMap::from_fn(|_| Normalizer::MinMax),
        weights: weights.parse().unwrap(),
    }
}

fn docs(fused: &[Fused]) -> Vec<u32> {
    fused.iter().map(|fused| fused.doc.0).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + a.abs().max(b.abs()))
}

/// A ranking without the positions in the pool, every score as its bits.
fn essence(pool: &[Candidate], fusion: &Fusion) -> Vec<(PassageId, u64, String)> {
    fuse(pool, fusion)
        .iter()
        .map(|f| {
            (
                pool[f.candidate].passage,
                f.score.to_bits(),
                format!("{:?}", f.stages),
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn the_order_of_the_pool_does_not_matter(
        (pool, shuffled) in extreme_pools()
            .prop_flat_map(|pool| (Just(pool.clone()), Just(pool).prop_shuffle())),
        fusion in fusions(),
    ) {
        prop_assert_eq!(essence(&pool, &fusion), essence(&shuffled, &fusion));
    }

    #[test]
    fn every_candidate_is_kept_and_scores_never_rise(
        pool in prop_oneof![pools(), extreme_pools()],
        fusion in fusions(),
    ) {
        let fused = fuse(&pool, &fusion);
        let mut kept: Vec<usize> = fused.iter().map(|f| f.candidate).collect();
        kept.sort_unstable();
        prop_assert_eq!(kept, (0..pool.len()).collect::<Vec<_>>());
        prop_assert!(fused.iter().all(|f| f.score.is_finite()));
        prop_assert!(fused.is_sorted_by(|a, b| a.score >= b.score));
    }

    #[test]
    fn weighted_parts_add_up_to_the_score(
        pool in prop_oneof![pools(), extreme_pools()],
        fusion in fusions(),
    ) {
        for f in fuse(&pool, &fusion) {
            let parts: f64 = f.stages.iter().map(|(_, stage)| stage.weighted).sum();
            let size: f64 = f.stages.iter().map(|(_, stage)| stage.weighted.abs()).sum();
            prop_assert!((parts - f.score).abs() <= 1e-12 * (1.0 + size), "{f:?}");
            for (stage, part) in f.stages.iter() {
                prop_assert_eq!(part.raw, pool[f.candidate].scores.get(stage));
                prop_assert_eq!(part.normalized.is_some(), part.raw.is_some());
                prop_assert_eq!(part.rank.is_some(), part.raw.is_some());
                if let Some(normalized) = part.normalized {
                    prop_assert!(close(part.weighted, fusion.weights.weight(stage) * normalized));
                }
            }
        }
    }

    #[test]
    fn bounded_normalizers_give_bounded_scores(
        pool in prop_oneof![pools(), extreme_pools()],
        normalizers in bounded_normalizers(),
        weights in weights(),
    ) {
        for f in fuse(&pool, &Fusion { normalizers, weights }) {
            let is_unread = f.stages.cross.raw.is_none();
            let lowest = if is_unread { -1.0 } else { 0.0 };
            prop_assert!((lowest..=1.0 + 1e-12).contains(&f.score), "{f:?}");
        }
    }

    #[test]
    fn read_candidates_stand_above_unread_ones(pool in pools(), fusion in fusions()) {
        let fused = fuse(&pool, &fusion);
        if fusion.weights.weight(StageName::Cross) > 0.0 {
            prop_assert!(fused.is_sorted_by_key(|f| f.stages.cross.raw.is_none()));
        }
    }

    #[test]
    fn the_tail_keeps_the_distances_of_the_other_stages(pool in pools(), fusion in fusions()) {
        let fused = fuse(&pool, &fusion);
        let tail: Vec<&Fused> = fused.iter().filter(|f| f.stages.cross.raw.is_none()).collect();
        for pair in tail.windows(2) {
            let others = |f: &Fused| f.stages.bm25.weighted + f.stages.dense.weighted;
            let gap = others(pair[0]) - others(pair[1]);
            prop_assert!(gap >= 0.0);
            prop_assert!(close(pair[0].score - pair[1].score, gap));
        }
    }
}

#[test]
fn stages_are_normalized_weighed_and_ranked() {
    let pool = [
        candidate(0, Some(10.0), Some(0.2), Some(-4.0)),
        candidate(1, Some(0.0), Some(0.6), Some(4.0)),
        candidate(2, Some(5.0), Some(0.6), Some(-8.0)),
    ];
    let fused = fuse(&pool, &min_max("0.2,0.3,0.5"));
    assert_eq!(docs(&fused), [1, 2, 0]);
    assert!(close(fused[0].score, 0.8));
    assert!(close(fused[1].score, 0.1 + 0.3));
    assert!(close(fused[2].score, 0.2 + 0.5 / 3.0));
    let dense = fused[1].stages.dense;
    assert_eq!(
        (dense.normalized, dense.weighted, dense.rank),
        (Some(1.0), 0.3, Some(1))
    );
    assert_eq!(fused[1].stages.cross.rank, Some(3));
}

#[test]
fn an_unread_candidate_never_outranks_on_a_missing_score() {
    // The unread document is the best of both other stages, and the read ones have
    // the worst logits: it still comes last, and its score says so.
    let pool = [
        candidate(0, Some(9.0), Some(0.9), None),
        candidate(1, Some(1.0), Some(0.1), Some(-11.0)),
        candidate(2, Some(2.0), Some(0.2), Some(-9.0)),
    ];
    let fused = fuse(&pool, &min_max("0.4,0.4,0.2"));
    assert_eq!(docs(&fused), [2, 1, 0]);
    assert_eq!(fused[2].score, fused[1].score);
    assert!(fused[2].stages.cross.weighted < 0.0);
    // Without the cross-encoder's weight, it is judged by what is known of it.
    assert_eq!(docs(&fuse(&pool, &min_max("0.5,0.5,0"))), [0, 2, 1]);
}

#[test]
fn a_tail_that_is_worse_anyway_is_not_lowered_further() {
    let pool = [
        candidate(0, Some(9.0), None, Some(3.0)),
        candidate(1, Some(8.0), None, Some(1.0)),
        candidate(2, Some(1.0), None, None),
        candidate(3, Some(3.0), None, None),
    ];
    let fused = fuse(&pool, &min_max("0.5,0,0.5"));
    assert_eq!(docs(&fused), [0, 1, 3, 2]);
    assert_eq!(fused[2].score, 0.125);
    assert_eq!(fused[2].stages.cross.weighted, 0.0);
}

#[test]
fn all_equal_logits_neither_lift_nor_sink_the_read_candidates() {
    let pool = [
        candidate(0, Some(1.0), None, Some(2.5)),
        candidate(1, Some(2.0), None, Some(2.5)),
        candidate(2, Some(3.0), None, None),
    ];
    assert_eq!(docs(&fuse(&pool, &min_max("0.5,0,0.5"))), [1, 0, 2]);
    assert_eq!(docs(&fuse(&pool, &min_max("0.01,0,0.99"))), [1, 0, 2]);
}

#[test]
fn a_cross_encoder_that_read_nothing_is_ignored() {
    let pool = [
        candidate(0, Some(1.0), Some(0.5), None),
        candidate(1, Some(2.0), Some(0.4), None),
    ];
    let fused = fuse(&pool, &min_max("0.1,0.2,0.7"));
    assert_eq!(docs(&fused), [0, 1]);
    assert_eq!(fused[0].stages.cross, StageScore::default());
    assert_eq!(fused[0].score, 0.2);
}

#[test]
fn a_stage_that_was_not_run_is_ignored() {
    let pool = [
        candidate(7, None, None, Some(1.0)),
        candidate(3, None, None, Some(-1.0)),
    ];
    let fused = fuse(&pool, &min_max("0.5,0.3,0.2"));
    assert_eq!(docs(&fused), [7, 3]);
    assert_eq!((fused[0].score, fused[1].score), (0.2, 0.0));
}

#[test]
fn a_passage_given_twice_does_not_break_the_order() {
    let mut pool = vec![
        candidate(1, Some(1.0), Some(0.3), None),
        candidate(1, Some(3.0), Some(0.1), None),
        candidate(0, Some(2.0), Some(0.2), None),
    ];
    let fusion = min_max("0.5,0.5,0");
    let before = essence(&pool, &fusion);
    pool.reverse();
    assert_eq!(essence(&pool, &fusion), before);
}

#[test]
fn a_fusion_is_read_as_it_is_written() {
    let text = r#"
        [normalizers]
        bm25 = "min-max"
        dense = { bounds = { low = -1.0, high = 1.0 } }
        cross = { sigmoid = { slope = 0.7, offset = 1.5 } }

        [weights]
        bm25 = 0.25
        dense = 0.25
        cross = 0.5
    "#;
    let fusion: Fusion = toml::from_str(text).unwrap();
    assert_eq!(
        fusion.normalizers.dense,
        Normalizer::Bounds {
            low: -1.0,
            high: 1.0
        }
    );
    assert_eq!(
        toml::from_str::<Fusion>(&toml::to_string(&fusion).unwrap()).unwrap(),
        fusion
    );
}

#[test]
fn reciprocal_rank_fusion_is_the_mean_of_reciprocal_ranks() {
    let pool = [
        candidate(0, Some(9.0), Some(0.1), None),
        candidate(1, Some(7.0), Some(0.9), None),
        candidate(2, Some(5.0), Some(0.5), None),
    ];
    let fusion = Fusion::rrf(60, &[StageName::Bm25, StageName::Dense]).unwrap();
    let fused = fuse(&pool, &fusion);
    assert_eq!(docs(&fused), [1, 0, 2]);
    for (fused, ranks) in fused.iter().zip([[2.0, 1.0], [1.0, 3.0], [3.0, 2.0]]) {
        let mean = ranks.map(|rank| 1.0 / (60.0 + rank)).iter().sum::<f64>() / 2.0;
        assert!(close(fused.score, mean));
    }
    assert_eq!(Fusion::rrf(60, &[]), None);
}
