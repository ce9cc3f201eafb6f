//! The two sides of a product: rows of quantized activations, and panels of columns.

use crate::isa::{Isa, Level, compile_for_each};
use crate::rows::{absolute, magnitude, store_words};
use crate::simd::{Float, LANES, PanelRow};

/// What a group of 32 bits holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Four 8-bit integers: unsigned with a zero point on the left, signed on the right.
    Bytes,
    /// Two signed 16-bit integers.
    Words,
}

impl Form {
    /// What linear layers use in this instruction set.
    pub fn of_linear(isa: Isa) -> Form {
        match isa.level() {
            Level::Avx512 | Level::Amx => Form::Bytes,
            // Without VNNI an exact 8-bit product costs more than a 16-bit one.
            Level::Avx2 | Level::Scalar => Form::Words,
        }
    }

    /// Integers in a group.
    pub(crate) fn per_group(self) -> usize {
        match self {
            Form::Bytes => 4,
            Form::Words => 2,
        }
    }

    /// Groups for `depth` integers. Bytes are padded to whole AMX tiles of 64.
    pub(crate) fn steps(self, depth: usize) -> usize {
        match self {
            Form::Bytes => depth.div_ceil(64) * 16,
            Form::Words => depth.div_ceil(2),
        }
    }
}

/// The left side: rows of integers q with x = scale (q - zero) for each row.
#[derive(Clone, Debug)]
pub struct Rows {
    pub(crate) form: Form,
    /// Row after row, `steps` groups each; bytes up to whole AMX tiles of 16 rows.
    pub(crate) groups: Vec<u32>,
    pub(crate) steps: usize,
    pub(crate) scale: Vec<f32>,
    /// In 0..=255 for bytes, always 0 for words.
    pub(crate) zero: Vec<i32>,
}

impl Rows {
    /// No rows yet; the memory grows with the first use and is kept.
    pub fn new(form: Form) -> Self {
        Rows {
            form,
            groups: Vec::new(),
            steps: 0,
            scale: Vec::new(),
            zero: Vec::new(),
        }
    }

    /// Room for `rows` rows of `depth` integers, whose values are left as they are
    /// but for the padding at the end of each row, which is zero.
    pub(crate) fn resize(&mut self, rows: usize, depth: usize) {
        self.steps = self.form.steps(depth);
        let padded = match self.form {
            Form::Bytes => rows.next_multiple_of(16),
            Form::Words => rows,
        };
        self.groups.resize(padded * self.steps, 0);
        self.scale.resize(rows, 0.0);
        self.zero.resize(rows, 0);
        let full = depth / self.form.per_group();
        if full < self.steps && self.steps > 0 {
            for row in self.groups.chunks_exact_mut(self.steps) {
                row[full..].fill(0);
            }
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.scale.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.scale.is_empty()
    }

    pub(crate) fn row(&self, row: usize) -> &[u32] {
        &self.groups[row * self.steps..][..self.steps]
    }
}

/// The right side: columns of integers, sixteen side by side, w = scale q for each
/// column. Columns beyond the last are zero.
#[derive(Clone, Debug)]
pub struct Panels {
    pub(crate) form: Form,
    /// Panel after panel, `steps` rows each.
    pub(crate) rows: Vec<PanelRow>,
    pub(crate) steps: usize,
    pub(crate) columns: usize,
    /// One per column, padded to whole panels.
    pub(crate) scale: Vec<f32>,
    /// Sum of each column's integers, for the zero points of the left side.
    pub(crate) sums: Vec<i32>,
}

/// The largest integer of a weight.
const LARGEST: f32 = 127.0;

impl Panels {
    /// Panels of weights for `isa`. `weights` holds one row per *output*, `depth`
    /// values each, as linear layers are stored; `outputs` and `inputs` choose a
    /// part of it. Each output has its own scale; weights that already lie on a
    /// grid of at most 255 values around 0 keep their values exactly.
    ///
    /// # Panics
    /// If the part does not lie within `weights`, or `inputs` is longer than 65,536,
    /// where 32-bit sums could overflow.
    pub fn of_weights(
        isa: Isa,
        weights: &[f32],
        depth: usize,
        outputs: std::ops::Range<usize>,
        inputs: std::ops::Range<usize>,
    ) -> Self {
        assert!(inputs.len() <= 1 << 16, "32-bit sums could overflow");
        let mut panels = Panels::zero(Form::of_linear(isa), outputs.len(), inputs.len());
        let mut integers = vec![0; inputs.len()];
        for (column, output) in outputs.enumerate() {
            let values = &weights[output * depth..][..depth][inputs.clone()];
            quantize_weights(isa, values, &mut integers, &mut panels.scale[column]);
            panels.sums[column] = integers.iter().map(|&integer| i32::from(integer)).sum();
            panels.set(column, &integers);
        }
        panels
    }

    /// All zero.
    pub(crate) fn zero(form: Form, columns: usize, depth: usize) -> Self {
        let steps = form.steps(depth);
        let panels = columns.div_ceil(LANES);
        Panels {
            form,
            rows: vec![PanelRow::ZERO; panels * steps],
            steps,
            columns,
            scale: vec![0.0; panels * LANES],
            sums: vec![0; panels * LANES],
        }
    }

    /// Number of columns, which is the width of a product's rows.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.rows[..]) + size_of_val(&self.scale[..]) + size_of_val(&self.sums[..])
    }

    fn set(&mut self, column: usize, integers: &[i16]) {
        let rows = &mut self.rows[column / LANES * self.steps..][..self.steps];
        let groups = rows.iter_mut().map(|row| &mut row.0[column % LANES]);
        match self.form {
            Form::Bytes => {
                for (group, integers) in groups.zip(integers.chunks(4)) {
                    let byte = |place| integers.get(place).map_or(0, |&integer| integer as u8);
                    *group = u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
                }
            }
            Form::Words => {
                for (group, integers) in groups.zip(integers.chunks(2)) {
                    let word = |place| integers.get(place).map_or(0, |&integer| integer as u16);
                    *group = u32::from(word(0)) | u32::from(word(1)) << 16;
                }
            }
        }
    }

    pub(crate) fn panel(&self, panel: usize) -> &[PanelRow] {
        &self.rows[panel * self.steps..][..self.steps]
    }
}

compile_for_each! {
    /// The integers of one output's weights, and their scale: that of the grid they
    /// already lie on, or else the one that maps the largest to 127.
    ///
    /// Shared weights are often 8-bit integers times a scale to begin with; another
    /// grid would round them a second time.
    fn quantize_weights(values: &[f32], integers: &mut [i16], scale: &mut f32) = quantize_one;
}

#[inline(always)]
fn quantize_one<V: Float>(v: V, values: &[f32], integers: &mut [i16], scale: &mut f32) {
    let largest = magnitude(v, values);
    *scale = 1.0;
    if largest > 0.0 {
        *scale = largest / LARGEST;
        for steps in (1..=LARGEST as u32).rev() {
            if lies_on(v, values, steps as f32 / largest) {
                *scale = largest / steps as f32;
                break;
            }
        }
    }
    store_words(v, values, 1.0 / *scale, integers);
}

/// Whether all values times `inverse` are integers, but for rounding.
#[inline(always)]
fn lies_on<V: Float>(v: V, values: &[f32], inverse: f32) -> bool {
    /// Adding it to a small number and taking it away again rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let (round, inverse) = (v.splat(ROUND), v.splat(inverse));
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut part = v.load_part(rest, 0.0);
    for place in 0..=chunks.len() {
        let x = v.mul(part, inverse);
        let integer = v.sub(v.add(x, round), round);
        if v.largest(absolute(v, v.sub(x, integer))) > 2e-3 {
            return false;
        }
        if let Some(chunk) = chunks.get(place) {
            part = v.load(chunk);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unpacked(panels: &Panels, column: usize, depth: usize) -> Vec<f32> {
        (0..depth)
            .map(|place| {
                let per_group = panels.form.per_group();
                let group = panels.panel(column / LANES)[place / per_group].0[column % LANES];
                let integer = match panels.form {
                    Form::Bytes => i32::from((group >> (8 * (place % 4))) as i8),
                    Form::Words => i32::from((group >> (16 * (place % 2))) as i16),
                };
                integer as f32 * panels.scale[column]
            })
            .collect()
    }

    proptest! {
        #[test]
        fn weights_on_a_grid_keep_their_values(
            integers in prop::collection::vec(-127i32..=127, 40..80),
            scale in 1e-4f32..1.0,
        ) {
            let weights: Vec<f32> = integers.iter().map(|q| *q as f32 * scale).collect();
            let depth = weights.len();
            let panels = Panels::of_weights(Isa::SCALAR, &weights, depth, 0..1, 0..depth);
            for (found, expected) in unpacked(&panels, 0, depth).iter().zip(&weights) {
                prop_assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{} {}", found, expected);
            }
        }

        #[test]
        fn other_weights_move_by_half_a_step_at_most(
            weights in prop::collection::vec(-1f32..1.0, 3 * 21),
        ) {
            for isa in crate::testing::all() {
                let panels = Panels::of_weights(isa, &weights, 21, 1..3, 2..20);
                for column in 0..2 {
                    let expected = &weights[21 * (column + 1)..][2..20];
                    let largest = expected.iter().fold(0f32, |l, v| l.max(v.abs()));
                    for (found, expected) in unpacked(&panels, column, 18).iter().zip(expected) {
                        prop_assert!((found - expected).abs() <= largest / 253.0);
                    }
                }
            }
        }
    }
}
