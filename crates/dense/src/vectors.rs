//! Unit vectors, in memory while an index is built and mapped from `vectors.f32` after, and
//! the one similarity between two of them.
//!
//! The file is a prologue, the dimension (u32), the number of rows (u32), zeros up to byte 64,
//! then the values (f32), row after row: rows whose dimension is a multiple of 16 start at
//! multiples of 64 bytes, which is a cache line.

use std::path::Path;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed};
use treffer_types::Score;

use crate::error::{Error, Owner, damaged};
use crate::format::{DIMENSIONS, MOST_VECTORS, VERSION};

const VECTORS: &str = "vectors.f32";
const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFvecs\n",
    version: VERSION,
};
/// Where the first row starts.
const START: usize = 64;

/// Squared lengths may differ from 1 by this much: wide enough for vectors that went
/// through half precision, far too narrow for one that was never normalized.
const UNIT_TOLERANCE: f64 = 2e-3;

/// Running sums of [`cosine`]. A power of two that fills vector registers of any width.
const LANES: usize = 16;

/// Rows of equal length, each a unit vector, in memory.
#[derive(Debug)]
pub(crate) struct Vectors {
    dimension: usize,
    values: Vec<f32>,
}

impl Vectors {
    /// No rows yet. `dimension` is at least 2.
    pub(crate) fn new(dimension: usize) -> Self {
        Vectors {
            dimension,
            values: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.dimension
    }

    /// Checks and adds a row.
    pub(crate) fn push(&mut self, owner: Owner, vector: &[f32]) -> Result<(), Error> {
        check_unit(self.dimension, owner, vector)?;
        self.values.extend_from_slice(vector);
        Ok(())
    }

    /// One row. Panics if there is no such row, as a slice does.
    pub(crate) fn row(&self, row: u32) -> &[f32] {
        let start = row as usize * self.dimension;
        &self.values[start..start + self.dimension]
    }

    /// Writes `vectors.f32`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut file = FileWriter::create(&dir.join(VECTORS))?;
        file.push(&PROLOGUE.to_bytes())?;
        file.push(&(self.dimension as u32).to_le_bytes())?;
        file.push(&(self.len() as u32).to_le_bytes())?;
        file.push(&[0; START - Prologue::BYTES - 8])?;
        for value in &self.values {
            file.push(&value.to_le_bytes())?;
        }
        Ok(file.finish()?)
    }
}

/// The rows of an index on disk.
#[derive(Debug)]
pub(crate) struct MappedVectors {
    dimension: usize,
    rows: usize,
    values: Numbers<f32>,
}

impl MappedVectors {
    pub(crate) fn open(sealed: &Sealed) -> Result<Self, Error> {
        let file = sealed.file(VECTORS)?;
        PROLOGUE.check_file(&file)?;
        let path = file.path().to_owned();
        let head = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 2)?;
        let (dimension, rows) = (head.get(0)? as usize, head.get(1)? as usize);
        let bytes = rows
            .checked_mul(4 * dimension)
            .and_then(|bytes| bytes.checked_add(START));
        if !DIMENSIONS.contains(&dimension) || rows > MOST_VECTORS || bytes != Some(file.len()) {
            let reason = format!(
                "its {} bytes are not {rows} vectors of {dimension} dimensions",
                file.len()
            );
            return Err(damaged(&path, reason));
        }
        Ok(MappedVectors {
            dimension,
            rows,
            values: Numbers::new(file, START, rows * dimension)?,
        })
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn path(&self) -> &Path {
        self.values.file().path()
    }

    /// One row.
    pub(crate) fn row(&self, row: u32) -> Result<&[f32], Error> {
        let start = row as usize * self.dimension;
        Ok(self.values.slice(start..start + self.dimension)?)
    }

    /// Cosine similarity of a checked query and one row.
    pub(crate) fn score(&self, query: &[f32], row: u32) -> Result<Score, Error> {
        Score::new(cosine(query, self.row(row)?))
            .ok_or_else(|| damaged(self.path(), format!("vector {row} is not finite")))
    }
}

/// Refuses a vector for which [`cosine`] would not be the cosine.
pub(crate) fn check_unit(dimension: usize, owner: Owner, vector: &[f32]) -> Result<(), Error> {
    if vector.len() != dimension {
        return Err(Error::WrongDimension {
            owner,
            expected: dimension,
            found: vector.len(),
        });
    }
    let squared: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    // Written so that NaN fails.
    if (squared - 1.0).abs() <= UNIT_TOLERANCE {
        Ok(())
    } else {
        let length = squared.sqrt();
        Err(Error::NotUnit { owner, length })
    }
}

/// Cosine similarity of two unit vectors of one length: their dot product, clamped to -1..=1.
///
/// Lane `i` sums the products at `i`, `i + 16`, `i + 32`, ..., then the lanes are
/// added in halves. The order is written out, so the compiler may use vector registers
/// of any width and may not reassociate: the result is the same on every processor.
/// Products and sums are rounded apart; a fused multiply-add would differ.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[lane] += x * y;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0].clamp(-1.0, 1.0)
}

/// `1 - cosine`, from 0 to 2.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f32 {
    1.0 - cosine(a, b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(values: &[f32]) -> Vec<f32> {
        let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        values.iter().map(|x| x / length).collect()
    }

    proptest! {
        #[test]
        fn cosine_is_the_sum_of_products(
            pairs in prop::collection::vec((-1.0f32..1.0, 0.01f32..1.0), 2..100),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().map(|(x, y)| (x + 1.5, y)).unzip();
            let (a, b) = (unit(&a), unit(&b));
            let plain: f64 = a.iter().zip(&b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(cosine(&a, &b)) - plain).abs() < 1e-6);
            prop_assert_eq!(cosine(&a, &b).to_bits(), cosine(&b, &a).to_bits());
        }
    }

    #[test]
    fn cosine_stays_in_its_range() {
        let long = [0.5001f32; 4];
        assert_eq!(cosine(&long, &long), 1.0);
        assert_eq!(cosine(&long, &long.map(|x| -x)), -1.0);
    }

    #[test]
    fn a_vector_that_is_no_unit_vector_is_refused_with_its_length() {
        let message = |vector: &[f32]| match check_unit(2, Owner::Query, vector) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(message(&[0.6, 0.8]), "");
        assert_eq!(message(&[0.6002, 0.7998]), "");
        assert!(message(&[3.0, 4.0]).contains("the query has the length 5;"));
        assert!(message(&[0.0, 0.0]).contains("length 0;"));
        assert!(message(&[f32::NAN, 1.0]).contains("length NaN;"));
        assert!(message(&[f32::INFINITY, 0.0]).contains("length inf;"));
        assert!(message(&[1.0]).contains("has 1 dimensions, the index has 2"));
    }
}
