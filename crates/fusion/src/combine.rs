//! Fusion of any number of systems over one pool, such as runs of other programs, with the
//! normalizers and the sum that also fuse stages.

use crate::columns::{Column, Scored, Weighted, keep_best, weighted_sum};
use crate::error::Error;
use crate::normalizer::{LARGEST, Normalizer};
use crate::weights::whole_parts;

/// The scores that one system gave to a pool, and their weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct System<'a> {
    /// One score per candidate; `None`, or a number that is not finite, where the system
    /// gave none. All systems have the same candidates, in the order that settles ties.
    pub scores: &'a [Option<f64>],
    /// How its scores are brought to the common scale.
    pub normalizer: Normalizer,
    /// Factor of its normalized scores, at least 0.
    pub share: f64,
}

/// A fused candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Combined {
    /// Its position among the candidates that were given.
    pub candidate: usize,
    /// The weighted sum. Never rises from one result to the next.
    pub score: f64,
}

/// Orders all candidates by `sum over systems of share * normalized`, best first, ties
/// in the order in which the candidates were given.
///
/// A candidate that a system has not scored gets the value that [`Normalizer`] gives to
/// unscored candidates: never more than the system's worst. A system that scored nothing has
/// no influence. With [`Normalizer::Rank`] and shares of 1 this is reciprocal rank fusion
/// (Cormack, Clarke and Büttcher, SIGIR 2009), except that equal scores share a rank.
pub fn combine(systems: &[System<'_>]) -> Vec<Combined> {
    let longest = systems.iter().map(|system| system.scores.len()).max();
    let n_candidates = longest.unwrap_or(0);
    let columns: Vec<(f64, Column)> = systems
        .iter()
        .filter(|system| system.share > 0.0)
        .filter_map(|system| Some((system.share, column(system, n_candidates)?)))
        .collect();
    let columns: Vec<Weighted<'_>> = columns
        .iter()
        .map(|(share, column)| (*share, &*column.values))
        .collect();
    let mut order: Vec<Scored> = (0_u32..)
        .take(n_candidates)
        .map(|position| Scored {
            sum: weighted_sum(&columns, position),
            position,
        })
        .collect();
    keep_best(&mut order, 0, n_candidates);
    let combined = |scored: Scored| Combined {
        candidate: scored.position as usize,
        score: scored.sum,
    };
    order.into_iter().map(combined).collect()
}

/// The shares of systems in the proportion of `weights`, summing to 1. For whole numbers,
/// fractions and decimals they are those of [`Weights`](crate::Weights), bit for bit.
///
/// # Errors
/// If a weight is negative, not finite or above a million, or if all are 0.
pub fn shares(weights: &[f64]) -> Result<Vec<f64>, Error> {
    for (place, &value) in (1..).zip(weights) {
        if !(0.0..=1e6).contains(&value) {
            return Err(Error::ShareOutOfRange { place, value });
        }
    }
    let parts = whole_parts(weights);
    let total: u64 = parts.iter().sum();
    if total == 0 {
        return Err(Error::NoShare {
            systems: weights.len(),
        });
    }
    Ok(parts
        .iter()
        .map(|&part| part as f64 / total as f64)
        .collect())
}

fn column(system: &System<'_>, n_candidates: usize) -> Option<Column> {
    let mut raw: Vec<Option<f64>> = system
        .scores
        .iter()
        // Adding zero turns negative zero into zero.
        .map(|score| {
            score
                .filter(|s| s.is_finite())
                .map(|s| s.clamp(-LARGEST, LARGEST) + 0.0)
        })
        .collect();
    raw.resize(n_candidates, None);
    system.normalizer.normalize(&raw)
}

#[cfg(test)]
mod tests;
