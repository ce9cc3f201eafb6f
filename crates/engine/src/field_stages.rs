//! Stages that score a document by a number or a date of its own: how fresh or popular it is.
//!
//! They score what other stages found, whatever the query, and are fused and tuned like any other.
//!
//! | function | score of the value v |
//! |---|---|
//! | decay `exponential` | exp(ln(a) d / s) |
//! | decay `gauss` | exp(ln(a) d^2 / s^2) |
//! | decay `linear` | max(0, 1 - (1 - a) d / s) |
//! | transform `saturation` | v / (v + p) |
//! | transform `sigmoid` | v^e / (v^e + p^e) |
//! | transform `log` | ln(f + v) |
//!
//! d = max(0, |v - origin| - offset) is the distance from the origin, s the `scale`, the distance
//! at which the score is a (`at_scale`); p the `pivot`, the value whose score is a half; e the
//! `exponent` and f the `scaling_factor`. The decays are those of Elasticsearch's `function_score`
//! query, the transforms those of Lucene's `FeatureField` (and Elasticsearch's `rank_feature`).
//! A value below 0 counts as 0 in a transform.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use treffer_columns::{Date, FieldSchema, FieldType};
use treffer_fusion::Normalizer;
use treffer_types::StageName;

mod function;

pub(crate) use function::Function;

/// The stages of a configuration, by their names.
pub type FieldStages = BTreeMap<StageName, FieldStage>;

/// A stage that scores by a field. It has either a `decay` or a `transform`; keys of the other are
/// refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldStage {
    /// A field of numbers, dates or booleans. Of several values of a document, the smallest counts.
    pub field: String,
    /// How the score falls with the distance from the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<Decay>,
    /// Where the score is 1: a number, or a date, or `now` for the time of the search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Quantity>,
    /// The distance from the origin at which the score is `at_scale`, above 0: a number, or for
    /// dates a time as in `30d` (units are w, d, h, m and s).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Quantity>,
    /// The distance up to which the score is 1; 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<Quantity>,
    /// The score at the distance `scale`, between 0 and 1; 0.5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_scale: Option<f64>,
    /// How the score rises with the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// Of `saturation` and `sigmoid`, the value whose score is 0.5; above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pivot: Option<f64>,
    /// Of `sigmoid`, above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exponent: Option<f64>,
    /// Of `log`, what is added to the value, at least 1; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_factor: Option<f64>,
    /// The value of documents that have none: a number or a date. Without it, the stage says
    /// nothing of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Quantity>,
}

/// How a score falls with the distance from an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Fast at first.
    Exponential,
    /// Slowly at first, then fast.
    Gauss,
    /// Evenly, down to 0.
    Linear,
}

/// How a score rises with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// Without end, ever slower.
    Log,
    /// From 0 towards 1.
    Saturation,
    /// From 0 towards 1, slowly, fast around the pivot, and slowly.
    Sigmoid,
}

/// A number, or a text that stands for one: a date, `now`, or a length of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, from = "Written")]
pub enum Quantity {
    /// As it is.
    Number(f64),
    /// See where it is used.
    Text(String),
}

/// As it stands in a file: TOML has dates of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
    Date(toml::value::Datetime),
}

impl From<Written> for Quantity {
    fn from(written: Written) -> Self {
        match written {
            Written::Number(number) => Quantity::Number(number),
            Written::Text(text) => Quantity::Text(text),
            Written::Date(date) => Quantity::Text(date.to_string()),
        }
    }
}

/// The origin that moves with time.
const NOW: &str = "now";

/// The time, to the second.
pub fn now() -> Date {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let microseconds = i64::try_from(seconds)
        .ok()
        .and_then(|s| s.checked_mul(1_000_000));
    let date = microseconds.and_then(Date::from_microseconds);
    date.or_else(|| Date::from_microseconds(0))
        .expect("1970 is between the years 0 and 9999")
}

impl FieldStage {
    /// Every key.
    pub(crate) const KEYS: [&'static str; 11] = [
        "field",
        "decay",
        "origin",
        "scale",
        "offset",
        "at_scale",
        "transform",
        "pivot",
        "exponent",
        "scaling_factor",
        "missing",
    ];

    /// Whether its scores depend on the time of the search.
    pub fn counts_from_now(&self) -> bool {
        self.origin == Some(Quantity::Text(NOW.into()))
    }

    /// How its scores are normalized unless a profile says otherwise: by their bounds, so that an
    /// old document does not become fresh by standing among older ones.
    pub fn normalizer(&self) -> Normalizer {
        match self.transform {
            Some(Transform::Log) => Normalizer::TheoreticalMin {
                low: self.scaling_factor.unwrap_or(1.0).ln(),
            },
            _ => Normalizer::Bounds {
                low: 0.0,
                high: 1.0,
            },
        }
    }

    /// The function that it stands for in an index of these fields.
    ///
    /// # Errors
    /// The key, and what is wrong with it.
    pub(crate) fn function(&self, fields: &FieldSchema) -> Result<Function, String> {
        let FieldStage { field, .. } = self;
        let field_type = match fields.get(field) {
            Some(FieldType::Keyword) => {
                return Err(format!(
                    "`field` is `{field}`, a keyword; it has to be of numbers, dates or booleans"
                ));
            }
            Some(field_type) => field_type,
            None => {
                let nearest = fields.nearest(field);
                let instead = nearest.map_or_else(
                    || "name it under [fields] when the index is built".to_owned(),
                    |nearest| format!("did you mean `{nearest}`?"),
                );
                return Err(format!("there is no field `{field}`; {instead}"));
            }
        };
        self.function_of(field_type)
    }
}

/// Says what is wrong with the stages of a configuration, whatever the fields of the index.
///
/// # Errors
/// The name of the stage, the key, and what is wrong with it.
pub(crate) fn check_names(stages: &FieldStages, taken: &[StageName]) -> Result<(), String> {
    for (name, stage) in stages {
        if taken.contains(name) {
            return Err(format!(
                "`field_stages.{name}` has the name of another stage; choose one of its own"
            ));
        }
        if stage.field.is_empty() {
            return Err(format!(
                "`field_stages.{name}` has no `field`: the name of one under [fields]"
            ));
        }
        if let Some(factor) = stage.scaling_factor
            && !(factor >= 1.0 && factor.is_finite())
        {
            return Err(format!(
                "`field_stages.{name}`: `scaling_factor` is {factor}; it must be at least 1, so that no score is below 0"
            ));
        }
    }
    Ok(())
}

/// As [`check_names`], of what depends on the fields.
///
/// # Errors
/// The name of the stage, the key, and what is wrong with it.
pub(crate) fn check_fields(stages: &FieldStages, fields: &FieldSchema) -> Result<(), String> {
    for (name, stage) in stages {
        let function = stage.function(fields);
        function.map_err(|what| format!("`field_stages.{name}`: {what}"))?;
    }
    Ok(())
}
