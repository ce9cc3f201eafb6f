//! Normalizers: each formula by hand, and what constant and missing scores become.

use super::*;

const RAW: [Option<f32>; 5] = [Some(4.0), None, Some(2.0), Some(4.0), Some(0.0)];

fn column(normalizer: Normalizer, raw: &[Option<f32>]) -> Column {
    let raw: Vec<Option<f64>> = raw.iter().map(|raw| raw.map(f64::from)).collect();
    normalizer.normalize(&raw).unwrap()
}

#[test]
fn every_formula_is_as_documented() {
    let deviation = 2.75_f64.sqrt(); // of 4, 2, 4, 0 around 2.5
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    for (normalizer, expected) in [
        (Normalizer::MinMax, [1.0, 0.0, 0.5, 1.0, 0.0]),
        (
            Normalizer::ZScore,
            [1.5, -2.5, -0.5, 1.5, -2.5].map(|gap| gap / deviation),
        ),
        (
            Normalizer::Rank { k: 60 },
            [1.0 / 61.0, 0.0, 1.0 / 63.0, 1.0 / 61.0, 1.0 / 64.0],
        ),
        (Normalizer::LinearRank, [1.0, 0.0, 0.5, 1.0, 0.25]),
        (
            Normalizer::TheoreticalMin { low: -1.0 },
            [1.0, 0.0, 0.6, 1.0, 0.2],
        ),
        (
            Normalizer::TheoreticalMin { low: 1.0 },
            [1.0, -1.0 / 3.0, 1.0 / 3.0, 1.0, -1.0 / 3.0],
        ),
        (
            Normalizer::TheoreticalMin { low: 4.0 },
            [0.0, -4.0, -2.0, 0.0, -4.0],
        ),
        (
            Normalizer::Bounds {
                low: -1.0,
                high: 3.0,
            },
            [1.25, 0.0, 0.75, 1.25, 0.25],
        ),
        (
            Normalizer::Bounds {
                low: 1.0,
                high: 3.0,
            },
            [1.5, -0.5, 0.5, 1.5, -0.5],
        ),
        (
            Normalizer::Sigmoid {
                slope: 2.0,
                offset: -1.0,
            },
            [sigmoid(7.0), 0.0, sigmoid(3.0), sigmoid(7.0), sigmoid(-1.0)],
        ),
    ] {
        assert_eq!(column(normalizer, &RAW).values, expected, "{normalizer:?}");
    }
}

#[test]
fn equal_scores_share_the_better_rank() {
    let ranks = column(Normalizer::MinMax, &RAW).ranks;
    assert_eq!(ranks, [Some(1), None, Some(3), Some(1), Some(4)]);
}

#[test]
fn a_constant_or_single_score_is_defined() {
    for raw in [vec![Some(7.5); 3], vec![Some(-3.0)], vec![None, Some(0.1)]] {
        for (normalizer, expected) in [(Normalizer::MinMax, 0.5), (Normalizer::ZScore, 0.0)] {
            let column = column(normalizer, &raw);
            for (value, raw) in column.values.iter().zip(&raw) {
                assert_eq!(*value, if raw.is_some() { expected } else { 0.0 });
            }
        }
    }
}

#[test]
fn a_stage_that_scored_nothing_has_no_column() {
    assert!(Normalizer::MinMax.normalize(&[None, None]).is_none());
    assert!(Normalizer::ZScore.normalize(&[]).is_none());
}

#[test]
fn the_largest_scores_stay_finite_and_apart() {
    let raw = [Some(f32::MAX), Some(f32::MIN), Some(0.0)];
    for normalizer in [
        Normalizer::MinMax,
        Normalizer::ZScore,
        Normalizer::Rank { k: 0 },
        Normalizer::LinearRank,
        Normalizer::TheoreticalMin { low: -1e38 },
        Normalizer::Bounds {
            low: 0.0,
            high: 1e-300,
        },
        Normalizer::Sigmoid {
            slope: 1e300,
            offset: 0.0,
        },
    ] {
        let values = column(normalizer, &raw).values;
        assert!(values.iter().all(|value| value.is_finite()));
        assert!(
            values[1] < values[2] && values[2] < values[0],
            "{normalizer:?}: {values:?}"
        );
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_but_never_panic() {
    for (normalizer, reason) in [
        (
            Normalizer::Bounds {
                low: 1.0,
                high: 1.0,
            },
            "low must be below high",
        ),
        (
            Normalizer::Bounds {
                low: f64::NAN,
                high: 1.0,
            },
            "low must be below high",
        ),
        (
            Normalizer::Sigmoid {
                slope: 0.0,
                offset: 0.0,
            },
            "does not rise",
        ),
        (
            Normalizer::Sigmoid {
                slope: f64::NAN,
                offset: 0.0,
            },
            "does not rise",
        ),
        (
            Normalizer::TheoreticalMin { low: f64::INFINITY },
            "is not a finite number",
        ),
    ] {
        let message = normalizer.check().unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
        assert!(
            column(normalizer, &RAW)
                .values
                .iter()
                .all(|value| value.is_finite())
        );
    }
}

#[test]
fn configuration_is_read_as_it_is_written() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Profile {
        normalizer: Normalizer,
    }
    for (text, normalizer) in [
        (r#""min-max""#, Normalizer::MinMax),
        (r#""z-score""#, Normalizer::ZScore),
        ("{ rank = { k = 60 } }", Normalizer::Rank { k: 60 }),
        (r#""linear-rank""#, Normalizer::LinearRank),
        (
            "{ theoretical-min = { low = -1 } }",
            Normalizer::TheoreticalMin { low: -1.0 },
        ),
        (
            "{ bounds = { low = -1, high = 1.0 } }",
            Normalizer::Bounds {
                low: -1.0,
                high: 1.0,
            },
        ),
        (
            "{ sigmoid = { slope = 0.5, offset = 2.0 } }",
            Normalizer::Sigmoid {
                slope: 0.5,
                offset: 2.0,
            },
        ),
        (
            r#""bounds:-1:2.5""#,
            Normalizer::Bounds {
                low: -1.0,
                high: 2.5,
            },
        ),
        (r#""rank:10""#, Normalizer::Rank { k: 10 }),
    ] {
        let profile: Profile = toml::from_str(&format!("normalizer = {text}")).unwrap();
        assert_eq!(profile, Profile { normalizer });
        let written = toml::to_string(&profile).unwrap();
        assert_eq!(toml::from_str::<Profile>(&written).unwrap(), profile);
    }
    for (text, reason) in [
        (
            "{ bounds = { low = 1.0, high = 0.0 } }",
            "low must be below high",
        ),
        (
            "{ sigmoid = { slope = -1.0, offset = 0.0 } }",
            "does not rise",
        ),
        ("{ rank = { k = 60, j = 1 } }", "unknown field `j`"),
        (r#""min_max""#, "`min_max`"),
        (r#""bounds:1:0""#, "low must be below high"),
    ] {
        let refusal = toml::from_str::<Profile>(&format!("normalizer = {text}")).unwrap_err();
        assert!(refusal.message().contains(reason), "{refusal}");
    }
}

#[test]
fn a_normalizer_is_typed_as_it_prints() {
    for text in [
        "min-max",
        "z-score",
        "rank:10",
        "linear-rank",
        "theoretical-min:-1",
        "bounds:0:2.5",
        "sigmoid:0.5:-3",
    ] {
        let normalizer: Normalizer = text.parse().unwrap();
        assert_eq!(normalizer.to_string(), text);
    }
    assert_eq!("rank".parse(), Ok(Normalizer::Rank { k: 60 }));
    for (text, reason) in [
        ("minmax", "unknown normalizer `minmax`"),
        ("", "unknown normalizer ``"),
        ("rank:-1", "unknown normalizer"),
        ("min-max:1", "unknown normalizer"),
        ("bounds:1", "unknown normalizer"),
        ("bounds:2:1", "low must be below high"),
        ("sigmoid:-1:0", "does not rise"),
        ("theoretical-min:NaN", "is not a finite number"),
    ] {
        let message = text.parse::<Normalizer>().unwrap_err().to_string();
        assert!(message.contains(reason), "{text}: {message}");
    }
}
