//! Weights: exact, complete, and the same after being written and read.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::testing::ALL;

const BM25: StageName = StageName::BM25;
const DENSE: StageName = StageName::DENSE;
const CROSS: StageName = StageName::CROSS;

fn parts(bm25: u32, dense: u32, cross: u32) -> Weights {
    Weights::new(ALL.into_iter().zip([bm25, dense, cross]).collect()).unwrap()
}

fn late() -> StageName {
    "late".parse().unwrap()
}

fn refused(text: &str) -> String {
    text.parse::<Weights>().unwrap_err().to_string()
}

#[test]
fn decimals_become_exact_shares() {
    let weights: Weights = "0.2, 0.3 ,0.5".parse().unwrap();
    assert_eq!(weights, parts(2, 3, 5));
    assert_eq!(weights.weight(DENSE), 0.3);
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
        ("0.5,0.5", "or name the stages as in `bm25=0.4,dense=0.6`"),
        ("bm25=0.5,0.5", "`0.5` has no `=`"),
        ("bm25=0.5,bm25=0.5", "bm25 has two of them"),
        ("late=0.7,bm25=much", "the weight of bm25 from `much`"),
        ("late=0.7,bm25=-1", "the weight of bm25 is -1;"),
        (
            "late=0.7,bm25=0.2",
            "the weights late = 0.7, bm25 = 0.2 sum to 0.9;",
        ),
        ("Late!=1", "could not read weights from `Late!=1`"),
    ] {
        let message = refused(text);
        assert!(message.contains(reason), "`{text}` gave: {message}");
    }
    for all_zero in [StageMap::new(), StageMap::from_fn(&ALL, |_| 0)] {
        assert_eq!(Weights::new(all_zero), Err(Error::NoWeight));
    }
}

#[test]
fn a_simplex_loses_no_point() {
    for (steps, n_points) in [(1, 3), (10, 66), (20, 231), (50, 1326)] {
        let points: Vec<Weights> = Weights::simplex(steps, &ALL).collect();
        let distinct: BTreeSet<_> = points
            .iter()
            .map(|w| ALL.map(|stage| w.parts().get_or(stage, 0) * (steps / w.total() as u32)))
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
    assert_eq!(points(2, &ALL), all);
    assert_eq!(
        points(2, &[CROSS, BM25, BM25]),
        ["1,0,0", "0.5,0,0.5", "0,0,1"]
    );
    assert_eq!(points(2, &[BM25, DENSE]), ["0,1,0", "0.5,0.5,0", "1,0,0"]);
    assert_eq!(points(4, &[DENSE]), ["0,1,0"]);
    assert!(points(4, &[]).is_empty());
    assert!(points(0, &ALL).is_empty());
}

#[test]
fn weights_of_some_stages_sum_to_one_again() {
    let weights = parts(2, 3, 5);
    assert_eq!(weights.restricted_to(&[BM25, DENSE]), Some(parts(2, 3, 0)));
    assert_eq!(weights.restricted_to(&ALL), Some(weights));
    assert_eq!(parts(1, 1, 0).restricted_to(&[CROSS]), None);
    assert_eq!(Weights::equal(&[DENSE, CROSS]), Some(parts(0, 1, 1)));
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
    // A TOML table comes in no order of its own.
    assert_eq!(
        serde_json::to_string(&profile.weights.in_order_of(&ALL)).unwrap(),
        r#"{"bm25":0.2,"dense":0.3,"cross":0.5}"#
    );

    let reason = read("weights = { bm25 = 0, dense = 0.5, cross = 1 }").unwrap_err();
    assert!(reason.message().contains("sum to 1.5"), "{reason}");
    let two = read("weights = { late = 0.5, dense = 0.5 }").unwrap();
    assert_eq!(two.weights, Weights::equal(&[DENSE, late()]).unwrap());
    let json = r#"{"late":0.25,"dense":0.75}"#;
    let two: Weights = serde_json::from_str(json).unwrap();
    assert_eq!(two.to_string(), "late=0.25,dense=0.75");
    assert_eq!(serde_json::to_string(&two).unwrap(), json);
    assert!(read("weights = { bm25 = 0, Dense = 1 }").is_err());
    assert!(read("weights = {}").is_err());
}

proptest! {
    #[test]
    fn decimals_of_six_digits_are_exact(bm25 in 0_u32..=1_000_000, share in 0.0..=1.0_f64) {
        let dense = (f64::from(1_000_000 - bm25) * share) as u32;
        let micro = [bm25, dense, 1_000_000 - bm25 - dense];
        let text = micro.map(|part| format!("{:.6}", f64::from(part) / 1e6));
        let weights: Weights = text.join(",").parse().unwrap();
        prop_assert_eq!(&weights, &parts(micro[0], micro[1], micro[2]));
        prop_assert_eq!(weights.to_string().parse::<Weights>().unwrap(), weights);
    }

    #[test]
    fn points_of_a_simplex_are_read_as_written(a in 0_u32..=500, b in 0_u32..=250, c in 1_u32..=250) {
        let weights = parts(a, b, c);
        prop_assert_eq!(&weights.to_string().parse::<Weights>().unwrap(), &weights);
        let json = serde_json::to_string(&weights).unwrap();
        prop_assert_eq!(serde_json::from_str::<Weights>(&json).unwrap(), weights);
    }

    #[test]
    fn any_shares_sum_to_one(a: u32, b: u32, c in 1_u32..) {
        let weights = parts(a, b, c);
        let sum: f64 = ALL.map(|stage| weights.weight(stage)).iter().sum();
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

/// Up to four stages, in an order of their own, with parts of which some are 0.
fn any_weights() -> impl Strategy<Value = Weights> {
    let names = ["bm25", "dense", "cross", "late", "b", "popularity-boost"];
    let stages = prop::sample::subsequence(names.to_vec(), 1..=4).prop_shuffle();
    (stages, prop::collection::vec(0_u32..=250, 4)).prop_filter_map(
        "all parts are 0",
        |(stages, parts)| {
            let stages = stages.iter().map(|name| name.parse().unwrap());
            Weights::new(stages.zip(parts).collect()).ok()
        },
    )
}

proptest! {
    #[test]
    fn weights_by_name_are_read_as_written(weights in any_weights()) {
        let named: Vec<String> = weights
            .stages()
            .map(|stage| format!("{stage}={}", weights.weight(stage)))
            .collect();
        for text in [named.join(","), named.join(" , "), weights.to_string()] {
            prop_assert_eq!(&text.parse::<Weights>().unwrap(), &weights);
        }
        let json = serde_json::to_string(&weights).unwrap();
        let read: Weights = serde_json::from_str(&json).unwrap();
        prop_assert!(read.stages().eq(weights.stages()));
        prop_assert_eq!(&read, &weights);
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }

    #[test]
    fn neither_order_nor_stages_without_a_share_make_weights_different(
        weights in any_weights(),
        other in any_weights(),
    ) {
        let mut parts = weights.parts().clone();
        for stage in other.stages() {
            parts.insert(stage, parts.get_or(stage, 0));
        }
        let order: Vec<StageName> = other.stages().collect();
        let same = Weights::new(parts).unwrap().in_order_of(&order);
        prop_assert!(same.stages().zip(&order).all(|(a, b)| a == *b));
        prop_assert_eq!(&same, &weights);
        prop_assert_eq!(weights == other, weights.distance(&other) == 0.0);
        let gap = weights.distance(&other) - other.distance(&weights);
        prop_assert!(gap.abs() < 1e-14);
    }

    #[test]
    fn a_restriction_holds_exactly_the_stages_it_was_asked_for(
        weights in any_weights(),
        other in any_weights(),
    ) {
        let stages: Vec<StageName> = other.stages().collect();
        let kept: u32 = stages.iter().map(|stage| weights.parts().get_or(*stage, 0)).sum();
        match weights.restricted_to(&stages) {
            None => prop_assert_eq!(kept, 0),
            Some(restricted) => {
                prop_assert!(restricted.stages().eq(stages.iter().copied()));
                for stage in stages {
                    let share = f64::from(weights.parts().get_or(stage, 0)) / f64::from(kept);
                    prop_assert!((restricted.weight(stage) - share).abs() < 1e-15);
                }
            }
        }
    }
}

#[test]
fn a_simplex_of_any_number_of_stages_is_complete() {
    let names = ["bm25", "dense", "cross", "late", "popularity"];
    let stages: Vec<StageName> = names.iter().map(|name| name.parse().unwrap()).collect();
    for n_stages in 1..=stages.len() {
        for steps in 1..=6 {
            let stages = &stages[..n_stages];
            let points: Vec<Vec<u32>> = Weights::simplex(steps, stages)
                .map(|point| {
                    assert!(point.stages().eq(stages.iter().copied()));
                    let scale = steps / point.total() as u32;
                    point.parts().iter().map(|(_, part)| part * scale).collect()
                })
                .collect();
            assert_eq!(
                points.len() as u64,
                choose(u64::from(steps) + n_stages as u64 - 1, n_stages as u64 - 1)
            );
            assert!(
                points
                    .iter()
                    .all(|point| point.iter().sum::<u32>() == steps)
            );
            // The first share rises slowest, and no point comes twice.
            assert!(points.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}

fn choose(n: u64, k: u64) -> u64 {
    (1..=k).fold(1, |product, i| product * (n - k + i) / i)
}
