//! What the fusion of stages and that of foreign systems share: columns of normalized
//! scores, their weighted sum, and the order by it.

use std::cmp::Ordering;

/// One system's scores of a pool on the common scale.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// One per candidate, `floor` where the system did not look.
    pub(crate) values: Vec<f64>,
    /// Rank from 1 among the candidates that it scored; equal scores share one.
    pub(crate) ranks: Vec<Option<u32>>,
    /// What a candidate gets that it did not score.
    pub(crate) floor: f64,
}

/// The sum of share times value over the columns that are there, in their order. It
/// starts from positive zero, so that it is never negative zero.
#[inline]
pub(crate) fn weighted_sum<'a>(
    parts: impl Iterator<Item = (f64, Option<&'a Column>)>,
    position: u32,
) -> f64 {
    let mut sum = 0.0;
    for (share, column) in parts {
        if let Some(column) = column
            && share > 0.0
        {
            sum += share * column.values[position as usize];
        }
    }
    sum
}

/// A candidate in the order of ties, and its weighted sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    pub(crate) sum: f64,
    pub(crate) position: u32,
}

/// Sorts `order[from..]`, best first, and cuts `order` to its `k` best.
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
