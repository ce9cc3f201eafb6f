//! Sums of products: one for each pair of forms, compiled for several instruction sets, of which
//! the best that the processor has is chosen at run time (by `pulp`, which needs no `unsafe`
//! here).
//!
//! Every sum is computed in a fixed order, or of integers without rounding, so that results
//! are the same on every processor. The order is written out, so the compiler may use vector
//! registers of any width and may not reassociate. Products and sums are rounded apart; a
//! fused multiply-add would differ.

use pulp::{Arch, Simd, WithSimd};

/// Defines a function that calls another, compiled for each instruction set. What it calls has
/// to be inlined always, and no closure between: that may be compiled once for all.
macro_rules! compile_for_each {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: &[$type:ty]),*) -> $result:ty = $body:ident;) => {
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name($($arg: &[$type]),*) -> $result {
            struct Call<'a> {
                $($arg: &'a [$type],)*
            }

            impl WithSimd for Call<'_> {
                type Output = $result;

                #[inline(always)]
                fn with_simd<S: Simd>(self, _: S) -> $result {
                    $body($(self.$arg),*)
                }
            }
            Arch::new().dispatch(Call { $($arg),* })
        }
    };
}

compile_for_each! {
    /// Of two vectors.
    fn singles(a: &[f32], b: &[f32]) -> f32 = dot_of_singles;
}
compile_for_each! {
    /// Of a vector and the bits of half-precision numbers.
    fn single_halves(a: &[f32], b: &[u16]) -> f32 = dot_of_single_halves;
}
compile_for_each! {
    /// Of the bits of half-precision numbers.
    fn halves(a: &[u16], b: &[u16]) -> f32 = dot_of_halves;
}
compile_for_each! {
    /// Of a vector and the 16-bit integers of another, of which the high and the low bytes are
    /// given.
    fn single_codes(a: &[f32], high: &[i8], low: &[i8]) -> f32 = dot_of_codes;
}
compile_for_each! {
    /// Of bytes.
    fn bytes(a: &[i8], b: &[i8]) -> i32 = dot_of_integers;
}
compile_for_each! {
    /// Of 16-bit integers, so small that no sum overflows, and bytes.
    fn words_bytes(a: &[i16], b: &[i8]) -> i32 = dot_of_integers;
}

/// Asks for the first bytes of some values to be brought near, because they will be read soon.
/// What a processor reads on from there, it mostly brings by itself.
#[inline]
pub(crate) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        const LINE: usize = 64;
        const LINES: usize = 8;
        /// Into all caches.
        const NEAR: i32 = std::arch::x86_64::_MM_HINT_T0;
        let lines = size_of_val(values).div_ceil(LINE).min(LINES);
        let start = values.as_ptr().cast::<i8>();
        match Arch::new() {
            Arch::V4(simd) => {
                (0..lines)
                    .for_each(|i| simd.sse._mm_prefetch::<NEAR>(start.wrapping_add(i * LINE)));
            }
            Arch::V3(simd) => {
                (0..lines)
                    .for_each(|i| simd.sse._mm_prefetch::<NEAR>(start.wrapping_add(i * LINE)));
            }
            _ => (),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// The 16-bit integer of two bytes.
#[inline(always)]
pub(crate) fn code(high: i8, low: i8) -> f32 {
    (i32::from(high) * 256 + i32::from(low)) as f32
}

/// The number of which these are the bits in half precision; exact, and without branches,
/// so that many are converted at once. Not for infinity, which no vector has.
#[inline(always)]
pub(crate) fn half_to_single(bits: u16) -> f32 {
    /// The exponents of the two forms differ by 112.
    const FACTOR: f32 = f32::from_bits((112 + 127) << 23);
    let bits = u32::from(bits);
    f32::from_bits((bits & 0x7fff) << 13 | (bits & 0x8000) << 16) * FACTOR
}

/// Running sums. A power of two that fills several vector registers of any width, since a
/// processor adds to several of them in the time in which one addition is done.
const LANES: usize = 32;

#[inline(always)]
fn dot_of_singles(a: &[f32], b: &[f32]) -> f32 {
    dot(a, b, |x| x, |x| x)
}

#[inline(always)]
fn dot_of_single_halves(a: &[f32], b: &[u16]) -> f32 {
    dot(a, b, |x| x, half_to_single)
}

#[inline(always)]
fn dot_of_halves(a: &[u16], b: &[u16]) -> f32 {
    dot(a, b, half_to_single, half_to_single)
}

/// The sum of the products of two vectors of one length: lane `i` sums the products at `i`,
/// `i + 32`, `i + 64`, ..., then the lanes are added in halves.
#[inline(always)]
fn dot<A: Copy, B: Copy>(
    a: &[A],
    b: &[B],
    a_value: impl Fn(A) -> f32,
    b_value: impl Fn(B) -> f32,
) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        // One step after the other for all lanes, which the compiler makes vectors of.
        let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            x[lane] = a_value(a[lane]);
        }
        for lane in 0..LANES {
            y[lane] = b_value(b[lane]);
        }
        add_products(&mut lanes, &x, &y);
    }
    if !a_rest.is_empty() {
        let a = a_rest.iter().map(|&x| a_value(x));
        let b = b_rest.iter().map(|&y| b_value(y));
        add_rest(&mut lanes, a.zip(b));
    }
    sum(&mut lanes)
}

/// The same of a vector and the 16-bit integers of another.
#[inline(always)]
fn dot_of_codes(a: &[f32], high: &[i8], low: &[i8]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (high_chunks, high_rest) = high.as_chunks::<LANES>();
    let (low_chunks, low_rest) = low.as_chunks::<LANES>();
    for ((a, high), low) in a_chunks.iter().zip(high_chunks).zip(low_chunks) {
        let mut b = [0.0; LANES];
        for lane in 0..LANES {
            b[lane] = code(high[lane], low[lane]);
        }
        add_products(&mut lanes, a, &b);
    }
    if !a_rest.is_empty() {
        let b = high_rest.iter().zip(low_rest);
        let b = b.map(|(&high, &low)| code(high, low));
        add_rest(&mut lanes, a_rest.iter().copied().zip(b));
    }
    sum(&mut lanes)
}

#[inline(always)]
fn add_products(lanes: &mut [f32; LANES], a: &[f32; LANES], b: &[f32; LANES]) {
    for lane in 0..LANES {
        lanes[lane] += a[lane] * b[lane];
    }
}

/// Adds the products that do not fill all lanes. Apart, as [`sum`] is: seen together, the
/// compiler orders the lanes for these and takes the many chunks apart.
#[inline(never)]
fn add_rest(lanes: &mut [f32; LANES], pairs: impl Iterator<Item = (f32, f32)>) {
    for (lane, (x, y)) in lanes.iter_mut().zip(pairs) {
        *lane += x * y;
    }
}

#[inline(never)]
fn sum(lanes: &mut [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum of products of integers. The caller's are so small that it does not overflow.
#[inline(always)]
fn dot_of_integers<T: Copy + Into<i32>>(a: &[T], b: &[i8]) -> i32 {
    let products = a.iter().zip(b).map(|(&x, &y)| x.into() * i32::from(y));
    products.fold(0, i32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is compiled for this processor against what is compiled for any, of every length
    /// and of greatest integers.
    #[test]
    fn instruction_sets_do_not_change_a_bit() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        for n in (0..140).chain([384, 391, 768, 1024]) {
            let mut floats = || -> Vec<f32> {
                (0..n)
                    .map(|_| next() as f32 / (1 << 24) as f32 - 0.5)
                    .collect()
            };
            let (a, b) = (floats(), floats());
            let halves_of = |values: &[f32]| -> Vec<u16> {
                let bits = values.iter().map(|&x| half::f16::from_f32(x).to_bits());
                bits.collect()
            };
            let (a16, b16) = (halves_of(&a), halves_of(&b));
            let mut integers = || -> Vec<i8> { (0..n).map(|_| next() as i8).collect() };
            let (high, low) = (integers(), integers());
            let words: Vec<i16> = a.iter().map(|x| (x * 65_000.0) as i16).collect();
            for (dispatched, plain) in [
                (singles(&a, &b), dot_of_singles(&a, &b)),
                (single_halves(&a, &b16), dot_of_single_halves(&a, &b16)),
                (halves(&a16, &b16), dot_of_halves(&a16, &b16)),
                (single_codes(&a, &high, &low), dot_of_codes(&a, &high, &low)),
            ] {
                assert_eq!(dispatched.to_bits(), plain.to_bits(), "{n} dimensions");
            }
            assert_eq!(bytes(&high, &low), dot_of_integers(&high, &low));
            let products = words.iter().zip(&low);
            let sum: i64 = products.map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
            assert_eq!(i64::from(words_bytes(&words, &low)), sum);
            let lowest = vec![i8::MIN; n];
            assert_eq!(bytes(&lowest, &lowest), 16_384 * n as i32);
        }
    }

    #[test]
    fn the_sum_is_near_the_exact_one() {
        let a: Vec<f32> = (0..391).map(|i| (i as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..391).map(|i| (i as f32 * 0.41).cos()).collect();
        let products = a.iter().zip(&b).map(|(&x, &y)| f64::from(x) * f64::from(y));
        let exact: f64 = products.sum();
        assert!((f64::from(singles(&a, &b)) - exact).abs() < 1e-4);
    }

    /// The compiler may not know that the processor has nothing better.
    #[test]
    fn asking_for_values_does_nothing_else() {
        prefetch::<f32>(&[]);
        prefetch(&[1.0f32; 1000]);
    }
}
