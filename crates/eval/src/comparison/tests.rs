//! The parts of a comparison are computed from the same differences.

use super::*;

#[test]
fn a_comparison_agrees_with_its_parts() {
    let system = [0.5, 0.7, 0.2, 1.0, 0.1 + 0.2, 0.9, 0.4];
    let baseline = [0.4, 0.7, 0.3, 0.5, 0.3, 0.6, 0.2];
    let settings = Settings::usual(3);
    let found = Comparison::new(&system, &baseline, &settings).unwrap();
    // 0.1 + 0.2 differs from 0.3 in the last bit, which is not a win.
    assert_eq!((found.wins, found.ties, found.losses), (4, 2, 1));
    assert!((found.mean - found.baseline - found.test.difference).abs() < 1e-12);
    assert_eq!(
        found.test,
        randomization_test(&system, &baseline, 10_000, 3).unwrap()
    );
    assert_eq!(
        found.interval,
        bootstrap_interval(&system, &baseline, 10_000, 0.95, 3).unwrap()
    );
    assert!((found.power.level - 0.05).abs() < 1e-12);
    assert_eq!(
        found,
        Comparison::new(&system, &baseline, &settings).unwrap()
    );
}

#[test]
fn exchanging_the_systems_inverts_the_signs() {
    let (a, b) = ([0.5, 0.7, 0.2, 1.0, 0.3], [0.4, 0.7, 0.3, 0.5, 0.0]);
    let forth = Comparison::new(&a, &b, &Settings::usual(1)).unwrap();
    let back = Comparison::new(&b, &a, &Settings::usual(1)).unwrap();
    assert_eq!((forth.wins, forth.losses), (back.losses, back.wins));
    assert_eq!(forth.test.p_value, back.test.p_value);
    assert!((forth.interval.low + back.interval.high).abs() < 1e-12);
    assert_eq!(forth.power.deviation, back.power.deviation);
}

#[test]
fn a_single_query_is_never_significant() {
    let found = Comparison::new(&[0.8], &[0.2], &Settings::usual(1)).unwrap();
    assert_eq!((found.test.p_value, found.power.gain), (1.0, None));
    assert_eq!(found.interval.low, found.interval.high);
}

#[test]
fn different_queries_are_refused() {
    assert!(Comparison::new(&[0.8], &[0.2, 0.3], &Settings::usual(1)).is_err());
    assert!(Comparison::new(&[], &[], &Settings::usual(1)).is_err());
}
