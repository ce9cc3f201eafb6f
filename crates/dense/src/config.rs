//! The parameters of building a graph.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How the graph is built (Malkov and Yashunin, "Efficient and robust approximate
/// nearest neighbor search using Hierarchical Navigable Small World graphs", 2018).
///
/// There is no default of the numbers: presets name both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphConfig {
    /// Most links of a vector in each layer above the lowest, which has twice as many;
    /// 4 to 255, usually 16. More links improve recall and cost time and space.
    pub m: usize,
    /// Candidates kept while looking for a new vector's neighbors; at least `m`, at
    /// most 65535. More make a better graph and a slower build.
    pub ef_construction: usize,
    /// What builds it.
    #[serde(default, skip_serializing_if = "Builder::is_default")]
    pub builder: Builder,
}

/// What builds a graph. The format is the same, and so is the search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// This crate, on all threads.
    #[default]
    Batches,
    /// The library `hnsw_rs`, on one thread.
    HnswRs,
}

impl Builder {
    fn is_default(&self) -> bool {
        *self == Builder::default()
    }
}

impl GraphConfig {
    const M_RANGE: std::ops::RangeInclusive<usize> = 4..=255;
    const MOST_EF: usize = 65_535;

    /// With the builder that is used if none is named.
    pub const fn new(m: usize, ef_construction: usize) -> Self {
        GraphConfig {
            m,
            ef_construction,
            builder: Builder::Batches,
        }
    }

    /// Checks both numbers.
    ///
    /// # Errors
    /// [`Error::Config`] names the key that is out of range, its value and the range.
    pub fn validate(&self) -> Result<(), Error> {
        let GraphConfig {
            m, ef_construction, ..
        } = *self;
        if !Self::M_RANGE.contains(&m) {
            return Err(Error::Config {
                key: "m",
                value: m,
                least: *Self::M_RANGE.start(),
                most: *Self::M_RANGE.end(),
            });
        }
        if !(m..=Self::MOST_EF).contains(&ef_construction) {
            return Err(Error::Config {
                key: "ef_construction",
                value: ef_construction,
                least: m,
                most: Self::MOST_EF,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(m: usize, ef_construction: usize) -> String {
        match GraphConfig::new(m, ef_construction).validate() {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn numbers_out_of_range_are_named_with_their_range() {
        assert_eq!(message(4, 4), "");
        assert_eq!(message(255, 65_535), "");
        assert_eq!(message(3, 100), "`m` is 3; it must be from 4 to 255");
        assert_eq!(message(256, 300), "`m` is 256; it must be from 4 to 255");
        assert_eq!(
            message(16, 15),
            "`ef_construction` is 15; it must be from 16 to 65535"
        );
        assert_ne!(message(16, usize::MAX), "");
    }
}
