//! Holm's procedure against its definition by rejections, and its level by simulation.

use proptest::prelude::*;

use super::*;
use crate::draws::Draws;
use crate::randomization_test;

/// Holm's definition: go through the sorted p-values while `p <= level / (m - i)`, and
/// reject those hypotheses.
fn rejects(p_values: &[f64], level: f64) -> Vec<bool> {
    let mut left: Vec<usize> = (0..p_values.len()).collect();
    let mut rejected = vec![false; p_values.len()];
    while !left.is_empty() {
        let place =
            (0..left.len()).min_by(|&a, &b| p_values[left[a]].total_cmp(&p_values[left[b]]));
        let at = left[place.unwrap()];
        if p_values[at] * left.len() as f64 > level {
            break;
        }
        rejected[at] = true;
        left.retain(|&other| other != at);
    }
    rejected
}

#[test]
fn an_example_worked_by_hand() {
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]).unwrap();
    for (found, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
        assert!((found - expected).abs() < 1e-15, "{adjusted:?}");
    }
    assert_eq!(holm(&[0.2]).unwrap(), [0.2]);
    assert_eq!(holm(&[]).unwrap(), [0.0; 0]);
    assert_eq!(holm(&[1.0, 0.6]).unwrap(), [1.0, 1.0]);
}

#[test]
fn values_that_are_not_probabilities_are_refused() {
    for value in [-0.1, 1.1, f64::NAN] {
        let error = holm(&[0.5, value]).unwrap_err().to_string();
        assert!(error.contains("a p-value is"), "{error}");
    }
}

proptest! {
    #[test]
    fn adjusted_values_up_to_the_level_are_those_that_holm_rejects(
        thousandths in prop::collection::vec(0_u16..=1000, 0..9),
        level in 1_u16..300,
    ) {
        // No product equals the level, where rounding would decide.
        let p_values: Vec<f64> = thousandths.iter().map(|&p| f64::from(p) / 1000.0).collect();
        let level = (f64::from(level) + 0.5) / 1000.0;
        let adjusted = holm(&p_values).unwrap();
        let found: Vec<bool> = adjusted.iter().map(|&p| p <= level).collect();
        prop_assert_eq!(found, rejects(&p_values, level));
    }

    #[test]
    fn adjusted_values_lie_between_uncorrected_and_bonferroni(
        p_values in prop::collection::vec(0.0..=1.0_f64, 1..20),
    ) {
        let m = p_values.len() as f64;
        for (p, adjusted) in p_values.iter().zip(holm(&p_values).unwrap()) {
            prop_assert!(*p <= adjusted && adjusted <= (m * p).min(1.0));
        }
    }
}

/// Five systems that are as good as their baseline, tested on the same queries.
#[test]
fn equal_systems_seldom_seem_different() {
    let mut draws = Draws::new(11);
    let (mut corrected, mut uncorrected) = (0, 0);
    for seed in 0..300 {
        let mut values =
            || -> Vec<f64> { (0..30).map(|_| draws.below(11) as f64 / 10.0).collect() };
        let baseline = values();
        let p_values: Vec<f64> = (0..5)
            .map(|_| {
                randomization_test(&values(), &baseline, 400, seed)
                    .unwrap()
                    .p_value
            })
            .collect();
        uncorrected += u32::from(p_values.iter().any(|&p| p <= 0.05));
        corrected += u32::from(holm(&p_values).unwrap().iter().any(|&p| p <= 0.05));
    }
    // At most binomial with n = 300 and p = 0.05: mean 15, deviation 3.8.
    assert!(corrected <= 27, "{corrected}");
    assert!(uncorrected >= 40, "{uncorrected}");
}
