//! Rows times panels, in f32: out = scale (q - zero) w scale' + bias.
//!
//! A tile of up to six rows and four panels keeps its sums in registers; the panels
//! of a tile stay in the first-level cache while all rows pass by. Sums are integers
//! and exact, so that no order of work and no instruction set changes a result.

use crate::isa::{Isa, Level};
use crate::operand::{Form, Panels, Rows};
use crate::simd::{Dot, LANES, PanelRow, scalar};

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
/// # Panics
/// If rows and panels differ in depth or form, or `out` or the bias is too short.
pub fn product(
    isa: Isa,
    rows: &Rows,
    panels: &Panels,
    out: &mut [f32],
    stride: usize,
    then: Then<'_>,
) {
    assert_eq!(rows.form, panels.form, "packed for another instruction set");
    let range = (0, rows.len());
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
                panels: &Panels,
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

/// Rows of a tile.
const TALL: usize = 6;

/// The product of the rows from `range.0` to before `range.1`; the first of them
/// goes to the first row of `out`.
#[inline(always)]
pub(crate) fn run<D: Dot>(
    dot: D,
    rows: &Rows,
    range: (usize, usize),
    panels: &Panels,
    out: &mut [f32],
    stride: usize,
    then: Then<'_>,
) {
    assert_eq!(rows.steps, panels.steps, "rows and columns differ in depth");
    let n_panels = panels.scale.len() / LANES;
    let mut panel = 0;
    while panel < n_panels {
        let wide = D::WIDE.min(n_panels - panel);
        let mut first = range.0;
        while first < range.1 {
            let tall = TALL.min(range.1 - first);
            let block = Block {
                rows,
                panels,
                first,
                panel,
                then,
                stride,
            };
            let out = &mut out[(first - range.0) * stride..];
            match (tall, wide) {
                (6, 4) => block.tile::<D, 6, 4>(dot, out),
                (6, 3) => block.tile::<D, 6, 3>(dot, out),
                (6, 2) => block.tile::<D, 6, 2>(dot, out),
                (6, _) => block.tile::<D, 6, 1>(dot, out),
                (5, 4) => block.tile::<D, 5, 4>(dot, out),
                (4, 4) => block.tile::<D, 4, 4>(dot, out),
                (3, 4) => block.tile::<D, 3, 4>(dot, out),
                (2, 4) => block.tile::<D, 2, 4>(dot, out),
                (1, 4) => block.tile::<D, 1, 4>(dot, out),
                _ => block.rest(dot, tall, wide, out),
            }
            first += tall;
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
    then: Then<'a>,
    stride: usize,
}

impl Block<'_> {
    /// The odd tiles at the edges, one row and one panel at a time.
    #[inline(always)]
    fn rest<D: Dot>(self, dot: D, tall: usize, wide: usize, out: &mut [f32]) {
        for row in 0..tall {
            for panel in 0..wide {
                let block = Block {
                    first: self.first + row,
                    panel: self.panel + panel,
                    ..self
                };
                block.tile::<D, 1, 1>(dot, &mut out[row * self.stride..]);
            }
        }
    }

    #[inline(always)]
    fn tile<D: Dot, const R: usize, const C: usize>(self, dot: D, out: &mut [f32]) {
        let steps = self.rows.steps;
        let mut a: [&[u32]; R] = [&[]; R];
        for (row, groups) in a.iter_mut().enumerate() {
            *groups = &self.rows.row(self.first + row)[..steps];
        }
        let mut b: [&[PanelRow]; C] = [&[]; C];
        for (panel, rows) in b.iter_mut().enumerate() {
            *rows = &self.panels.panel(self.panel + panel)[..steps];
        }
        let mut sums = [[dot.zero(); C]; R];
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
        for (row, sums) in sums.iter().enumerate() {
            let out = &mut out[row * self.stride..];
            for (panel, sums) in sums.iter().enumerate() {
                finish::<D>(self, row, panel, dot.lanes(*sums), out);
            }
        }
    }
}

/// Scales sixteen sums and puts them where they belong.
#[inline(always)]
fn finish<D: Dot>(block: Block<'_>, row: usize, panel: usize, sums: [i32; LANES], out: &mut [f32]) {
    let zero = if D::SHIFTED {
        block.rows.zero[block.first + row]
    } else {
        0
    };
    let at = (block.panel + panel) * LANES;
    scale_sums(
        block.panels,
        at,
        block.rows.scale[block.first + row],
        zero,
        sums,
        out,
        block.then,
    );
}

/// The last step of a product for the sixteen columns from `at` on.
#[inline(always)]
pub(crate) fn scale_sums(
    panels: &Panels,
    at: usize,
    row_scale: f32,
    zero: i32,
    sums: [i32; LANES],
    out: &mut [f32],
    then: Then<'_>,
) {
    let scale: &[f32; LANES] = lanes(&panels.scale[at..]);
    let column_sums: &[i32; LANES] = lanes(&panels.sums[at..]);
    let mut values = [0f32; LANES];
    let mut scales = [0f32; LANES];
    for lane in 0..LANES {
        values[lane] = sums[lane].wrapping_sub(zero.wrapping_mul(column_sums[lane])) as f32;
        scales[lane] = row_scale * scale[lane];
    }
    let width = LANES.min(panels.columns - at);
    if width == LANES {
        let out: &mut [f32; LANES] = (&mut out[at..at + LANES])
            .try_into()
            .expect("sixteen columns");
        match then {
            Then::Biased(bias) => {
                let bias: &[f32; LANES] = lanes(&bias[at..]);
                for lane in 0..LANES {
                    out[lane] = values[lane].mul_add(scales[lane], bias[lane]);
                }
            }
            Then::Plain => {
                for lane in 0..LANES {
                    out[lane] = values[lane] * scales[lane];
                }
            }
            Then::Sum => {
                for lane in 0..LANES {
                    out[lane] += values[lane] * scales[lane];
                }
            }
        }
        return;
    }
    for (lane, out) in out[at..at + width].iter_mut().enumerate() {
        *out = match then {
            Then::Biased(bias) => values[lane].mul_add(scales[lane], bias[at + lane]),
            Then::Plain => values[lane] * scales[lane],
            Then::Sum => *out + values[lane] * scales[lane],
        };
    }
}

#[inline(always)]
fn lanes<T>(values: &[T]) -> &[T; LANES] {
    values[..LANES].try_into().expect("sixteen columns")
}
