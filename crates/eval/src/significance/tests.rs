//! Tests and intervals against scipy and known answers.

use proptest::prelude::*;

use super::*;

const A: [f64; 12] = [
    0.61, 0.43, 0.9, 0.0, 0.31, 0.77, 0.5, 0.63, 1.0, 0.2, 0.45, 0.38,
];
const B: [f64; 12] = [
    0.55, 0.43, 0.7, 0.1, 0.3, 0.5, 0.52, 0.6, 0.8, 0.0, 0.4, 0.39,
];

const SCIPY_P: f64 = 244.0 / 4096.0;
const SCIPY_LOW: f64 = 0.014166667;
const SCIPY_HIGH: f64 = 0.1375;

/// `scipy.stats.permutation_test(permutation_type="samples")` of scipy 1.17.1, which
/// computes all 4096 permutations.
#[test]
fn a_small_test_is_exact_and_agrees_with_scipy() {
    let test = randomization_test(&A, &B, 4096, 0).unwrap();
    assert!(test.is_exact);
    assert_eq!(test.permutations, 4096);
    assert!((test.difference - 0.0741666666666667).abs() < 1e-12);
    assert_eq!(test.p_value, SCIPY_P);
}

#[test]
fn a_sampled_test_is_close_to_the_exact_one() {
    for seed in 0..5 {
        let test = randomization_test(&A, &B, 4000, seed).unwrap();
        assert!(!test.is_exact);
        assert_eq!(test.permutations, 4000);
        assert!((test.p_value - SCIPY_P).abs() < 0.02, "{}", test.p_value);
        assert_eq!(test, randomization_test(&A, &B, 4000, seed).unwrap());
    }
}

/// In exact arithmetic 50 of the 64 permutations have a sum at least as large. In floating
/// point, 6 of these are smaller by a rounding error.
#[test]
fn sums_that_differ_only_by_rounding_count_as_equal() {
    let a = [-0.3, 0.5, -0.4, -0.1, -0.4, 0.3];
    let test = randomization_test(&a, &[0.0; 6], 64, 0).unwrap();
    assert_eq!(test.p_value, 50.0 / 64.0);
}

#[test]
fn equal_systems_do_not_differ() {
    let test = randomization_test(&A, &A, 100, 3).unwrap();
    assert_eq!((test.difference, test.p_value), (0.0, 1.0));
    let interval = bootstrap_interval(&A, &A, 100, 0.95, 3).unwrap();
    assert_eq!((interval.low, interval.high), (0.0, 0.0));
}

#[test]
fn a_difference_on_each_of_many_queries_is_significant() {
    let a = vec![0.6; 200];
    let b: Vec<f64> = (0..200).map(|i| 0.5 + f64::from(i % 7) / 100.0).collect();
    let test = randomization_test(&a, &b, 9999, 1).unwrap();
    assert_eq!(test.p_value, 1.0 / 10_000.0);
    let interval = bootstrap_interval(&a, &b, 2000, 0.99, 1).unwrap();
    assert!(interval.low > 0.0 && interval.high < 0.1);
}

/// `scipy.stats.bootstrap(method="percentile")` with 400,000 resamples.
#[test]
fn the_interval_is_that_of_scipy() {
    for seed in [1, 2, 3] {
        let interval = bootstrap_interval(&A, &B, 50_000, 0.95, seed).unwrap();
        assert!((interval.low - SCIPY_LOW).abs() < 0.002, "{interval:?}");
        assert!((interval.high - SCIPY_HIGH).abs() < 0.002, "{interval:?}");
        assert_eq!(interval.confidence, 0.95);
        assert_eq!(
            interval,
            bootstrap_interval(&A, &B, 50_000, 0.95, seed).unwrap()
        );
    }
}

/// About one in twenty pairs of systems that differ only by chance is called different.
#[test]
fn the_test_keeps_its_level() {
    let mut draws = Draws::new(7);
    let mut n_false = 0;
    for seed in 0..400 {
        let mut values =
            || -> Vec<f64> { (0..30).map(|_| draws.below(11) as f64 / 10.0).collect() };
        let (a, b) = (values(), values());
        if randomization_test(&a, &b, 200, seed).unwrap().p_value <= 0.05 {
            n_false += 1;
        }
    }
    // Binomial with n = 400 and p = 0.05: mean 20, deviation 4.4.
    assert!((7..=34).contains(&n_false), "{n_false}");
}

#[test]
fn incomparable_values_are_refused() {
    let message = |result: Result<Randomization, Error>| result.unwrap_err().to_string();
    assert!(message(randomization_test(&A, &B[1..], 10, 0)).contains("12 and 11 values"));
    assert!(message(randomization_test(&[], &[], 10, 0)).contains("0 and 0 values"));
    assert!(message(randomization_test(&[0.1, f64::NAN], &[0.0; 2], 10, 0)).contains("index 1"));
    assert!(message(randomization_test(&A, &B, 0, 0)).contains("at least 1"));
    for confidence in [0.0, 1.0, 95.0, f64::NAN] {
        let error = bootstrap_interval(&A, &B, 10, confidence, 0).unwrap_err();
        assert!(error.to_string().contains("above 0 and below 1"), "{error}");
    }
}

#[test]
fn quantiles_are_interpolated() {
    let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
    for (q, expected) in [
        (0.0, 1.0),
        (0.25, 2.0),
        (0.375, 3.0),
        (0.9, 12.8),
        (1.0, 16.0),
    ] {
        assert!((quantile(&sorted, q) - expected).abs() < 1e-12);
    }
    assert_eq!(quantile(&[3.0], 0.7), 3.0);
}

proptest! {
    #[test]
    fn the_sign_of_the_difference_does_not_matter(
        pairs in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 1..80),
    ) {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let forth = randomization_test(&a, &b, 300, 5).unwrap();
        let back = randomization_test(&b, &a, 300, 5).unwrap();
        prop_assert!(forth.p_value > 0.0 && forth.p_value <= 1.0);
        prop_assert_eq!(forth.p_value, back.p_value);
        prop_assert_eq!(forth.difference, -back.difference);
    }

    #[test]
    fn the_interval_lies_among_the_differences(
        differences in prop::collection::vec(-1.0..1.0_f64, 1..40),
    ) {
        let zeros = vec![0.0; differences.len()];
        let interval = bootstrap_interval(&differences, &zeros, 50, 0.9, 1).unwrap();
        let min = differences.iter().copied().fold(f64::INFINITY, f64::min);
        let max = differences.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(interval.low <= interval.high);
        prop_assert!(interval.low >= min - 1e-12 && interval.high <= max + 1e-12);
    }
}
