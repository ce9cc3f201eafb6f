//! The product of rows and panels, in f32: out = scale (q - zero) w scale' + bias.
//!
//! A tile of up to six rows by four panels (or twelve by two) keeps its sums in registers,
//! and its panels stay in the first-level cache for all rows. Sums are exact integers, so
//! neither the order of work nor the instruction set changes a result.

use crate::isa::{Isa, Level};
use crate::operand::{Form, Panels, Rows};
use crate::output::{Columns, Store};
use crate::prefetch::Prefetch;
use crate::simd::{Dot, Float, LANES, PanelRow, scalar};

/// Multiplies all `rows` by `panels` and stores the result in `out`, whose rows are `stride`
/// values apart.
///
/// `next` are the panels that the caller will multiply by afterwards, if it knows them. Their
/// beginning is prefetched into the cache, since weights are read from memory once per group
/// of sequences.
///
/// # Panics
/// If rows and panels differ in depth or form, or `out` or the bias is too short.
pub fn product(
    isa: Isa,
    rows: &Rows,
    panels: &Panels,
    next: Option<&Panels>,
    out: &mut [f32],
    stride: usize,
    store: Store<'_>,
) {
    assert_eq!(rows.form, panels.form, "packed for another instruction set");
    let range = (0, rows.len());
    let panels = (panels, next);
    match (isa.level(), rows.form) {
        (Level::Scalar, Form::Bytes) => run(scalar::Bytes, rows, range, panels, out, stride, store),
        (Level::Scalar, Form::Words) => run(scalar::Words, rows, range, panels, out, stride, store),
        // SAFETY: an `Isa` of this level proves that the processor has its features.
        #[cfg(target_arch = "x86_64")]
        (level, form) => unsafe {
            match (level, form) {
                (Level::Avx2, Form::Words) => {
                    x86::words_avx2(rows, range, panels, out, stride, store);
                }
                (_, Form::Words) => x86::words_avx512(rows, range, panels, out, stride, store),
                (Level::Amx, Form::Bytes) if crate::amx::is_faster(rows) => {
                    crate::amx::product(rows, panels, out, stride, store);
                }
                (Level::Avx2, Form::Bytes) => {
                    run(scalar::Bytes, rows, range, panels, out, stride, store);
                }
                (_, Form::Bytes) => x86::bytes_avx512(rows, range, panels, out, stride, store),
            }
        },
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("other levels than scalar exist on x86-64 only"),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Panels, Rows, Store, run};
    use crate::simd::{avx2, avx512};

    macro_rules! compile {
        ($name:ident, $features:literal, $dot:ty) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(
                rows: &Rows,
                range: (usize, usize),
                panels: (&Panels, Option<&Panels>),
                out: &mut [f32],
                stride: usize,
                store: Store<'_>,
            ) {
                // SAFETY: this function enables the features that the dot product needs.
                let dot = unsafe { <$dot>::new() };
                run(dot, rows, range, panels, out, stride, store);
            }
        };
    }

    compile!(words_avx2, "avx2,fma", avx2::Words);
    compile!(
        words_avx512,
        "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni",
        avx512::Words
    );
    compile!(
        bytes_avx512,
        "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni",
        avx512::Bytes
    );
}

/// Rows of a tile.
const TALL: usize = 6;
/// Rows of a tile of at most two panels.
const TALLER: usize = 12;

/// The product of the rows `range.0..range.1`, of which the first is stored in the first row
/// of `out`. The second panels are those to prefetch.
#[inline(always)]
pub(crate) fn run<D: Dot>(
    dot: D,
    rows: &Rows,
    range: (usize, usize),
    (panels, next): (&Panels, Option<&Panels>),
    out: &mut [f32],
    stride: usize,
    store: Store<'_>,
) {
    assert_eq!(rows.steps, panels.steps, "rows and columns differ in depth");
    let n_panels = panels.scale.len() / LANES;
    let mut panel = 0;
    while panel < n_panels {
        let wide = D::WIDE.min(n_panels - panel);
        let tallest = if D::WIDE > 1 && wide <= 2 {
            TALLER
        } else {
            TALL
        };
        let tiles = (range.1 - range.0).div_ceil(tallest);
        let mut prefetch = Prefetch::new(panels, next, panel + wide, D::WIDE, tiles);
        let mut first = range.0;
        while first < range.1 {
            prefetch.advance();
            let tall = tallest.min(range.1 - first);
            let out = &mut out[(first - range.0) * stride..];
            let block = Block {
                rows,
                panels,
                first,
                panel,
                store,
                stride,
            };
            first += match (tall, wide) {
                (12, 2) => block.tile::<D, 12, 2>(dot, out),
                (12, 1) => block.tile::<D, 12, 1>(dot, out),
                (6.., 4) => block.tile::<D, 6, 4>(dot, out),
                (6.., 3) => block.tile::<D, 6, 3>(dot, out),
                (6.., 2) => block.tile::<D, 6, 2>(dot, out),
                (6.., _) => block.tile::<D, 6, 1>(dot, out),
                (4.., 4) => block.tile::<D, 4, 4>(dot, out),
                (4.., 3) => block.tile::<D, 4, 3>(dot, out),
                (4.., 2) => block.tile::<D, 4, 2>(dot, out),
                (4.., _) => block.tile::<D, 4, 1>(dot, out),
                (2.., 4) => block.tile::<D, 2, 4>(dot, out),
                (2.., 3) => block.tile::<D, 2, 3>(dot, out),
                (2.., 2) => block.tile::<D, 2, 2>(dot, out),
                (2.., _) => block.tile::<D, 2, 1>(dot, out),
                (_, 4) => block.tile::<D, 1, 4>(dot, out),
                (_, 3) => block.tile::<D, 1, 3>(dot, out),
                (_, 2) => block.tile::<D, 1, 2>(dot, out),
                (_, _) => block.tile::<D, 1, 1>(dot, out),
            };
        }
        panel += wide;
    }
}

#[derive(Clone, Copy)]
struct Block<'a> {
    rows: &'a Rows,
    panels: &'a Panels,
    first: usize,
    panel: usize,
    store: Store<'a>,
    stride: usize,
}

impl Block<'_> {
    /// Computes `R` rows by `C` panels and returns `R`.
    #[inline(always)]
    fn tile<D: Dot, const R: usize, const C: usize>(self, dot: D, out: &mut [f32]) -> usize {
        let steps = self.rows.steps;
        let mut a: [&[u32]; R] = [&[]; R];
        for (row, groups) in a.iter_mut().enumerate() {
            *groups = &self.rows.row(self.first + row)[..steps];
        }
        let mut b: [&[PanelRow]; C] = [&[]; C];
        for (panel, rows) in b.iter_mut().enumerate() {
            *rows = &self.panels.panel(self.panel + panel)[..steps];
        }
        let mut sums = [[dot.floats().splat_int(0); C]; R];
        for step in 0..steps {
            let mut columns = [dot.load(&b[0][step]); C];
            for panel in 1..C {
                columns[panel] = dot.load(&b[panel][step]);
            }
            for row in 0..R {
                let group = a[row][step];
                for panel in 0..C {
                    sums[row][panel] = dot.add(sums[row][panel], group, columns[panel]);
                }
            }
        }
        for panel in 0..C {
            let column = sums.map(|row| row[panel]);
            self.finish::<D::Floats, R>(dot.floats(), panel, D::SHIFTED, column, out);
        }
        R
    }

    /// Scales the sums of a panel and stores them.
    #[inline(always)]
    fn finish<V: Float, const R: usize>(
        self,
        v: V,
        panel: usize,
        shifted: bool,
        sums: [V::I; R],
        out: &mut [f32],
    ) {
        let at = (self.panel + panel) * LANES;
        let columns = Columns::load(v, self.panels, at, self.store);
        for (row, sums) in sums.into_iter().enumerate() {
            let index = self.first + row;
            let zero = if shifted { self.rows.zero[index] } else { 0 };
            let out = &mut out[row * self.stride + at..][..columns.width];
            columns.put(v, sums, self.rows.scale[index], zero, shifted, out);
        }
    }
}
