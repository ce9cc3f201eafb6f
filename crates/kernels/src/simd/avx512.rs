//! AVX-512 with VNNI: a panel row is one register, and a step is one instruction.

use std::arch::x86_64::*;

use super::{Dot, Float, LANES, PanelRow};

/// Four unsigned by four signed 8-bit integers: `vpdpbusd`.
#[derive(Clone, Copy)]
pub(crate) struct Bytes(());

/// Two by two signed 16-bit integers: `vpdpwssd`.
#[derive(Clone, Copy)]
pub(crate) struct Words(());

impl Bytes {
    /// # Safety
    /// The processor must support AVX-512 F and VNNI, and the caller must enable them.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Bytes(())
    }
}

impl Words {
    /// # Safety
    /// The processor must support AVX-512 F and VNNI, and the caller must enable them.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Words(())
    }
}

macro_rules! dot {
    ($name:ident, $step:ident, $shifted:literal) => {
        impl Dot for $name {
            type Floats = Floats;
            const SHIFTED: bool = $shifted;
            const WIDE: usize = 4;

            #[inline(always)]
            fn floats(self) -> Floats {
                Floats(())
            }
            #[inline(always)]
            fn load(self, row: &PanelRow) -> __m512i {
                // SAFETY: the caller of `new` guarantees the instructions; a panel row is 64
                // bytes with an alignment of 64.
                unsafe { _mm512_load_si512(std::ptr::from_ref(row).cast()) }
            }
            #[inline(always)]
            fn add(self, sums: __m512i, group: u32, row: __m512i) -> __m512i {
                // SAFETY: as above.
                unsafe { $step(sums, _mm512_set1_epi32(group as i32), row) }
            }
        }
    };
}

dot!(Bytes, _mm512_dpbusd_epi32, true);
dot!(Words, _mm512_dpwssd_epi32, false);

/// Sixteen floats in one register.
#[derive(Clone, Copy)]
pub(crate) struct Floats(());

impl Floats {
    /// # Safety
    /// The processor must support AVX-512 F, and the caller must enable it.
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
    type F = __m512;
    type I = __m512i;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m512 {
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32; LANES]) {
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn round(self, x: __m512) -> __m512i {
        unsafe { _mm512_cvtps_epi32(x) }
    }
    #[inline(always)]
    fn scale(self, x: __m512, n: __m512i) -> __m512 {
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(n);
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), exponent))
        }
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    fn load_int(self, from: &[i32; LANES]) -> __m512i {
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn sub_int(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi32(a, b) }
    }
    #[inline(always)]
    fn mul_int(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_mullo_epi32(a, b) }
    }
    #[inline(always)]
    fn to_float(self, x: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(x) }
    }
    #[inline(always)]
    fn add_int(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn pair(self, even: __m512i, odd: __m512i, to: &mut [u32; LANES]) {
        unsafe {
            let low = _mm512_and_si512(even, _mm512_set1_epi32(0xffff));
            let groups = _mm512_or_si512(low, _mm512_slli_epi32::<16>(odd));
            _mm512_storeu_si512(to.as_mut_ptr().cast(), groups);
        }
    }
    #[inline(always)]
    fn store_bytes(self, x: __m512i, to: &mut [u8; LANES]) {
        unsafe {
            let positive = _mm512_max_epi32(x, _mm512_setzero_si512());
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtusepi32_epi8(positive));
        }
    }
    #[inline(always)]
    fn store_words(self, x: __m512i, to: &mut [i16; LANES]) {
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(x)) }
    }
    #[inline(always)]
    fn sum_int(self, x: __m512i) -> i32 {
        unsafe { _mm512_reduce_add_epi32(x) }
    }
    #[inline(always)]
    fn swap<const WIDTH: usize>(self, x: __m512) -> __m512 {
        unsafe {
            match WIDTH {
                8 => _mm512_shuffle_f32x4::<0b01_00_11_10>(x, x),
                4 => _mm512_shuffle_f32x4::<0b10_11_00_01>(x, x),
                2 => _mm512_permute_ps::<0b01_00_11_10>(x),
                _ => _mm512_permute_ps::<0b10_11_00_01>(x),
            }
        }
    }
    #[inline(always)]
    fn first(self, x: __m512) -> f32 {
        unsafe { _mm512_cvtss_f32(x) }
    }
}
