//! The share each stage has in the fused score.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use treffer_types::{StageMap, StageName};

use crate::error::Error;

/// The shares of the stages: never negative, and summing to exactly 1.
///
/// Kept as integer parts of a common total, in lowest terms. So 0.1 + 0.2 + 0.7
/// is 1 without a tolerance, no point of a grid is lost to rounding, and equal
/// shares compare equal however they were written.
///
/// As text the weights read `0.2,0.3,0.5` (bm25, dense, cross: the alpha, beta
/// and gamma of the usual formula); in configuration
/// `{ bm25 = 0.2, dense = 0.3, cross = 0.5 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "StageMap<f64>", into = "StageMap<f64>")]
pub struct Weights {
    parts: StageMap<u32>,
}

impl Weights {
    /// Shares in the proportion of `parts`.
    ///
    /// # Errors
    /// If all parts are 0.
    pub fn new(parts: StageMap<u32>) -> Result<Self, Error> {
        let divisor = parts
            .iter()
            .fold(0, |divisor, (_, &part)| gcd(divisor, part));
        if divisor == 0 {
            return Err(Error::NoWeight);
        }
        Ok(Weights {
            parts: StageMap::from_fn(|stage| parts[stage] / divisor),
        })
    }

    /// Shares from decimal fractions: exact if they have at most nine decimals or
    /// are fractions with a denominator up to 1000 (thirds, sevenths, any point of
    /// a simplex of that many steps); rounded to nine decimals otherwise.
    ///
    /// # Errors
    /// If a weight is negative or not finite, or if they do not sum to 1 within
    /// 1e-9.
    pub fn from_decimals(decimals: StageMap<f64>) -> Result<Self, Error> {
        for (stage, &value) in decimals.iter() {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::WeightOutOfRange { stage, value });
            }
        }
        let sum = decimals.bm25 + decimals.dense + decimals.cross;
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(sum_not_one(decimals, sum));
        }
        let StageMap { bm25, dense, cross } = decimals;
        let parts = whole_parts(&[bm25, dense, cross]);
        // A value is at most 1 + 1e-9 here, so a part is not above 10^9 + 1.
        let part = |at: usize| u32::try_from(parts[at]).unwrap_or(u32::MAX);
        Weights::new(StageMap {
            bm25: part(0),
            dense: part(1),
            cross: part(2),
        })
    }

    /// The same share for each of `stages` and none for the others; `None` if
    /// `stages` is empty.
    pub fn equal(stages: &[StageName]) -> Option<Self> {
        Weights::new(StageMap::from_fn(|stage| {
            u32::from(stages.contains(&stage))
        }))
        .ok()
    }

    /// Every way to share `steps` equal parts among `stages`, the others getting
    /// none: the grid that a tuner searches.
    ///
    /// Of three stages and 20 steps (0.05 each) there are 231 points. They come
    /// with the share of the first stage rising slowest and that of the last
    /// stage taking what is left, in the order of [`StageName::ALL`]; naming a
    /// stage twice changes nothing. No stages or no steps, no points.
    pub fn simplex(steps: u32, stages: &[StageName]) -> impl Iterator<Item = Weights> + use<> {
        let most = StageMap::from_fn(|stage| if stages.contains(&stage) { steps } else { 0 });
        (0..=most.bm25).flat_map(move |bm25| {
            (0..=most.dense.min(steps - bm25)).filter_map(move |dense| {
                let cross = steps - bm25 - dense;
                let parts = StageMap { bm25, dense, cross };
                (cross <= most.cross)
                    .then(|| Weights::new(parts).ok())
                    .flatten()
            })
        })
    }

    /// These weights for `stages` alone, scaled to sum to 1 again; `None` if none
    /// of `stages` had a weight.
    pub fn restricted_to(&self, stages: &[StageName]) -> Option<Self> {
        Weights::new(StageMap::from_fn(|stage| {
            if stages.contains(&stage) {
                self.parts[stage]
            } else {
                0
            }
        }))
        .ok()
    }

    /// The share of one stage, in 0..=1.
    pub fn weight(&self, stage: StageName) -> f64 {
        f64::from(self.parts[stage]) / self.total() as f64
    }

    /// How far apart two weightings are: the sum of the stages' differences, in 0..=2.
    pub fn distance(&self, other: &Weights) -> f64 {
        let apart = |stage| (self.weight(stage) - other.weight(stage)).abs();
        StageName::ALL.into_iter().map(apart).sum()
    }

    /// The shares as integers in lowest terms.
    pub fn parts(&self) -> StageMap<u32> {
        self.parts
    }

    /// What the parts sum to: at least 1.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|(_, &part)| u64::from(part)).sum()
    }
}

/// How far a sum of decimals may be from 1.
const SUM_TOLERANCE: f64 = 1e-9;

/// Fractions with a denominator up to this are recognized in decimals.
const LARGEST_DENOMINATOR: u32 = 1000;

/// Denominator of all other decimals: the largest power of ten in a part.
const DECIMAL_DENOMINATOR: u32 = 1_000_000_000;

/// Values from 0 to 10^6 as whole parts of a common total, exact where the values are
/// fractions or decimals as [`Weights::from_decimals`] describes.
pub(crate) fn whole_parts(values: &[f64]) -> Vec<u64> {
    let total = (1..=LARGEST_DENOMINATOR)
        .find(|&total| values.iter().all(|&value| is_fraction(value, total)))
        .unwrap_or(DECIMAL_DENOMINATOR);
    let part = |value: &f64| (value * f64::from(total)).round() as u64;
    values.iter().map(part).collect()
}

/// Whether `value` is a whole number of `total`ths, up to the rounding of an `f64`.
///
/// Different fractions with denominators 10^9 and up to 1000 are at least 10^-12
/// apart, so a decimal is never mistaken for a neighboring fraction.
fn is_fraction(value: f64, total: u32) -> bool {
    let parts = value * f64::from(total);
    (parts - parts.round()).abs() <= 1e-14 * f64::from(total)
}

fn sum_not_one(decimals: StageMap<f64>, sum: f64) -> Error {
    let rounded = (sum * 1e9).round() / 1e9;
    Error::SumNotOne {
        bm25: decimals.bm25,
        dense: decimals.dense,
        cross: decimals.cross,
        sum: if rounded == 1.0 { sum } else { rounded },
    }
}

/// Greatest common divisor; 0 only for two zeros.
fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl TryFrom<StageMap<f64>> for Weights {
    type Error = Error;

    fn try_from(decimals: StageMap<f64>) -> Result<Self, Error> {
        Weights::from_decimals(decimals)
    }
}

impl From<Weights> for StageMap<f64> {
    fn from(weights: Weights) -> Self {
        StageMap::from_fn(|stage| weights.weight(stage))
    }
}

impl FromStr for Weights {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let values: Vec<&str> = text.split(',').map(str::trim).collect();
        let &[bm25, dense, cross] = values.as_slice() else {
            return Err(Error::NotThreeWeights {
                text: text.to_owned(),
                found: values.iter().filter(|value| !value.is_empty()).count(),
            });
        };
        let texts = StageMap { bm25, dense, cross };
        let mut decimals = StageMap::default();
        for (stage, &text) in texts.iter() {
            decimals[stage] = text.parse().map_err(|source| Error::NotANumber {
                stage,
                text: text.to_owned(),
                source,
            })?;
        }
        Weights::from_decimals(decimals)
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StageMap { bm25, dense, cross } = StageMap::from(*self);
        f.pad(&format!("{bm25},{dense},{cross}"))
    }
}

#[cfg(test)]
mod tests;
