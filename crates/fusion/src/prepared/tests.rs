//! The order: what must always hold, and agreement with a second fusion.

use proptest::prelude::*;
use treffer_types::{DocId, StageMap};

use super::*;
use crate::Normalizer;
use crate::testing::{
    ALL, candidate, fusions, monotone_normalizations, naive_raw, normalization, pools, split_pools,
    with_score, without_score,
};

/// Fusion as one would write it down: every score from its definition, every
/// candidate compared with every other.
fn naive_rank(pool: &[Candidate], normalization: &Normalization, weights: &Weights) -> Vec<usize> {
    let score_of = |c: &Candidate, stage| naive_raw(c, stage, normalization.aggregation);
    let any_reranked = pool.iter().any(|c| score_of(c, StageName::CROSS).is_some());
    let apart = weights.weight(StageName::CROSS) > 0.0 && any_reranked;
    let mut by_doc = pool.to_vec();
    by_doc.sort_by_key(|c| c.doc);

    let normalized = |c: &Candidate, stage: StageName| -> f64 {
        let all: Vec<f64> = by_doc.iter().filter_map(|c| score_of(c, stage)).collect();
        let n = all.len() as f64;
        let min = all.iter().copied().fold(f64::INFINITY, f64::min);
        let max = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let value = |s: f64| match *normalization.normalizers.get(stage).unwrap() {
            Normalizer::MinMax if min == max => 0.5,
            Normalizer::MinMax => (s - min) / (max - min),
            Normalizer::ZScore if min == max => 0.0,
            Normalizer::ZScore => {
                let mean = all.iter().sum::<f64>() / n;
                let squares: f64 = all.iter().map(|s| (s - mean) * (s - mean)).sum();
                (s - mean) / (squares / n).sqrt()
            }
            Normalizer::Rank { k } => {
                let better = all.iter().filter(|other| **other > s).count();
                1.0 / (f64::from(k) + 1.0 + better as f64)
            }
            Normalizer::LinearRank => {
                let better = all.iter().filter(|other| **other > s).count();
                (n - better as f64) / n
            }
            Normalizer::TheoreticalMin { low } if max <= low => s - max,
            Normalizer::TheoreticalMin { low } => (s - low) / (max - low),
            Normalizer::Bounds { low, high } => (s - low) / (high - low),
            Normalizer::Sigmoid { slope, offset } => 1.0 / (1.0 + (-(slope * s + offset)).exp()),
        };
        match score_of(c, stage) {
            Some(score) => value(score),
            None if all.is_empty() => 0.0,
            None => all.iter().map(|s| value(*s)).fold(0.0, f64::min),
        }
    };
    // With what stands in for it.
    let value = |c: &Candidate, stage: StageName| -> f64 {
        let value = normalized(c, stage);
        let scored = |stage| pool.iter().any(|c| score_of(c, stage).is_some());
        match normalization.stand_in {
            Some(one)
                if one.stage == stage
                    && c.is_foreign
                    && scored(stage)
                    && scored(one.by)
                    && weights.weight(one.by) > 0.0 =>
            {
                value.max(one.share * normalized(c, one.by))
            }
            _ => value,
        }
    };
    let key = |c: &Candidate| {
        let is_unread = apart && score_of(c, StageName::CROSS).is_none();
        let (mut sum, mut of_others) = (0.0, 0.0);
        for stage in ALL {
            if !(is_unread && stage == StageName::CROSS) {
                sum += weights.weight(stage) * value(c, stage);
                let scored = pool.iter().any(|c| score_of(c, stage).is_some());
                of_others += if scored { weights.weight(stage) } else { 0.0 };
            }
        }
        if is_unread && c.is_unreadable && of_others > 0.0 {
            sum += weights.weight(StageName::CROSS) / of_others * sum;
        }
        (is_unread && !c.is_unreadable, sum, c.doc)
    };
    let keys: Vec<_> = pool.iter().map(key).collect();
    let goes_first = |a: usize, b: usize| {
        let ((a_in_tail, a_sum, a_doc), (b_in_tail, b_sum, b_doc)) = (keys[a], keys[b]);
        if a_in_tail != b_in_tail {
            return b_in_tail;
        }
        a_sum > b_sum || (a_sum == b_sum && a_doc < b_doc)
    };
    let mut rank = vec![0; pool.len()];
    for a in 0..pool.len() {
        let place = (0..pool.len()).filter(|&b| goes_first(b, a)).count();
        rank[place] = a;
    }
    rank
}

fn place(pool: &[Candidate], fusion: &crate::Fusion, of: DocId) -> usize {
    let order = Prepared::new(pool, &fusion.normalization).rank(&fusion.weights);
    order.iter().position(|&i| pool[i].doc == of).unwrap()
}

proptest! {
    #[test]
    fn agrees_with_the_naive_fusion(
        mut pool in prop_oneof![pools(), split_pools()],
        mut fusion in fusions(),
        languages in prop::collection::vec((any::<bool>(), any::<bool>()), 12),
        share in prop::option::of(0.0..=1.0),
    ) {
        fusion.normalization.stand_in = share.map(|share| crate::StandIn {
            stage: StageName::BM25,
            by: StageName::DENSE,
            share,
        });
        for (candidate, (is_foreign, is_unreadable)) in pool.iter_mut().zip(languages) {
            candidate.is_foreign = is_foreign;
            // Nothing reads what it cannot.
            candidate.is_unreadable = is_unreadable && !candidate.is_scored_by(StageName::CROSS);
        }
        let rank = Prepared::new(&pool, &fusion.normalization).rank(&fusion.weights);
        prop_assert_eq!(rank, naive_rank(&pool, &fusion.normalization, &fusion.weights));
    }

    #[test]
    fn the_top_is_the_beginning_of_the_ranking(pool in pools(), fusion in fusions()) {
        let prepared = Prepared::new(&pool, &fusion.normalization);
        let rank = prepared.rank(&fusion.weights);
        for k in 0..=pool.len() + 1 {
            prop_assert_eq!(&prepared.top(&fusion.weights, k), &rank[..k.min(pool.len())]);
        }
    }

    #[test]
    fn a_stage_of_weight_zero_has_no_influence(
        pool in pools(),
        fusion in fusions(),
        stage in prop::sample::select(&ALL[..]),
        scores in prop::collection::vec(prop::option::of(-8_i8..8), 12),
    ) {
        let others: Vec<StageName> =
            ALL.into_iter().filter(|other| *other != stage).collect();
        let Some(weights) = fusion.weights.restricted_to(&others) else {
            return Ok(());
        };
        let changed: Vec<Candidate> = (pool.iter().zip(scores))
            .map(|(c, score)| match score {
                Some(score) => with_score(c, stage, f32::from(score)),
                None => without_score(c, stage),
            })
            .collect();
        prop_assert_eq!(
            Prepared::new(&pool, &fusion.normalization).rank(&weights),
            Prepared::new(&changed, &fusion.normalization).rank(&weights)
        );
    }

    #[test]
    fn raising_a_score_never_worsens_the_rank(
        pool in pools(),
        mut fusion in fusions(),
        normalization in monotone_normalizations(),
        which: prop::sample::Index,
        stage in prop::sample::select(&ALL[..]),
        gain in 1_u8..40,
    ) {
        if pool.is_empty() {
            return Ok(());
        }
        fusion.normalization = normalization;
        let i = which.index(pool.len());
        let doc = pool[i].doc;
        let before = place(&pool, &fusion, doc);
        let mut raised = pool.clone();
        if let Some(score) = pool[i].best_score(stage) {
            raised[i] = with_score(&pool[i], stage, score.value() + f32::from(gain) / 4.0);
        }
        prop_assert!(place(&raised, &fusion, doc) <= before);
    }

    #[test]
    fn one_stage_alone_gives_that_stages_order(
        pool in pools(),
        fusion in fusions(),
        stage in prop::sample::select(&ALL[..]),
    ) {
        let weights = Weights::equal(&[stage]).unwrap();
        let rank = Prepared::new(&pool, &fusion.normalization).rank(&weights);
        let raw: Vec<_> = rank.iter().map(|&i| (pool[i].best_score(stage), pool[i].doc)).collect();
        for pair in raw.windows(2) {
            let ((a, a_doc), (b, b_doc)) = (pair[0], pair[1]);
            // An unscored candidate may share the lowest place, except below a reranker.
            let imputed = stage != StageName::CROSS && (a.is_none() || b.is_none());
            prop_assert!(imputed || a > b || (a == b && a_doc < b_doc));
        }
    }
}

/// Documented on [`Normalizer`]: z-scores do not have the property above.
#[test]
fn raising_a_low_outlier_can_worsen_its_rank_under_z_scores() {
    let pool = |outlier: f32| -> Vec<Candidate> {
        let mut pool = vec![candidate(0, Some(4.08), Some(outlier), None)];
        pool.push(candidate(1, Some(0.0), Some(4.0), None));
        pool.extend((2..10).map(|doc| candidate(doc, Some(-9.0), Some(0.75), None)));
        pool
    };
    let fusion = crate::Fusion {
        normalization: Normalization {
            normalizers: StageMap::from_iter([
                (
                    StageName::BM25,
                    Normalizer::Bounds {
                        low: 0.0,
                        high: 1.0,
                    },
                ),
                (StageName::DENSE, Normalizer::ZScore),
            ]),
            ..Normalization::default()
        },
        weights: "0.5,0.5,0".parse().unwrap(),
    };
    let outlier = DocId(0);
    assert_eq!(place(&pool(-10.0), &fusion, outlier), 0);
    assert_eq!(place(&pool(-8.0), &fusion, outlier), 1);
}

#[test]
fn ties_go_by_document() {
    let mut pool = [9, 2, 5].map(|doc| candidate(doc, Some(1.0), None, None));
    let normalization = normalization(Normalizer::MinMax);
    let weights = "0.5,0.5,0".parse().unwrap();
    assert_eq!(
        Prepared::new(&pool, &normalization).rank(&weights),
        [1, 2, 0]
    );
    pool.reverse();
    assert_eq!(
        Prepared::new(&pool, &normalization).rank(&weights),
        [1, 0, 2]
    );
}

#[test]
fn an_empty_pool_is_a_pool() {
    let prepared = Prepared::new(&[], &normalization(Normalizer::ZScore));
    assert!(prepared.is_empty());
    assert!(prepared.top(&"0,0,1".parse().unwrap(), 10).is_empty());
}
