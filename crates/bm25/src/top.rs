//! The best documents so far.

/// Keeps the `depth` best documents; they are offered in ascending order.
///
/// It fills a buffer to some more than the depth before it drops the worst, so an offer costs
/// constant time at any depth.
pub(crate) struct Top {
    depth: usize,
    /// By [`key`].
    best: Vec<u64>,
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
        self.best.push(key(score, doc));
        if self.best.len() >= self.limit {
            self.drop_worst();
        }
    }

    fn drop_worst(&mut self) {
        let (_, &mut worst, _) = self.best.select_nth_unstable(self.depth - 1);
        let (worst, _) = unpacked(worst);
        self.best.truncate(self.depth);
        // A quarter more, so that looking for the worst is worth it.
        self.limit = self.depth.saturating_add(self.depth / 4).saturating_add(16);
        self.threshold = worst;
        // From halfway to the next number on, scores may be rounded up.
        self.least = f64::midpoint(f64::from(worst), f64::from(worst.next_up()));
    }

    /// The best, best first.
    pub(crate) fn into_ranking(mut self) -> impl ExactSizeIterator<Item = (f32, u32)> {
        self.best.sort_unstable();
        self.best.truncate(self.depth);
        self.best.into_iter().map(unpacked)
    }
}

/// A document as one number, the lowest for the best: by score, then by number. One is compared in
/// a fraction of the time of two. The bits of floats that are not negative order as the floats do.
fn key(score: f32, doc: u32) -> u64 {
    u64::from(!score.to_bits()) << 32 | u64::from(doc)
}

/// Score and document of a key.
fn unpacked(key: u64) -> (f32, u32) {
    (f32::from_bits(!((key >> 32) as u32)), key as u32)
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
            prop_assert_eq!(top.into_ranking().collect::<Vec<_>>(), all);
        }
    }
}
