//! What a learned fusion looks at: numbers about one candidate within its pool.

use treffer_types::{Candidate, StageMap, StageName};

use crate::columns::Column;
use crate::normalizer::Normalizer;
use crate::prepared::Prepared;

/// A number about a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// As it is called in files and explanations.
    pub name: &'static str,
    /// Whether more of it can only speak for a candidate, or only against it.
    pub(crate) trend: Trend,
}

/// What more of a feature may do to a score. Trees are held to it, which is worth many
/// judged queries: what a stage likes better cannot come to stand lower for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trend {
    Rising,
    Falling,
    Free,
}

const fn feature(name: &'static str, trend: Trend) -> Feature {
    Feature { name, trend }
}

/// Every feature, in the order of a row.
///
/// Of each stage the raw score, the score by min-max over the pool, and the rank from 1
/// among what the stage scored; how far the stages agree: the mean and the least of the
/// min-max scores, the best rank in any stage, and how far BM25's rank is from the
/// bi-encoder's; and how long document and query are, in terms of the index's analyzer,
/// as powers of two. An exact length is as good as a name: trees would learn which
/// documents are relevant to the queries they grow on, and where queries share relevant
/// documents, folds would not notice (on SciFact's training claims a gain of .011 out of
/// fold that was none on the test claims).
pub const FEATURES: [Feature; 15] = [
    feature("bm25.raw", Trend::Rising),
    feature("bm25.min-max", Trend::Rising),
    feature("bm25.rank", Trend::Falling),
    feature("dense.raw", Trend::Rising),
    feature("dense.min-max", Trend::Rising),
    feature("dense.rank", Trend::Falling),
    feature("cross.raw", Trend::Rising),
    feature("cross.min-max", Trend::Rising),
    feature("cross.rank", Trend::Falling),
    feature("agreement.mean", Trend::Rising),
    feature("agreement.least", Trend::Rising),
    feature("agreement.best-rank", Trend::Falling),
    feature("agreement.rank-gap", Trend::Free),
    feature("length.document", Trend::Free),
    feature("length.query", Trend::Free),
];

/// Where a row holds the rank in each stage.
pub(crate) const RANKS: [usize; 3] = [2, 5, 8];

/// What the scores do not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Terms of the query.
    pub query: u32,
    /// Terms of each candidate's document, in the order of the pool.
    pub documents: Vec<u32>,
}

/// One row of [`FEATURES`] per candidate, in the order of the pool. What is unknown is
/// not a number: scores of stages that did not look, or that are not among `stages`.
pub(crate) fn rows(candidates: &[Candidate], lengths: &Lengths, stages: &[StageName]) -> Vec<f32> {
    let prepared = Prepared::new(candidates, &StageMap::from_fn(|_| Normalizer::MinMax));
    let mut rows = vec![f32::NAN; candidates.len() * FEATURES.len()];
    for position in 0..candidates.len() {
        let at = prepared.origin(position as u32);
        let seen = |stage| View::new(stage, &prepared, position, &candidates[at], stages);
        let views = StageMap::from_fn(seen);
        let row = &mut rows[at * FEATURES.len()..][..FEATURES.len()];
        fill(row, &views);
        row[13] = lengths.documents.get(at).map_or(f32::NAN, |n| octave(*n));
        row[14] = octave(lengths.query);
    }
    rows
}

/// The power of two nearest to a length, as its exponent.
fn octave(n_terms: u32) -> f32 {
    (1.0 + n_terms as f32).log2().round()
}

/// What one stage says of one candidate.
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

    fn new(
        stage: StageName,
        prepared: &Prepared,
        position: usize,
        candidate: &Candidate,
        stages: &[StageName],
    ) -> Self {
        let column: Option<&Column> = prepared.columns[stage].as_ref();
        match (column, candidate.scores.get(stage)) {
            (Some(column), Some(score)) if stages.contains(&stage) => View {
                raw: score.value(),
                normalized: column.values[position] as f32,
                rank: column.ranks[position].map_or(f32::NAN, |rank| rank as f32),
            },
            _ => View::NONE,
        }
    }
}

fn fill(row: &mut [f32], views: &StageMap<View>) {
    for (place, stage) in StageName::ALL.into_iter().enumerate() {
        let View {
            raw,
            normalized,
            rank,
        } = views[stage];
        row[3 * place..][..3].copy_from_slice(&[raw, normalized, rank]);
    }
    let known = || {
        let all = StageName::ALL.map(|stage| views[stage]).into_iter();
        all.filter(|view| !view.raw.is_nan())
    };
    let n_known = known().count() as f32;
    row[9] = known().map(|view| view.normalized).sum::<f32>() / n_known;
    // The least and the greatest of nothing stay unknown.
    row[10] = known().fold(f32::NAN, |least, view| least.min(view.normalized));
    row[11] = known().fold(f32::NAN, |best, view| best.min(view.rank));
    row[12] = (views.bm25.rank - views.dense.rank).abs();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{candidate, pools};
    use proptest::prelude::*;

    fn row(rows: &[f32], at: usize) -> &[f32] {
        &rows[at * FEATURES.len()..][..FEATURES.len()]
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
        let rows = rows(&pool, &lengths, &StageName::ALL);
        assert_eq!(
            row(&rows, 0),
            [
                4.0, 0.5, 2.0, 0.9, 1.0, 1.0, -2.0, 0.0, 2.0, 0.5, 0.0, 1.0, 1.0, 7.0, 3.0
            ]
        );
        let unread = row(&rows, 1);
        assert!(unread[6..9].iter().all(|value| value.is_nan()));
        assert_eq!(unread[9..13], [0.5, 0.0, 1.0, 2.0]);
    }

    #[test]
    fn every_stage_has_its_three_features_in_a_row() {
        for (stage, rank) in StageName::ALL.into_iter().zip(RANKS) {
            let names = ["raw", "min-max", "rank"].map(|what| format!("{stage}.{what}"));
            let found = FEATURES[rank - 2..=rank].iter().map(|feature| feature.name);
            assert!(found.eq(names.iter().map(String::as_str)), "{names:?}");
        }
    }

    #[test]
    fn stages_that_are_left_out_are_unknown() {
        let pool = [candidate(0, Some(4.0), Some(0.9), Some(-2.0))];
        let two = [StageName::Bm25, StageName::Dense];
        let rows = rows(&pool, &Lengths::default(), &two);
        assert!(rows[6..9].iter().all(|value| value.is_nan()));
        assert!(rows[13].is_nan(), "nobody said how long the document is");
    }

    proptest! {
        #[test]
        fn rows_do_not_depend_on_the_order_of_the_pool(pool in pools()) {
            let mut turned = pool.clone();
            turned.reverse();
            let of = |pool: &[Candidate]| {
                let all = rows(pool, &Lengths::default(), &StageName::ALL);
                let mut by_passage: Vec<(Candidate, Vec<u32>)> = pool
                    .iter()
                    .enumerate()
                    .map(|(at, one)| (*one, row(&all, at).iter().map(|x| x.to_bits()).collect()))
                    .collect();
                by_passage.sort_by_key(|(candidate, _)| candidate.passage);
                by_passage
            };
            prop_assert_eq!(of(&pool), of(&turned));
        }

        #[test]
        fn no_row_holds_an_infinity(pool in crate::testing::extreme_pools()) {
            let all = rows(&pool, &Lengths::default(), &StageName::ALL);
            prop_assert!(all.iter().all(|value| !value.is_infinite()));
        }
    }
}
