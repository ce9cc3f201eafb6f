//! The vectors as a builder's searches read them: a byte a value.
//!
//! Nearly all the time of a build goes by in searches for the neighbors of a new vector, and
//! most of that in waiting for other vectors. A search by the high bytes of `int8` reads a
//! quarter of what one by `f32` reads and finds nearly the same; what it finds is then
//! compared by the vectors as they are kept, so links are chosen by those.

use rayon::prelude::*;

use crate::error::Error;
use crate::search::Away;
use crate::storage::{Coarse, Query, Storage, set_high};
use crate::vectors::Vectors;

/// Dimensions from which on there are codes. Errors of the bytes cancel out where there are
/// many; vectors of fewer dimensions are short already.
const LEAST_DIMENSION: usize = 64;

/// What a builder's searches read of all vectors.
pub(crate) enum Codes<'a> {
    /// Of each row the high bytes and the scale of `int8`.
    Bytes {
        dimension: usize,
        high: Vec<i8>,
        scales: Vec<f32>,
    },
    /// The vectors: they are bytes, or have few dimensions.
    Vectors(&'a Vectors),
}

impl<'a> Codes<'a> {
    pub(crate) fn of(vectors: &'a Vectors) -> Self {
        let dimension = vectors.dimension();
        if vectors.storage() == Storage::Int8 || dimension < LEAST_DIMENSION {
            return Codes::Vectors(vectors);
        }
        let mut high = vec![0; vectors.len() * dimension];
        let mut scales = vec![0.0; vectors.len()];
        high.par_chunks_mut(dimension)
            .zip(&mut scales)
            .enumerate()
            .for_each(|(row, (high, scale))| {
                *scale = set_high(&vectors.row(row as u32).values(), high);
            });
        Codes::Bytes {
            dimension,
            high,
            scales,
        }
    }

    /// Whether distances are others than those of the vectors.
    pub(crate) fn are_coarse(&self) -> bool {
        matches!(self, Codes::Bytes { .. })
    }

    /// What is read of one row.
    #[inline]
    pub(crate) fn row(&self, row: u32) -> Coarse<'_> {
        match self {
            Codes::Bytes {
                dimension,
                high,
                scales,
            } => Coarse::Int8 {
                high: &high[row as usize * dimension..][..*dimension],
                scale: scales[row as usize],
            },
            Codes::Vectors(vectors) => vectors.coarse(row),
        }
    }

    /// Distances from a query that was set to one of the rows.
    pub(crate) fn away_from(&'a self, query: &'a Query) -> impl Away + 'a {
        AwayFrom { codes: self, query }
    }
}

struct AwayFrom<'a> {
    codes: &'a Codes<'a>,
    query: &'a Query,
}

impl Away for AwayFrom<'_> {
    #[inline]
    fn to(&mut self, row: u32) -> Result<f32, Error> {
        Ok(self.query.distance(self.codes.row(row)))
    }

    #[inline]
    fn expect(&mut self, row: u32) -> Result<(), Error> {
        self.codes.row(row).prefetch();
        Ok(())
    }
}
