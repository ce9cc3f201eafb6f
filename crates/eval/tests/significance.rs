//! Tests, intervals and quantiles against scipy, and Holm's correction against its
//! definition. `golden/significance.py` makes the file and names scipy's version.

#![allow(clippy::unwrap_used, reason = "the file is the test's own")]

use serde_json::Value;
use treffer_eval::{bootstrap_interval, detectable_gain, holm, randomization_test};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/significance.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

fn comparisons() -> Vec<(Value, Vec<f64>, Vec<f64>)> {
    let golden = golden();
    let cases = golden["comparisons"].as_array().unwrap().clone();
    cases
        .into_iter()
        .map(|case| {
            let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
            (case, a, b)
        })
        .collect()
}

#[test]
fn p_values_are_those_of_scipy() {
    for (case, a, b) in comparisons() {
        let expected = case["p_value"].as_f64().unwrap();
        let found = randomization_test(&a, &b, 100_000, 7).unwrap();
        assert_eq!(case["is_exact"], found.is_exact);
        // Both draw 100,000 times if there are more permutations.
        let deviation = (2.0 * expected * (1.0 - expected) / 1e5).sqrt();
        let tolerance = if found.is_exact {
            1e-12
        } else {
            4.0 * deviation
        };
        let gap = (found.p_value - expected).abs();
        assert!(
            gap <= tolerance,
            "{} queries: {found:?}, scipy {expected}",
            a.len()
        );
    }
}

#[test]
fn intervals_are_those_of_scipy() {
    for (case, a, b) in comparisons() {
        let expected = numbers(&case["interval"]);
        let found = bootstrap_interval(&a, &b, 100_000, 0.95, 7).unwrap();
        // The means are multiples of 0.01 / n, and so are the quantiles.
        let step = 0.01 / a.len() as f64;
        let noise = 0.02 * (expected[1] - expected[0]);
        for (found, expected) in [(found.low, expected[0]), (found.high, expected[1])] {
            let gap = (found - expected).abs();
            assert!(
                gap <= step + noise,
                "{} queries: {found}, scipy {expected}",
                a.len()
            );
        }
    }
}

/// The exact gain is that of the t-test, by its noncentral distribution.
#[test]
fn the_detectable_gain_is_close_to_the_exact_one() {
    for (case, a, b) in comparisons() {
        let found = detectable_gain(&a, &b, 0.05, 0.8).unwrap();
        let deviation = case["deviation"].as_f64().unwrap();
        assert!((found.deviation - deviation).abs() < 1e-12);
        let ratio = found.gain.unwrap() / case["detectable"].as_f64().unwrap();
        let tolerance = if a.len() < 10 { 0.05 } else { 0.01 };
        assert!(
            (ratio - 1.0).abs() < tolerance,
            "{} queries: {ratio}",
            a.len()
        );
    }
}

/// Quantiles are private; the gain, divided by the deviation and multiplied by the root of n,
/// is the sum of two of them.
#[test]
fn quantiles_are_those_of_scipy() {
    let golden = golden();
    let quantile = |p: f64, freedom: u64| -> f64 {
        let all = golden["quantiles"].as_array().unwrap();
        let found = all.iter().find(|q| q["p"] == p && q["freedom"] == freedom);
        found.unwrap()["t"].as_f64().unwrap()
    };
    for freedom in [5, 10, 29, 100, 999, 9999] {
        let n = freedom as usize + 1;
        let a: Vec<f64> = (0..n).map(|i| (i % 3) as f64).collect();
        for (level, p) in [(0.05, 0.975), (0.2, 0.9)] {
            for power in [0.6, 0.8, 0.9] {
                let found = detectable_gain(&a, &vec![0.0; n], level, power).unwrap();
                let sum = found.gain.unwrap() * (n as f64).sqrt() / found.deviation;
                let expected = quantile(p, freedom) + quantile(power, freedom);
                assert!(
                    (sum / expected - 1.0).abs() < 1e-9,
                    "{freedom}: {sum}, {expected}"
                );
            }
        }
    }
}

#[test]
fn families_are_corrected_as_holm_defines_it() {
    for family in golden()["families"].as_array().unwrap() {
        let found = holm(&numbers(&family["p_values"])).unwrap();
        for (found, expected) in found.iter().zip(numbers(&family["adjusted"])) {
            assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
        }
    }
}
