//! Pools and fusions for the property tests.

use proptest::prelude::*;
use treffer_types::{Candidate, DocId, PassageId, Score, StageMap, StageName};

use crate::{Fusion, Normalizer, Weights};

pub(crate) fn candidate(
    doc: u32,
    bm25: Option<f32>,
    dense: Option<f32>,
    cross: Option<f32>,
) -> Candidate {
    let mut candidate = Candidate::new(PassageId::whole(DocId(doc)));
    for (stage, score) in (StageMap { bm25, dense, cross }).iter() {
        if let Some(score) = score {
            candidate = with_score(&candidate, stage, *score);
        }
    }
    candidate
}

pub(crate) fn with_score(candidate: &Candidate, stage: StageName, score: f32) -> Candidate {
    let mut candidate = *candidate;
    candidate.scores.set(stage, Score::new(score).unwrap());
    candidate
}

pub(crate) fn without_score(candidate: &Candidate, stage: StageName) -> Candidate {
    let mut bare = Candidate {
        scores: Default::default(),
        ..*candidate
    };
    for other in StageName::ALL {
        if let (true, Some(score)) = (other != stage, candidate.scores.get(other)) {
            bare.scores.set(other, score);
        }
    }
    bare
}

/// Up to twelve passages of up to six documents in any order, on a coarse scale so
/// that ties are common; any stage may have looked at all, some or none of them.
pub(crate) fn pools() -> impl Strategy<Value = Vec<Candidate>> {
    pools_of(
        (-8_i8..8)
            .prop_map(|quarters| f32::from(quarters) / 4.0)
            .boxed(),
    )
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

fn pools_of(score: BoxedStrategy<f32>) -> impl Strategy<Value = Vec<Candidate>> {
    // In how many of four cases a stage looked.
    let looks = || prop::sample::select(vec![0_u8, 2, 4, 4]);
    (looks(), looks(), looks()).prop_flat_map(move |(bm25, dense, cross)| {
        let maybe = |looks| {
            (score.clone(), 0_u8..4).prop_map(move |(score, draw)| (draw < looks).then_some(score))
        };
        prop::collection::vec((maybe(bm25), maybe(dense), maybe(cross)), 0..=12)
            .prop_map(|rows| {
                (0..)
                    .zip(rows)
                    .map(|(i, (bm25, dense, cross))| Candidate {
                        passage: PassageId {
                            doc: DocId(i / 2),
                            passage: i % 2,
                        },
                        ..candidate(0, bm25, dense, cross)
                    })
                    .collect::<Vec<_>>()
            })
            .prop_shuffle()
    })
}

pub(crate) fn weights() -> impl Strategy<Value = Weights> {
    prop::sample::select(Weights::simplex(10, &StageName::ALL).collect::<Vec<_>>())
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
) -> impl Strategy<Value = StageMap<Normalizer>> {
    prop::collection::vec(normalizer, 3).prop_map(|n| StageMap {
        bm25: n[0],
        dense: n[1],
        cross: n[2],
    })
}

pub(crate) fn bounded_normalizers() -> impl Strategy<Value = StageMap<Normalizer>> {
    for_stages(bounded())
}

pub(crate) fn monotone_normalizers() -> impl Strategy<Value = StageMap<Normalizer>> {
    for_stages(monotone())
}

pub(crate) fn fusions() -> impl Strategy<Value = Fusion> {
    let normalizers = for_stages(prop_oneof![
        4 => monotone(),
        1 => Just(Normalizer::ZScore),
        1 => (-1.0..3.0_f64).prop_map(|low| Normalizer::TheoreticalMin { low }),
    ]);
    (normalizers, weights()).prop_map(|(normalizers, weights)| Fusion {
        normalizers,
        weights,
    })
}
