//! Values as numbers of 64 bits in the same order, which is what columns hold.

use crate::date::Date;
use crate::value::{FieldType, Value};

const SIGN: u64 = 1 << 63;

/// The key of a value; `None` for keywords, whose keys are their places in a dictionary.
pub(crate) fn key(value: &Value) -> Option<u64> {
    match value {
        Value::Keyword(_) => None,
        Value::Integer(number) => Some(signed(*number)),
        Value::Float(number) => Some(float(*number)),
        Value::Date(date) => Some(signed(date.microseconds())),
        Value::Boolean(truth) => Some(u64::from(*truth)),
    }
}

/// The value of a key; `None` if no value of the type has it.
pub(crate) fn value(field_type: FieldType, key: u64) -> Option<Value> {
    match field_type {
        FieldType::Keyword => None,
        FieldType::Integer => Some(Value::Integer(key.wrapping_sub(SIGN) as i64)),
        FieldType::Float => {
            let bits = if key & SIGN > 0 { key ^ SIGN } else { !key };
            let number = f64::from_bits(bits);
            number.is_finite().then_some(Value::Float(number))
        }
        FieldType::Date => Date::from_microseconds(key.wrapping_sub(SIGN) as i64).map(Value::Date),
        FieldType::Boolean => (key <= 1).then_some(Value::Boolean(key == 1)),
    }
}

fn signed(number: i64) -> u64 {
    (number as u64).wrapping_add(SIGN)
}

/// A positive number's bits are in its order already, a negative one's in the reverse.
fn float(number: f64) -> u64 {
    // -0 and 0 are one value.
    let bits = (number + 0.0).to_bits();
    if bits & SIGN > 0 { !bits } else { bits | SIGN }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_two_zeros_are_one_value() {
        assert_eq!(float(-0.0), float(0.0));
        assert_eq!(value(FieldType::Float, u64::MAX), None);
        assert_eq!(value(FieldType::Boolean, 2), None);
        assert_eq!(value(FieldType::Date, 0), None);
    }

    proptest! {
        #[test]
        fn keys_have_the_order_of_their_values(a: i64, b: i64, x in -1e300..1e300, y: f64) {
            let y = if y.is_finite() { y } else { 0.5 };
            for (a, b) in [
                (Value::Integer(a), Value::Integer(b)),
                (Value::Float(x + 0.0), Value::Float(y + 0.0)),
                (Value::Float(a as f64), Value::Float(b as f64)),
            ] {
                let keys = [&a, &b].map(|value| key(value).unwrap());
                prop_assert_eq!(keys[0].cmp(&keys[1]), a.cmp(&b));
                prop_assert_eq!(value(a.field_type(), keys[0]), Some(a));
            }
        }
    }
}
