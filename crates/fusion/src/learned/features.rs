//! The features of a learned fusion: numbers about one candidate within its pool.

use treffer_types::{Candidate, StageMap, StageName};

use crate::aggregation::Aggregation;
use crate::lengths::Lengths;
use crate::normalization::Normalization;
use crate::normalizer::Normalizer;
use crate::prepared::Prepared;

/// A number about a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name in files and explanations.
    pub name: String,
    /// The constraint on its effect.
    pub(crate) trend: Trend,
}

/// A monotonicity constraint: how a larger value of a feature may change a score. Constraints
/// help like many more judged queries would: a better score in a stage can never lower a
/// candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trend {
    Rising,
    Falling,
    Free,
}

/// The features of each stage.
const OF_STAGE: [(&str, Trend); 3] = [
    ("raw", Trend::Rising),
    ("min-max", Trend::Rising),
    ("rank", Trend::Falling),
];

/// The features that follow those of the stages.
const OF_ALL: [(&str, Trend); 6] = [
    ("agreement.mean", Trend::Rising),
    ("agreement.least", Trend::Rising),
    ("agreement.best-rank", Trend::Falling),
    ("agreement.rank-gap", Trend::Free),
    ("length.document", Trend::Free),
    ("length.query", Trend::Free),
];

/// Every feature of a learned fusion over `stages`, in the order of a row. A stage named
/// twice changes nothing.
///
/// For each stage the raw score of the best passage, its min-max score over the pool, and
/// its rank from 1 among what the stage scored; the agreement of the stages: the mean and the
/// least of the min-max scores, the best rank in any stage, and how far BM25's rank is from
/// the bi-encoder's; and the lengths of document and query in terms of the index's analyzer,
/// as powers of two. An exact length would identify a document: trees would learn which
/// documents are relevant to the training queries, and where queries share relevant documents,
/// cross-validation would not notice (on SciFact, a gain of .011 out of fold on the training
/// claims was no gain on the test claims).
pub fn features(stages: &[StageName]) -> Vec<Feature> {
    let feature = |name: String, trend: Trend| Feature { name, trend };
    let of_stage =
        |stage: StageName| OF_STAGE.map(|(what, trend)| feature(format!("{stage}.{what}"), trend));
    let of_all = OF_ALL.map(|(name, trend)| feature(name.to_owned(), trend));
    let of_stages = once_each(stages).into_iter().flat_map(of_stage);
    of_stages.chain(of_all).collect()
}

/// The names of [`features`].
pub(crate) fn names(stages: &[StageName]) -> Vec<String> {
    let features = features(stages).into_iter();
    features.map(|feature| feature.name).collect()
}

/// How many [`features`] there are.
pub(crate) fn width(stages: &[StageName]) -> usize {
    OF_STAGE.len() * once_each(stages).len() + OF_ALL.len()
}

/// The same stages without repetitions.
pub(crate) fn once_each(stages: &[StageName]) -> Vec<StageName> {
    StageMap::from_fn(stages, |_| ()).stages().collect()
}

/// The ranks in a row, one for each stage; NaN for a stage that gave no score.
pub(crate) fn ranks(row: &[f32]) -> impl Iterator<Item = f32> {
    let of_stages = &row[..row.len() - OF_ALL.len()];
    of_stages.chunks_exact(OF_STAGE.len()).map(|one| one[2])
}

/// One row of [`features`] per candidate, in the order of the pool. What is unknown, such as
/// the score of a stage that did not score the candidate, is NaN.
pub(crate) fn rows(candidates: &[Candidate], lengths: &Lengths, stages: &[StageName]) -> Vec<f32> {
    let normalization = Normalization {
        normalizers: StageMap::from_fn(stages, |_| Normalizer::MinMax),
        aggregation: Aggregation::Max,
        reranker: None,
        stand_in: None,
    };
    let prepared = Prepared::new(candidates, &normalization);
    let width = width(stages);
    let mut rows = vec![f32::NAN; candidates.len() * width];
    let mut views = Vec::new();
    for position in 0..candidates.len() {
        let at = prepared.origin(position as u32);
        views.clear();
        views.extend(prepared.columns().map(|(stage, column)| {
            let score = candidates[at].best_score(stage);
            let (Some(column), Some(score)) = (column, score) else {
                return (stage, View::NONE);
            };
            let view = View {
                raw: score.value(),
                normalized: column.values[position] as f32,
                rank: column.ranks[position].map_or(f32::NAN, |rank| rank as f32),
            };
            (stage, view)
        }));
        let row = &mut rows[at * width..][..width];
        let (of_stages, of_all) = row.split_at_mut(OF_STAGE.len() * views.len());
        for (place, (_, view)) in of_stages.chunks_exact_mut(OF_STAGE.len()).zip(&views) {
            place.copy_from_slice(&[view.raw, view.normalized, view.rank]);
        }
        of_all[..4].copy_from_slice(&agreement(&views));
        of_all[4] = lengths.documents.get(at).map_or(f32::NAN, |n| octave(*n));
        of_all[5] = octave(lengths.query);
    }
    rows
}

/// The power of two nearest to a length, as its exponent.
fn octave(n_terms: u32) -> f32 {
    (1.0 + n_terms as f32).log2().round()
}

/// The features of one candidate in one stage.
#[derive(Clone, Copy)]
struct View {
    raw: f32,
    normalized: f32,
    rank: f32,
}

impl View {
    const NONE: View = View {
        raw: f32::NAN,
        normalized: f32::NAN,
        rank: f32::NAN,
    };
}

/// The mean and the least min-max score, the best rank, and the gap between BM25's rank
/// and the bi-encoder's.
fn agreement(views: &[(StageName, View)]) -> [f32; 4] {
    let known = || {
        let all = views.iter().map(|(_, view)| view);
        all.filter(|view| !view.raw.is_nan())
    };
    let rank_in = |stage: StageName| {
        let view = views.iter().find(|(name, _)| *name == stage);
        view.map_or(f32::NAN, |(_, view)| view.rank)
    };
    let n_known = known().count() as f32;
    [
        known().map(|view| view.normalized).sum::<f32>() / n_known,
        // The least and the best of nothing stay unknown.
        known().fold(f32::NAN, |least, view| least.min(view.normalized)),
        known().fold(f32::NAN, |best, view| best.min(view.rank)),
        (rank_in(StageName::BM25) - rank_in(StageName::DENSE)).abs(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ALL, candidate, extreme_pools, pools, with_score};
    use proptest::prelude::*;

    const TWO: [StageName; 2] = [StageName::BM25, StageName::DENSE];

    fn row<'a>(rows: &'a [f32], at: usize, stages: &[StageName]) -> &'a [f32] {
        &rows[at * width(stages)..][..width(stages)]
    }

    #[test]
    fn a_row_says_what_the_stages_say() {
        let pool = [
            candidate(0, Some(4.0), Some(0.9), Some(-2.0)),
            candidate(1, Some(8.0), Some(0.1), None),
            candidate(2, Some(0.0), Some(0.5), Some(6.0)),
        ];
        let lengths = Lengths {
            query: 5,
            documents: vec![120, 80, 40],
        };
        let all = rows(&pool, &lengths, &ALL);
        assert_eq!(
            row(&all, 0, &ALL),
            [
                4.0, 0.5, 2.0, 0.9, 1.0, 1.0, -2.0, 0.0, 2.0, 0.5, 0.0, 1.0, 1.0, 7.0, 3.0
            ]
        );
        let tail = row(&all, 1, &ALL);
        assert!(tail[6..9].iter().all(|value| value.is_nan()));
        assert_eq!(tail[9..13], [0.5, 0.0, 1.0, 2.0]);
        assert!(ranks(row(&all, 2, &ALL)).eq([3.0, 2.0, 1.0]));
    }

    #[test]
    fn features_are_those_of_the_stages_and_of_all_together() {
        use Trend::{Falling, Free, Rising};
        let expected = [
            ("bm25.raw", Rising),
            ("bm25.min-max", Rising),
            ("bm25.rank", Falling),
            ("dense.raw", Rising),
            ("dense.min-max", Rising),
            ("dense.rank", Falling),
            ("cross.raw", Rising),
            ("cross.min-max", Rising),
            ("cross.rank", Falling),
            ("agreement.mean", Rising),
            ("agreement.least", Rising),
            ("agreement.best-rank", Falling),
            ("agreement.rank-gap", Free),
            ("length.document", Free),
            ("length.query", Free),
        ];
        let of = |stages: &[StageName]| -> Vec<(String, Trend)> {
            let features = features(stages).into_iter();
            features
                .map(|feature| (feature.name, feature.trend))
                .collect()
        };
        let named = |(name, trend): (&str, Trend)| (name.to_owned(), trend);
        assert_eq!(of(&ALL), expected.map(named));
        let late: StageName = "late".parse().unwrap();
        assert_eq!(
            of(&[late, late])[..3],
            [
                ("late.raw", Rising),
                ("late.min-max", Rising),
                ("late.rank", Falling),
            ]
            .map(named)
        );
        for stages in [&ALL[..], &TWO, &[late, late], &[]] {
            assert_eq!(features(stages).len(), width(stages));
        }
    }

    #[test]
    fn stages_that_are_left_out_have_no_columns() {
        let pool = [
            candidate(0, Some(4.0), Some(0.9), Some(-2.0)),
            candidate(1, Some(6.0), Some(0.1), Some(7.0)),
        ];
        let without = pool
            .clone()
            .map(|c| crate::testing::without_score(&c, StageName::CROSS));
        let two = rows(&pool, &Lengths::default(), &TWO);
        assert_eq!(two.len(), 2 * 12);
        let all = rows(&without, &Lengths::default(), &ALL);
        for at in 0..pool.len() {
            let (two, all) = (row(&two, at, &TWO), row(&all, at, &ALL));
            assert_eq!(two[..6], all[..6]);
            assert_eq!(two[6..10], all[9..13]);
            assert!(two[10].is_nan(), "the document's length was not given");
            assert_eq!(two[11], 0.0);
        }
        // Without one of its stages the gap between their ranks is unknown.
        let cross = rows(
            &pool,
            &Lengths::default(),
            &[StageName::CROSS, StageName::BM25],
        );
        assert!(cross[9].is_nan());
    }

    #[test]
    fn a_new_stage_is_a_feature_like_the_others() {
        let late: StageName = "late".parse().unwrap();
        let pool = [
            with_score(&candidate(0, Some(4.0), None, None), late, 0.25),
            with_score(&candidate(1, Some(2.0), None, None), late, 0.75),
        ];
        let found = rows(&pool, &Lengths::default(), &[StageName::BM25, late]);
        assert_eq!(
            row(&found, 0, &[StageName::BM25, late])[..9],
            [4.0, 1.0, 1.0, 0.25, 0.0, 2.0, 0.5, 0.0, 1.0]
        );
    }

    proptest! {
        #[test]
        fn rows_do_not_depend_on_the_order_of_the_pool(pool in pools()) {
            let mut turned = pool.clone();
            turned.reverse();
            let of = |pool: &[Candidate]| {
                let all = rows(pool, &Lengths::default(), &ALL);
                let bits = |at| row(&all, at, &ALL).iter().map(|x| x.to_bits()).collect();
                let mut by_doc: Vec<(Candidate, Vec<u32>)> = pool
                    .iter()
                    .enumerate()
                    .map(|(at, one)| (one.clone(), bits(at)))
                    .collect();
                by_doc.sort_by_key(|(candidate, _)| candidate.doc);
                by_doc
            };
            prop_assert_eq!(of(&pool), of(&turned));
        }

        #[test]
        fn no_row_holds_an_infinity(pool in extreme_pools()) {
            let all = rows(&pool, &Lengths::default(), &ALL);
            prop_assert!(all.iter().all(|value| !value.is_infinite()));
        }
    }
}
