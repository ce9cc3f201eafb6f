//! Several tests at once: p-values corrected for their number.

use crate::error::Error;

/// The p-values of a family of tests, adjusted by Holm's step-down procedure
/// (Scandinavian Journal of Statistics, 1979), in the order in which they came.
///
/// Sorted upward, the i-th of m (from 0) becomes `(m - i) * p`, but never less than
/// those before it nor more than 1. Rejecting whatever is at most a level then errs on
/// one or more true hypotheses with at most that probability, whatever the tests'
/// dependence: several systems may be held against one baseline. It is never weaker
/// than Bonferroni's correction, which multiplies every p-value by m.
///
/// # Errors
/// If a value is no probability.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    if let Some(&value) = p_values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Error::BadSetting {
            what: "a p-value",
            value,
            allowed: "between 0 and 1",
        });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (i, &at) in order.iter().enumerate() {
        let n_left = (p_values.len() - i) as f64;
        largest = largest.max((n_left * p_values[at]).min(1.0));
        adjusted[at] = largest;
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests;
