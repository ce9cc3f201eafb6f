//! Significance tests and confidence intervals for the difference between two systems.

use crate::draws::Draws;
use crate::error::Error;

/// The result of a paired randomization test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Randomization {
    /// Mean of `a - b`.
    pub difference: f64,
    /// Two-sided p-value: the probability of an absolute difference at least as large if the
    /// two systems' values are exchanged at random within each query.
    pub p_value: f64,
    /// Number of permutations computed.
    pub permutations: u64,
    /// Whether these were all permutations, which makes the p-value exact.
    pub is_exact: bool,
}

/// Fisher's paired randomization test (Smucker, Allan and Carterette, CIKM 2007) of
/// two systems' values for the same queries in the same order.
///
/// If the n pairs have at most `permutations` permutations (`2^n`), all are computed and the
/// p-value is exact. Otherwise `permutations` of them are drawn by `seed`, and the observed
/// one is added, so that the p-value is never 0 (Phipson and Smyth, 2010).
///
/// # Errors
/// If `a` and `b` differ in length, are empty or contain a value that is not finite, or if
/// `permutations` is 0.
pub fn randomization_test(
    a: &[f64],
    b: &[f64],
    permutations: u32,
    seed: u64,
) -> Result<Randomization, Error> {
    let differences = paired_differences(a, b)?;
    check_draws("the number of permutations", permutations)?;
    let observed: f64 = differences.iter().sum();
    // Sums of the same terms with other signs differ by rounding; those that are equal
    // otherwise must count as equal.
    let size: f64 = differences.iter().map(|difference| difference.abs()).sum();
    let threshold = observed.abs() - 1e-12 * size;
    let is_extreme = |sum: f64| sum.abs() >= threshold;

    let n_permutations = 1_u64
        .checked_shl(differences.len() as u32)
        .unwrap_or(u64::MAX);
    let is_exact = n_permutations <= u64::from(permutations);
    let (n_extreme, n_computed) = if is_exact {
        let extreme =
            (0..n_permutations).filter(|&signs| is_extreme(signed_sum(&differences, || signs)));
        (extreme.count() as u64, n_permutations)
    } else {
        let mut draws = Draws::new(seed);
        let extreme = (0..permutations)
            .filter(|_| is_extreme(signed_sum(&differences, || draws.bits())))
            .count();
        (extreme as u64 + 1, u64::from(permutations) + 1)
    };
    Ok(Randomization {
        difference: observed / differences.len() as f64,
        p_value: n_extreme as f64 / n_computed as f64,
        permutations: if is_exact {
            n_permutations
        } else {
            u64::from(permutations)
        },
        is_exact,
    })
}

/// A confidence interval of the mean difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The probability that such an interval contains the true difference, as 0.95.
    pub confidence: f64,
}

/// The percentile bootstrap interval of the mean of `a - b` (Efron, 1979): the queries are
/// resampled with replacement `resamples` times, and the ends of the interval are quantiles
/// of the means, interpolated linearly.
///
/// # Errors
/// As [`randomization_test`], or if `confidence` is not between 0 and 1.
pub fn bootstrap_interval(
    a: &[f64],
    b: &[f64],
    resamples: u32,
    confidence: f64,
    seed: u64,
) -> Result<Interval, Error> {
    let differences = paired_differences(a, b)?;
    check_draws("the number of resamples", resamples)?;
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(Error::BadSetting {
            what: "the confidence",
            value: confidence,
            allowed: "above 0 and below 1, such as 0.95",
        });
    }
    let n = differences.len();
    let mut draws = Draws::new(seed);
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| (0..n).map(|_| differences[draws.below(n)]).sum::<f64>() / n as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Ok(Interval {
        low: quantile(&means, tail),
        high: quantile(&means, 1.0 - tail),
        confidence,
    })
}

pub(crate) fn paired_differences(a: &[f64], b: &[f64]) -> Result<Vec<f64>, Error> {
    if a.len() != b.len() || a.is_empty() {
        return Err(Error::NotPaired {
            a: a.len(),
            b: b.len(),
        });
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    match differences
        .iter()
        .position(|difference| !difference.is_finite())
    {
        Some(position) => Err(Error::NotFinite { position }),
        None => Ok(differences),
    }
}

fn check_draws(what: &'static str, draws: u32) -> Result<(), Error> {
    if draws == 0 {
        return Err(Error::BadSetting {
            what,
            value: 0.0,
            allowed: "at least 1",
        });
    }
    Ok(())
}

/// The sum of the differences, each negated if its bit is set. `signs` gives the bits of the
/// next 64 differences.
fn signed_sum(differences: &[f64], mut signs: impl FnMut() -> u64) -> f64 {
    let mut sum = 0.0;
    for chunk in differences.chunks(64) {
        let mut signs = signs();
        for difference in chunk {
            sum += if signs & 1 == 1 {
                -difference
            } else {
                *difference
            };
            signs >>= 1;
        }
    }
    sum
}

/// The quantile `q` of sorted values, interpolated linearly between the two nearest.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests;
