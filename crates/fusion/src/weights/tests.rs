//! Weights: exact, complete, and the same after being written and read.

use std::collections::BTreeSet;

use proptest::prelude::*;
use treffer_types::StageName::{Bm25, Cross, Dense};

use super::*;

fn parts(bm25: u32, dense: u32, cross: u32) -> Weights {
    Weights::new(StageMap { bm25, dense, cross }).unwrap()
}

fn refused(text: &str) -> String {
    text.parse::<Weights>().unwrap_err().to_string()
}

#[test]
fn decimals_become_exact_shares() {
    let weights: Weights = "0.2, 0.3 ,0.5".parse().unwrap();
    assert_eq!(weights, parts(2, 3, 5));
    assert_eq!(weights.weight(Dense), 0.3);
    assert_eq!(weights.to_string(), "0.2,0.3,0.5");
    assert_eq!("0.1,0.2,0.7".parse::<Weights>().unwrap().total(), 10);
    assert_eq!("0,0,1".parse::<Weights>().unwrap(), parts(0, 0, 7));
}

#[test]
fn a_third_written_out_is_a_third() {
    assert_eq!(
        "0.3333333333,0.3333333333,0.3333333334"
            .parse::<Weights>()
            .unwrap(),
        parts(1, 1, 1)
    );
    assert_eq!(
        parts(1, 1, 1).to_string().parse::<Weights>().unwrap(),
        parts(1, 1, 1)
    );
    // Six decimals are meant as they stand.
    assert_eq!(
        "0.333333,0.333333,0.333334"
            .parse::<Weights>()
            .unwrap()
            .total(),
        1_000_000
    );
}

#[test]
fn refused_weights_are_told_why() {
    for (text, reason) in [
        ("0.2,0.3,0.4", "sum to 0.9; they must sum to 1"),
        ("0.5,0.5,0.5", "sum to 1.5;"),
        ("0,0,0", "sum to 0;"),
        ("0.5,0.5,0.00000001", "sum to 1.00000001;"),
        ("-0.1,0.6,0.5", "the weight of bm25 is -0.1;"),
        ("0.5,0.5,NaN", "the weight of cross is NaN;"),
        ("0.5,inf,0", "the weight of dense is inf;"),
        ("0.5,much,0.5", "the weight of dense from `much`"),
        ("0.5,0.5", "found 2 values where three are needed"),
        ("", "found 0 values"),
    ] {
        let message = refused(text);
        assert!(message.contains(reason), "`{text}` gave: {message}");
    }
    let all_zero = Weights::new(StageMap::default()).unwrap_err();
    assert_eq!(all_zero, Error::NoWeight);
}

#[test]
fn a_simplex_loses_no_point() {
    for (steps, n_points) in [(1, 3), (10, 66), (20, 231), (50, 1326)] {
        let points: Vec<Weights> = Weights::simplex(steps, &StageName::ALL).collect();
        let distinct: BTreeSet<_> = points
            .iter()
            .map(|w| StageName::ALL.map(|stage| w.parts()[stage] * (steps / w.total() as u32)))
            .collect();
        let mut expected = BTreeSet::new();
        for bm25 in 0..=steps {
            for dense in 0..=steps {
                for cross in 0..=steps {
                    if bm25 + dense + cross == steps {
                        expected.insert([bm25, dense, cross]);
                    }
                }
            }
        }
        assert_eq!(points.len(), n_points);
        assert_eq!(distinct, expected);
    }
}

#[test]
fn a_simplex_comes_in_its_documented_order() {
    let points = |steps, stages: &[StageName]| -> Vec<String> {
        Weights::simplex(steps, stages)
            .map(|w| w.to_string())
            .collect()
    };
    let all = [
        "0,0,1",
        "0,0.5,0.5",
        "0,1,0",
        "0.5,0,0.5",
        "0.5,0.5,0",
        "1,0,0",
    ];
    assert_eq!(points(2, &StageName::ALL), all);
    assert_eq!(
        points(2, &[Cross, Bm25, Bm25]),
        ["0,0,1", "0.5,0,0.5", "1,0,0"]
    );
    assert_eq!(points(2, &[Bm25, Dense]), ["0,1,0", "0.5,0.5,0", "1,0,0"]);
    assert_eq!(points(4, &[Dense]), ["0,1,0"]);
    assert!(points(4, &[]).is_empty());
    assert!(points(0, &StageName::ALL).is_empty());
}

#[test]
fn weights_of_some_stages_sum_to_one_again() {
    let weights = parts(2, 3, 5);
    assert_eq!(weights.restricted_to(&[Bm25, Dense]), Some(parts(2, 3, 0)));
    assert_eq!(weights.restricted_to(&StageName::ALL), Some(weights));
    assert_eq!(parts(1, 1, 0).restricted_to(&[Cross]), None);
    assert_eq!(Weights::equal(&[Dense, Cross]), Some(parts(0, 1, 1)));
    assert_eq!(Weights::equal(&[]), None);
}

#[test]
fn configuration_names_the_stages() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Profile {
        weights: Weights,
    }
    let read = |text: &str| toml::from_str::<Profile>(text);
    let profile = read("weights = { bm25 = 0.2, dense = 0.3, cross = 0.5 }").unwrap();
    assert_eq!(profile.weights, parts(2, 3, 5));
    assert_eq!(read(&toml::to_string(&profile).unwrap()).unwrap(), profile);
    assert_eq!(
        serde_json::to_string(&profile.weights).unwrap(),
        r#"{"bm25":0.2,"dense":0.3,"cross":0.5}"#
    );

    let reason = read("weights = { bm25 = 0, dense = 0.5, cross = 1 }").unwrap_err();
    assert!(reason.message().contains("sum to 1.5"), "{reason}");
    assert!(read("weights = { bm25 = 0.5, dense = 0.5 }").is_err());
    assert!(read("weights = { bm25 = 0, dense = 0, cross = 1, colbert = 0 }").is_err());
}

proptest! {
    #[test]
    fn decimals_of_six_digits_are_exact(bm25 in 0_u32..=1_000_000, share in 0.0..=1.0_f64) {
        let dense = (f64::from(1_000_000 - bm25) * share) as u32;
        let micro = StageMap { bm25, dense, cross: 1_000_000 - bm25 - dense };
        let text = StageName::ALL.map(|stage| format!("{:.6}", f64::from(micro[stage]) / 1e6));
        let weights: Weights = text.join(",").parse().unwrap();
        prop_assert_eq!(weights, Weights::new(micro).unwrap());
        prop_assert_eq!(weights.to_string().parse::<Weights>().unwrap(), weights);
    }

    #[test]
    fn points_of_a_simplex_are_read_as_written(a in 0_u32..=500, b in 0_u32..=250, c in 1_u32..=250) {
        let weights = parts(a, b, c);
        prop_assert_eq!(weights.to_string().parse::<Weights>().unwrap(), weights);
        let json = serde_json::to_string(&weights).unwrap();
        prop_assert_eq!(serde_json::from_str::<Weights>(&json).unwrap(), weights);
    }

    #[test]
    fn any_shares_sum_to_one(a: u32, b: u32, c in 1_u32..) {
        let weights = parts(a, b, c);
        let sum: f64 = StageName::ALL.map(|stage| weights.weight(stage)).iter().sum();
        prop_assert!((sum - 1.0).abs() < 1e-15 * 4.0);
    }
}

#[test]
fn weightings_are_apart_by_what_their_stages_are() {
    let weights = |text: &str| text.parse::<Weights>().unwrap();
    let distance = weights("0.5,0.5,0").distance(&weights("0.25,0.5,0.25"));
    assert!((distance - 0.5).abs() < 1e-15);
    assert_eq!(weights("1,0,0").distance(&weights("0,0,1")), 2.0);
    assert_eq!(
        weights("0.1,0.2,0.7").distance(&weights("0.1,0.2,0.7")),
        0.0
    );
}
