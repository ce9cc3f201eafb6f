//! Rows times panels, in f32: out = scale (q - zero) w scale' + bias.
//!
//! A tile of up to six rows and four panels keeps its sums in registers; the panels
//! of a tile stay in the first-level cache while all rows pass by. Sums are integers
//! and exact, so that no order of work and no instruction set changes a result.

use crate::isa::{Isa, Level};
use crate::operand::{Form, Panels, Rows};
use crate::simd::{Dot, Float, LANES, PanelRow, scalar};

/// What becomes of a product.
#[derive(Clone, Copy, Debug)]
pub enum Then<'a> {
    /// It replaces what is there, with one bias per column added.
    Biased(&'a [f32]),
    /// It replaces what is there.
    Plain,
    /// It is added to what is there.
    Sum,
}

/// Multiplies all `rows` by `panels` into `out`, whose rows begin `stride` apart.
///
/// `next` are the panels that the caller will need after these, if it knows: their
/// beginning is fetched into the cache meanwhile. Weights come from memory once per
/// group of sequences, and would be waited for.
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
    then: Then<'_>,
) {
    assert_eq!(rows.form, panels.form, "packed for another instruction set");
    let range = (0, rows.len());
    let panels = (panels, next);
    match (isa.level(), rows.form) {
        (Level::Scalar, Form::Bytes) => run(scalar::Bytes, rows, range, panels, out, stride, then),
        (Level::Scalar, Form::Words) => run(scalar::Words, rows, range, panels, out, stride, then),
        // SAFETY: an `Isa` of this level exists only where its instructions do.
        #[cfg(target_arch = "x86_64")]
        (level, form) => unsafe {
            match (level, form) {
                (Level::Avx2, Form::Words) => {
                    x86::words_avx2(rows, range, panels, out, stride, then);
                }
                (_, Form::Words) => x86::words_avx512(rows, range, panels, out, stride, then),
                (Level::Amx, Form::Bytes) if crate::amx::pays(rows) => {
                    crate::amx::product(rows, panels, out, stride, then);
                }
                (Level::Avx2, Form::Bytes) => {
                    run(scalar::Bytes, rows, range, panels, out, stride, then);
                }
                (_, Form::Bytes) => x86::bytes_avx512(rows, range, panels, out, stride, then),
            }
        },
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("only x86-64 has another level than scalar"),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Panels, Rows, Then, run};
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
                then: Then<'_>,
            ) {
                // SAFETY: this function enables what the dot product needs.
                let dot = unsafe { <$dot>::new() };
                run(dot, rows, range, panels, out, stride, then);
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

/// Rows of a tile, and of one of at most two panels.
const TALL: usize = 6;
const TALLER: usize = 12;

/// The product of the rows from `range.0` to before `range.1`; the first of them
/// goes to the first row of `out`. The second panels are those needed next.
#[inline(always)]
pub(crate) fn run<D: Dot>(
    dot: D,
    rows: &Rows,
    range: (usize, usize),
    (panels, next): (&Panels, Option<&Panels>),
    out: &mut [f32],
    stride: usize,
    then: Then<'_>,
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
        let mut ahead = Ahead::new(panels, next, panel + wide, D::WIDE, tiles);
        let mut first = range.0;
        while first < range.1 {
            ahead.fetch();
            let tall = tallest.min(range.1 - first);
            let out = &mut out[(first - range.0) * stride..];
            let block = Block {
                rows,
                panels,
                first,
                panel,
                then,
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

/// Weights that will be needed next, fetched piece by piece while tiles are computed.
pub(crate) struct Ahead<'a> {
    rows: &'a [PanelRow],
    piece: usize,
}

impl<'a> Ahead<'a> {
    /// The `wide` panels from `panel` on, or as many of `next` where there are no more;
    /// in `tiles` pieces.
    #[inline(always)]
    pub(crate) fn new(
        panels: &'a Panels,
        next: Option<&'a Panels>,
        panel: usize,
        wide: usize,
        tiles: usize,
    ) -> Self {
        let rest = &panels.rows[panel * panels.steps..];
        let rows = match (rest, next) {
            ([], Some(next)) => &next.rows[..],
            (rest, _) => rest,
        };
        let rows = &rows[..rows.len().min(wide * panels.steps)];
        Ahead {
            rows,
            piece: rows.len().div_ceil(tiles.max(1)),
        }
    }

    /// Asks for the next piece.
    #[inline(always)]
    pub(crate) fn fetch(&mut self) {
        let (now, later) = self.rows.split_at(self.piece.min(self.rows.len()));
        self.rows = later;
        #[cfg(target_arch = "x86_64")]
        for row in now {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: every x86-64 processor has the instruction, which reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(row).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = now;
    }
}

#[derive(Clone, Copy)]
struct Block<'a> {
    rows: &'a Rows,
    panels: &'a Panels,
    first: usize,
    panel: usize,
    then: Then<'a>,
    stride: usize,
}

impl Block<'_> {
    /// `R` rows by `C` panels; gives `R`.
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

    /// Scales the sums of a panel and puts them where they belong.
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
        let columns = Columns::load(v, self.panels, at, self.then);
        for (row, sums) in sums.into_iter().enumerate() {
            let place = self.first + row;
            let zero = if shifted { self.rows.zero[place] } else { 0 };
            let out = &mut out[row * self.stride + at..][..columns.width];
            columns.put(v, sums, self.rows.scale[place], zero, shifted, out);
        }
    }
}

/// What the sums of sixteen columns are scaled with and where they go.
pub(crate) struct Columns<V: Float> {
    /// How many of the sixteen there are.
    pub(crate) width: usize,
    scale: V::F,
    sums: V::I,
    then: Last<V>,
}

enum Last<V: Float> {
    Biased(V::F),
    Plain,
    Sum,
}

impl<V: Float> Columns<V> {
    /// The columns from `at` on.
    #[inline(always)]
    pub(crate) fn load(v: V, panels: &Panels, at: usize, then: Then<'_>) -> Self {
        let width = LANES.min(panels.columns - at);
        Columns {
            width,
            scale: v.load(lanes(&panels.scale[at..])),
            sums: v.load_int(lanes(&panels.sums[at..])),
            then: match then {
                Then::Biased(bias) => Last::Biased(v.load_part(&bias[at..at + width], 0.0)),
                Then::Plain => Last::Plain,
                Then::Sum => Last::Sum,
            },
        }
    }

    /// The last step for one row.
    #[inline(always)]
    pub(crate) fn put(
        &self,
        v: V,
        sums: V::I,
        row_scale: f32,
        zero: i32,
        shifted: bool,
        out: &mut [f32],
    ) {
        let sums = if shifted {
            v.sub_int(sums, v.mul_int(v.splat_int(zero), self.sums))
        } else {
            sums
        };
        let x = v.to_float(sums);
        let scale = v.mul(v.splat(row_scale), self.scale);
        let result = match self.then {
            Last::Biased(bias) => v.fma(x, scale, bias),
            Last::Plain => v.mul(x, scale),
            Last::Sum => v.add(v.load_part(out, 0.0), v.mul(x, scale)),
        };
        v.store_part(result, out);
    }
}

#[inline(always)]
fn lanes<T>(values: &[T]) -> &[T; LANES] {
    values[..LANES].try_into().expect("sixteen columns")
}
