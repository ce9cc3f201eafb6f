//! A minimal reader of the protobuf wire format for ONNX files, without schema, recursion or
//! allocation.
//! <https://protobuf.dev/programming-guides/encoding/>

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Integers, booleans and enums.
    Varint(u64),
    /// Strings, bytes, messages and packed repeated numbers.
    Bytes(&'a [u8]),
    /// `float` and the fixed 32-bit integers, as their bits.
    Fixed32(u32),
    /// `double` and the fixed 64-bit integers, as their bits.
    Fixed64(u64),
}

/// Iterates over the numbers and values of a message's fields. Ends after the first error.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields in the bytes of a message.
    pub(super) fn new(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), String> {
        let tag = varint(&mut self.rest)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(*take_array(&mut self.rest)?)),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).map_err(|_| TRUNCATED)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(TRUNCATED)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(*take_array(&mut self.rest)?)),
            kind => return Err(format!("unknown protobuf wire type {kind}")),
        };
        Ok((tag >> 3, value))
    }
}

const TRUNCATED: &str = "a protobuf field reaches beyond its message";

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Takes a varint of at most ten bytes from the front of `rest`.
pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(TRUNCATED)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a protobuf integer is longer than ten bytes".to_owned())
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], String> {
    let (array, after) = rest.split_first_chunk().ok_or(TRUNCATED)?;
    *rest = after;
    Ok(array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_four_wire_types_are_read() {
        let message = [
            0x08, 0x96, 0x01, // field 1, varint 150
            0x12, 0x02, b'h', b'i', // field 2, bytes
            0x1d, 0, 0, 0x80, 0x3f, // field 3, fixed 32
            0x21, 1, 0, 0, 0, 0, 0, 0, 0, // field 4, fixed 64
        ];
        let fields: Result<Vec<_>, _> = Fields::new(&message).collect();
        assert_eq!(
            fields.unwrap(),
            [
                (1, Value::Varint(150)),
                (2, Value::Bytes(b"hi")),
                (3, Value::Fixed32(1f32.to_bits())),
                (4, Value::Fixed64(1)),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_yield_fields_and_at_most_one_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let fields: Vec<_> = Fields::new(&bytes).collect();
            prop_assert!(fields.len() <= bytes.len());
            prop_assert!(fields.iter().rev().skip(1).all(Result::is_ok));
        }

        #[test]
        fn a_written_varint_is_read_back(value in any::<u64>()) {
            let (mut bytes, mut left) = (Vec::new(), value);
            while left >= 0x80 {
                bytes.push(left as u8 | 0x80);
                left >>= 7;
            }
            bytes.push(left as u8);
            prop_assert_eq!(varint(&mut &bytes[..]).unwrap(), value);
        }
    }
}
