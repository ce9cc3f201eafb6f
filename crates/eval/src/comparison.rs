//! The complete comparison of a system with a baseline on the same queries.

use crate::error::Error;
use crate::power::{Power, detectable_gain};
use crate::significance::{Interval, Randomization, bootstrap_interval, randomization_test};

/// Parameters of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Number of bootstrap resamples and of permutations of the randomization test.
    pub draws: u32,
    /// Confidence of the interval; `1 - confidence` is the level of the power estimate.
    pub confidence: f64,
    /// Power at which a gain counts as detectable.
    pub power: f64,
    /// Seed of all draws.
    pub seed: u64,
}

impl Settings {
    /// 10,000 draws, 95% confidence, 80% power.
    pub fn usual(seed: u64) -> Self {
        Settings {
            draws: 10_000,
            confidence: 0.95,
            power: 0.8,
            seed,
        }
    }
}

/// The differences between a system's values and those of a baseline, paired by query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Mean of the system.
    pub mean: f64,
    /// Mean of the baseline.
    pub baseline: f64,
    /// Bootstrap interval of the mean of `system - baseline`.
    pub interval: Interval,
    /// Paired randomization test of `system - baseline`, with the mean difference.
    pub test: Randomization,
    /// Queries on which the system is better.
    pub wins: usize,
    /// Queries on which the two are equal, up to the rounding of their values.
    pub ties: usize,
    /// Queries on which the system is worse.
    pub losses: usize,
    /// The smallest gain that these queries can detect.
    pub power: Power,
}

/// Differences up to this are rounding errors, since metrics are of the order of 1.
const ROUNDING: f64 = 1e-12;

impl Comparison {
    /// Compares values of the same queries in the same order.
    ///
    /// # Errors
    /// As [`randomization_test`], [`bootstrap_interval`] and [`detectable_gain`].
    pub fn new(system: &[f64], baseline: &[f64], settings: &Settings) -> Result<Self, Error> {
        let &Settings {
            draws,
            confidence,
            power,
            seed,
        } = settings;
        let test = randomization_test(system, baseline, draws, seed)?;
        let count = |is_counted: &dyn Fn(f64) -> bool| {
            let differences = system.iter().zip(baseline).map(|(s, b)| s - b);
            differences.filter(|d| is_counted(*d)).count()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Ok(Comparison {
            mean: mean(system),
            baseline: mean(baseline),
            interval: bootstrap_interval(system, baseline, draws, confidence, seed)?,
            test,
            wins: count(&|difference| difference > ROUNDING),
            ties: count(&|difference| difference.abs() <= ROUNDING),
            losses: count(&|difference| difference < -ROUNDING),
            power: detectable_gain(system, baseline, 1.0 - confidence, power)?,
        })
    }
}

#[cfg(test)]
mod tests;
