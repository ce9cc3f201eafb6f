//! The operations that differ between instruction sets: dot products of small integers
//! added to sixteen sums, and arithmetic on sixteen floats.
//!
//! Operands of a product consist of *groups* of 32 bits: four 8-bit or two 16-bit integers
//! that are adjacent along the inner dimension. A *panel row* is one group for each of
//! sixteen columns. This is the layout of `vpdpbusd`, `vpmaddwd` and AMX tiles.
//!
//! All methods are inlined into a function that enables the instructions, and implementors
//! are created only inside such a function. Intrinsics are used because the compiler does not
//! vectorize plain loops reliably.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod scalar;

/// Number of columns of a panel, and of floats in a vector.
pub(crate) const LANES: usize = 16;

/// One group for each of sixteen columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct PanelRow(pub(crate) [u32; LANES]);

impl PanelRow {
    pub(crate) const ZERO: PanelRow = PanelRow([0; LANES]);
}

/// The dot product of groups in one instruction set.
pub(crate) trait Dot: Copy {
    /// Arithmetic on the sums.
    type Floats: Float;
    /// Whether the left operand has a zero point.
    const SHIFTED: bool;
    /// Number of panels in a tile, limited by the registers for its sums.
    const WIDE: usize;

    /// Arithmetic on the sums.
    fn floats(self) -> Self::Floats;
    /// Loads a panel row.
    fn load(self, row: &PanelRow) -> Ints<Self>;
    /// Adds to each sum the dot product of `group` with the group of its column.
    fn add(self, sums: Ints<Self>, group: u32, row: Ints<Self>) -> Ints<Self>;
}

/// Sixteen 32-bit sums, or a panel row in registers.
pub(crate) type Ints<D> = <<D as Dot>::Floats as Float>::I;

/// Arithmetic on sixteen floats or 32-bit integers. Every operation rounds by IEEE 754, so
/// that results are bit-identical in all implementations.
pub(crate) trait Float: Copy {
    /// Sixteen floats.
    type F: Copy;
    /// Sixteen integers.
    type I: Copy;

    /// The same float in all lanes.
    fn splat(self, x: f32) -> Self::F;
    /// Loads from memory.
    fn load(self, from: &[f32; LANES]) -> Self::F;
    /// Stores to memory.
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    /// a + b
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// a - b
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// a b
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a / b
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a b + c, rounded once
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// a if a < b, else b; in particular b if a is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// a if a > b, else b; in particular b if a is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// Rounds to the nearest integer, ties to even, for magnitudes below 2^31.
    fn round(self, x: Self::F) -> Self::I;
    /// x 2^n, if the result is a normal float.
    fn scale(self, x: Self::F, n: Self::I) -> Self::F;

    /// The same integer in all lanes.
    fn splat_int(self, x: i32) -> Self::I;
    /// Loads from memory.
    fn load_int(self, from: &[i32; LANES]) -> Self::I;
    /// a + b
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// a - b
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// a b
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// Converts to the nearest float.
    fn to_float(self, x: Self::I) -> Self::F;
    /// Stores groups with the lower 16 bits of `even` below those of `odd`.
    fn pair(self, even: Self::I, odd: Self::I, to: &mut [u32; LANES]);
    /// Stores as bytes, clamped to 0..=255.
    fn store_bytes(self, x: Self::I, to: &mut [u8; LANES]);
    /// Stores as 16-bit integers, which the values must fit into.
    fn store_words(self, x: Self::I, to: &mut [i16; LANES]);
    /// The sum of all lanes.
    fn sum_int(self, x: Self::I) -> i32;

    /// Loads at most sixteen floats and fills the other lanes with `fill`.
    #[inline(always)]
    fn load_part(self, from: &[f32], fill: f32) -> Self::F {
        if let Ok(all) = from.try_into() {
            return self.load(all);
        }
        let mut all = [fill; LANES];
        all[..from.len()].copy_from_slice(from);
        self.load(&all)
    }

    /// Stores the first lanes, as many as `to` has room for.
    #[inline(always)]
    fn store_part(self, x: Self::F, to: &mut [f32]) {
        if let Ok(all) = (&mut *to).try_into() {
            return self.store(x, all);
        }
        let mut all = [0.0; LANES];
        self.store(x, &mut all);
        to.copy_from_slice(&all[..to.len()]);
    }

    /// Swaps the lanes that are `WIDTH` (8, 4, 2 or 1) apart.
    fn swap<const WIDTH: usize>(self, x: Self::F) -> Self::F;
    /// The first lane.
    fn first(self, x: Self::F) -> f32;

    /// The sum of all lanes, adding those eight apart first.
    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        let x = self.add(x, self.swap::<8>(x));
        let x = self.add(x, self.swap::<4>(x));
        let x = self.add(x, self.swap::<2>(x));
        self.first(self.add(x, self.swap::<1>(x)))
    }

    /// The smallest of all lanes.
    #[inline(always)]
    fn smallest(self, x: Self::F) -> f32 {
        let x = self.min(x, self.swap::<8>(x));
        let x = self.min(x, self.swap::<4>(x));
        let x = self.min(x, self.swap::<2>(x));
        self.first(self.min(x, self.swap::<1>(x)))
    }

    /// The largest of all lanes.
    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        let x = self.max(x, self.swap::<8>(x));
        let x = self.max(x, self.swap::<4>(x));
        let x = self.max(x, self.swap::<2>(x));
        self.first(self.max(x, self.swap::<1>(x)))
    }
}
