//! Unit vectors in one block of memory, and the one similarity between two of them.

use treffer_types::Score;

use crate::error::{Error, Owner};

/// Squared lengths may differ from 1 by this much: wide enough for vectors that went
/// through half precision, far too narrow for one that was never normalized.
const UNIT_TOLERANCE: f64 = 2e-3;

/// Running sums of [`cosine`]. A power of two that fills vector registers of any width.
const LANES: usize = 16;

/// Rows of equal length, each a unit vector.
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

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.dimension
    }

    /// Adds a row, once it is known to be one.
    pub(crate) fn push(&mut self, owner: Owner, vector: &[f32]) -> Result<(), Error> {
        self.check(owner, vector)?;
        self.values.extend_from_slice(vector);
        Ok(())
    }

    /// Refuses a vector that [`cosine`] would not be the cosine for.
    pub(crate) fn check(&self, owner: Owner, vector: &[f32]) -> Result<(), Error> {
        if vector.len() != self.dimension {
            return Err(Error::WrongDimension {
                owner,
                expected: self.dimension,
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

    /// One row. Panics if there is no such row, as a slice does.
    pub(crate) fn row(&self, row: u32) -> &[f32] {
        let start = row as usize * self.dimension;
        &self.values[start..start + self.dimension]
    }

    /// Cosine similarity of a checked query and one row.
    pub(crate) fn score(&self, query: &[f32], row: u32) -> Score {
        Score::new(cosine(query, self.row(row))).expect("checked vectors are finite")
    }

    /// Every value, row after row.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Cosine similarity of two unit vectors of one length: their dot product, cut to
/// -1..=1 where rounding leaves that range.
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
        let vectors = Vectors::new(2);
        let message = |vector: &[f32]| match vectors.check(Owner::Query, vector) {
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
