//! The best documents so far.

use std::cmp::Reverse;

/// Keeps the `depth` best documents; they are offered in ascending order.
///
/// It fills a buffer to some more than the depth before it drops the worst, so an offer costs
/// constant time at any depth.
pub(crate) struct Top {
    depth: usize,
    best: Vec<(f32, u32)>,
    /// How many are kept until the worst are dropped.
    limit: usize,
    /// A later document with at most this score cannot be among the best, as it loses ties.
    threshold: f32,
    /// The same before it is rounded: what is below cannot be.
    least: f64,
}

impl Top {
    /// `depth` is at least 1.
    pub(crate) fn new(depth: usize) -> Self {
        Top {
            depth,
            best: Vec::new(),
            // As soon as there are enough, there is a score to beat.
            limit: depth,
            threshold: f32::NEG_INFINITY,
            least: f64::NEG_INFINITY,
        }
    }

    /// A document whose score, before it is rounded, is below cannot be among the best if it is
    /// offered later.
    pub(crate) fn least(&self) -> f64 {
        self.least
    }

    /// Offers a document, which must come after all offered so far.
    pub(crate) fn offer(&mut self, doc: u32, score: f32) {
        if score <= self.threshold {
            return;
        }
        self.best.push((score, doc));
        if self.best.len() >= self.limit {
            self.drop_worst();
        }
    }

    fn drop_worst(&mut self) {
        let (_, &mut (worst, _), _) = self.best.select_nth_unstable_by(self.depth - 1, best_first);
        self.best.truncate(self.depth);
        // A quarter more, so that looking for the worst is worth it.
        self.limit = self.depth.saturating_add(self.depth / 4).saturating_add(16);
        self.threshold = worst;
        // From halfway to the next number on, scores may be rounded up.
        self.least = f64::midpoint(f64::from(worst), f64::from(worst.next_up()));
    }

    /// The best, best first.
    pub(crate) fn into_ranking(mut self) -> Vec<(f32, u32)> {
        self.best.sort_unstable_by(best_first);
        self.best.truncate(self.depth);
        self.best
    }
}

fn best_first(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    let key = |&(score, doc): &(f32, u32)| (Reverse(score.to_bits()), doc);
    // The bits of floats that are not negative order as the floats do.
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_are_those_that_sorting_everything_puts_first(
            scores in prop::collection::vec(0u8..6, 0..80),
            depth in 1usize..20,
        ) {
            let mut top = Top::new(depth);
            let mut all: Vec<(f32, u32)> = Vec::new();
            for (doc, &score) in scores.iter().enumerate() {
                let (doc, score) = (doc as u32, f32::from(score) / 4.0);
                top.offer(doc, score);
                all.push((score, doc));
            }
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            all.truncate(depth);
            prop_assert_eq!(top.into_ranking(), all);
        }
    }
}
