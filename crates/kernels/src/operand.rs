//! The two operands of a product: rows of quantized activations on the left, and panels of
//! columns, usually of weights, on the right.

use crate::isa::{Isa, Level, compile_for_each};
use crate::rounding::{absolute, magnitude, store_words};
use crate::simd::{Float, LANES, PanelRow};

/// The integers in a group of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Four 8-bit integers: unsigned with a zero point in the left operand, signed in the
    /// right one.
    Bytes,
    /// Two signed 16-bit integers.
    Words,
}

impl Form {
    /// The form that linear layers use with this instruction set.
    pub fn for_linear(isa: Isa) -> Form {
        match isa.level() {
            Level::Avx512 | Level::Amx => Form::Bytes,
            // Without VNNI an exact 8-bit product is slower than a 16-bit one.
            Level::Avx2 | Level::Scalar => Form::Words,
        }
    }

    /// Number of integers in a group.
    pub(crate) fn per_group(self) -> usize {
        match self {
            Form::Bytes => 4,
            Form::Words => 2,
        }
    }

    /// Number of groups for `depth` integers. Bytes are padded to the 64 of an AMX tile.
    pub(crate) fn steps(self, depth: usize) -> usize {
        match self {
            Form::Bytes => depth.div_ceil(64) * 16,
            Form::Words => depth.div_ceil(2),
        }
    }
}

/// The left operand: rows of integers q, with x = scale (q - zero) in each row.
#[derive(Clone, Debug)]
pub struct Rows {
    pub(crate) form: Form,
    /// Row by row, `steps` groups each; bytes are padded to AMX tiles of 16 rows.
    pub(crate) groups: Vec<u32>,
    pub(crate) steps: usize,
    pub(crate) scale: Vec<f32>,
    /// In 0..=255 for bytes, always 0 for words.
    pub(crate) zero: Vec<i32>,
}

impl Rows {
    /// An empty operand. Its memory grows on first use and is kept for the next.
    pub fn new(form: Form) -> Self {
        Rows {
            form,
            groups: Vec::new(),
            steps: 0,
            scale: Vec::new(),
            zero: Vec::new(),
        }
    }

    /// Makes room for `rows` rows of `depth` integers. The padding at the end of each row is
    /// zeroed; other values are left unspecified.
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

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.scale.is_empty()
    }

    pub(crate) fn row(&self, row: usize) -> &[u32] {
        &self.groups[row * self.steps..][..self.steps]
    }
}

/// The right operand: columns of integers q, with w = scale q in each column, in panels of
/// sixteen columns. The last panel is padded with zeros.
#[derive(Clone, Debug)]
pub struct Panels {
    pub(crate) form: Form,
    /// Panel by panel, `steps` rows each.
    pub(crate) rows: Vec<PanelRow>,
    pub(crate) steps: usize,
    pub(crate) columns: usize,
    /// One per column, padded to whole panels.
    pub(crate) scale: Vec<f32>,
    /// Sum of each column's integers, which the zero points of the left operand multiply.
    pub(crate) sums: Vec<i32>,
}

/// The largest quantized weight.
const MAX_WEIGHT: f32 = 127.0;

impl Panels {
    /// Quantizes and packs weights for `isa`. `weights` is row-major, one row of `depth`
    /// values per *output*, as linear layers are stored; `outputs` and `inputs` select a
    /// submatrix. Each output has its own scale. Weights that are already multiples of a
    /// scale by integers in -127..=127 keep their values.
    ///
    /// # Panics
    /// If the submatrix exceeds `weights`, or has more than 65,536 inputs, for which 32-bit
    /// sums could overflow.
    pub fn from_weights(
        isa: Isa,
        weights: &[f32],
        depth: usize,
        outputs: std::ops::Range<usize>,
        inputs: std::ops::Range<usize>,
    ) -> Self {
        assert!(inputs.len() <= 1 << 16, "32-bit sums could overflow");
        let mut panels = Panels::zero(Form::for_linear(isa), outputs.len(), inputs.len());
        let mut integers = vec![0; inputs.len()];
        for (column, output) in outputs.enumerate() {
            let values = &weights[output * depth..][..depth][inputs.clone()];
            quantize_weights(isa, values, &mut integers, &mut panels.scale[column]);
            panels.sums[column] = integers.iter().map(|&integer| i32::from(integer)).sum();
            panels.set(column, &integers);
        }
        panels
    }

    /// Panels of zeros.
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

    /// Number of columns, which is the width of the product.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.rows[..]) + size_of_val(&self.scale[..]) + size_of_val(&self.sums[..])
    }

    fn set(&mut self, column: usize, integers: &[i16]) {
        let rows = &mut self.rows[column / LANES * self.steps..][..self.steps];
        let groups = rows.iter_mut().map(|row| &mut row.0[column % LANES]);
        match self.form {
            Form::Bytes => {
                for (group, integers) in groups.zip(integers.chunks(4)) {
                    let byte = |index| integers.get(index).map_or(0, |&integer| integer as u8);
                    *group = u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
                }
            }
            Form::Words => {
                for (group, integers) in groups.zip(integers.chunks(2)) {
                    let word = |index| integers.get(index).map_or(0, |&integer| integer as u16);
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
    /// Quantizes the weights of one output. If they are already multiples of some scale by
    /// 8-bit integers, that is their scale; otherwise the scale maps the largest magnitude
    /// to 127.
    ///
    /// Published weights are often dequantized 8-bit integers, and another scale would round
    /// them a second time.
    fn quantize_weights(values: &[f32], integers: &mut [i16], scale: &mut f32) = quantize_one;
}

#[inline(always)]
fn quantize_one<V: Float>(v: V, values: &[f32], integers: &mut [i16], scale: &mut f32) {
    let largest = magnitude(v, values);
    *scale = 1.0;
    if largest > 0.0 {
        *scale = largest / MAX_WEIGHT;
        for steps in (1..=MAX_WEIGHT as u32).rev() {
            if lies_on(v, values, steps as f32 / largest) {
                *scale = largest / steps as f32;
                break;
            }
        }
    }
    store_words(v, values, 1.0 / *scale, integers);
}

/// Whether all values times `inverse` are integers, up to rounding errors.
#[inline(always)]
fn lies_on<V: Float>(v: V, values: &[f32], inverse: f32) -> bool {
    /// 1.5 * 2^23: adding and subtracting it rounds a small number to an integer.
    const ROUND: f32 = 12_582_912.0;
    let (round, inverse) = (v.splat(ROUND), v.splat(inverse));
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut part = v.load_part(rest, 0.0);
    for index in 0..=chunks.len() {
        let x = v.mul(part, inverse);
        let integer = v.sub(v.add(x, round), round);
        if v.largest(absolute(v, v.sub(x, integer))) > 2e-3 {
            return false;
        }
        if let Some(chunk) = chunks.get(index) {
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
            .map(|index| {
                let per_group = panels.form.per_group();
                let group = panels.panel(column / LANES)[index / per_group].0[column % LANES];
                let integer = match panels.form {
                    Form::Bytes => i32::from((group >> (8 * (index % 4))) as i8),
                    Form::Words => i32::from((group >> (16 * (index % 2))) as i16),
                };
                integer as f32 * panels.scale[column]
            })
            .collect()
    }

    proptest! {
        #[test]
        fn weights_that_were_quantized_before_keep_their_values(
            integers in prop::collection::vec(-127i32..=127, 40..80),
            scale in 1e-4f32..1.0,
        ) {
            let weights: Vec<f32> = integers.iter().map(|q| *q as f32 * scale).collect();
            let depth = weights.len();
            let panels = Panels::from_weights(Isa::SCALAR, &weights, depth, 0..1, 0..depth);
            for (found, expected) in unpacked(&panels, 0, depth).iter().zip(&weights) {
                prop_assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{} {}", found, expected);
            }
        }

        #[test]
        fn other_weights_change_by_at_most_half_a_step(
            weights in prop::collection::vec(-1f32..1.0, 3 * 21),
        ) {
            for isa in crate::testing::all() {
                let panels = Panels::from_weights(isa, &weights, 21, 1..3, 2..20);
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
