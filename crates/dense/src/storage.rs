//! The forms in which the values of vectors are kept, and the one similarity of each form.
//!
//! | form | bytes a value | a vector is kept as |
//! |---|---|---|
//! | `f32` | 4 | it is |
//! | `f16` | 2 | half-precision numbers |
//! | `int8` | 1 + 1 | 16-bit integers times a scale of its own, high and low bytes apart |
//!
//! A walk over a graph of `int8` reads the high bytes alone, which is half of what it reads
//! of `f16`; the rows that it finds are then scored by both bytes. High bytes alone would do
//! for the walk but not for the scores: of the ten best by them, one or two are others. With
//! the low bytes beside them instead of half-precision numbers, the form is no larger than
//! `f16`, and its scores are nearer to those of `f32`: all steps of a vector are equal,
//! 1/32512 of its greatest value.

use half::f16;
use serde::{Deserialize, Serialize};

use crate::dot::{self, code, half_to_single};

/// In which form an index keeps its vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// As they are: 4 bytes a value.
    #[default]
    F32,
    /// In half precision: 2 bytes a value.
    F16,
    /// As 16-bit integers with a scale for each vector: 2 bytes a value, of which a search of
    /// the graph reads one.
    Int8,
}

/// One vector as it is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stored<'a> {
    F32(&'a [f32]),
    /// Bits of half-precision numbers.
    F16(&'a [u16]),
    /// The value is `(256 high + low) * scale`.
    Int8 {
        high: &'a [i8],
        low: &'a [i8],
        scale: f32,
    },
}

/// What a search of the graph reads of a vector.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Coarse<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    /// The value is about `256 high * scale`.
    Int8 {
        high: &'a [i8],
        scale: f32,
    },
}

/// A vector that others are compared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    values: Vec<f32>,
    /// Integers near the values times `1 / scale`, so small that a sum of products with bytes
    /// does not overflow; only to be compared with `int8`.
    codes: Vec<i16>,
    scale: f32,
}

/// Greatest 16-bit integer: the high byte is 127, and the low one 0.
const MOST_CODE: f32 = 256.0 * 127.0;

impl Query {
    /// Of a vector to be compared with vectors in one form.
    pub(crate) fn new(values: &[f32], storage: Storage) -> Self {
        let mut query = Query::default();
        query.values.extend_from_slice(values);
        query.prepare(storage);
        query
    }

    /// Of a vector that is kept: takes the place of the vector before. Distances are those of
    /// [`Coarse::distance`].
    pub(crate) fn set(&mut self, coarse: Coarse<'_>) {
        self.values.clear();
        self.codes.clear();
        match coarse {
            Coarse::F32(values) => self.values.extend_from_slice(values),
            Coarse::F16(values) => self
                .values
                .extend(values.iter().map(|&x| half_to_single(x))),
            Coarse::Int8 { high, scale } => {
                self.codes.extend(high.iter().map(|&high| i16::from(high)));
                self.scale = 256.0 * scale;
            }
        }
    }

    fn prepare(&mut self, storage: Storage) {
        self.codes.clear();
        if storage != Storage::Int8 {
            return;
        }
        // The sum of that many products of such an integer and a byte fits 32 bits.
        let most = (i32::MAX as f32 / (128.0 * self.values.len() as f32)).min(MOST_CODE);
        self.scale = scale_of(&self.values, most.floor());
        let scale = self.scale;
        let codes = self.values.iter().map(|&x| round(x / scale) as i16);
        self.codes.extend(codes);
    }

    /// Cosine similarity with a vector.
    pub(crate) fn cosine(&self, other: Stored<'_>) -> f32 {
        let query = self.values.as_slice();
        let cosine = match other {
            Stored::F32(values) => dot::singles(query, values),
            Stored::F16(values) => dot::single_halves(query, values),
            Stored::Int8 { high, low, scale } => dot::single_codes(query, high, low) * scale,
        };
        cosine.clamp(-1.0, 1.0)
    }

    /// `1 - cosine`, from 0 to 2, by what a search of the graph reads.
    pub(crate) fn distance(&self, other: Coarse<'_>) -> f32 {
        match other {
            Coarse::F32(values) => 1.0 - self.cosine(Stored::F32(values)),
            Coarse::F16(values) => 1.0 - self.cosine(Stored::F16(values)),
            Coarse::Int8 { high, scale } => {
                let sum = dot::words_bytes(&self.codes, high);
                1.0 - (sum as f32 * (self.scale * (256.0 * scale))).clamp(-1.0, 1.0)
            }
        }
    }
}

impl<'a> Stored<'a> {
    /// Says that a cosine with the vector will be asked for soon.
    #[inline]
    pub(crate) fn prefetch(self) {
        if let Stored::Int8 { low, .. } = self {
            dot::prefetch(low);
        }
        self.coarse().prefetch();
    }

    pub(crate) fn coarse(self) -> Coarse<'a> {
        match self {
            Stored::F32(values) => Coarse::F32(values),
            Stored::F16(values) => Coarse::F16(values),
            Stored::Int8 { high, scale, .. } => Coarse::Int8 { high, scale },
        }
    }

    /// The values of the vector.
    pub(crate) fn values(self) -> Vec<f32> {
        let mut values = Vec::new();
        self.append_to(&mut values);
        values
    }

    fn append_to(self, values: &mut Vec<f32>) {
        match self {
            Stored::F32(stored) => values.extend_from_slice(stored),
            Stored::F16(stored) => values.extend(stored.iter().map(|&x| half_to_single(x))),
            Stored::Int8 { high, low, scale } => {
                let codes = high.iter().zip(low).map(|(&high, &low)| code(high, low));
                values.extend(codes.map(|code| code * scale));
            }
        }
    }
}

impl Coarse<'_> {
    /// Says that a distance from the vector will be asked for soon.
    #[inline]
    pub(crate) fn prefetch(self) {
        match self {
            Coarse::F32(values) => dot::prefetch(values),
            Coarse::F16(values) => dot::prefetch(values),
            Coarse::Int8 { high, .. } => dot::prefetch(high),
        }
    }

    /// `1 - cosine` of two vectors in one form, from 0 to 2; symmetric. Vectors in different
    /// forms are as far apart as can be.
    pub(crate) fn distance(self, other: Coarse<'_>) -> f32 {
        let cosine = match (self, other) {
            (Coarse::F32(a), Coarse::F32(b)) => dot::singles(a, b),
            (Coarse::F16(a), Coarse::F16(b)) => dot::halves(a, b),
            (
                Coarse::Int8 {
                    high: a,
                    scale: a_scale,
                },
                Coarse::Int8 {
                    high: b,
                    scale: b_scale,
                },
            ) => dot::bytes(a, b) as f32 * ((256.0 * a_scale) * (256.0 * b_scale)),
            _ => -1.0,
        };
        1.0 - cosine.clamp(-1.0, 1.0)
    }
}

/// Vectors of one form, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Int8 {
        high: Vec<i8>,
        low: Vec<i8>,
        scales: Vec<f32>,
    },
}

impl Values {
    pub(crate) fn new(storage: Storage) -> Self {
        match storage {
            Storage::F32 => Values::F32(Vec::new()),
            Storage::F16 => Values::F16(Vec::new()),
            Storage::Int8 => Values::Int8 {
                high: Vec::new(),
                low: Vec::new(),
                scales: Vec::new(),
            },
        }
    }

    pub(crate) fn storage(&self) -> Storage {
        match self {
            Values::F32(_) => Storage::F32,
            Values::F16(_) => Storage::F16,
            Values::Int8 { .. } => Storage::Int8,
        }
    }

    /// Adds a vector, whose values are finite and at most about 1.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        match self {
            Values::F32(values) => values.extend_from_slice(vector),
            Values::F16(values) => {
                values.extend(vector.iter().map(|&x| f16::from_f32(x).to_bits()));
            }
            Values::Int8 { high, low, scales } => {
                let scale = scale_of(vector, MOST_CODE);
                for &value in vector {
                    let (of_high, of_low) = bytes_of(value, scale);
                    high.push(of_high);
                    low.push(of_low);
                }
                scales.push(scale);
            }
        }
    }

    /// Adds a vector of the same form as it is; `false` if it is of another.
    pub(crate) fn push_stored(&mut self, stored: Stored<'_>) -> bool {
        match (self, stored) {
            (Values::F32(values), Stored::F32(vector)) => values.extend_from_slice(vector),
            (Values::F16(values), Stored::F16(vector)) => values.extend_from_slice(vector),
            (
                Values::Int8 { high, low, scales },
                Stored::Int8 {
                    high: more_high,
                    low: more_low,
                    scale,
                },
            ) => {
                high.extend_from_slice(more_high);
                low.extend_from_slice(more_low);
                scales.push(scale);
            }
            _ => return false,
        }
        true
    }
}

/// Sets the high bytes of a vector's values as `int8` keeps them, and returns the scale.
pub(crate) fn set_high(vector: &[f32], high: &mut [i8]) -> f32 {
    let scale = scale_of(vector, MOST_CODE);
    for (&value, high) in vector.iter().zip(high) {
        *high = bytes_of(value, scale).0;
    }
    scale
}

/// The high and the low byte of a value that is at most `MOST_CODE` times the scale.
#[inline(always)]
fn bytes_of(value: f32, scale: f32) -> (i8, i8) {
    let code = round(value / scale);
    // To the nearest multiple of 256: the remainder is from -128 to 127.
    let multiple = (code + 128) >> 8;
    (multiple as i8, (code - 256 * multiple) as i8)
}

/// The scale with which the greatest of the values becomes `most`.
fn scale_of(values: &[f32], most: f32) -> f32 {
    let greatest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    // A unit vector has a value that is far from 0.
    greatest.max(f32::MIN_POSITIVE * most) / most
}

/// To the nearest integer, halves to the even one, of numbers below 2^22: where `f32` has
/// no more bits for a fraction, adding rounds. Without branches or calls, so that many are
/// rounded at once.
#[inline(always)]
fn round(x: f32) -> i32 {
    /// 1.5 * 2^23.
    const WHOLE: f32 = 12_582_912.0;
    ((x + WHOLE) - WHOLE) as i32
}

#[cfg(test)]
mod tests;
