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
//!
//! Every sum is computed in a fixed order, or of integers without rounding, so that results
//! are the same on every processor. The order is written out, so the compiler may use vector
//! registers of any width and may not reassociate. Products and sums are rounded apart; a
//! fused multiply-add would differ.

use half::f16;
use serde::{Deserialize, Serialize};

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
            Stored::F32(values) => dot(query, values, |x| x, |x| x),
            Stored::F16(values) => dot(query, values, |x| x, half_to_single),
            Stored::Int8 { high, low, scale } => dot_of_codes(query, high, low) * scale,
        };
        cosine.clamp(-1.0, 1.0)
    }

    /// `1 - cosine`, from 0 to 2, by what a search of the graph reads.
    pub(crate) fn distance(&self, other: Coarse<'_>) -> f32 {
        match other {
            Coarse::F32(values) => 1.0 - self.cosine(Stored::F32(values)),
            Coarse::F16(values) => 1.0 - self.cosine(Stored::F16(values)),
            Coarse::Int8 { high, scale } => {
                let sum = dot_of_integers(&self.codes, high);
                1.0 - (sum as f32 * (self.scale * (256.0 * scale))).clamp(-1.0, 1.0)
            }
        }
    }
}

impl<'a> Stored<'a> {
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
    /// `1 - cosine` of two vectors in one form, from 0 to 2; symmetric. Vectors in different
    /// forms are as far apart as can be.
    pub(crate) fn distance(self, other: Coarse<'_>) -> f32 {
        let cosine = match (self, other) {
            (Coarse::F32(a), Coarse::F32(b)) => dot(a, b, |x| x, |x| x),
            (Coarse::F16(a), Coarse::F16(b)) => dot(a, b, half_to_single, half_to_single),
            (
                Coarse::Int8 {
                    high: a,
                    scale: a_scale,
                },
                Coarse::Int8 {
                    high: b,
                    scale: b_scale,
                },
            ) => dot_of_integers(a, b) as f32 * ((256.0 * a_scale) * (256.0 * b_scale)),
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
                    let code = round(value / scale);
                    // To the nearest multiple of 256: the remainder is from -128 to 127.
                    let multiple = (code + 128) >> 8;
                    high.push(multiple as i8);
                    low.push((code - 256 * multiple) as i8);
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

/// The 16-bit integer of two bytes.
#[inline(always)]
fn code(high: i8, low: i8) -> f32 {
    (i32::from(high) * 256 + i32::from(low)) as f32
}

/// The number of which these are the bits in half precision; exact, and without branches,
/// so that many are converted at once. Not for infinity, which no vector has.
#[inline(always)]
fn half_to_single(bits: u16) -> f32 {
    /// The exponents of the two forms differ by 112.
    const FACTOR: f32 = f32::from_bits((112 + 127) << 23);
    let bits = u32::from(bits);
    f32::from_bits((bits & 0x7fff) << 13 | (bits & 0x8000) << 16) * FACTOR
}

/// Running sums. A power of two that fills vector registers of any width.
const LANES: usize = 16;

/// The sum of the products of two vectors of one length: lane `i` sums the products at `i`,
/// `i + 16`, `i + 32`, ..., then the lanes are added in halves.
#[inline(always)]
fn dot<A: Copy, B: Copy>(
    a: &[A],
    b: &[B],
    a_value: impl Fn(A) -> f32,
    b_value: impl Fn(B) -> f32,
) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a_value(x[lane]) * b_value(y[lane]);
        }
    }
    for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[lane] += a_value(*x) * b_value(*y);
    }
    sum(lanes)
}

/// The same of a vector and the 16-bit integers of another.
fn dot_of_codes(a: &[f32], high: &[i8], low: &[i8]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (high_chunks, high_rest) = high.as_chunks::<LANES>();
    let (low_chunks, low_rest) = low.as_chunks::<LANES>();
    for ((x, high), low) in a_chunks.iter().zip(high_chunks).zip(low_chunks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * code(high[lane], low[lane]);
        }
    }
    let rest = a_rest.iter().zip(high_rest).zip(low_rest);
    for (lane, ((x, high), low)) in rest.enumerate() {
        lanes[lane] += x * code(*high, *low);
    }
    sum(lanes)
}

fn sum(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum of products of integers. [`Query`] chooses its own so that it does not overflow,
/// whatever the bytes are.
fn dot_of_integers<T: Copy + Into<i32>>(a: &[T], b: &[i8]) -> i32 {
    let products = a.iter().zip(b).map(|(&x, &y)| x.into() * i32::from(y));
    products.fold(0, i32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORMS: [Storage; 3] = [Storage::F32, Storage::F16, Storage::Int8];

    fn unit(values: &[f32]) -> Vec<f32> {
        let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        values.iter().map(|x| x / length).collect()
    }

    /// The one vector of a collection.
    fn only(values: &Values) -> Stored<'_> {
        match values {
            Values::F32(values) => Stored::F32(values),
            Values::F16(values) => Stored::F16(values),
            Values::Int8 { high, low, scales } => Stored::Int8 {
                high,
                low,
                scale: scales[0],
            },
        }
    }

    fn keep(vector: &[f32], storage: Storage) -> Values {
        let mut values = Values::new(storage);
        values.push(vector);
        values
    }

    fn exact(a: &[f32], b: &[f32]) -> f64 {
        a.iter()
            .zip(b)
            .map(|(&x, &y)| f64::from(x) * f64::from(y))
            .sum()
    }

    proptest! {
        #[test]
        fn the_cosine_of_every_form_is_the_sum_of_products(
            pairs in prop::collection::vec((-1.0f32..1.0, 0.01f32..1.0), 2..100),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().map(|(x, y)| (x + 1.5, y)).unzip();
            let (a, b) = (unit(&a), unit(&b));
            for (form, error) in [(Storage::F32, 1e-7), (Storage::F16, 5e-4), (Storage::Int8, 5e-5)] {
                let kept = keep(&b, form);
                let values = only(&kept).values();
                for (value, original) in values.iter().zip(&b) {
                    prop_assert!(f64::from((value - original).abs()) <= error);
                }
                let query = Query::new(&a, form);
                let cosine = f64::from(query.cosine(only(&kept)));
                prop_assert!((cosine - exact(&a, &values).clamp(-1.0, 1.0)).abs() < 2e-6);
                let distance = f64::from(query.distance(only(&kept).coarse()));
                let coarse = if form == Storage::Int8 { 0.02 } else { 1e-6 };
                prop_assert!((1.0 - distance - cosine).abs() < coarse);
            }
            for form in FORMS {
                let [a, b] = [&a, &b].map(|vector| keep(vector, form));
                let [a, b] = [&a, &b].map(|values| only(values).coarse());
                let mut query = Query::default();
                query.set(a);
                let distance = query.distance(b).to_bits();
                prop_assert_eq!(a.distance(b).to_bits(), distance);
                prop_assert_eq!(b.distance(a).to_bits(), distance);
            }
        }

        #[test]
        fn what_is_kept_is_kept_again_without_loss(
            values in prop::collection::vec(-1.0f32..1.0, 2..40),
        ) {
            prop_assume!(values.iter().any(|x| x.abs() > 0.01));
            for form in FORMS {
                let kept = keep(&unit(&values), form);
                let mut again = Values::new(form);
                prop_assert!(again.push_stored(only(&kept)));
                prop_assert_eq!(&again, &kept);
            }
            let kept = keep(&unit(&values), Storage::F16);
            prop_assert_eq!(&keep(&only(&kept).values(), Storage::F16), &kept);
            prop_assert!(!Values::new(Storage::F32).push_stored(only(&kept)));
        }
    }

    #[test]
    fn half_precision_is_read_exactly() {
        for bits in 0..=u16::MAX {
            let half = f16::from_bits(bits);
            if half.is_finite() {
                assert_eq!(
                    half_to_single(bits).to_bits(),
                    half.to_f32().to_bits(),
                    "{bits:04x}"
                );
            }
        }
    }

    #[test]
    fn the_ends_of_the_bytes_are_used_and_not_passed() {
        for (value, expected) in [(1.0, (127, 0)), (-1.0, (-127, 0)), (0.0, (0, 0))] {
            let vector = [1.0, value];
            let kept = keep(&vector, Storage::Int8);
            let Stored::Int8 { high, low, .. } = only(&kept) else {
                panic!("another form");
            };
            assert_eq!((high[1], low[1]), expected);
        }
        // Every remainder, from which the value is found again.
        for code in -32_512..=32_512 {
            let vector = [1.0, code as f32 / 32_512.0];
            let kept = keep(&vector, Storage::Int8);
            let Values::Int8 { high, low, .. } = &kept else {
                panic!("another form");
            };
            assert_eq!(i32::from(high[1]) * 256 + i32::from(low[1]), code);
        }
    }

    /// Long vectors whose products all have one sign: the greatest sum there can be.
    #[test]
    fn sums_of_integers_do_not_overflow() {
        for dimension in [2, 384, 65_536] {
            let vector = vec![1.0 / (dimension as f32).sqrt(); dimension];
            let kept = keep(&vector, Storage::Int8);
            let query = Query::new(&vector, Storage::Int8);
            let distance = query.distance(only(&kept).coarse());
            assert!(distance.abs() < 0.01, "{dimension}: {distance}");
        }
    }

    #[test]
    fn a_cosine_stays_in_its_range() {
        let long = [0.5001f32; 4];
        for form in FORMS {
            let kept = keep(&long, form);
            let same = Query::new(&long, form);
            let opposite = Query::new(&long.map(|x| -x), form);
            assert_eq!(same.cosine(only(&kept)), 1.0);
            assert_eq!(opposite.cosine(only(&kept)), -1.0);
            assert_eq!(opposite.distance(only(&kept).coarse()), 2.0);
        }
    }

    /// On any processor, and whatever the compiler makes of it: bits that were computed once.
    #[test]
    fn scores_are_the_same_bits_everywhere() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let [a, b] = [(); 2].map(|()| unit(&(0..391).map(|_| next()).collect::<Vec<f32>>()));
        let bits = FORMS.map(|form| {
            let kept = keep(&b, form);
            let query = Query::new(&a, form);
            [
                query.cosine(only(&kept)),
                query.distance(only(&kept).coarse()),
            ]
            .map(f32::to_bits)
        });
        assert_eq!(
            bits,
            [
                [1_005_600_752, 1_065_230_208],
                [1_005_600_968, 1_065_230_206],
                [1_005_599_095, 1_065_225_890],
            ]
        );
    }

    #[test]
    fn forms_are_named_in_small_letters() {
        let names = FORMS.map(|form| serde_json::to_string(&form).unwrap());
        assert_eq!(names, ["\"f32\"", "\"f16\"", "\"int8\""]);
    }
}
