//! AVX2: a panel row is two registers, and a step takes two instructions for each. Only
//! 16-bit products are used: the 8-bit product of AVX2 saturates, and avoiding that costs
//! more than 16 bits.

use std::arch::x86_64::*;

use super::{Dot, Float, LANES, PanelRow};

/// Two by two signed 16-bit integers: `vpmaddwd`.
#[derive(Clone, Copy)]
pub(crate) struct Words(());

impl Words {
    /// # Safety
    /// The processor must support AVX2, and the caller must enable it.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Words(())
    }
}

impl Dot for Words {
    type Floats = Floats;
    const SHIFTED: bool = false;
    const WIDE: usize = 1;

    #[inline(always)]
    fn floats(self) -> Floats {
        Floats(())
    }
    #[inline(always)]
    fn load(self, row: &PanelRow) -> [__m256i; 2] {
        let halves = std::ptr::from_ref(row).cast::<__m256i>();
        // SAFETY: the caller of `new` guarantees the instructions; a panel row is 64 bytes
        // with an alignment of 64.
        unsafe { [_mm256_load_si256(halves), _mm256_load_si256(halves.add(1))] }
    }
    #[inline(always)]
    fn add(self, sums: [__m256i; 2], group: u32, row: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe {
            let group = _mm256_set1_epi32(group as i32);
            [
                _mm256_add_epi32(sums[0], _mm256_madd_epi16(group, row[0])),
                _mm256_add_epi32(sums[1], _mm256_madd_epi16(group, row[1])),
            ]
        }
    }
}

/// Sixteen floats in two registers.
#[derive(Clone, Copy)]
pub(crate) struct Floats(());

impl Floats {
    /// # Safety
    /// The processor must support AVX2 and FMA, and the caller must enable them.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Floats(())
    }
}

// The caller of `new` guarantees the instructions; loads and stores need no alignment, and
// access no more than the arrays of sixteen.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "the same for all, stated above"
)]
impl Float for Floats {
    type F = [__m256; 2];
    type I = [__m256i; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let from = from.as_ptr();
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        unsafe {
            _mm256_storeu_ps(to, x[0]);
            _mm256_storeu_ps(to.add(8), x[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn round(self, x: Self::F) -> Self::I {
        unsafe { [_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1])] }
    }
    #[inline(always)]
    fn scale(self, x: Self::F, n: Self::I) -> Self::F {
        unsafe {
            let low = _mm256_slli_epi32::<23>(n[0]);
            let high = _mm256_slli_epi32::<23>(n[1]);
            [
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x[0]), low)),
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x[1]), high)),
            ]
        }
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> Self::I {
        unsafe { [_mm256_set1_epi32(x); 2] }
    }
    #[inline(always)]
    fn load_int(self, from: &[i32; LANES]) -> Self::I {
        let from = from.as_ptr().cast::<__m256i>();
        unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
    }
    #[inline(always)]
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I {
        unsafe { [_mm256_sub_epi32(a[0], b[0]), _mm256_sub_epi32(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I {
        unsafe {
            [
                _mm256_mullo_epi32(a[0], b[0]),
                _mm256_mullo_epi32(a[1], b[1]),
            ]
        }
    }
    #[inline(always)]
    fn to_float(self, x: Self::I) -> Self::F {
        unsafe { [_mm256_cvtepi32_ps(x[0]), _mm256_cvtepi32_ps(x[1])] }
    }
    #[inline(always)]
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I {
        unsafe { [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])] }
    }
    #[inline(always)]
    fn pair(self, even: Self::I, odd: Self::I, to: &mut [u32; LANES]) {
        let to = to.as_mut_ptr().cast::<__m256i>();
        for half in 0..2 {
            unsafe {
                let low = _mm256_and_si256(even[half], _mm256_set1_epi32(0xffff));
                let groups = _mm256_or_si256(low, _mm256_slli_epi32::<16>(odd[half]));
                _mm256_storeu_si256(to.add(half), groups);
            }
        }
    }
    #[inline(always)]
    fn store_bytes(self, x: Self::I, to: &mut [u8; LANES]) {
        unsafe {
            // Both packs work within 128-bit halves; the permutation restores the order.
            let words = _mm256_packs_epi32(x[0], x[1]);
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            let bytes = _mm256_packus_epi16(words, words);
            let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes);
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm256_castsi256_si128(bytes));
        }
    }
    #[inline(always)]
    fn store_words(self, x: Self::I, to: &mut [i16; LANES]) {
        unsafe {
            let words = _mm256_packs_epi32(x[0], x[1]);
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), words);
        }
    }
    #[inline(always)]
    fn sum_int(self, x: Self::I) -> i32 {
        // SAFETY: as for the rest; both are 32 bytes without padding.
        let lanes: [i32; 8] = unsafe { std::mem::transmute(_mm256_add_epi32(x[0], x[1])) };
        lanes.into_iter().fold(0, i32::wrapping_add)
    }
    #[inline(always)]
    fn swap<const WIDTH: usize>(self, x: Self::F) -> Self::F {
        unsafe {
            match WIDTH {
                8 => [x[1], x[0]],
                4 => [
                    _mm256_permute2f128_ps::<1>(x[0], x[0]),
                    _mm256_permute2f128_ps::<1>(x[1], x[1]),
                ],
                2 => [
                    _mm256_permute_ps::<0b01_00_11_10>(x[0]),
                    _mm256_permute_ps::<0b01_00_11_10>(x[1]),
                ],
                _ => [
                    _mm256_permute_ps::<0b10_11_00_01>(x[0]),
                    _mm256_permute_ps::<0b10_11_00_01>(x[1]),
                ],
            }
        }
    }
    #[inline(always)]
    fn first(self, x: Self::F) -> f32 {
        unsafe { _mm256_cvtss_f32(x[0]) }
    }
}
