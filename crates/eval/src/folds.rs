//! Splits queries into folds for cross-validation.

use std::collections::BTreeSet;

use crate::draws::Draws;
use crate::error::Error;

/// Splits the distinct queries into `folds` parts whose sizes differ by at most one.
///
/// The split depends only on the set of ids and on `seed`, not on the order of `queries`.
/// Each part is sorted.
///
/// # Errors
/// If there are fewer than two folds, or fewer queries than folds.
pub fn k_fold<'a>(
    queries: impl IntoIterator<Item = &'a str>,
    folds: usize,
    seed: u64,
) -> Result<Vec<Vec<String>>, Error> {
    let queries: BTreeSet<&str> = queries.into_iter().collect();
    let mut shuffled: Vec<&str> = queries.into_iter().collect();
    if folds < 2 || shuffled.len() < folds {
        return Err(Error::BadFolds {
            queries: shuffled.len(),
            folds,
        });
    }
    // The Fisher-Yates shuffle.
    let mut draws = Draws::new(seed);
    for last in (1..shuffled.len()).rev() {
        shuffled.swap(last, draws.below(last + 1));
    }
    let mut parts = vec![Vec::new(); folds];
    for (i, query) in shuffled.into_iter().enumerate() {
        parts[i % folds].push(query.to_owned());
    }
    for part in &mut parts {
        part.sort();
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
