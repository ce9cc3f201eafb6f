//! Scores by the definitions, and keys that have no meaning.

use proptest::prelude::*;

use super::*;

fn number(value: f64) -> Option<Quantity> {
    Some(Quantity::Number(value))
}

fn text(value: &str) -> Option<Quantity> {
    Some(Quantity::Text(value.into()))
}

fn decay(decay: Decay) -> FieldStage {
    FieldStage {
        decay: Some(decay),
        origin: number(10.0),
        scale: number(4.0),
        ..FieldStage::default()
    }
}

fn transform(transform: Transform) -> FieldStage {
    FieldStage {
        transform: Some(transform),
        ..FieldStage::default()
    }
}

fn scored(stage: &FieldStage, value: f64) -> f64 {
    let function = stage.function_of(FieldType::Float).unwrap();
    function.score(Some(value), f64::NAN).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} is not {expected}"
    );
}

/// Elasticsearch: exp((ln(decay) / scale) max(0, |v - origin| - offset)), and with
/// sigma^2 = -scale^2 / (2 ln(decay)), exp(-max(0, |v - origin| - offset)^2 / (2 sigma^2)), and with
/// s = scale / (1 - decay), max((s - max(0, |v - origin| - offset)) / s, 0).
#[test]
fn decays_are_those_of_elasticsearch() {
    for value in [-3.0, 5.0, 9.5, 10.0, 11.0, 14.0, 18.5, 400.0] {
        for (offset, at_scale) in [(0.0, 0.5), (1.5, 0.2)] {
            let with = |shape| FieldStage {
                offset: number(offset),
                at_scale: Some(at_scale),
                ..decay(shape)
            };
            let distance = f64::max(0.0, (value - 10.0_f64).abs() - offset);
            let lambda = f64::ln(at_scale) / 4.0;
            close(
                scored(&with(Decay::Exponential), value),
                (lambda * distance).exp(),
            );
            let variance = -16.0 / (2.0 * f64::ln(at_scale));
            let gauss = (-distance.powi(2) / (2.0 * variance)).exp();
            close(scored(&with(Decay::Gauss), value), gauss);
            let s = 4.0 / (1.0 - at_scale);
            close(
                scored(&with(Decay::Linear), value),
                ((s - distance) / s).max(0.0),
            );
        }
    }
}

/// Lucene's `FeatureField`: S / (S + k), S^a / (S^a + k^a), log(a + S).
#[test]
fn transforms_are_those_of_lucene() {
    for value in [0.0_f64, 0.5, 3.0, 100.0, 1e9] {
        let saturation = FieldStage {
            pivot: Some(3.0),
            ..transform(Transform::Saturation)
        };
        close(scored(&saturation, value), value / (value + 3.0));
        let sigmoid = FieldStage {
            pivot: Some(3.0),
            exponent: Some(0.6),
            ..transform(Transform::Sigmoid)
        };
        let powers = (value.powf(0.6), 3.0_f64.powf(0.6));
        close(scored(&sigmoid, value), powers.0 / (powers.0 + powers.1));
        let log = FieldStage {
            scaling_factor: Some(2.0),
            ..transform(Transform::Log)
        };
        close(scored(&log, value), (2.0 + value).ln());
        close(scored(&transform(Transform::Log), -value), 0.0);
    }
}

#[test]
fn dates_count_from_a_day_or_from_now() {
    let from = |origin: &str| FieldStage {
        origin: text(origin),
        scale: text("30d"),
        missing: text("2024-01-31"),
        ..decay(Decay::Exponential)
    };
    let seconds = |date: &str| date.parse::<Date>().unwrap().microseconds() as f64 / 1e6;
    let fixed = from("2024-03-01").function_of(FieldType::Date).unwrap();
    let march = seconds("2024-03-01");
    assert_eq!(fixed.score(Some(march), 0.0), Some(1.0));
    close(fixed.score(None, 0.0).unwrap(), 0.5);
    let moving = from("now").function_of(FieldType::Date).unwrap();
    close(
        moving.score(Some(march), seconds("2024-04-30")).unwrap(),
        0.25,
    );
    assert!(from("now").counts_from_now() && !from("2024-03-01").counts_from_now());
    for (text, expected) in [
        ("2w", 1_209_600.0),
        ("1.5h", 5400.0),
        ("90m", 5400.0),
        ("7s", 7.0),
    ] {
        assert_eq!(super::seconds(text), Some(expected));
    }
    for wrong in ["", "d", "30", "-3d", "3 years", "1e9d", "infd", "NaNs", "ä"] {
        assert_eq!(super::seconds(wrong), None, "{wrong}");
    }
}

#[test]
fn no_value_is_no_score() {
    let stage = decay(Decay::Linear);
    let function = stage.function_of(FieldType::Integer).unwrap();
    assert_eq!(function.score(None, 0.0), None);
    let with_missing = FieldStage {
        missing: number(12.0),
        ..stage
    };
    let function = with_missing.function_of(FieldType::Integer).unwrap();
    assert_eq!(function.score(None, 0.0), Some(0.75));
}

#[test]
fn what_has_no_meaning_is_refused() {
    let exponential = decay(Decay::Exponential);
    let saturation = transform(Transform::Saturation);
    let cases = [
        (
            FieldStage::default(),
            FieldType::Float,
            "either a `decay` or a `transform`",
        ),
        (
            FieldStage {
                transform: Some(Transform::Log),
                ..exponential.clone()
            },
            FieldType::Float,
            "either a `decay` or a `transform`",
        ),
        (exponential.clone(), FieldType::Date, "a date such as"),
        (
            FieldStage {
                origin: None,
                ..exponential.clone()
            },
            FieldType::Float,
            "`origin` is missing",
        ),
        (
            FieldStage {
                scale: None,
                ..exponential.clone()
            },
            FieldType::Float,
            "`scale` is missing",
        ),
        (
            FieldStage {
                scale: number(0.0),
                ..exponential.clone()
            },
            FieldType::Float,
            "`scale` is 0",
        ),
        (
            FieldStage {
                scale: text("30d"),
                ..exponential.clone()
            },
            FieldType::Float,
            "a finite number",
        ),
        (
            FieldStage {
                offset: number(-1.0),
                ..exponential.clone()
            },
            FieldType::Float,
            "`offset` is -1",
        ),
        (
            FieldStage {
                at_scale: Some(1.0),
                ..exponential.clone()
            },
            FieldType::Float,
            "`at_scale` is 1",
        ),
        (
            FieldStage {
                pivot: Some(1.0),
                ..exponential.clone()
            },
            FieldType::Float,
            "`pivot` has no meaning",
        ),
        (
            FieldStage {
                origin: text("now"),
                ..exponential.clone()
            },
            FieldType::Float,
            "of type float",
        ),
        (
            FieldStage {
                origin: text("soon"),
                scale: text("1d"),
                ..exponential
            },
            FieldType::Date,
            "no date",
        ),
        (saturation.clone(), FieldType::Float, "`pivot` is missing"),
        (
            FieldStage {
                pivot: Some(-1.0),
                ..saturation.clone()
            },
            FieldType::Float,
            "`pivot` is -1",
        ),
        (
            FieldStage {
                pivot: Some(f64::NAN),
                ..saturation.clone()
            },
            FieldType::Float,
            "`pivot` is NaN",
        ),
        (
            FieldStage {
                exponent: Some(1.0),
                pivot: Some(1.0),
                ..saturation.clone()
            },
            FieldType::Float,
            "`exponent` has no",
        ),
        (
            FieldStage {
                scale: number(1.0),
                pivot: Some(1.0),
                ..saturation.clone()
            },
            FieldType::Float,
            "`scale` has no",
        ),
        (
            FieldStage {
                pivot: Some(1.0),
                ..saturation
            },
            FieldType::Date,
            "a date has no transform",
        ),
    ];
    for (stage, field_type, why) in cases {
        let message = stage.function_of(field_type).unwrap_err();
        assert!(message.contains(why), "{why}: {message}");
    }
}

proptest! {
    /// Nearer is never worse, more is never worse, and every score is finite, bounded ones in 0..=1.
    #[test]
    fn scores_are_monotone_and_bounded(a in any::<f64>(), b in any::<f64>()) {
        prop_assume!(a.is_finite() && b.is_finite());
        let near = |value: f64| (value - 10.0).abs();
        for shape in [Decay::Exponential, Decay::Gauss, Decay::Linear] {
            let stage = decay(shape);
            let (one, other) = (scored(&stage, a), scored(&stage, b));
            prop_assert!((0.0..=1.0).contains(&one));
            prop_assert!(near(a) > near(b) || one >= other, "{shape:?} {one} {other}");
        }
        for shape in [Transform::Saturation, Transform::Sigmoid, Transform::Log] {
            let stage = FieldStage {
                pivot: (shape != Transform::Log).then_some(2.5),
                exponent: (shape == Transform::Sigmoid).then_some(1.7),
                ..transform(shape)
            };
            let (one, other) = (scored(&stage, a), scored(&stage, b));
            prop_assert!(one >= 0.0 && one.is_finite());
            prop_assert!(shape == Transform::Log || one <= 1.0);
            prop_assert!(a < b || one >= other, "{shape:?} {one} {other}");
        }
    }
}
