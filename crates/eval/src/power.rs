//! What a comparison on so many queries could show at all.

use crate::error::Error;
use crate::significance::paired_differences;

/// The smallest gain that a paired, two-sided test would probably find.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// How many queries were compared.
    pub n_queries: usize,
    /// Standard deviation of the differences, by query, of the two systems' values,
    /// estimated from these queries (divided by n - 1).
    pub deviation: f64,
    /// The level of the test: how often it may call equals different.
    pub level: f64,
    /// How often the test should find the gain.
    pub power: f64,
    /// `(t(1 - level / 2) + t(power)) * deviation / sqrt(n)`, where `t` are quantiles of
    /// Student's distribution with n - 1 degrees of freedom. `None` where nothing can be
    /// said: if no outcome on so few queries would be significant (the smallest p-value
    /// of n exchanged pairs is `2 / 2^n`), or if all differences are equal.
    pub gain: Option<f64>,
}

/// Says what gain could be found among systems that differ from query to query as much
/// as these two do: the usual normal approximation of a test's power, with Student's
/// quantiles, which matter below some thirty queries.
///
/// It describes the queries, not the outcome: a gain that was observed may be smaller
/// and significant, or larger and not.
///
/// # Errors
/// If the two are not as long as each other, are empty or hold a value that is not
/// finite, or if `level` or `power` is not between 0 and 1 or the power below one half.
pub fn detectable_gain(a: &[f64], b: &[f64], level: f64, power: f64) -> Result<Power, Error> {
    let differences = paired_differences(a, b)?;
    check_share("the level", level, 0.0)?;
    check_share("the power", power, 0.5)?;
    let n_queries = differences.len();
    let deviation = deviation(&differences);
    let is_possible = n_queries >= 2 && deviation > 0.0 && smallest_p_value(n_queries) <= level;
    Ok(Power {
        n_queries,
        deviation,
        level,
        power,
        gain: is_possible.then(|| gain(n_queries, deviation, level, power)),
    })
}

impl Power {
    /// How many queries would be needed to find a mean gain of `wanted`; `None` if
    /// nothing can be said or `wanted` is not above 0.
    pub fn queries_for(&self, wanted: f64) -> Option<usize> {
        if self.deviation == 0.0 || self.deviation.is_nan() || wanted.is_nan() || wanted <= 0.0 {
            return None;
        }
        let enough = |n: usize| {
            smallest_p_value(n) <= self.level
                && gain(n, self.deviation, self.level, self.power) <= wanted
        };
        // The fewer degrees of freedom, the larger the quantiles, so these give a lower end,
        // which is off by a few queries at most.
        let quantiles = quantiles(NEARLY_NORMAL, self.level, self.power);
        let fewest = (quantiles * self.deviation / wanted).powi(2);
        let fewest = (fewest as usize).max(2);
        if fewest > BEYOND_COUNTING {
            return Some(fewest);
        }
        (fewest..).find(|&n| enough(n))
    }
}

/// A number of queries that nobody has, from which on it need not be exact.
const BEYOND_COUNTING: usize = 1_000_000_000;

fn gain(n_queries: usize, deviation: f64, level: f64, power: f64) -> f64 {
    let freedom = u32::try_from(n_queries - 1).unwrap_or(u32::MAX);
    quantiles(freedom, level, power) * deviation / (n_queries as f64).sqrt()
}

fn quantiles(freedom: u32, level: f64, power: f64) -> f64 {
    student_quantile(1.0 - level / 2.0, freedom) + student_quantile(power, freedom)
}

/// The p-value of an exact randomization test whose differences all have one sign.
fn smallest_p_value(n_queries: usize) -> f64 {
    2.0_f64.powi(1 - i32::try_from(n_queries).unwrap_or(i32::MAX))
}

/// The sample's standard deviation; 0 of fewer than two values.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if values.len() < 2 || values.iter().all(|value| *value == values[0]) {
        return 0.0; // without the rounding errors of the mean
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (n - 1.0)).sqrt()
}

fn check_share(what: &'static str, value: f64, above: f64) -> Result<(), Error> {
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

/// Degrees of freedom from which on the quantiles are taken to stay the same: they are
/// within one part in 5 000 of the normal distribution's.
const NEARLY_NORMAL: u32 = 10_000;

/// The quantile of Student's distribution, for `p` in 0.5..1, by bisection.
fn student_quantile(p: f64, freedom: u32) -> f64 {
    let freedom = freedom.clamp(1, NEARLY_NORMAL);
    let is_below = |t: f64| (1.0 + student_within(t, freedom)) / 2.0 < p;
    let (mut low, mut high) = (0.0, 1.0);
    while is_below(high) && high < 1e12 {
        (low, high) = (high, high * 2.0);
    }
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return high;
        }
        match is_below(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
}

/// The probability that a value of Student's distribution lies between `-t` and `t`, by
/// the finite series for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and
/// 26.7.4). Every term is positive, so nothing cancels.
fn student_within(t: f64, freedom: u32) -> f64 {
    let angle = (t / f64::from(freedom).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_odd = freedom % 2 == 1;
    let mut term = if is_odd { cosine } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    for step in (if is_odd { 3 } else { 2 }..freedom.saturating_sub(1)).step_by(2) {
        let step = f64::from(step);
        // Each term has the next even (odd) number over the next odd (even) one.
        term *= (step - 1.0) / step * cosine * cosine;
        sum += term;
    }
    match is_odd {
        true => std::f64::consts::FRAC_2_PI * (angle + sine * sum),
        false => sine * sum,
    }
}

#[cfg(test)]
mod tests;
