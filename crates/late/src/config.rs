//! How token vectors are kept.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// In which form an index keeps its token vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// In half precision: 2 bytes a value.
    F16,
    /// As bytes with a scale for each token: 1 byte a value, and 4.
    #[default]
    Int8,
    /// In 4 bits with a scale for each token: half a byte a value, and 4.
    Int4,
    /// As the nearest of many centroids and 2 bits for each value of what is left: a quarter of a
    /// byte a value, and 2.
    Residual2,
    /// The same with 1 bit: an eighth of a byte a value, and 2.
    Residual1,
}

impl Storage {
    /// Bits for each value of a residual, of forms that need a [`Codebook`](crate::Codebook).
    pub fn residual_bits(self) -> Option<usize> {
        match self {
            Storage::F16 | Storage::Int8 | Storage::Int4 => None,
            Storage::Residual2 => Some(2),
            Storage::Residual1 => Some(1),
        }
    }
}

/// What makes an index smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Compression {
    /// The form of the values.
    pub storage: Storage,
    /// Values that are kept of each token; all if it is not set. At least 2, and fewer than the
    /// model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// How many tokens become one on average, from 1 to 16: those of a passage whose vectors are
    /// most alike.
    #[serde(skip_serializing_if = "is_one")]
    pub pool: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Compression {
            storage: Storage::default(),
            dimension: None,
            pool: 1,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(value: &usize) -> bool {
    *value == 1
}

/// Most tokens that one can stand for.
const MOST_POOLED: usize = 16;
/// Widths of a token.
pub(crate) const WIDTHS: std::ops::RangeInclusive<usize> = 2..=4096;

impl Compression {
    /// Checks the values that do not depend on a model.
    ///
    /// # Errors
    /// [`Error::Config`] if one is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let Compression {
            storage: _,
            dimension,
            pool,
        } = *self;
        if !(1..=MOST_POOLED).contains(&pool) {
            return Err(Error::Config {
                key: "pool",
                value: pool,
                least: 1,
                most: MOST_POOLED,
            });
        }
        match dimension {
            Some(value) if !WIDTHS.contains(&value) => Err(Error::Config {
                key: "dimension",
                value,
                least: *WIDTHS.start(),
                most: *WIDTHS.end(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether there is something to learn from the first documents.
    pub fn learns(&self) -> bool {
        self.dimension.is_some() || self.storage.residual_bits().is_some()
    }

    /// Checks the values for a model whose tokens have `width` values.
    ///
    /// # Errors
    /// [`Error::Config`] if one is out of range, [`Error::Width`] if tokens of this width cannot be
    /// indexed.
    pub fn validate_for(&self, width: usize) -> Result<(), Error> {
        self.validate()?;
        if !WIDTHS.contains(&width) {
            return Err(Error::Width { width });
        }
        match self.dimension {
            Some(value) if value >= width => Err(Error::Config {
                key: "dimension",
                value,
                least: *WIDTHS.start(),
                most: width - 1,
            }),
            _ => Ok(()),
        }
    }
}
