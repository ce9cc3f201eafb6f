//! The finite score that every stage gives.

use serde::{Deserialize, Deserializer, Serialize};

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

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f32::deserialize(deserializer)?;
        Score::new(value).ok_or_else(|| serde::de::Error::custom("a score must be finite"))
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
}
