//! From JSON and texts to values of a type, only where nothing is lost.

use serde_json::Value as Json;

use crate::date::Date;
use crate::value::{FieldType, Value};

/// The longest keyword, in bytes.
pub(crate) const MOST_KEYWORD_BYTES: usize = 1024;

/// The value of `field_type` that `json`, neither array nor object nor null, is; `None` if it is
/// another.
pub(crate) fn from_json(field_type: FieldType, json: &Json) -> Option<Value> {
    match (field_type, json) {
        (_, Json::String(text)) => from_text(field_type, text),
        (FieldType::Keyword, Json::Number(number)) => Some(Value::Keyword(number.to_string())),
        (FieldType::Keyword, Json::Bool(truth)) => Some(Value::Keyword(truth.to_string())),
        (FieldType::Integer, Json::Number(number)) => match number.as_i64() {
            Some(number) => Some(Value::Integer(number)),
            None => whole(number.as_f64()?).map(Value::Integer),
        },
        (FieldType::Float, Json::Number(number)) => {
            let float = number.as_f64().filter(|float| float.is_finite())?;
            let is_exact = match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => float as i128 == i128::from(whole),
                (None, Some(whole)) => float as i128 == i128::from(whole),
                (None, None) => true,
            };
            is_exact.then_some(Value::Float(float + 0.0))
        }
        (FieldType::Boolean, Json::Bool(truth)) => Some(Value::Boolean(*truth)),
        _ => None,
    }
}

/// The value of `field_type` that `text` is. White space around anything but a keyword is
/// ignored.
pub(crate) fn from_text(field_type: FieldType, text: &str) -> Option<Value> {
    let trimmed = text.trim();
    match field_type {
        FieldType::Keyword => {
            (text.len() <= MOST_KEYWORD_BYTES).then(|| Value::Keyword(text.to_owned()))
        }
        FieldType::Integer => trimmed.parse().ok().map(Value::Integer),
        FieldType::Float => float(trimmed).map(Value::Float),
        FieldType::Date => trimmed.parse::<Date>().ok().map(Value::Date),
        FieldType::Boolean => match trimmed {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        },
    }
}

/// A finite number; a whole one only if 64 bits of a float hold it exactly.
fn float(text: &str) -> Option<f64> {
    let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
    let is_exact = match text.parse::<i128>() {
        Ok(whole) => float as i128 == whole,
        Err(_) => true,
    };
    is_exact.then_some(float + 0.0)
}

/// The whole number that a float is, up to where every whole number is a float.
fn whole(float: f64) -> Option<i64> {
    let most = (1u64 << 53) as f64;
    (float.fract() == 0.0 && float.abs() <= most).then_some(float as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_taken_where_nothing_is_lost() {
        use FieldType::{Boolean, Float, Integer, Keyword};
        let is = |field_type, json: Json, expected| {
            assert_eq!(from_json(field_type, &json), Some(expected), "{json}");
        };
        is(Integer, json!("250"), Value::Integer(250));
        is(Integer, json!(" -7 "), Value::Integer(-7));
        is(Integer, json!(250.0), Value::Integer(250));
        is(Integer, json!(i64::MAX), Value::Integer(i64::MAX));
        is(Float, json!("2.5e1"), Value::Float(25.0));
        is(Float, json!(-0.0), Value::Float(0.0));
        is(Float, json!(1u64 << 60), Value::Float((1u64 << 60) as f64));
        is(Boolean, json!("true"), Value::Boolean(true));
        is(Keyword, json!(5), Value::Keyword("5".into()));
        is(Keyword, json!(" a "), Value::Keyword(" a ".into()));
        is(Keyword, json!(true), Value::Keyword("true".into()));
    }

    #[test]
    fn anything_else_is_refused() {
        use FieldType::{Boolean, Date, Float, Integer, Keyword};
        for (field_type, json) in [
            (Integer, json!("250 Liter")),
            (Integer, json!("2.5")),
            (Integer, json!(2.5)),
            (Integer, json!(u64::MAX)),
            (Integer, json!(1e300)),
            (Integer, json!(true)),
            (Float, json!("2,5")),
            (Float, json!("NaN")),
            (Float, json!("1e999")),
            (Float, json!((1u64 << 60) + 1)),
            (Float, json!("1152921504606846977")),
            (Boolean, json!("yes")),
            (Boolean, json!(1)),
            (Date, json!(2020)),
            (Date, json!("2020")),
            (Keyword, json!("x".repeat(MOST_KEYWORD_BYTES + 1))),
        ] {
            assert_eq!(from_json(field_type, &json), None, "{json}");
        }
    }
}
