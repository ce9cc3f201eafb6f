//! What the fusion of stages and the fusion of runs share: columns of normalized scores, their
//! weighted sum, and the order by it.

use std::cmp::Ordering;

/// One system's normalized scores of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// One per candidate, `floor` where the system gave no score.
    pub(crate) values: Vec<f64>,
    /// Rank from 1 among the candidates that it scored; equal scores share one.
    pub(crate) ranks: Vec<Option<u32>>,
    /// The value of a candidate that it did not score.
    pub(crate) floor: f64,
}

/// A column's values and the weight they are multiplied by, which is above 0.
pub(crate) type Weighted<'a> = (f64, &'a [f64]);

/// The sum of weight times value over the columns, in their order. It starts from positive
/// zero, so that it is never negative zero.
#[inline]
pub(crate) fn weighted_sum(columns: &[Weighted<'_>], position: u32) -> f64 {
    let mut sum = 0.0;
    for (weight, values) in columns {
        sum += weight * values[position as usize];
    }
    sum
}

/// A candidate, by its position in the order that settles ties, and its weighted sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    pub(crate) sum: f64,
    pub(crate) position: u32,
}

/// Sorts `order[from..]`, best first, and truncates `order` to its `k` best.
pub(crate) fn keep_best(order: &mut Vec<Scored>, from: usize, k: usize) {
    let better_first = |a: &Scored, b: &Scored| -> Ordering {
        (b.sum.total_cmp(&a.sum)).then(a.position.cmp(&b.position))
    };
    if k < order.len() {
        if k > from {
            order[from..].select_nth_unstable_by(k - from, better_first);
        }
        order.truncate(k);
    }
    if let Some(block) = order.get_mut(from..) {
        block.sort_unstable_by(better_first);
    }
}
