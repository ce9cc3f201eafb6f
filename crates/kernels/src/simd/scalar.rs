//! Plain Rust, the reference for the other instruction sets.

use super::{Dot, Float, LANES, PanelRow};

/// Four unsigned by four signed 8-bit integers.
#[derive(Clone, Copy)]
pub(crate) struct Bytes;

/// Two by two signed 16-bit integers.
#[derive(Clone, Copy)]
pub(crate) struct Words;

macro_rules! dot {
    ($name:ident, $step:ident, $shifted:literal) => {
        impl Dot for $name {
            type Floats = Floats;
            const SHIFTED: bool = $shifted;
            const WIDE: usize = 4;

            fn floats(self) -> Floats {
                Floats
            }
            fn load(self, row: &PanelRow) -> [i32; LANES] {
                row.0.map(|group| group as i32)
            }
            fn add(self, sums: [i32; LANES], group: u32, row: [i32; LANES]) -> [i32; LANES] {
                each(sums, row, |sum, column| sum + $step(group, column))
            }
        }
    };
}

dot!(Bytes, bytes, true);
dot!(Words, words, false);

fn bytes(group: u32, column: i32) -> i32 {
    let pairs = group.to_le_bytes().into_iter().zip(column.to_le_bytes());
    pairs.map(|(a, b)| i32::from(a) * i32::from(b as i8)).sum()
}

fn words(group: u32, column: i32) -> i32 {
    let low = i32::from(group as i16) * i32::from(column as i16);
    low + i32::from((group >> 16) as i16) * i32::from((column >> 16) as i16)
}

/// Sixteen floats in an array.
#[derive(Clone, Copy)]
pub(crate) struct Floats;

#[inline(always)]
fn each<A: Copy, B: Copy, C: Default + Copy>(
    a: [A; LANES],
    b: [B; LANES],
    f: impl Fn(A, B) -> C,
) -> [C; LANES] {
    let mut out = [C::default(); LANES];
    for lane in 0..LANES {
        out[lane] = f(a[lane], b[lane]);
    }
    out
}

impl Float for Floats {
    type F = [f32; LANES];
    type I = [i32; LANES];

    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    fn load(self, from: &[f32; LANES]) -> Self::F {
        *from
    }
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        *to = x;
    }
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a + b)
    }
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a - b)
    }
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a * b)
    }
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a / b)
    }
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let mut out = [0.0; LANES];
        for lane in 0..LANES {
            out[lane] = a[lane].mul_add(b[lane], c[lane]);
        }
        out
    }
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a < b { a } else { b })
    }
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    fn round(self, x: Self::F) -> Self::I {
        x.map(|x| x.round_ties_even() as i32)
    }
    fn scale(self, x: Self::F, n: Self::I) -> Self::F {
        each(x, n, |x, n| {
            f32::from_bits((x.to_bits() as i32).wrapping_add(n << 23) as u32)
        })
    }
    fn splat_int(self, x: i32) -> Self::I {
        [x; LANES]
    }
    fn load_int(self, from: &[i32; LANES]) -> Self::I {
        *from
    }
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I {
        each(a, b, i32::wrapping_sub)
    }
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I {
        each(a, b, i32::wrapping_mul)
    }
    fn to_float(self, x: Self::I) -> Self::F {
        x.map(|x| x as f32)
    }
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I {
        each(a, b, i32::wrapping_add)
    }
    fn pair(self, even: Self::I, odd: Self::I, to: &mut [u32; LANES]) {
        *to = each(even, odd, |even, odd| {
            even as u32 & 0xffff | (odd as u32) << 16
        });
    }
    fn store_bytes(self, x: Self::I, to: &mut [u8; LANES]) {
        *to = x.map(|x| x.clamp(0, 255) as u8);
    }
    fn store_words(self, x: Self::I, to: &mut [i16; LANES]) {
        *to = x.map(|x| x as i16);
    }
    fn sum_int(self, x: Self::I) -> i32 {
        x.into_iter().fold(0, i32::wrapping_add)
    }
    fn swap<const WIDTH: usize>(self, x: Self::F) -> Self::F {
        std::array::from_fn(|lane| x[lane ^ WIDTH])
    }
    fn first(self, x: Self::F) -> f32 {
        x[0]
    }
}
