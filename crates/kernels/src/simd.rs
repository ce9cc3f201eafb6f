//! What differs between instruction sets: sixteen sums that grow by short products of
//! small integers, and arithmetic on sixteen floats.
//!
//! Operands of a product come in *groups* of 32 bits: four 8-bit or two 16-bit integers
//! that lie side by side along the inner dimension. A *panel row* is one group for each
//! of sixteen columns. The layout is that of `vpdpbusd`, `vpmaddwd` and of AMX tiles.
//!
//! All methods are inlined into a function that enables the instructions; an
//! implementor is made only inside such a function. The compiler finds vector
//! instructions for plain loops too, but not every time: what a row costs would hang
//! on its mood.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod scalar;

/// Columns of a panel, and floats of a vector.
pub(crate) const LANES: usize = 16;

/// One group for each of sixteen columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct PanelRow(pub(crate) [u32; LANES]);

impl PanelRow {
    pub(crate) const ZERO: PanelRow = PanelRow([0; LANES]);
}

/// A dot product of groups in one instruction set.
pub(crate) trait Dot: Copy {
    /// Arithmetic on what comes out.
    type Floats: Float;
    /// Whether the left side has a zero point.
    const SHIFTED: bool;
    /// Panels of a tile: as many as the registers hold sums for.
    const WIDE: usize;

    /// Arithmetic on what comes out.
    fn floats(self) -> Self::Floats;
    /// A panel row from memory.
    fn load(self, row: &PanelRow) -> Ints<Self>;
    /// Each sum plus the product of `group` with its column's group.
    fn add(self, sums: Ints<Self>, group: u32, row: Ints<Self>) -> Ints<Self>;
}

/// Sixteen 32-bit sums, or a panel row in registers.
pub(crate) type Ints<D> = <<D as Dot>::Floats as Float>::I;

/// Arithmetic on sixteen floats or 32-bit integers. Every operation rounds as IEEE 754
/// says, so that all implementors agree to the bit.
pub(crate) trait Float: Copy {
    /// Sixteen floats.
    type F: Copy;
    /// Sixteen integers.
    type I: Copy;

    /// The same float everywhere.
    fn splat(self, x: f32) -> Self::F;
    /// From memory.
    fn load(self, from: &[f32; LANES]) -> Self::F;
    /// To memory.
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
    /// a if it is smaller, or else b, even where a is not a number.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// a if it is larger, or else b, even where a is not a number.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The nearest integer, ties to even, of floats below 2^31.
    fn round(self, x: Self::F) -> Self::I;
    /// x 2^n, for results that are normal floats.
    fn scale(self, x: Self::F, n: Self::I) -> Self::F;

    /// The same integer everywhere.
    fn splat_int(self, x: i32) -> Self::I;
    /// From memory.
    fn load_int(self, from: &[i32; LANES]) -> Self::I;
    /// a + b
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// a - b
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// a b
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// As the nearest float.
    fn to_float(self, x: Self::I) -> Self::F;
    /// The lower halves of `even` below those of `odd`, as groups.
    fn pair(self, even: Self::I, odd: Self::I, to: &mut [u32; LANES]);
    /// To memory, as the nearest of 0..=255.
    fn store_bytes(self, x: Self::I, to: &mut [u8; LANES]);
    /// To memory, integers that fit into 16 bits.
    fn store_words(self, x: Self::I, to: &mut [i16; LANES]);
    /// The sum of all.
    fn sum_int(self, x: Self::I) -> i32;

    /// Sixteen floats or fewer, and `fill` behind them.
    #[inline(always)]
    fn load_part(self, from: &[f32], fill: f32) -> Self::F {
        if let Ok(all) = from.try_into() {
            return self.load(all);
        }
        let mut all = [fill; LANES];
        all[..from.len()].copy_from_slice(from);
        self.load(&all)
    }

    /// The first of the sixteen, as many as there is room for.
    #[inline(always)]
    fn store_part(self, x: Self::F, to: &mut [f32]) {
        if let Ok(all) = (&mut *to).try_into() {
            return self.store(x, all);
        }
        let mut all = [0.0; LANES];
        self.store(x, &mut all);
        to.copy_from_slice(&all[..to.len()]);
    }

    /// Each float changes its place with the one `WIDTH` (8, 4, 2 or 1) away.
    fn swap<const WIDTH: usize>(self, x: Self::F) -> Self::F;
    /// The first float.
    fn first(self, x: Self::F) -> f32;

    /// The sum of all, those eight apart first.
    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        let x = self.add(x, self.swap::<8>(x));
        let x = self.add(x, self.swap::<4>(x));
        let x = self.add(x, self.swap::<2>(x));
        self.first(self.add(x, self.swap::<1>(x)))
    }

    /// The smallest of all.
    #[inline(always)]
    fn smallest(self, x: Self::F) -> f32 {
        let x = self.min(x, self.swap::<8>(x));
        let x = self.min(x, self.swap::<4>(x));
        let x = self.min(x, self.swap::<2>(x));
        self.first(self.min(x, self.swap::<1>(x)))
    }

    /// The largest of all.
    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        let x = self.max(x, self.swap::<8>(x));
        let x = self.max(x, self.swap::<4>(x));
        let x = self.max(x, self.swap::<2>(x));
        self.first(self.max(x, self.swap::<1>(x)))
    }
}
