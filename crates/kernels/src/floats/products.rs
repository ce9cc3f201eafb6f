//! Matrices in memory, and their products.

/// A matrix in memory, of which the rows or the columns are in one piece each.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix of rows that lie one after another.
    ///
    /// # Panics
    /// If `values` is too short.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Matrix::strided(values, rows, columns, columns)
    }

    /// A matrix whose rows begin `stride` values apart.
    ///
    /// # Panics
    /// If `values` is too short.
    pub fn strided(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(values.len(), rows, columns, stride);
        Matrix {
            values,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// Rows for columns.
    #[must_use]
    pub fn transposed(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// What becomes of what was in the output of [`Products::multiply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// It is overwritten.
    Set,
    /// The product is added to it.
    Add,
}

/// What the operands of a product are rounded to. Sums are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To bf16, which has the range of f32 and 8 bits of precision (Kalamkar et al. 2019,
    /// <https://arxiv.org/abs/1905.12322>). Subnormal numbers become 0.
    Bf16,
}

/// Products of matrices, with memory that is kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Products {
    precision: Precision,
    #[cfg(target_arch = "x86_64")]
    packed: super::tiles::Packed,
    rounded: [Vec<f32>; 2],
}

impl Products {
    /// Products whose operands are rounded to `precision`.
    pub fn new(precision: Precision) -> Self {
        Products {
            precision,
            ..Products::default()
        }
    }

    /// Whether this processor has instructions for products of bf16. Without them, results are
    /// the same up to the order of sums, and take longer than with [`Precision::F32`].
    pub fn has_bf16_instructions() -> bool {
        #[cfg(target_arch = "x86_64")]
        return has_bf16();
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// `scale` times the product of `left` and `right`, into rows of `out` that begin
    /// `out_stride` values apart. Runs on the calling thread alone.
    ///
    /// # Panics
    /// If the shapes do not fit, or `out` is too short.
    pub fn multiply(
        &mut self,
        out: &mut [f32],
        out_stride: usize,
        left: Matrix<'_>,
        right: Matrix<'_>,
        scale: f32,
        into: Into,
    ) {
        assert_eq!(left.columns, right.rows, "the inner dimensions differ");
        let (rows, columns) = (left.rows, right.columns);
        check(out.len(), rows, columns, out_stride);
        if rows == 0 || columns == 0 {
            return;
        }
        if left.columns == 0 {
            if into == Into::Set {
                for row in out.chunks_mut(out_stride).take(rows) {
                    row[..columns].fill(0.0);
                }
            }
            return;
        }
        match self.precision {
            Precision::F32 => plain(out, out_stride, left, right, scale, into),
            #[cfg(target_arch = "x86_64")]
            Precision::Bf16 if has_bf16() => {
                // SAFETY: the processor has the instructions.
                unsafe {
                    super::tiles::product(
                        &mut self.packed,
                        out,
                        out_stride,
                        left,
                        right,
                        scale,
                        into,
                    );
                }
            }
            Precision::Bf16 => {
                let [a, b] = &mut self.rounded;
                let (left, right) = (left.rounded(a), right.rounded(b));
                plain(out, out_stride, left, right, scale, into);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

impl Matrix<'_> {
    /// The matrix with its values rounded to bf16, in `room`.
    fn rounded<'a>(&self, room: &'a mut Vec<f32>) -> Matrix<'a> {
        room.clear();
        room.extend(self.values.iter().map(|&x| to_bf16(x)));
        Matrix {
            values: room,
            ..*self
        }
    }
}

/// The nearest number of bf16, the even one of two; 0 for subnormal numbers.
pub(super) fn to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    if x.is_nan() {
        return x;
    }
    if x.is_subnormal() {
        return f32::from_bits(bits & 0x8000_0000);
    }
    let even = (bits >> 16) & 1;
    f32::from_bits(bits.wrapping_add(0x7fff + even) & 0xffff_0000)
}

/// A product of matrices that have rows, columns and an inner dimension, in f32.
fn plain(
    out: &mut [f32],
    out_stride: usize,
    left: Matrix<'_>,
    right: Matrix<'_>,
    scale: f32,
    into: Into,
) {
    check(out.len(), left.rows, right.columns, out_stride);
    let stride = |stride: usize| isize::try_from(stride).unwrap_or(isize::MAX);
    // SAFETY: `check` has made sure that the last element of each of the three matrices is
    // within its slice, whose lifetimes last until the function returns; `out` is borrowed
    // mutably and so does not overlap with the others.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            out.as_mut_ptr(),
            1,
            stride(out_stride),
            into == Into::Add,
            left.values.as_ptr(),
            stride(left.column_stride),
            stride(left.row_stride),
            right.values.as_ptr(),
            stride(right.column_stride),
            stride(right.row_stride),
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Panics unless the last element of the matrix is within `length` values and rows do not
/// overlap.
fn check(length: usize, rows: usize, columns: usize, stride: usize) {
    assert!(columns <= stride || rows <= 1, "rows overlap");
    let last = rows.checked_sub(1).and_then(|row| row.checked_mul(stride));
    let needed = last.map_or(Some(0), |start| start.checked_add(columns));
    assert!(
        needed.is_some_and(|needed| needed <= length),
        "a matrix of {rows} x {columns} needs more than {length} values"
    );
}
