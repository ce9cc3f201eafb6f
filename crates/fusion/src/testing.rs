//! Pools and fusions for the property tests.

use proptest::prelude::*;
use treffer_types::{Candidate, DocId, Evidence, Score, StageMap, StageName};

use crate::{Aggregation, Fusion, Normalization, Normalizer, Weights};

/// The stages of the pools here.
pub(crate) const ALL: [StageName; 3] = [StageName::BM25, StageName::DENSE, StageName::CROSS];

/// A document of one passage.
pub(crate) fn candidate(
    doc: u32,
    bm25: Option<f32>,
    dense: Option<f32>,
    cross: Option<f32>,
) -> Candidate {
    let mut candidate = Candidate::new(DocId(doc));
    for (stage, score) in ALL.into_iter().zip([bm25, dense, cross]) {
        if let Some(score) = score {
            candidate = with_score(&candidate, stage, score);
        }
    }
    candidate
}

/// The same with another score of its first passage.
pub(crate) fn with_score(candidate: &Candidate, stage: StageName, score: f32) -> Candidate {
    let mut candidate = candidate.clone();
    candidate.add(stage, Evidence::new(0, Score::new(score).unwrap()));
    candidate
}

pub(crate) fn without_score(candidate: &Candidate, stage: StageName) -> Candidate {
    let mut candidate = candidate.clone();
    candidate.forget(stage);
    candidate
}

/// A document's raw score from its definition.
pub(crate) fn naive_raw(
    candidate: &Candidate,
    stage: StageName,
    aggregation: Aggregation,
) -> Option<f64> {
    let of_stage = candidate.all_evidence().filter(|(name, _)| *name == stage);
    let mut found: Vec<(Option<u32>, f64)> = of_stage
        .map(|(_, evidence)| (evidence.passage, f64::from(evidence.score.value())))
        .collect();
    if aggregation == Aggregation::First {
        found.sort_by_key(|(passage, _)| *passage);
        return found.first().map(|(_, score)| *score);
    }
    let mut scores: Vec<f64> = found.into_iter().map(|(_, score)| score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let best = match aggregation {
        Aggregation::Max | Aggregation::First => 1,
        Aggregation::Mean { best } => scores.len().min(best as usize),
    };
    let sum: f64 = scores.get(..best)?.iter().sum();
    (best > 0).then(|| f64::from((sum / best as f64) as f32))
}

/// Every stage's raw scores normalized alike, the cross-encoder being the reranker.
pub(crate) fn normalization(normalizer: Normalizer) -> Normalization {
    Normalization {
        normalizers: StageMap::from_fn(&ALL, |_| normalizer),
        aggregation: Aggregation::Max,
        reranker: Some(StageName::CROSS),
        stand_in: None,
    }
}

/// Up to twelve documents of one passage in any order, on a coarse scale so that ties are
/// common; any stage may have scored all, some or none of them.
pub(crate) fn pools() -> impl Strategy<Value = Vec<Candidate>> {
    pools_of(quarters())
}

/// Pools with any finite score.
pub(crate) fn extreme_pools() -> impl Strategy<Value = Vec<Candidate>> {
    pools_of(
        prop_oneof![
            any::<f32>().prop_filter("finite", |score| score.is_finite()),
            Just(f32::MAX),
            Just(f32::MIN),
            Just(f32::MIN_POSITIVE),
            Just(-0.0),
        ]
        .boxed(),
    )
}

/// Pools of documents of up to four passages, each scored by any of the stages.
pub(crate) fn split_pools() -> impl Strategy<Value = Vec<Candidate>> {
    let scored = (prop::sample::select(&ALL[..]), 0_u32..4, quarters());
    prop::collection::vec(prop::collection::vec(scored, 0..=9), 0..=8)
        .prop_map(|documents| {
            let document = |(doc, evidence): (u32, Vec<(StageName, u32, f32)>)| {
                let mut candidate = Candidate::new(DocId(doc));
                for (stage, passage, score) in evidence {
                    let score = Score::new(score).unwrap();
                    candidate.add(stage, Evidence::new(passage, score));
                }
                candidate
            };
            (0..).zip(documents).map(document).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn quarters() -> BoxedStrategy<f32> {
    (-8_i8..8)
        .prop_map(|quarters| f32::from(quarters) / 4.0)
        .boxed()
}

fn pools_of(score: BoxedStrategy<f32>) -> impl Strategy<Value = Vec<Candidate>> {
    // In how many of four cases a stage gave a score.
    let shares = || prop::sample::select(vec![0_u8, 2, 4, 4]);
    (shares(), shares(), shares()).prop_flat_map(move |(bm25, dense, cross)| {
        let maybe = |share| {
            (score.clone(), 0_u8..4).prop_map(move |(score, draw)| (draw < share).then_some(score))
        };
        prop::collection::vec((maybe(bm25), maybe(dense), maybe(cross)), 0..=12)
            .prop_map(|rows| {
                (0..)
                    .zip(rows)
                    .map(|(doc, (bm25, dense, cross))| candidate(doc, bm25, dense, cross))
                    .collect::<Vec<_>>()
            })
            .prop_shuffle()
    })
}

pub(crate) fn weights() -> impl Strategy<Value = Weights> {
    prop::sample::select(Weights::simplex(10, &ALL).collect::<Vec<_>>())
}

pub(crate) fn aggregations() -> impl Strategy<Value = Aggregation> {
    prop_oneof![
        Just(Aggregation::Max),
        Just(Aggregation::First),
        Just(Aggregation::MEAN),
        (1_u32..5).prop_map(|best| Aggregation::Mean { best }),
    ]
}

/// Those in 0..=1.
fn bounded() -> impl Strategy<Value = Normalizer> {
    prop_oneof![
        Just(Normalizer::MinMax),
        Just(Normalizer::LinearRank),
        (0_u32..100).prop_map(|k| Normalizer::Rank { k }),
        (0.1..3.0_f64, -2.0..2.0_f64)
            .prop_map(|(slope, offset)| Normalizer::Sigmoid { slope, offset }),
    ]
}

fn monotone() -> impl Strategy<Value = Normalizer> {
    let bounds = (-4.0..4.0_f64, 0.5..9.0_f64);
    prop_oneof![
        3 => bounded(),
        1 => bounds.prop_map(|(low, width)| Normalizer::Bounds { low, high: low + width }),
        // Not above the lowest score of a pool, as is promised of it.
        1 => (-9.0..=-2.0_f64).prop_map(|low| Normalizer::TheoreticalMin { low }),
    ]
}

fn for_stages(
    normalizer: impl Strategy<Value = Normalizer>,
) -> impl Strategy<Value = Normalization> {
    (prop::collection::vec(normalizer, ALL.len()), aggregations()).prop_map(
        |(normalizers, aggregation)| Normalization {
            normalizers: ALL.into_iter().zip(normalizers).collect(),
            aggregation,
            reranker: Some(StageName::CROSS),
            stand_in: None,
        },
    )
}

pub(crate) fn bounded_normalizations() -> impl Strategy<Value = Normalization> {
    for_stages(bounded())
}

pub(crate) fn monotone_normalizations() -> impl Strategy<Value = Normalization> {
    for_stages(monotone())
}

pub(crate) fn fusions() -> impl Strategy<Value = Fusion> {
    let normalizations = for_stages(prop_oneof![
        4 => monotone(),
        1 => Just(Normalizer::ZScore),
        1 => (-1.0..3.0_f64).prop_map(|low| Normalizer::TheoreticalMin { low }),
    ]);
    (normalizations, weights()).prop_map(|(normalization, weights)| Fusion {
        normalization,
        weights,
    })
}
