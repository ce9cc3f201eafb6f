//! Adjusts the p-values of several tests for their number.

use crate::error::Error;

/// The p-values of a family of tests, adjusted by Holm's step-down procedure (Scandinavian
/// Journal of Statistics, 1979), in the given order.
///
/// In ascending order, the i-th of m p-values (from 0) becomes `(m - i) * p`, but at least
/// the adjusted value before it and at most 1. Rejecting hypotheses whose adjusted p-value
/// is at most some level bounds the family-wise error rate by that level, even if the tests
/// are dependent, as those of several systems against one baseline are. The procedure is at least as
/// powerful as Bonferroni's correction, which multiplies every p-value by m.
///
/// # Errors
/// If a value is not between 0 and 1.
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
