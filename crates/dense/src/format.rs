//! What all files of an index share: their version, and how many vectors of which
//! dimensions they can hold.

/// Changes with every change to any file of the index.
pub(crate) const VERSION: u32 = 2;

/// Vectors of one dimension say nothing but a sign, and the builder tells a vector from a
/// row number by its length.
pub(crate) const DIMENSIONS: std::ops::RangeInclusive<usize> = 2..=65_536;

/// The builder ranks the points of a layer by `i32`.
pub(crate) const MOST_VECTORS: usize = i32::MAX as usize;
