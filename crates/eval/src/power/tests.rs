//! Quantiles in closed form, and the claimed power by simulation.

use super::*;
use crate::draws::Draws;
use crate::randomization_test;

#[test]
fn quantiles_agree_with_closed_forms() {
    // One degree of freedom is Cauchy's distribution, two have a formula.
    for p in [0.6, 0.8, 0.9, 0.975, 0.999] {
        let one = (std::f64::consts::PI * (p - 0.5)).tan();
        let two = (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt();
        assert!((student_quantile(p, 1) / one - 1.0).abs() < 1e-10);
        assert!((student_quantile(p, 2) / two - 1.0).abs() < 1e-10);
    }
    // The normal distribution's quantile is 1.959964.
    assert!((student_quantile(0.975, u32::MAX) - 1.959_964).abs() < 3e-4);
}

#[test]
fn the_gain_falls_with_the_square_root_of_the_queries() {
    let of = |n: usize| {
        let a: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i % 2 == 0))).collect();
        detectable_gain(&a, &vec![0.0; n], 0.05, 0.8).unwrap()
    };
    let (few, many) = (of(400), of(1600));
    let ratio = few.gain.unwrap() / many.gain.unwrap();
    assert!((ratio - 2.0).abs() < 0.01, "{ratio}");
    // (1.966 + 0.843) * 0.5006 / 20
    assert!((few.gain.unwrap() - 0.0703).abs() < 1e-4, "{few:?}");
    let needed = few.queries_for(many.gain.unwrap()).unwrap();
    assert!((1590..=1610).contains(&needed), "{needed}");
}

#[test]
fn the_number_of_queries_is_the_smallest_that_suffices() {
    let a: Vec<f64> = (0..40_u8).map(|i| f64::from(i % 5) / 4.0).collect();
    let power = detectable_gain(&a, &[0.0; 40], 0.05, 0.8).unwrap();
    for wanted in [0.9, 0.4, 0.2, 0.05, 0.01, 0.0005] {
        let n = power.queries_for(wanted).unwrap();
        assert!(gain(n, power.deviation, 0.05, 0.8) <= wanted, "{wanted}");
        assert!(
            n == 6 || gain(n - 1, power.deviation, 0.05, 0.8) > wanted,
            "{wanted}: {n}"
        );
    }
    assert!(power.queries_for(1e-5).unwrap() > 1_000_000);
    assert_eq!(power.queries_for(f64::MIN_POSITIVE), Some(usize::MAX));
    assert_eq!(power.queries_for(0.0), None);
    assert_eq!(power.queries_for(f64::NAN), None);
}

#[test]
fn five_queries_are_never_significant_at_the_usual_level() {
    let a = [0.9, 0.8, 0.7, 0.9, 0.8, 0.6];
    let (five, six) = (&a[..5], &a[..]);
    assert_eq!(
        detectable_gain(five, &[0.0; 5], 0.05, 0.8).unwrap().gain,
        None
    );
    assert_eq!(
        randomization_test(five, &[0.0; 5], 100, 0).unwrap().p_value,
        2.0 / 32.0
    );
    assert!(
        detectable_gain(six, &[0.0; 6], 0.05, 0.8)
            .unwrap()
            .gain
            .is_some()
    );
    assert_eq!(
        detectable_gain(&[1.0], &[0.0], 0.05, 0.8).unwrap().gain,
        None
    );
}

#[test]
fn equal_differences_give_no_estimate() {
    let power = detectable_gain(&[0.1; 20], &[0.0; 20], 0.05, 0.8).unwrap();
    assert_eq!((power.deviation, power.gain), (0.0, None));
    assert_eq!(power.queries_for(0.1), None);
}

#[test]
fn settings_out_of_range_are_refused() {
    for (level, power) in [
        (0.0, 0.8),
        (1.0, 0.8),
        (0.05, 1.0),
        (0.05, 0.5),
        (f64::NAN, 0.8),
    ] {
        assert!(detectable_gain(&[1.0; 9], &[0.0; 9], level, power).is_err());
    }
    assert!(detectable_gain(&[1.0], &[], 0.05, 0.8).is_err());
}

/// A difference that is 0 on a third of the queries, as those of metrics often are, and
/// bell-shaped on the others; with this deviation and mean.
fn differences(draws: &mut Draws, n: usize, deviation: f64, mean: f64) -> Vec<f64> {
    let mut unit = || draws.below(1 << 53) as f64 / (1_u64 << 53) as f64;
    let bell = |unit: &mut dyn FnMut() -> f64| (0..12).map(|_| unit()).sum::<f64>() - 6.0;
    (0..n)
        .map(|_| {
            let is_tie = unit() < 1.0 / 3.0;
            let value = if is_tie { 0.0 } else { bell(&mut unit) };
            mean + deviation * value / (2.0_f64 / 3.0).sqrt()
        })
        .collect()
}

fn fraction_detected(n_queries: usize, deviation: f64, mean: f64, runs: u32) -> f64 {
    let mut draws = Draws::new(5 + n_queries as u64);
    let zeros = vec![0.0; n_queries];
    let found = (0..runs).filter(|&run| {
        let a = differences(&mut draws, n_queries, deviation, mean);
        let test = randomization_test(&a, &zeros, 500, run.into()).unwrap();
        test.p_value <= 0.05
    });
    found.count() as f64 / f64::from(runs)
}

/// The standard deviation of a fraction of 500 runs is at most 0.022 around 0.8.
#[test]
fn the_gain_is_detected_with_the_claimed_power() {
    for n_queries in [12, 50, 200] {
        let gain = gain(n_queries, 0.25, 0.05, 0.8);
        let share = fraction_detected(n_queries, 0.25, gain, 500);
        assert!((share - 0.8).abs() < 0.06, "{n_queries}: {share}");
    }
}

#[test]
fn without_a_gain_the_test_keeps_its_level() {
    for n_queries in [12, 50, 200] {
        let share = fraction_detected(n_queries, 0.25, 0.0, 500);
        // Binomial with n = 500 and p = 0.05: deviation 0.01.
        assert!(share <= 0.08, "{n_queries}: {share}");
    }
}
