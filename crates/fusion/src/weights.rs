//! The share each stage has in the fused score.

use std::iter;

use serde::{Deserialize, Serialize};
use treffer_types::{StageMap, StageName};

use crate::error::Error;

/// The shares of the stages: never negative, and summing to exactly 1.
///
/// Kept as integer parts of a common total, in lowest terms. So 0.1 + 0.2 + 0.7
/// is 1 without a tolerance, no point of a grid is lost to rounding, and equal
/// shares compare equal however they were written.
///
/// A stage that is not named has the share 0, and two weightings are equal if every stage
/// has the same share in both, whether a share of 0 is named or not and in whatever order.
///
/// As text the weights read `bm25=0.4,dense=0.6`, or `0.2,0.3,0.5` for bm25, dense and
/// cross (the alpha, beta and gamma of the usual formula); in configuration
/// `{ bm25 = 0.2, dense = 0.3, cross = 0.5 }`.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
            parts: parts.map(|_, part| part / divisor),
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
        let values: Vec<f64> = decimals.iter().map(|(_, value)| *value).collect();
        let sum = values.iter().fold(0.0, |sum, value| sum + value);
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(sum_not_one(decimals, sum));
        }
        // A value is at most 1 + 1e-9 here, so a part is not above 10^9 + 1.
        let parts = whole_parts(&values).into_iter();
        let parts = parts.map(|part| u32::try_from(part).unwrap_or(u32::MAX));
        Weights::new(decimals.stages().zip(parts).collect())
    }

    /// The same share for each of `stages`; `None` if there are none.
    pub fn equal(stages: &[StageName]) -> Option<Self> {
        Weights::new(StageMap::from_fn(stages, |_| 1)).ok()
    }

    /// Every way to distribute `steps` equal parts among `stages`: the grid that a tuner
    /// searches.
    ///
    /// With n steps and k stages there are C(n + k - 1, k - 1) points: 231 with 20 steps (0.05
    /// each) and three stages. The share of the first stage rises slowest, and the last takes
    /// what the others leave. A stage named twice changes nothing. Empty if there are no
    /// stages or no steps.
    pub fn simplex(steps: u32, stages: &[StageName]) -> impl Iterator<Item = Weights> + use<> {
        let stages = StageMap::from_fn(stages, |_| ());
        let mut first = vec![0; stages.len()];
        if let Some(last) = first.last_mut() {
            *last = steps;
        }
        // Weights are refused if all parts are 0: without stages or without steps.
        iter::successors(Some(first), |parts| next_composition(parts))
            .filter_map(move |parts| Weights::new(stages.stages().zip(parts).collect()).ok())
    }

    /// The weights of exactly `stages`, in that order, scaled to sum to 1 again; `None` if
    /// all of them are 0.
    pub fn restricted_to(&self, stages: &[StageName]) -> Option<Self> {
        Weights::new(StageMap::from_fn(stages, |stage| self.part(stage))).ok()
    }

    /// The share of one stage, in 0..=1.
    pub fn weight(&self, stage: StageName) -> f64 {
        f64::from(self.part(stage)) / self.total() as f64
    }

    /// How far apart two weightings are: the sum of the stages' differences, in 0..=2.
    pub fn distance(&self, other: &Weights) -> f64 {
        let unknown_here = |stage: &StageName| self.parts.get(*stage).is_none();
        let stages = self.stages().chain(other.stages().filter(unknown_here));
        stages
            .map(|stage| (self.weight(stage) - other.weight(stage)).abs())
            .sum()
    }

    /// The shares as integers in lowest terms.
    pub fn parts(&self) -> &StageMap<u32> {
        &self.parts
    }

    /// What the parts sum to: at least 1.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|(_, &part)| u64::from(part)).sum()
    }

    /// The stages that are named, those with a share of 0 included.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = StageName> + Clone + '_ {
        self.parts.stages()
    }

    /// The same weights, those of `stages` first and in that order, the others after them
    /// in the order they had.
    pub fn in_order_of(self, stages: &[StageName]) -> Self {
        Weights {
            parts: self.parts.in_order_of(stages),
        }
    }

    fn part(&self, stage: StageName) -> u32 {
        self.parts.get_or(stage, 0)
    }
}

impl PartialEq for Weights {
    fn eq(&self, other: &Self) -> bool {
        let mut stages = self.stages().chain(other.stages());
        stages.all(|stage| self.part(stage) == other.part(stage))
    }
}

impl Eq for Weights {}

/// The next composition of the same sum into the same number of parts, in lexicographic order;
/// `None` after the one in which the first part is the whole sum.
fn next_composition(parts: &[u32]) -> Option<Vec<u32>> {
    let last_used = parts.iter().rposition(|part| *part > 0)?;
    let raised = last_used.checked_sub(1)?;
    let mut next = parts.to_vec();
    let moved = std::mem::take(&mut next[last_used]);
    next[raised] += 1;
    *next.last_mut()? = moved - 1;
    Some(next)
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

fn sum_not_one(weights: StageMap<f64>, sum: f64) -> Error {
    let rounded = (sum * 1e9).round() / 1e9;
    Error::SumNotOne {
        weights,
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
        weights.parts.map(|stage, _| weights.weight(stage))
    }
}

mod text;

#[cfg(test)]
mod tests;
