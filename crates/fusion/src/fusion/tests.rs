//! Fused scores: parts that add up, order that follows, and the tail that was not reranked.

use proptest::prelude::*;
use treffer_types::{Evidence, Score};

use super::*;
use crate::testing::{
    ALL, bounded_normalizations, candidate, extreme_pools, fusions, naive_raw, normalization,
    pools, split_pools, weights, with_score,
};

fn min_max(weights: &str) -> Fusion {
    Fusion {
        normalization: normalization(Normalizer::MinMax),
        weights: weights.parse().unwrap(),
    }
}

fn docs(fused: &[Fused]) -> Vec<u32> {
    fused.iter().map(|fused| fused.doc.0).collect()
}

fn part(fused: &Fused, stage: StageName) -> StageScore {
    *fused.stages.get(stage).unwrap()
}

fn is_reranked(fused: &Fused) -> bool {
    part(fused, StageName::CROSS).raw.is_some()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + a.abs().max(b.abs()))
}

/// A ranking without the positions in the pool, every score as its bits.
fn essence(pool: &[Candidate], fusion: &Fusion) -> Vec<(DocId, u64, String)> {
    fuse(pool, fusion)
        .iter()
        .map(|f| (f.doc, f.score.to_bits(), format!("{:?}", f.stages)))
        .collect()
}

proptest! {
    #[test]
    fn the_order_of_the_pool_does_not_matter(
        (pool, shuffled) in prop_oneof![extreme_pools(), split_pools()]
            .prop_flat_map(|pool| (Just(pool.clone()), Just(pool).prop_shuffle())),
        fusion in fusions(),
    ) {
        prop_assert_eq!(essence(&pool, &fusion), essence(&shuffled, &fusion));
    }

    #[test]
    fn every_candidate_is_kept_and_scores_never_rise(
        pool in prop_oneof![pools(), extreme_pools(), split_pools()],
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
        mut pool in prop_oneof![pools(), extreme_pools(), split_pools()],
        fusion in fusions(),
        unreadable in prop::collection::vec(any::<bool>(), 12),
    ) {
        for (candidate, is_unreadable) in pool.iter_mut().zip(unreadable) {
            candidate.is_unreadable = is_unreadable && !candidate.is_scored_by(StageName::CROSS);
        }
        for f in fuse(&pool, &fusion) {
            prop_assert!(f.stages.stages().eq(ALL));
            let parts: f64 = f.stages.iter().map(|(_, stage)| stage.weighted).sum();
            let size: f64 = f.stages.iter().map(|(_, stage)| stage.weighted.abs()).sum();
            prop_assert!((parts - f.score).abs() <= 1e-12 * (1.0 + size), "{f:?}");
            for (stage, part) in f.stages.iter() {
                let raw = naive_raw(&pool[f.candidate], stage, fusion.normalization.aggregation);
                prop_assert_eq!(part.raw.map(|raw| f64::from(raw.value())), raw);
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
        pool in prop_oneof![pools(), extreme_pools(), split_pools()],
        normalization in bounded_normalizations(),
        weights in weights(),
    ) {
        for f in fuse(&pool, &Fusion { normalization, weights }) {
            let lowest = if is_reranked(&f) { 0.0 } else { -1.0 };
            prop_assert!((lowest..=1.0 + 1e-12).contains(&f.score), "{f:?}");
        }
    }

    #[test]
    fn reranked_candidates_stand_above_the_others(pool in pools(), fusion in fusions()) {
        let fused = fuse(&pool, &fusion);
        if fusion.weights.weight(StageName::CROSS) > 0.0 {
            prop_assert!(fused.is_sorted_by_key(|f| !is_reranked(f)));
        }
    }

    #[test]
    fn the_tail_keeps_the_distances_of_the_other_stages(pool in pools(), fusion in fusions()) {
        let fused = fuse(&pool, &fusion);
        let tail: Vec<&Fused> = fused.iter().filter(|f| !is_reranked(f)).collect();
        for pair in tail.windows(2) {
            let others = |f: &Fused| {
                part(f, StageName::BM25).weighted + part(f, StageName::DENSE).weighted
            };
            let gap = others(pair[0]) - others(pair[1]);
            prop_assert!(gap >= 0.0);
            prop_assert!(close(pair[0].score - pair[1].score, gap));
        }
    }
}

fn late() -> StageName {
    "late".parse().unwrap()
}

proptest! {
    /// A stage that nothing here knows is a stage like the others.
    #[test]
    fn four_stages_are_added_in_the_order_of_their_normalizers(
        pool in split_pools(),
        scores in prop::collection::vec(prop::option::of(-8_i8..8), 8),
        parts in prop::collection::vec(0_u32..5, 4),
        late_first: bool,
    ) {
        let pool: Vec<Candidate> = (pool.iter().zip(scores))
            .map(|(c, score)| match score {
                Some(score) => with_score(c, late(), f32::from(score)),
                None => c.clone(),
            })
            .collect();
        let mut stages = vec![StageName::BM25, StageName::DENSE, StageName::CROSS];
        stages.insert(if late_first { 0 } else { 3 }, late());
        let Ok(weights) = Weights::new(stages.iter().copied().zip(parts).collect()) else {
            return Ok(());
        };
        let normalization = Normalization {
            normalizers: StageMap::from_fn(&stages, |_| Normalizer::MinMax),
            ..Normalization::default()
        };
        let fused = fuse(&pool, &Fusion { normalization, weights: weights.clone() });
        let min_max = |c: &Candidate, stage| -> f64 {
            let raw = |c: &Candidate| naive_raw(c, stage, Aggregation::Max);
            let all: Vec<f64> = pool.iter().filter_map(raw).collect();
            let min = all.iter().copied().fold(f64::INFINITY, f64::min);
            let max = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            match raw(c) {
                None => 0.0,
                Some(_) if min == max => 0.5,
                Some(score) => (score - min) / (max - min),
            }
        };
        let mut expected: Vec<(f64, DocId)> = pool
            .iter()
            .map(|c| {
                let mut sum = 0.0;
                for stage in &stages {
                    sum += weights.weight(*stage) * min_max(c, *stage);
                }
                (sum, c.doc)
            })
            .collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let found: Vec<(f64, DocId)> = fused.iter().map(|f| (f.score, f.doc)).collect();
        prop_assert_eq!(found, expected);
        for f in &fused {
            prop_assert!(f.stages.stages().eq(stages.iter().copied()));
        }
    }
}

#[test]
fn any_stage_can_be_the_reranker_if_it_has_a_normalizer() {
    let pool = [
        with_score(&candidate(0, Some(1.0), None, None), late(), 0.1),
        candidate(1, Some(9.0), None, Some(4.0)),
    ];
    let fusion = |reranker, stages: &[StageName]| Fusion {
        normalization: Normalization {
            normalizers: StageMap::from_fn(stages, |_| Normalizer::MinMax),
            reranker: Some(reranker),
            ..Normalization::default()
        },
        weights: "bm25=0.9,late=0.1".parse().unwrap(),
    };
    let both = [StageName::BM25, late()];
    assert_eq!(docs(&fuse(&pool, &fusion(late(), &both))), [0, 1]);
    // The cross-encoder's score is of no stage that takes part.
    assert_eq!(docs(&fuse(&pool, &fusion(StageName::CROSS, &both))), [1, 0]);
    // Without a column it adds nothing, and moves nothing.
    let alone = fuse(&pool, &fusion(late(), &[StageName::BM25]));
    assert_eq!(docs(&alone), [1, 0]);
    assert!(alone[0].stages.stages().eq([StageName::BM25]));
    assert_eq!(alone[0].score, 0.9);
}

#[test]
fn a_document_is_judged_by_its_best_passages() {
    let mut long = candidate(0, Some(8.0), None, None);
    long.add(StageName::BM25, Evidence::new(3, Score::new(2.0).unwrap()));
    let pool = [
        long,
        candidate(1, Some(6.0), None, None),
        candidate(2, Some(1.0), None, None),
    ];
    let mut fusion = min_max("1,0,0");
    assert_eq!(docs(&fuse(&pool, &fusion)), [0, 1, 2]);
    fusion.normalization.aggregation = Aggregation::Mean { best: 2 };
    let fused = fuse(&pool, &fusion);
    assert_eq!(docs(&fused), [1, 0, 2]);
    assert_eq!(part(&fused[1], StageName::BM25).raw, Score::new(5.0));
    assert_eq!(fused[1].score, 0.8);
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
    let dense = part(&fused[1], StageName::DENSE);
    assert_eq!(
        (dense.normalized, dense.weighted, dense.rank),
        (Some(1.0), 0.3, Some(1))
    );
    assert_eq!(part(&fused[1], StageName::CROSS).rank, Some(3));
}

#[test]
fn a_candidate_that_was_not_reranked_never_gains_by_it() {
    // Document 0 was not reranked. It is the best of both other stages, and the others
    // have the worst logits: it still comes last, and its score says so.
    let pool = [
        candidate(0, Some(9.0), Some(0.9), None),
        candidate(1, Some(1.0), Some(0.1), Some(-11.0)),
        candidate(2, Some(2.0), Some(0.2), Some(-9.0)),
    ];
    let fused = fuse(&pool, &min_max("0.4,0.4,0.2"));
    assert_eq!(docs(&fused), [2, 1, 0]);
    assert_eq!(fused[2].score, fused[1].score);
    assert!(part(&fused[2], StageName::CROSS).weighted < 0.0);
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
    assert_eq!(part(&fused[2], StageName::CROSS).weighted, 0.0);
}

#[test]
fn all_equal_logits_neither_raise_nor_lower_the_reranked_candidates() {
    let pool = [
        candidate(0, Some(1.0), None, Some(2.5)),
        candidate(1, Some(2.0), None, Some(2.5)),
        candidate(2, Some(3.0), None, None),
    ];
    assert_eq!(docs(&fuse(&pool, &min_max("0.5,0,0.5"))), [1, 0, 2]);
    assert_eq!(docs(&fuse(&pool, &min_max("0.01,0,0.99"))), [1, 0, 2]);
}

#[test]
fn a_reranker_that_scored_nothing_is_ignored() {
    let pool = [
        candidate(0, Some(1.0), Some(0.5), None),
        candidate(1, Some(2.0), Some(0.4), None),
    ];
    let fused = fuse(&pool, &min_max("0.1,0.2,0.7"));
    assert_eq!(docs(&fused), [0, 1]);
    assert_eq!(part(&fused[0], StageName::CROSS), StageScore::default());
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
fn a_document_given_twice_does_not_break_the_order() {
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
        [normalization]
        aggregation = "mean:3"
        reranker = "cross"

        [normalization.normalizers]
        bm25 = "min-max"
        dense = { bounds = { low = -1.0, high = 1.0 } }
        cross = { sigmoid = { slope = 0.7, offset = 1.5 } }

        [weights]
        bm25 = 0.25
        dense = 0.25
        cross = 0.5
    "#;
    let fusion: Fusion = toml::from_str(text).unwrap();
    let normalization = &fusion.normalization;
    assert_eq!(
        normalization.normalizers.get(StageName::DENSE),
        Some(&Normalizer::Bounds {
            low: -1.0,
            high: 1.0
        })
    );
    assert_eq!(normalization.aggregation, Aggregation::Mean { best: 3 });
    assert_eq!(normalization.reranker, Some(StageName::CROSS));
    assert_eq!(normalization.normalizers.len(), 3);
    assert_eq!(
        toml::from_str::<Fusion>(&toml::to_string(&fusion).unwrap()).unwrap(),
        fusion
    );
    let short = r#"{"normalizers":{"bm25":"z-score"}}"#;
    let short: Normalization = serde_json::from_str(short).unwrap();
    assert_eq!(short.aggregation, Aggregation::Max);
    assert_eq!(short.reranker, None);
    assert_eq!(
        serde_json::to_string(&short).unwrap(),
        r#"{"normalizers":{"bm25":"z-score"},"aggregation":"max"}"#
    );
}

#[test]
fn reciprocal_rank_fusion_is_the_mean_of_reciprocal_ranks() {
    let pool = [
        candidate(0, Some(9.0), Some(0.1), None),
        candidate(1, Some(7.0), Some(0.9), None),
        candidate(2, Some(5.0), Some(0.5), None),
    ];
    let fusion = Fusion::rrf(60, &[StageName::BM25, StageName::DENSE], None).unwrap();
    let fused = fuse(&pool, &fusion);
    assert_eq!(docs(&fused), [1, 0, 2]);
    for (fused, ranks) in fused.iter().zip([[2.0, 1.0], [1.0, 3.0], [3.0, 2.0]]) {
        let mean = ranks.map(|rank| 1.0 / (60.0 + rank)).iter().sum::<f64>() / 2.0;
        assert!(close(fused.score, mean));
    }
    assert_eq!(Fusion::rrf(60, &[], None), None);
}
