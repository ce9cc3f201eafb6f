//! What an index learns from its first documents, and keeps for all later ones.

use std::sync::Arc;

use crate::codebook::Codebook;
use crate::config::Compression;
use crate::error::Error;
use crate::pooling::pooled;
use crate::projection::Projection;

/// What was learned from the first documents of an index: parts that differ in it cannot be
/// compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// The projection to fewer values, if there is one.
    pub projection: Option<Arc<Projection>>,
    /// Centroids and levels, if vectors are kept as residuals.
    pub codebook: Option<Arc<Codebook>>,
}

impl Learned {
    /// Learns what a compression needs from the vectors of the tokens of some passages, of `width`
    /// values each, for an index of about `tokens` of them.
    ///
    /// # Errors
    /// As [`Projection::learn`] and [`Codebook::learn`].
    pub fn from_sample(
        passages: &[Vec<f32>],
        width: usize,
        compression: &Compression,
        tokens: u64,
    ) -> Result<Self, Error> {
        let mut learned = Learned::default();
        if let Some(dimension) = compression.dimension {
            let projection = Projection::learn(&passages.concat(), width, dimension)?;
            learned.projection = Some(Arc::new(projection));
        }
        if let Some(bits) = compression.storage.residual_bits() {
            let kept = compression.dimension.unwrap_or(width);
            let of_passage = |passage: &Vec<f32>| {
                let pooled = pooled(passage, width, compression.pool);
                match &learned.projection {
                    None => pooled,
                    Some(projection) => projection.apply(&pooled),
                }
            };
            let sample: Vec<f32> = passages.iter().flat_map(of_passage).collect();
            let tokens = tokens / compression.pool as u64;
            learned.codebook = Some(Arc::new(Codebook::learn(&sample, kept, bits, tokens)?));
        }
        Ok(learned)
    }
}
