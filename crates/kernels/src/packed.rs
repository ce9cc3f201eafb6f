//! A transformer over packed sequences: the rows of all tokens one after the other, without
//! padding.
//!
//! [`Operations`] is what such a forward pass consists of. [`Scalar`] computes it in f32 on the
//! CPU, as simply as possible: it is the oracle of the kernels and lets the pass be tested without
//! a GPU. `Gpu` (feature `cuda`) computes it in bf16 by the kernels in `cuda/packed.cu` and
//! cuBLAS.

#[cfg(feature = "cuda")]
mod gpu;
mod scalar;

#[cfg(feature = "cuda")]
pub use gpu::{Gpu, GpuError};
pub use scalar::Scalar;

/// Queries that one block of the attention kernel computes, 16 for each of its warps.
pub const TILE: u32 = 64;

/// Widths of a head that the attention kernel is compiled for.
pub const HEAD_WIDTHS: [usize; 2] = [32, 64];

/// Most values of a row of tokens.
pub const MAX_WIDTH: usize = 1024;

/// Where sequences lie within the rows of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// The first row of each sequence, and the number of all rows.
    starts: Vec<u32>,
    /// Sequence and first query of each tile of at most [`TILE`] queries.
    tiles: Vec<u32>,
}

impl Packing {
    /// Sequences of `lengths` rows, in this order.
    ///
    /// # Panics
    /// If a length is 0, or all together exceed `u32`.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        let (mut starts, mut tiles) = (vec![0u32], Vec::new());
        for (sequence, length) in (0u32..).zip(lengths) {
            assert!(length > 0, "sequence {sequence} has no tokens");
            let start = starts.last().copied().unwrap_or_default();
            let end = u32::try_from(length)
                .ok()
                .and_then(|n| start.checked_add(n));
            let end = end.unwrap_or_else(|| panic!("{length} tokens more than fit"));
            starts.push(end);
            for first in (0..end - start).step_by(TILE as usize) {
                tiles.extend([sequence, first]);
            }
        }
        Packing { starts, tiles }
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of rows of all sequences.
    pub fn rows(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// First row, and the one after the last, of each sequence.
    pub fn each(&self) -> impl Iterator<Item = (usize, usize)> {
        self.starts
            .windows(2)
            .map(|pair| (pair[0] as usize, pair[1] as usize))
    }

    /// As the attention kernel takes them: the starts.
    pub fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// As the attention kernel takes them: sequence and first query of each tile.
    pub fn tiles(&self) -> &[u32] {
        &self.tiles
    }

    /// The tiles of the first query of each sequence alone.
    pub fn first_tiles(&self) -> Vec<u32> {
        (0..self.sequences() as u32)
            .flat_map(|sequence| [sequence, 0])
            .collect()
    }
}

/// The queries that attention is computed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queries {
    /// Every token's; the result has their rows.
    All,
    /// That of each sequence's first token; the result has one row for each sequence.
    First,
}

/// The activation function between the two layers of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// x Φ(x), by the error function (Hendrycks and Gimpel 2016,
    /// <https://arxiv.org/abs/1606.08415>).
    Gelu,
    /// Its approximation by tanh.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

/// Scale and shift of a layer norm (Ba et al. 2016, <https://arxiv.org/abs/1607.06450>).
pub struct Norm<V> {
    /// Scale of each value.
    pub weight: V,
    /// Shift of each value.
    pub bias: V,
    /// Added to the variance.
    pub eps: f32,
}

/// What a forward pass over packed rows consists of, on one device.
///
/// Shapes that do not fit each other are mistakes of the caller and panic; errors are those of
/// the device.
pub trait Operations {
    /// Rows of values in the precision of the device.
    type Matrix;
    /// f32 values.
    type Vector;
    /// A [`Packing`] on the device.
    type Packed;
    /// The device's error.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Whether there are kernels for rows of `hidden` values in so many heads, and of `inner`
    /// values in the feed-forward block.
    fn supports(&self, hidden: usize, heads: usize, inner: usize) -> bool;

    /// Values in row-major order, `[values / width, width]`, moved to the device.
    ///
    /// # Errors
    /// Those of the device, as for every other function.
    fn matrix(&self, values: &[f32], width: usize) -> Result<Self::Matrix, Self::Error>;

    /// Values moved to the device.
    ///
    /// # Errors
    /// Those of the device.
    fn vector(&self, values: &[f32]) -> Result<Self::Vector, Self::Error>;

    /// The places of sequences, moved to the device.
    ///
    /// # Errors
    /// Those of the device.
    fn pack(&self, packing: &Packing) -> Result<Self::Packed, Self::Error>;

    /// For each token the sum of one row of each table, normalized: `[tokens, width]`. The three
    /// lists of rows have one value for each token.
    ///
    /// # Errors
    /// Those of the device.
    fn embed(
        &self,
        tables: [&Self::Matrix; 3],
        rows: [&[u32]; 3],
        norm: &Norm<Self::Vector>,
    ) -> Result<Self::Matrix, Self::Error>;

    /// x W^T: `[rows, inputs]` by `[outputs, inputs]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// Those of the device.
    fn product(&self, x: &Self::Matrix, weight: &Self::Matrix)
    -> Result<Self::Matrix, Self::Error>;

    /// activation(x + bias).
    ///
    /// # Errors
    /// Those of the device.
    fn activate(
        &self,
        x: Self::Matrix,
        bias: &Self::Vector,
        activation: FeedForward,
    ) -> Result<Self::Matrix, Self::Error>;

    /// The norm of x + bias + residual.
    ///
    /// # Errors
    /// Those of the device.
    fn add_norm(
        &self,
        x: &Self::Matrix,
        bias: &Self::Vector,
        residual: &Self::Matrix,
        norm: &Norm<Self::Vector>,
    ) -> Result<Self::Matrix, Self::Error>;

    /// softmax(Q K^T / sqrt d) V in each head (Vaswani et al. 2017,
    /// <https://arxiv.org/abs/1706.03762>), each sequence by itself. A row of `product` holds
    /// queries, keys and values of all heads, to which `bias` is added.
    ///
    /// # Errors
    /// Those of the device.
    fn attend(
        &self,
        product: &Self::Matrix,
        bias: &Self::Vector,
        heads: usize,
        packed: &Self::Packed,
        queries: Queries,
    ) -> Result<Self::Matrix, Self::Error>;

    /// The first row of each sequence.
    ///
    /// # Errors
    /// Those of the device.
    fn first_rows(
        &self,
        x: &Self::Matrix,
        packed: &Self::Packed,
    ) -> Result<Self::Matrix, Self::Error>;

    /// The values of a matrix, back from the device.
    ///
    /// # Errors
    /// Those of the device.
    fn values(&self, x: &Self::Matrix) -> Result<Vec<f32>, Self::Error>;

    /// Waits until the device has done what it was asked for.
    ///
    /// # Errors
    /// Those of the device.
    fn synchronize(&self) -> Result<(), Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_query_is_in_one_tile(lengths in prop::collection::vec(1usize..200, 0..9)) {
            let packing = Packing::new(lengths.iter().copied());
            prop_assert_eq!(packing.sequences(), lengths.len());
            prop_assert_eq!(packing.rows(), lengths.iter().sum::<usize>());
            let found: Vec<usize> = packing.each().map(|(start, end)| end - start).collect();
            prop_assert_eq!(&found, &lengths);
            let mut seen = vec![0; packing.rows()];
            for tile in packing.tiles().chunks_exact(2) {
                let (sequence, first) = (tile[0] as usize, tile[1] as usize);
                prop_assert!(first < lengths[sequence]);
                let start = packing.starts()[sequence] as usize;
                for query in first..lengths[sequence].min(first + TILE as usize) {
                    seen[start + query] += 1;
                }
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
        }
    }

    #[test]
    #[should_panic(expected = "sequence 1 has no tokens")]
    fn an_empty_sequence_is_refused() {
        Packing::new([3, 0]);
    }
}
