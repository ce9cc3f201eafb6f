//! The function from a value to a score.

use treffer_columns::{Date, FieldType};

use super::{Decay, FieldStage, Quantity, Transform};

/// From a value to a score: finite for any finite value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Function {
    shape: Shape,
    missing: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Decay {
        decay: Decay,
        /// `None` for the time of the search.
        origin: Option<f64>,
        scale: f64,
        offset: f64,
        at_scale: f64,
    },
    Log {
        scaling_factor: f64,
    },
    Saturation {
        pivot: f64,
    },
    Sigmoid {
        pivot: f64,
        exponent: f64,
    },
}

impl Function {
    /// The score of a document's value. `now` is a date in seconds since 1970, as values of dates
    /// are. `None` if there is no value and none stands for it.
    pub(crate) fn score(&self, value: Option<f64>, now: f64) -> Option<f64> {
        let value = value.or(self.missing)?;
        Some(match self.shape {
            Shape::Decay {
                decay,
                origin,
                scale,
                offset,
                at_scale,
            } => {
                let distance = ((value - origin.unwrap_or(now)).abs() - offset).max(0.0) / scale;
                match decay {
                    Decay::Exponential => (at_scale.ln() * distance).exp(),
                    Decay::Gauss => (at_scale.ln() * distance * distance).exp(),
                    Decay::Linear => (1.0 - (1.0 - at_scale) * distance).max(0.0),
                }
            }
            Shape::Log { scaling_factor } => (scaling_factor + value.max(0.0)).ln(),
            Shape::Saturation { pivot } => saturation(value.max(0.0) / pivot),
            Shape::Sigmoid { pivot, exponent } => {
                saturation((value.max(0.0) / pivot).powf(exponent))
            }
        })
    }
}

/// r / (r + 1), also where r is too large for a number.
fn saturation(ratio: f64) -> f64 {
    if ratio.is_infinite() {
        return 1.0;
    }
    ratio / (ratio + 1.0)
}

impl FieldStage {
    pub(super) fn function_of(&self, field_type: FieldType) -> Result<Function, String> {
        let FieldStage {
            field: _,
            decay,
            origin,
            scale,
            offset,
            at_scale,
            transform,
            pivot,
            exponent,
            scaling_factor,
            missing,
        } = self;
        let is_date = field_type == FieldType::Date;
        let of_decay = [
            ("origin", origin.is_some()),
            ("scale", scale.is_some()),
            ("offset", offset.is_some()),
            ("at_scale", at_scale.is_some()),
        ];
        let of_transforms = [
            ("pivot", pivot.is_some()),
            ("exponent", exponent.is_some()),
            ("scaling_factor", scaling_factor.is_some()),
        ];
        let refuse = |keys: &[(&str, bool)], why: &str| match keys.iter().find(|(_, set)| *set) {
            Some((key, _)) => Err(format!("`{key}` has no meaning {why}; leave it out")),
            None => Ok(()),
        };
        let above_0 = |key: &str, value: Option<f64>| match value {
            Some(value) if value > 0.0 && value.is_finite() => Ok(value),
            Some(value) => Err(format!("`{key}` is {value}; it must be above 0")),
            None => Err(format!("`{key}` is missing")),
        };
        let [pivot_set, exponent_set, factor_set] = of_transforms;
        let shape = match (decay, transform) {
            (Some(decay), None) => {
                refuse(&of_transforms, "with a decay")?;
                let at_scale = at_scale.unwrap_or(0.5);
                if !(at_scale > 0.0 && at_scale < 1.0) {
                    return Err(format!(
                        "`at_scale` is {at_scale}; it must be between 0 and 1"
                    ));
                }
                let origin = origin.as_ref().ok_or("`origin` is missing")?;
                let offset = match offset {
                    None => 0.0,
                    Some(offset) => length("offset", offset, is_date)?,
                };
                if offset < 0.0 {
                    return Err(format!("`offset` is {offset}; it must be at least 0"));
                }
                let scale = scale.as_ref().ok_or("`scale` is missing")?;
                Shape::Decay {
                    decay: *decay,
                    origin: match self.counts_from_now() {
                        true if is_date => None,
                        true => {
                            return Err(format!(
                                "`origin` is now, but the field is of type {field_type}"
                            ));
                        }
                        false => Some(point("origin", origin, is_date)?),
                    },
                    scale: above_0("scale", Some(length("scale", scale, is_date)?))?,
                    offset,
                    at_scale,
                }
            }
            (None, Some(transform)) => {
                refuse(&of_decay, "with a transform")?;
                if is_date {
                    return Err("a date has no transform; a `decay` says how fresh it is".into());
                }
                match transform {
                    Transform::Log => {
                        refuse(&[pivot_set, exponent_set], "for `log`")?;
                        Shape::Log {
                            scaling_factor: scaling_factor.unwrap_or(1.0),
                        }
                    }
                    Transform::Saturation => {
                        refuse(&[exponent_set, factor_set], "for `saturation`")?;
                        Shape::Saturation {
                            pivot: above_0("pivot", *pivot)?,
                        }
                    }
                    Transform::Sigmoid => {
                        refuse(&[factor_set], "for `sigmoid`")?;
                        Shape::Sigmoid {
                            pivot: above_0("pivot", *pivot)?,
                            exponent: above_0("exponent", *exponent)?,
                        }
                    }
                }
            }
            _ => return Err("it needs either a `decay` or a `transform`".into()),
        };
        let missing = missing.as_ref();
        Ok(Function {
            shape,
            missing: missing
                .map(|value| point("missing", value, is_date))
                .transpose()?,
        })
    }
}

/// A value of a field: a number, or of dates the seconds since 1970.
fn point(key: &str, quantity: &Quantity, is_date: bool) -> Result<f64, String> {
    match quantity {
        Quantity::Number(number) if !is_date && number.is_finite() => Ok(*number),
        Quantity::Text(text) if is_date => {
            let date = text.parse::<Date>();
            let date = date.map_err(|error| format!("`{key}` is `{text}`, {error}"))?;
            Ok(date.microseconds() as f64 / 1e6)
        }
        other => Err(wrong_kind(key, other, is_date, "a date such as 2024-06-30")),
    }
}

/// A difference of two values of a field, of dates in seconds.
fn length(key: &str, quantity: &Quantity, is_date: bool) -> Result<f64, String> {
    match quantity {
        Quantity::Number(number) if !is_date && number.is_finite() => Ok(*number),
        Quantity::Text(text) if is_date => seconds(text).ok_or_else(|| {
            format!("`{key}` is `{text}`, no length of time: write it as 30d (w, d, h, m or s)")
        }),
        other => Err(wrong_kind(
            key,
            other,
            is_date,
            "a length of time such as 30d",
        )),
    }
}

fn wrong_kind(key: &str, found: &Quantity, is_date: bool, of_dates: &str) -> String {
    let found = match found {
        Quantity::Number(number) => number.to_string(),
        Quantity::Text(text) => format!("`{text}`"),
    };
    let expected = if is_date { of_dates } else { "a finite number" };
    format!("`{key}` is {found}; for this field it has to be {expected}")
}

/// A length of time such as `30d`, in seconds.
fn seconds(text: &str) -> Option<f64> {
    let unit = text.chars().next_back()?;
    let of_unit = match unit {
        'w' => 604_800.0,
        'd' => 86_400.0,
        'h' => 3600.0,
        'm' => 60.0,
        's' => 1.0,
        _ => return None,
    };
    let number = text[..text.len() - 1].trim();
    let is_plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok().filter(|_| is_plain)?;
    Some(number * of_unit)
}

#[cfg(test)]
mod tests;
