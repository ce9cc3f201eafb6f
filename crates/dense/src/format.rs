//! Constants of the format: the version, and limits on dimensions and on the number of
//! vectors.

/// Must be incremented with every change to any file of the index.
pub(crate) const VERSION: u32 = 3;

/// A unit vector of one dimension is only a sign, and the builder distinguishes vectors from
/// row numbers by their length.
pub(crate) const DIMENSIONS: std::ops::RangeInclusive<usize> = 2..=65_536;

/// The builder numbers the points of a layer by `i32`.
pub(crate) const MOST_VECTORS: usize = i32::MAX as usize;
