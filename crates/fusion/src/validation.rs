//! Normalizers made in code, typed by people or read from configuration: refused if their
//! settings make no sense.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::error::Error;
use crate::normalizer::Normalizer;

/// The constant of reciprocal ranks when none is given.
const DEFAULT_K: u32 = 60;

impl Normalizer {
    /// Whether the settings make sense. Configuration is checked as it is read; this is for
    /// a normalizer made in code.
    ///
    /// # Errors
    /// If a setting is not finite, if `low` is not below `high`, or if a sigmoid does not
    /// rise.
    pub fn check(self) -> Result<Self, Error> {
        match self.refusal() {
            None => Ok(self),
            Some(reason) => Err(Error::InvalidNormalizer {
                normalizer: self,
                reason,
            }),
        }
    }
}

impl FromStr for Normalizer {
    type Err = Error;

    /// `min-max`, `z-score`, `rank` (with a k of 60) or `rank:K`, `linear-rank`,
    /// `theoretical-min:LOW`, `bounds:LOW:HIGH`, `sigmoid:SLOPE:OFFSET`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let words: Vec<&str> = text.split(':').map(str::trim).collect();
        let unknown = || Error::UnknownNormalizer {
            text: text.to_owned(),
        };
        let number = |word: &str| word.parse::<f64>().map_err(|_| unknown());
        match words.as_slice() {
            ["min-max"] => Normalizer::MinMax,
            ["z-score"] => Normalizer::ZScore,
            ["rank"] => Normalizer::Rank { k: DEFAULT_K },
            ["rank", k] => Normalizer::Rank {
                k: k.parse().map_err(|_| unknown())?,
            },
            ["linear-rank"] => Normalizer::LinearRank,
            ["theoretical-min", low] => Normalizer::TheoreticalMin { low: number(low)? },
            ["bounds", low, high] => Normalizer::Bounds {
                low: number(low)?,
                high: number(high)?,
            },
            ["sigmoid", slope, offset] => Normalizer::Sigmoid {
                slope: number(slope)?,
                offset: number(offset)?,
            },
            _ => return Err(unknown()),
        }
        .check()
    }
}

impl<'de> Deserialize<'de> for Normalizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let normalizer = Normalizer::deserialize(deserializer)?;
        normalizer.check().map_err(serde::de::Error::custom)
    }
}
