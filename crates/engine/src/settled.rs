//! Adaptive depth: a reranker stops when the best documents are settled.
//!
//! Candidates are read in the order of promise. When a number of documents in a row, the
//! *patience*, do not come among the ten that the reranker scored highest, those that are left,
//! which promise less, are not expected to either. The rule looks at nothing but the reranker's
//! own scores, so that neither weights nor the speed of the machine change what is read, and a
//! tuner can tell from complete scores what would have been read.

use treffer_types::Score;

/// How many of the best documents have to be settled.
const BEST: usize = 10;

/// How many of the documents are read, given the score of each in the order of reading: `None`
/// for one that the reranker could not score. All of them with a patience of 0.
pub(crate) fn n_until_settled(
    scores: impl IntoIterator<Item = Option<Score>>,
    patience: usize,
) -> usize {
    if patience == 0 {
        return scores.into_iter().count();
    }
    let mut best: Vec<Score> = Vec::with_capacity(BEST + 1);
    let (mut n_read, mut unchanged) = (0, 0);
    for score in scores {
        if best.len() == BEST && unchanged >= patience {
            break;
        }
        n_read += 1;
        let lowest = best.last().filter(|_| best.len() == BEST);
        let comes_in = score.filter(|score| lowest.is_none_or(|lowest| score > lowest));
        match comes_in {
            Some(score) => {
                let place = best.partition_point(|other| *other >= score);
                best.insert(place, score);
                best.truncate(BEST);
                unchanged = 0;
            }
            None => unchanged += 1,
        }
    }
    n_read
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scores(values: &[f32]) -> Vec<Option<Score>> {
        values.iter().map(|value| Score::new(*value)).collect()
    }

    #[test]
    fn reading_stops_when_the_ten_best_have_not_changed_for_long_enough() {
        // Ten, and then worse ones.
        let mut values: Vec<f32> = (0..10).map(|rank| 10.0 - rank as f32).collect();
        values.extend([0.0; 20]);
        let settled = |values: &[f32], patience| n_until_settled(scores(values), patience);
        assert_eq!(settled(&values, 5), 15);
        assert_eq!(settled(&values, 20), 30);
        assert_eq!(settled(&values, 21), 30);
        assert_eq!(settled(&values, 0), 30);
        // One that comes in begins the count anew; one that is as good as the tenth does not.
        values[13] = 4.5;
        assert_eq!(settled(&values, 5), 19);
        values[13] = 1.0;
        assert_eq!(settled(&values, 5), 15);
        assert_eq!(settled(&values[..8], 1), 8);
        // What cannot be scored counts as one that does not come in.
        values[13] = 0.0;
        let mut with_gap = scores(&values);
        with_gap[3] = None;
        assert_eq!(n_until_settled(with_gap, 5), 16);
    }

    proptest! {
        #[test]
        fn the_ten_best_of_what_is_read_held_through_the_last_of_it(
            values in proptest::collection::vec(-9_i8..9, 0..80), patience in 1_usize..30,
        ) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let n = n_until_settled(scores(&values), patience);
            let best = |n: usize| {
                let mut best = values[..n].to_vec();
                best.sort_by(|a, b| b.total_cmp(a));
                best.truncate(BEST);
                best
            };
            if n < values.len() {
                prop_assert!(n >= BEST + patience);
                prop_assert_eq!(best(n), best(n - patience));
            }
            for earlier in BEST + patience..n {
                prop_assert_ne!(best(earlier), best(earlier - patience), "{} of {}", earlier, n);
            }
        }
    }
}
