//! Vectors that are kept as the number of a centroid and a residual of one or two bits a value
//! (ColBERTv2: Santhanam et al. 2022, <https://arxiv.org/abs/2112.01488>).
//!
//! Centroids and levels of the residual are bytes in one unit, and a vector is their sum, scaled to
//! length 1. So everything up to that scale is an exact integer, and results are bit-identical for
//! every instruction set.

use crate::isa::{Isa, Level};

/// What vectors are restored from.
#[derive(Clone, Debug, PartialEq)]
pub struct Residuals {
    width: usize,
    bits: usize,
    centroids: Vec<i8>,
    levels: Vec<i8>,
    /// The values of the eight or four dimensions in each byte.
    of_byte: Vec<[i8; 8]>,
}

impl Residuals {
    /// From `centroids` of `width` bytes each, and the levels that a residual of one or two bits
    /// stands for: two or four of them.
    ///
    /// # Panics
    /// If there are neither two nor four levels, the width is 0 or above 65,536, or the centroids
    /// are not whole.
    pub fn new(width: usize, centroids: Vec<i8>, levels: &[i8]) -> Self {
        assert!(matches!(levels.len(), 2 | 4), "two or four levels");
        assert!((1..=1 << 16).contains(&width), "the width is {width}");
        assert!(centroids.len().is_multiple_of(width), "whole centroids");
        let bits = if levels.len() == 2 { 1 } else { 2 };
        let level = |byte: usize, at: usize| {
            let shift = at * bits;
            if shift < 8 {
                levels[byte >> shift & (levels.len() - 1)]
            } else {
                0
            }
        };
        let of_byte = (0..256).map(|byte| std::array::from_fn(|at| level(byte, at)));
        Residuals {
            width,
            bits,
            centroids,
            levels: levels.to_vec(),
            of_byte: of_byte.collect(),
        }
    }

    /// Values of each vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The centroids, one after the other.
    pub fn centroids(&self) -> &[i8] {
        &self.centroids
    }

    /// The levels, by their codes.
    pub fn levels(&self) -> &[i8] {
        &self.levels
    }

    /// Bytes of the residual of each vector. The value of the first dimension is in the lowest
    /// bits of the first byte.
    pub fn bytes(&self) -> usize {
        (self.width * self.bits).div_ceil(8)
    }

    /// Restores vectors by the numbers of their centroids and their residuals, one after the other:
    /// vectors are the `codes` times their `scales`. What these held before is dropped. The vector
    /// of a centroid that does not exist has the scale NaN.
    ///
    /// # Panics
    /// If there are not as many bytes as the residuals have.
    pub fn restore(
        &self,
        isa: Isa,
        numbers: &[u16],
        packed: &[u8],
        codes: &mut Vec<i8>,
        scales: &mut Vec<f32>,
    ) {
        assert_eq!(
            packed.len(),
            numbers.len() * self.bytes(),
            "bytes of residuals"
        );
        codes.resize(numbers.len() * self.width, 0);
        scales.resize(numbers.len(), 0.0);
        match isa.level() {
            Level::Scalar => self.run(numbers, packed, codes, scales),
            // SAFETY: an `Isa` of this level proves that the processor has its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2(self, numbers, packed, codes, scales) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => unsafe {
                x86::avx512(self, numbers, packed, codes, scales);
            },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("other levels than scalar exist on x86-64 only"),
        }
    }

    /// Integers alone, which the compiler takes many of at once.
    #[inline(always)]
    fn run(&self, numbers: &[u16], packed: &[u8], codes: &mut [i8], scales: &mut [f32]) {
        let rows = codes.chunks_exact_mut(self.width);
        let residuals = packed.chunks_exact(self.bytes());
        for (((codes, scale), &number), residual) in rows.zip(scales).zip(numbers).zip(residuals) {
            let start = usize::from(number) * self.width;
            let Some(centroid) = self.centroids.get(start..start + self.width) else {
                codes.fill(0);
                *scale = f32::NAN;
                continue;
            };
            if self.bits == 1 {
                self.levels_of::<8>(residual, codes);
            } else {
                self.levels_of::<4>(residual, codes);
            }
            let mut squares = 0i32;
            for (code, centroid) in codes.iter_mut().zip(centroid) {
                *code = code.saturating_add(*centroid);
                // At most 2^14 for each of 2^16 values.
                squares = squares.wrapping_add(i32::from(*code) * i32::from(*code));
            }
            // A vector without any length has no direction either, and is near nothing.
            *scale = match squares {
                0 => 0.0,
                _ => 1.0 / (squares as f32).sqrt(),
            };
        }
    }

    /// Sets `codes` to the levels that a residual of `N` values a byte stands for.
    #[inline(always)]
    fn levels_of<const N: usize>(&self, residual: &[u8], codes: &mut [i8]) {
        let (whole, rest) = codes.as_chunks_mut::<N>();
        for (codes, byte) in whole.iter_mut().zip(residual) {
            codes.copy_from_slice(&self.of_byte[usize::from(*byte)][..N]);
        }
        if let (false, Some(byte)) = (rest.is_empty(), residual.last()) {
            rest.copy_from_slice(&self.of_byte[usize::from(*byte)][..rest.len()]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Residuals;

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(
        of: &Residuals,
        numbers: &[u16],
        packed: &[u8],
        codes: &mut [i8],
        scales: &mut [f32],
    ) {
        of.run(numbers, packed, codes, scales);
    }

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn avx512(
        of: &Residuals,
        numbers: &[u16],
        packed: &[u8],
        codes: &mut [i8],
        scales: &mut [f32],
    ) {
        of.run(numbers, packed, codes, scales);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::all;

    /// The definition, value by value.
    fn naive(of: &Residuals, number: u16, packed: &[u8]) -> Vec<f64> {
        let bits = of.levels.len().ilog2() as usize;
        let value = |at: usize| {
            let bit = at * bits;
            let code = usize::from(packed[bit / 8]) >> (bit % 8) & (of.levels.len() - 1);
            let centroid = of.centroids[usize::from(number) * of.width + at];
            let sum = i32::from(centroid) + i32::from(of.levels[code]);
            f64::from(sum.clamp(-128, 127))
        };
        let values: Vec<f64> = (0..of.width).map(value).collect();
        let length = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        values.iter().map(|x| x / length.max(1e-9)).collect()
    }

    proptest! {
        #[test]
        fn vectors_are_those_of_the_definition_on_every_path(
            width in 1usize..150,
            two in any::<bool>(),
            levels in prop::array::uniform4(any::<i8>()),
            raw in prop::collection::vec(any::<i8>(), 3 * 150),
            numbers in prop::collection::vec(0u16..3, 0..9),
            bytes in prop::collection::vec(any::<u8>(), 8 * 38),
        ) {
            let levels = if two { &levels[..] } else { &levels[..2] };
            let of = Residuals::new(width, raw[..3 * width].to_vec(), levels);
            let packed = &bytes[..numbers.len() * of.bytes()];
            let mut found = Vec::new();
            for isa in all() {
                // What memory held before does not matter.
                let (mut codes, mut scales) = (vec![7; 11], vec![3.0; 40]);
                of.restore(isa, &numbers, packed, &mut codes, &mut scales);
                prop_assert_eq!((codes.len(), scales.len()), (numbers.len() * width, numbers.len()));
                for (at, number) in numbers.iter().enumerate() {
                    let expected = naive(&of, *number, &packed[at * of.bytes()..]);
                    let codes = &codes[at * width..][..width];
                    for (code, expected) in codes.iter().zip(expected) {
                        let value = f64::from(f32::from(*code) * scales[at]);
                        prop_assert!((value - expected).abs() < 1e-5, "{} {}", value, expected);
                    }
                }
                let bits: Vec<u32> = scales.iter().map(|scale| scale.to_bits()).collect();
                found.push((codes, bits));
            }
            prop_assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }

    #[test]
    fn a_centroid_that_does_not_exist_gives_no_number() {
        let of = Residuals::new(3, vec![1, 2, 3], &[-1, 1]);
        for isa in all() {
            let (mut codes, mut scales) = (Vec::new(), Vec::new());
            of.restore(isa, &[1, 0], &[0, 0], &mut codes, &mut scales);
            assert!(scales[0].is_nan() && scales[1].is_finite(), "{isa:?}");
            assert_eq!(codes, [0, 0, 0, 0, 1, 2]);
        }
    }
}
