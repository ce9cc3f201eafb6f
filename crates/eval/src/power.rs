//! Statistical power: the smallest difference that a comparison on a number of queries can
//! detect.

use crate::error::Error;
use crate::significance::paired_differences;

/// The smallest gain that a paired, two-sided test would detect with a given power.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// Number of queries compared.
    pub n_queries: usize,
    /// Sample standard deviation (with n - 1) of the differences between the two systems'
    /// values, by query.
    pub deviation: f64,
    /// The significance level of the test: how often it may call equal systems different.
    pub level: f64,
    /// The power: how often the test should detect the gain.
    pub power: f64,
    /// `(t(1 - level / 2) + t(power)) * deviation / sqrt(n)`, where `t` are quantiles of
    /// Student's distribution with n - 1 degrees of freedom. `None` if it cannot be
    /// estimated: with so few queries that no outcome is significant (the smallest p-value
    /// of n pairs is `2 / 2^n`), or if all differences are equal.
    pub gain: Option<f64>,
}

/// Estimates the smallest gain that can be detected between systems whose differences vary
/// from query to query as much as those of these two. This is the usual normal approximation
/// of a test's power, but with Student's quantiles, which matter below about thirty queries.
///
/// The result describes the queries, not the observed difference, which may be smaller and
/// still significant, or larger and not.
///
/// # Errors
/// If `a` and `b` differ in length, are empty or contain a value that is not finite, if
/// `level` is not between 0 and 1, or if `power` is not between 0.5 and 1.
pub fn detectable_gain(a: &[f64], b: &[f64], level: f64, power: f64) -> Result<Power, Error> {
    let differences = paired_differences(a, b)?;
    check_probability("the level", level, 0.0)?;
    check_probability("the power", power, 0.5)?;
    let n_queries = differences.len();
    let deviation = deviation(&differences);
    let is_estimable = n_queries >= 2 && deviation > 0.0 && smallest_p_value(n_queries) <= level;
    Ok(Power {
        n_queries,
        deviation,
        level,
        power,
        gain: is_estimable.then(|| gain(n_queries, deviation, level, power)),
    })
}

impl Power {
    /// Number of queries needed to detect a mean gain of `wanted`; `None` if it cannot be
    /// estimated or `wanted` is not above 0.
    pub fn queries_for(&self, wanted: f64) -> Option<usize> {
        if self.deviation == 0.0 || self.deviation.is_nan() || wanted.is_nan() || wanted <= 0.0 {
            return None;
        }
        let enough = |n: usize| {
            smallest_p_value(n) <= self.level
                && gain(n, self.deviation, self.level, self.power) <= wanted
        };
        // Quantiles decrease with the degrees of freedom, so those of the largest number of
        // degrees give a lower bound, which is low by a few queries at most.
        let quantiles = quantiles(NEARLY_NORMAL, self.level, self.power);
        let fewest = (quantiles * self.deviation / wanted).powi(2);
        let fewest = (fewest as usize).max(2);
        if fewest > LARGEST_EXACT {
            return Some(fewest);
        }
        (fewest..).find(|&n| enough(n))
    }
}

/// Above this number of queries the lower bound is returned: nobody has as many.
const LARGEST_EXACT: usize = 1_000_000_000;

fn gain(n_queries: usize, deviation: f64, level: f64, power: f64) -> f64 {
    let degrees = u32::try_from(n_queries - 1).unwrap_or(u32::MAX);
    quantiles(degrees, level, power) * deviation / (n_queries as f64).sqrt()
}

fn quantiles(degrees: u32, level: f64, power: f64) -> f64 {
    student_quantile(1.0 - level / 2.0, degrees) + student_quantile(power, degrees)
}

/// The p-value of an exact randomization test if all differences have the same sign.
fn smallest_p_value(n_queries: usize) -> f64 {
    2.0_f64.powi(1 - i32::try_from(n_queries).unwrap_or(i32::MAX))
}

/// The sample standard deviation; 0 for fewer than two values.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if values.len() < 2 || values.iter().all(|value| *value == values[0]) {
        return 0.0; // without the rounding errors of the mean
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (n - 1.0)).sqrt()
}

fn check_probability(what: &'static str, value: f64, above: f64) -> Result<(), Error> {
    if value > above && value < 1.0 {
        return Ok(());
    }
    Err(Error::BadSetting {
        what,
        value,
        allowed: match what {
            "the level" => "above 0 and below 1, such as 0.05",
            _ => "above 0.5 and below 1, such as 0.8",
        },
    })
}

/// Degrees of freedom above which the quantiles are taken as constant: they are within one
/// part in 5,000 of those of the normal distribution.
const NEARLY_NORMAL: u32 = 10_000;

/// The quantile of Student's distribution, for `p` in 0.5..1, by bisection.
fn student_quantile(p: f64, degrees: u32) -> f64 {
    let degrees = degrees.clamp(1, NEARLY_NORMAL);
    let is_below = |t: f64| (1.0 + student_within(t, degrees)) / 2.0 < p;
    let (mut low, mut high) = (0.0, 1.0);
    while is_below(high) && high < 1e12 {
        (low, high) = (high, high * 2.0);
    }
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return high;
        }
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The probability that a value of Student's distribution lies between `-t` and `t`, by
/// the finite series for integer degrees of freedom (Abramowitz and Stegun, 26.7.3 and
/// 26.7.4). Every term is positive, so there is no cancellation.
fn student_within(t: f64, degrees: u32) -> f64 {
    let angle = (t / f64::from(degrees).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_odd = degrees % 2 == 1;
    let mut term = if is_odd { cosine } else { 1.0 };
    let mut sum = if degrees == 1 { 0.0 } else { term };
    for step in (if is_odd { 3 } else { 2 }..degrees.saturating_sub(1)).step_by(2) {
        let step = f64::from(step);
        // The coefficients are (2/3)(4/5)... for odd and (1/2)(3/4)... for even degrees.
        term *= (step - 1.0) / step * cosine * cosine;
        sum += term;
    }
    if is_odd {
        std::f64::consts::FRAC_2_PI * (angle + sine * sum)
    } else {
        sine * sum
    }
}

#[cfg(test)]
mod tests;
