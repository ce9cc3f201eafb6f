//! Trees learn what there is to learn, keep to their directions, and survive a file.

use super::*;
use crate::testing::{ALL, candidate, fusions, normalization, pools};
use crate::{Normalizer, fuse};
use proptest::prelude::*;
use treffer_types::Grade;

/// Pools in which the linear fusion is misled: a document is relevant if bm25 and dense agree
/// on it, independent of their sum, and long documents are not.
fn agreement(n_queries: u32) -> Vec<(Vec<Candidate>, Vec<Option<Grade>>, Lengths)> {
    let mut state = 7_u32;
    let mut draw = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    (0..n_queries)
        .map(|_| {
            let pool: Vec<Candidate> = (0..30)
                .map(|doc| candidate(doc, Some(20.0 * draw()), Some(draw()), None))
                .collect();
            let documents: Vec<u32> = (0..30).map(|_| (300.0 * draw()) as u32).collect();
            let relevant = |(one, length): (&Candidate, &u32)| {
                let score = |stage| {
                    one.best_score(stage)
                        .map_or(0.0, treffer_types::Score::value)
                };
                let both = score(StageName::BM25) > 12.0 && score(StageName::DENSE) > 0.6;
                Some(Grade::from(both && *length < 200))
            };
            let grades = pool.iter().zip(&documents).map(relevant).collect();
            let lengths = Lengths {
                query: 3,
                documents,
            };
            (pool, grades, lengths)
        })
        .collect()
}

const TWO: [StageName; 2] = [StageName::BM25, StageName::DENSE];

fn linear(weights: &str) -> Fusion {
    Fusion {
        normalization: normalization(Normalizer::MinMax),
        weights: weights.parse().unwrap(),
    }
}

fn groups_on(stages: &[StageName], n_queries: u32) -> Vec<QueryGroup> {
    agreement(n_queries)
        .into_iter()
        .map(|(pool, grades, lengths)| QueryGroup::new(pool, &grades, &lengths, stages))
        .collect()
}

fn trained_on(stages: &[StageName], n_queries: u32, rounds: usize) -> Learned {
    let groups = groups_on(stages, n_queries);
    let all: Vec<&QueryGroup> = groups.iter().collect();
    let boosting = Boosting {
        rounds,
        ..Boosting::default()
    };
    Learned::train(&all, stages, linear("0.5,0.5,0"), &boosting).unwrap()
}

fn trained(n_queries: u32, rounds: usize) -> Learned {
    trained_on(&TWO, n_queries, rounds)
}

/// Mean precision at the number of relevant documents.
fn precision(learned: &Learned, n_queries: u32) -> f64 {
    let (mut sum, mut n) = (0.0, 0);
    for (pool, grades, lengths) in agreement(n_queries) {
        let n_relevant = grades.iter().filter(|grade| **grade == Some(1)).count();
        if n_relevant == 0 {
            continue;
        }
        let fused = learned.fuse(&pool, &lengths).unwrap();
        let found = fused[..n_relevant].iter();
        let found = found.filter(|fused| grades[fused.candidate] == Some(1));
        sum += found.count() as f64 / n_relevant as f64;
        n += 1;
    }
    sum / f64::from(n)
}

#[test]
fn trees_learn_what_no_weights_can_say() {
    let (before, after) = (trained(60, 0), trained(60, 60));
    assert_eq!(before.n_trees(), 0);
    let (before, after) = (precision(&before, 200), precision(&after, 200));
    assert!(after > before + 0.1, "{before} {after}");
}

#[test]
fn without_trees_the_order_is_that_of_the_linear_fusion() {
    let learned = trained(5, 0);
    for (pool, _, lengths) in agreement(5) {
        let linear: Vec<usize> = fuse(&pool, &linear("0.5,0.5,0"))
            .iter()
            .map(|fused| fused.candidate)
            .collect();
        let learned: Vec<usize> = learned
            .fuse(&pool, &lengths)
            .unwrap()
            .iter()
            .map(|fused| fused.candidate)
            .collect();
        assert_eq!(learned, linear);
    }
}

#[test]
fn a_file_gives_the_same_scores_bit_for_bit() {
    let learned = trained(30, 20);
    let text = learned.encode().unwrap();
    let read = Learned::decode(&text).unwrap();
    assert_eq!(read.encode().unwrap(), text);
    for (pool, _, lengths) in agreement(10) {
        assert_eq!(
            learned.fuse(&pool, &lengths).unwrap(),
            read.fuse(&pool, &lengths).unwrap()
        );
    }
}

#[test]
fn training_is_the_same_on_any_number_of_threads() {
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .unwrap();
        pool.install(|| trained(30, 10).encode().unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn files_of_others_are_refused_with_the_reason() {
    let text = trained(10, 2).encode().unwrap();
    let refused = |text: &str| Learned::decode(text).unwrap_err().to_string();
    assert!(refused("{}").contains("not a learned fusion"));
    assert!(refused(&text.replace("\"format\":2", "\"format\":9")).contains("format 9"));
    assert!(refused(&text.replace("length.query", "length.title")).contains("length.title"));
    assert!(refused(&text.replace("\"scale\":", "\"scale\":-")).contains("scale is -"));
    let cut = text.replace("\"left_children\":[1,", "\"left_children\":[");
    assert_ne!(cut, text);
    assert!(refused(&cut).contains("trees"));
}

#[test]
fn a_file_of_the_first_format_says_to_learn_again() {
    let text = r#"{
        "format": 1,
        "features": ["bm25.raw"],
        "stages": ["bm25", "dense"],
        "fusion": {
            "normalizers": { "bm25": "min-max", "dense": "min-max", "cross": "min-max" },
            "weights": { "bm25": 0.5, "dense": 0.5, "cross": 0.0 }
        },
        "scale": 1.0,
        "trees": null
    }"#;
    let refusal = Learned::decode(text).unwrap_err();
    assert!(matches!(refusal, LearnError::Foreign { .. }));
    assert_eq!(
        refusal.to_string(),
        "this learned fusion cannot be used: it has format 1, this program reads format 2; \
         learn it again"
    );
}

#[test]
fn queries_of_other_stages_are_refused() {
    let (learned, of_all) = (trained(10, 2), groups_on(&ALL, 1));
    let reason = "a query has features of bm25, dense, cross, the learned fusion looks at \
                  bm25, dense; make its group for those stages";
    let refusal = learned.order(&of_all[0]).unwrap_err();
    assert_eq!(refusal.to_string(), reason);
    let group = [&of_all[0]];
    let refusal = Learned::train(&group, &TWO, linear("1,0,0"), &Boosting::default());
    assert_eq!(refusal.unwrap_err().to_string(), reason);
}

#[test]
fn a_learned_fusion_can_do_without_any_known_stage() {
    let late: StageName = "late".parse().unwrap();
    let pools: Vec<_> = agreement(20)
        .into_iter()
        .map(|(pool, grades, lengths)| {
            let scored = |one: &Candidate| {
                let score = one.best_score(StageName::BM25).unwrap().value();
                crate::testing::with_score(&Candidate::new(one.doc), late, score)
            };
            (pool.iter().map(scored).collect::<Vec<_>>(), grades, lengths)
        })
        .collect();
    let groups: Vec<QueryGroup> = pools
        .iter()
        .map(|(pool, grades, lengths)| QueryGroup::new(pool.clone(), grades, lengths, &[late]))
        .collect();
    let fusion = Fusion::rrf(60, &[late], None).unwrap();
    let all: Vec<&QueryGroup> = groups.iter().collect();
    let learned = Learned::train(&all, &[late, late], fusion, &Boosting::default()).unwrap();
    assert_eq!(learned.stages(), [late]);
    assert!(learned.n_trees() > 0);
    let (pool, _, lengths) = &pools[0];
    let fused = learned.fuse(pool, lengths).unwrap();
    let order: Vec<usize> = fused.iter().map(|fused| fused.candidate).collect();
    assert_eq!(learned.order(&groups[0]).unwrap(), order);
    assert!(fused[0].stages.stages().eq([late]));
}

#[test]
fn a_better_score_never_lowers_a_candidate() {
    let learned = trained(60, 40);
    for (pool, _, lengths) in agreement(10) {
        let place = |pool: &[Candidate]| {
            let fused = learned.fuse(pool, &lengths).unwrap();
            fused.iter().position(|fused| fused.candidate == 4).unwrap()
        };
        let before = place(&pool);
        for stage in TWO {
            let mut better = pool.clone();
            let score = pool[4].best_score(stage).unwrap().value();
            better[4] = crate::testing::with_score(&pool[4], stage, score + 0.05);
            // A free feature, the gap between the ranks, may move as well.
            let gap = |pool: &[Candidate]| features::rows(pool, &lengths, &TWO)[4 * 12 + 9];
            if gap(&better) == gap(&pool) {
                assert!(place(&better) <= before);
            }
        }
    }
}

#[test]
fn groups_without_pairs_grow_no_trees() {
    let (pool, _, lengths) = agreement(1).remove(0);
    let nothing = QueryGroup::new(pool.clone(), &[None; 30], &lengths, &TWO);
    let everything = QueryGroup::new(pool, &[Some(1); 30], &lengths, &TWO);
    let empty = QueryGroup::new(Vec::new(), &[], &Lengths::default(), &TWO);
    assert!(!nothing.has_pairs() && !everything.has_pairs() && !empty.has_pairs());
    let learned = Learned::train(
        &[&nothing, &everything, &empty],
        &TWO,
        linear("1,0,0"),
        &Boosting::default(),
    );
    assert_eq!(learned.unwrap().n_trees(), 0);
}

#[test]
fn odd_grades_are_bounded() {
    let (pool, mut grades, lengths) = agreement(1).remove(0);
    grades[0] = Some(-3);
    grades[1] = Some(500);
    let group = QueryGroup::new(pool, &grades, &lengths, &TWO);
    let learned = Learned::train(&[&group], &TWO, linear("1,0,0"), &Boosting::default());
    assert!(learned.is_ok());
}

#[test]
fn importance_names_what_was_looked_at() {
    let importance = trained(60, 40).importance();
    let sum: f64 = importance.iter().map(|(_, share)| share).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert!(importance.iter().any(|(name, _)| name == "length.document"));
    assert!(
        importance
            .iter()
            .all(|(name, _)| !name.starts_with("cross"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_are_errors_or_other_trees_but_never_panics(
        at in any::<prop::sample::Index>(),
        byte in 32_u8..127,
        cut in any::<bool>(),
    ) {
        static FILE: std::sync::LazyLock<String> =
            std::sync::LazyLock::new(|| trained(10, 3).encode().unwrap());
        let mut bytes = FILE.clone().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let (pool, _, lengths) = agreement(1).remove(0);
        if let Ok(learned) = Learned::decode(&String::from_utf8(bytes).unwrap()) {
            let _ = learned.fuse(&pool, &lengths);
        }
    }

    /// Any pool under one set of trees, with any linear fusion below them.
    #[test]
    fn parts_add_up_and_scores_never_rise(pool in pools(), fusion in fusions()) {
        let learned = Learned { fusion, ..trained_on(&ALL, 20, 10) };
        let lengths = Lengths { query: 2, documents: (0..pool.len() as u32).collect() };
        let fused = learned.fuse(&pool, &lengths).unwrap();
        prop_assert_eq!(fused.len(), pool.len());
        let all: Vec<usize> = fused.iter().map(|fused| fused.candidate).collect();
        let explained = learned.contributions(&pool, &lengths, &all).unwrap();
        for (fused, explained) in fused.iter().zip(&explained) {
            prop_assert!(fused.stages.stages().eq(ALL));
            let stages: f64 = fused.stages.iter().map(|(_, stage)| stage.weighted).sum();
            let sum = stages + fused.learned;
            prop_assert!((sum - fused.score).abs() <= 1e-9 * (1.0 + fused.score.abs()));
            let parts: f64 = explained.iter().map(|one| one.part).sum();
            prop_assert!((parts - fused.learned).abs() < 1e-4, "{} {}", parts, fused.learned);
        }
        prop_assert!(fused.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let is_reranked = |fused: &crate::Fused| {
            pool[fused.candidate].is_scored_by(StageName::CROSS)
        };
        prop_assert!(fused.is_sorted_by_key(|fused| !is_reranked(fused)));
    }
}
