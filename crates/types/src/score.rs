//! Stages by name, and the finite score each gives.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A stage of the cascade. Stages are told apart by name, never by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageName {
    /// BM25 over the inverted index. Scores are at least 0; 0 means no query term occurs.
    Bm25,
    /// Cosine similarity of bi-encoder embeddings, in -1..=1.
    Dense,
    /// The cross-encoder's raw logit, unbounded.
    Cross,
}

impl StageName {
    /// Every stage, in the order in which a search runs them.
    pub const ALL: [StageName; 3] = [StageName::Bm25, StageName::Dense, StageName::Cross];

    /// The name used on the command line, in configuration and in results.
    pub fn as_str(self) -> &'static str {
        match self {
            StageName::Bm25 => "bm25",
            StageName::Dense => "dense",
            StageName::Cross => "cross",
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StageName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        StageName::ALL
            .into_iter()
            .find(|stage| stage.as_str() == name)
            .ok_or_else(|| format!("unknown stage `{name}`; stages are bm25, dense and cross"))
    }
}

/// One value for each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageMap<T> {
    /// The lexical stage's.
    pub bm25: T,
    /// The bi-encoder stage's.
    pub dense: T,
    /// The cross-encoder stage's.
    pub cross: T,
}

impl<T> StageMap<T> {
    /// The value that `value_of` gives for each stage.
    pub fn from_fn(mut value_of: impl FnMut(StageName) -> T) -> Self {
        StageMap {
            bm25: value_of(StageName::Bm25),
            dense: value_of(StageName::Dense),
            cross: value_of(StageName::Cross),
        }
    }

    /// The pairs, in the order of [`StageName::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (StageName, &T)> {
        StageName::ALL
            .into_iter()
            .map(|stage| (stage, &self[stage]))
    }
}

impl<T> std::ops::Index<StageName> for StageMap<T> {
    type Output = T;

    fn index(&self, stage: StageName) -> &T {
        match stage {
            StageName::Bm25 => &self.bm25,
            StageName::Dense => &self.dense,
            StageName::Cross => &self.cross,
        }
    }
}

impl<T> std::ops::IndexMut<StageName> for StageMap<T> {
    fn index_mut(&mut self, stage: StageName) -> &mut T {
        match stage {
            StageName::Bm25 => &mut self.bm25,
            StageName::Dense => &mut self.dense,
            StageName::Cross => &mut self.cross,
        }
    }
}

/// A finite score; larger is better. Negative zero is stored as zero, so equal
/// scores are also equal bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Score(f32);

impl Score {
    /// Zero.
    pub const ZERO: Score = Score(0.0);

    /// `None` if `value` is not finite.
    pub fn new(value: f32) -> Option<Self> {
        value.is_finite().then_some(Score(value + 0.0))
    }

    /// The score as a number.
    pub fn value(self) -> f32 {
        self.0
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_finite() {
        assert_eq!(Score::new(f32::NAN), None);
        assert_eq!(Score::new(f32::NEG_INFINITY), None);
        assert_eq!(Score::new(-11.25).map(Score::value), Some(-11.25));
    }

    #[test]
    fn both_zeros_are_one_score() {
        let (negative, positive) = (Score::new(-0.0).unwrap(), Score::new(0.0).unwrap());
        assert_eq!(negative.cmp(&positive), std::cmp::Ordering::Equal);
        assert_eq!(negative.value().to_bits(), positive.value().to_bits());
    }

    #[test]
    fn stage_names_parse_as_they_print() {
        for stage in StageName::ALL {
            assert_eq!(stage.to_string().parse(), Ok(stage));
        }
        assert!("colbert".parse::<StageName>().is_err());
    }
}
