//! A projection of token vectors to fewer values: the principal components of a sample
//! (Pearson 1901), not centered, because products are to be kept, not distances from a mean.
//!
//! The file `projection` is a prologue, the number of values that it takes and that it makes
//! (u32 each), zeros up to byte 64, then the rows of the matrix.

use std::path::Path;

use rayon::prelude::*;
use treffer_disk::{FileWriter, Numbers, Prologue, Sealed};
use treffer_kernels::dot;

use crate::config::WIDTHS;
use crate::error::{Error, damaged};
use crate::format::{START, VERSION, pad};

pub(crate) const PROJECTION: &str = "projection";
const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFlprj\n",
    version: VERSION,
};

/// Rounds of the iteration. Components that matter have converged long before; those next to the
/// last are exchangeable.
const ROUNDS: usize = 40;
/// Tokens for each value that is kept without which components are those of chance.
const TOKENS_FOR_EACH: usize = 1;

/// An orthonormal projection to fewer values. What it makes of a vector is scaled to length 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    from: usize,
    to: usize,
    /// `to` rows of `from` values.
    rows: Vec<f32>,
}

impl Projection {
    /// The `to` principal components of unit vectors of `from` values each, one after the other:
    /// the best projection of these to `to` values for products among them (Eckart and Young
    /// 1936), turned at random within their space. Found by orthogonal iteration from a fixed start, so that the same sample always
    /// gives the same projection.
    ///
    /// # Errors
    /// [`Error::TooFewTokens`] if there are fewer tokens than values to keep; [`Error::Width`] if
    /// `to` is not from 2 to `from` - 1.
    pub fn learn(sample: &[f32], from: usize, to: usize) -> Result<Self, Error> {
        if !WIDTHS.contains(&to) || to >= from {
            return Err(Error::Width { width: to });
        }
        let tokens = sample.len() / from;
        if tokens < TOKENS_FOR_EACH * to {
            return Err(Error::TooFewTokens { tokens, to });
        }
        let moments = moments(sample, from);
        let mut basis = start(from, to);
        orthonormalize(&mut basis, from);
        for _ in 0..ROUNDS {
            basis = basis
                .par_chunks_exact(from)
                .flat_map_iter(|row| {
                    let product = |moments: &[f64]| -> f64 {
                        row.iter().zip(moments).map(|(a, b)| a * b).sum()
                    };
                    // The matrix is symmetric, so its rows are its columns.
                    moments.chunks_exact(from).map(product)
                })
                .collect();
            orthonormalize(&mut basis, from);
        }
        Ok(Projection {
            from,
            to,
            rows: turned(&basis, from, to),
        })
    }

    /// Values that it takes.
    pub fn from(&self) -> usize {
        self.from
    }

    /// Values that it makes of them.
    pub fn to(&self) -> usize {
        self.to
    }

    /// The projection of whole vectors, each scaled to length 1. One that has no part in the
    /// space of the projection becomes the first component.
    pub(crate) fn apply(&self, values: &[f32]) -> Vec<f32> {
        let project = |vector: &[f32]| {
            let products = self.rows.chunks_exact(self.from);
            let mut kept: Vec<f32> = products.map(|row| dot(row, vector)).collect();
            normalize(&mut kept);
            kept
        };
        let vectors = values.par_chunks_exact(self.from);
        vectors.flat_map_iter(project).collect()
    }

    /// Writes `projection`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut file = FileWriter::create(&dir.join(PROJECTION))?;
        file.push(&PROLOGUE.to_bytes())?;
        file.push(&(self.from as u32).to_le_bytes())?;
        file.push(&(self.to as u32).to_le_bytes())?;
        pad(&mut file)?;
        for value in &self.rows {
            file.push(&value.to_le_bytes())?;
        }
        Ok(file.finish()?)
    }

    /// Reads `projection` completely.
    pub(crate) fn read(sealed: &Sealed) -> Result<Self, Error> {
        let file = sealed.file(PROJECTION)?;
        PROLOGUE.check_file(&file)?;
        let head = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 2)?;
        let (from, to) = (head.get(0)? as usize, head.get(1)? as usize);
        let fits = WIDTHS.contains(&from) && WIDTHS.contains(&to) && to < from;
        if !fits || file.len() != START + 4 * from * to {
            let reason = format!(
                "its {} bytes are no projection from {from} to {to} values",
                file.len()
            );
            return Err(damaged(file.path(), reason));
        }
        let rows = Numbers::<f32>::new(file.clone(), START, from * to)?;
        let rows = rows.slice(0..from * to)?.to_vec();
        if rows.iter().any(|value| !value.is_finite()) {
            return Err(damaged(file.path(), "it holds a value that is not finite"));
        }
        Ok(Projection { from, to, rows })
    }
}

/// Scales to length 1.
pub(crate) fn normalize(vector: &mut [f32]) {
    let square = |value: &f32| f64::from(*value) * f64::from(*value);
    let length = vector.iter().map(square).sum::<f64>().sqrt();
    if length > f64::from(f32::MIN_POSITIVE) {
        for value in vector {
            *value = (f64::from(*value) / length) as f32;
        }
    } else if let Some((first, rest)) = vector.split_first_mut() {
        *first = 1.0;
        rest.fill(0.0);
    }
}

/// The sums of products of each two values, `from` x `from`.
fn moments(sample: &[f32], from: usize) -> Vec<f64> {
    let row = |i: usize| {
        let mut sums = vec![0.0f64; from];
        for token in sample.chunks_exact(from) {
            let value = f64::from(token[i]);
            for (sum, other) in sums.iter_mut().zip(token) {
                *sum += value * f64::from(*other);
            }
        }
        sums
    };
    // Each row is summed by one thread in the order of the sample.
    (0..from).into_par_iter().flat_map_iter(row).collect()
}

/// The rows, turned within the space that they span by a fixed random rotation. Products stay, but
/// the first components no longer hold most of a vector, so that integers with one scale for all
/// values round off less.
fn turned(basis: &[f64], from: usize, to: usize) -> Vec<f32> {
    let mut rotation = start(to, to);
    orthonormalize(&mut rotation, to);
    let mut rows = Vec::with_capacity(from * to);
    for weights in rotation.chunks_exact(to) {
        let mut row = vec![0.0f64; from];
        for (weight, component) in weights.iter().zip(basis.chunks_exact(from)) {
            for (sum, value) in row.iter_mut().zip(component) {
                *sum += weight * value;
            }
        }
        rows.extend(row.into_iter().map(|value| value as f32));
    }
    rows
}

/// Fixed pseudo-random rows (a linear congruential generator).
fn start(from: usize, to: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..from * to).map(|_| next()).collect()
}

/// Makes rows orthogonal and of length 1, one after the other (modified Gram-Schmidt). A row that
/// depends on those before it is replaced by a unit vector that does not.
fn orthonormalize(rows: &mut [f64], width: usize) {
    for at in 0..rows.len() / width {
        let (before, rest) = rows.split_at_mut(at * width);
        let row = &mut rest[..width];
        let length_before = length(row);
        remove(before, row);
        let mut axis = 0;
        while length(row) <= 1e-9 * length_before.max(1e-300) && axis < width {
            row.fill(0.0);
            row[axis] = 1.0;
            axis += 1;
            remove(before, row);
            if length(row) > 1e-3 {
                break;
            }
        }
        // Once more, because the first time rounds off much of a row that nearly depends on others.
        remove(before, row);
        let length = length(row).max(f64::MIN_POSITIVE);
        row.iter_mut().for_each(|value| *value /= length);
    }
}

fn remove(before: &[f64], row: &mut [f64]) {
    for other in before.chunks_exact(row.len()) {
        let product: f64 = other.iter().zip(&*row).map(|(a, b)| a * b).sum();
        for (value, other) in row.iter_mut().zip(other) {
            *value -= product * other;
        }
    }
}

fn length(row: &[f64]) -> f64 {
    row.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit vectors in a plane of three dimensions.
    fn in_a_plane(n: usize) -> Vec<f32> {
        let mut values = Vec::new();
        for i in 0..n {
            let angle = i as f32 * 0.7;
            let (x, y) = (angle.cos(), angle.sin());
            values.extend([0.6 * x, y, 0.8 * x]);
        }
        values
    }

    #[test]
    fn vectors_of_a_plane_keep_their_products() {
        let sample = in_a_plane(50);
        let projection = Projection::learn(&sample, 3, 2).unwrap();
        assert_eq!(projection, Projection::learn(&sample, 3, 2).unwrap());
        let kept = projection.apply(&sample);
        for (a, a_kept) in sample.chunks_exact(3).zip(kept.chunks_exact(2)) {
            for (b, b_kept) in sample.chunks_exact(3).zip(kept.chunks_exact(2)) {
                assert!((dot(a, b) - dot(a_kept, b_kept)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn components_are_orthonormal_even_if_the_sample_has_fewer() {
        let sample: Vec<f32> = [1.0, 0.0, 0.0, 0.0, 0.0].repeat(9);
        let projection = Projection::learn(&sample, 5, 3).unwrap();
        for (i, a) in projection.rows.chunks_exact(5).enumerate() {
            for (j, b) in projection.rows.chunks_exact(5).enumerate() {
                let expected = f32::from(u8::from(i == j));
                assert!((dot(a, b) - expected).abs() < 1e-5, "{i} {j}");
            }
        }
        // Nothing of this vector is kept.
        let outside: Vec<f32> = {
            let mut vector = vec![0.3, -0.2, 0.5, 0.6, 0.1];
            for row in projection.rows.chunks_exact(5) {
                let product = dot(row, &vector);
                vector
                    .iter_mut()
                    .zip(row)
                    .for_each(|(v, r)| *v -= product * r);
            }
            vector.iter().map(|v| v * 1e-38).collect()
        };
        let kept = projection.apply(&outside);
        assert!((dot(&kept, &kept) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn too_few_tokens_or_values_are_refused() {
        let sample = in_a_plane(1);
        assert!(matches!(
            Projection::learn(&sample, 3, 2),
            Err(Error::TooFewTokens { tokens: 1, to: 2 })
        ));
        for to in [0, 1, 3, 4] {
            assert!(Projection::learn(&in_a_plane(9), 3, to).is_err());
        }
    }
}
