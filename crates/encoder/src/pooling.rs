//! Pooling: from the vectors of a text's tokens to one.

use treffer_types::Pooling;

/// The weights of a sequence's tokens, of which the first `skipped` are left out. The sum of
/// the weighted vectors is the pooled one; for the maximum, over those with a weight.
pub(crate) fn weights(
    pooling: Pooling,
    tokens: usize,
    skipped: usize,
) -> impl Iterator<Item = f32> {
    let pooled = (tokens - skipped) as f32;
    let positions = skipped + 1..=tokens;
    let sum: f32 = match pooling {
        Pooling::WeightedMean => positions.map(|position| position as f32).sum(),
        _ => pooled,
    };
    (0..tokens).map(move |index| match pooling {
        Pooling::Cls => f32::from(u8::from(index == 0)),
        Pooling::LastToken => f32::from(u8::from(index + 1 == tokens)),
        _ if index < skipped => 0.0,
        Pooling::Mean | Pooling::Max => 1.0 / pooled,
        Pooling::MeanSqrtLen => 1.0 / pooled.sqrt(),
        Pooling::WeightedMean => (index + 1) as f32 / sum,
    })
}

/// The pooled vector of `width` values from the rows of all tokens, of which the first
/// `skipped` are left out. For [`Pooling::Cls`], the first row is enough.
pub(crate) fn pool(pooling: Pooling, rows: &[f32], width: usize, skipped: usize) -> Vec<f32> {
    let pooled = match pooling {
        Pooling::Cls => return rows[..width].to_vec(),
        Pooling::LastToken => return rows[rows.len() - width..].to_vec(),
        _ => &rows[skipped * width..],
    };
    let count = pooled.len() / width;
    match pooling {
        Pooling::Max => {
            let mut largest = vec![f32::NEG_INFINITY; width];
            for row in pooled.chunks_exact(width) {
                for (largest, value) in largest.iter_mut().zip(row) {
                    *largest = largest.max(*value);
                }
            }
            largest
        }
        Pooling::WeightedMean => {
            let mut sums = vec![0f32; width];
            let weights = weights(pooling, skipped + count, skipped).skip(skipped);
            for (row, weight) in pooled.chunks_exact(width).zip(weights) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value * weight;
                }
            }
            sums
        }
        Pooling::MeanSqrtLen => scaled_sum(pooled, width, 1.0 / (count as f32).sqrt()),
        _ => scaled_sum(pooled, width, width as f32 / pooled.len() as f32),
    }
}

fn scaled_sum(rows: &[f32], width: usize, scale: f32) -> Vec<f32> {
    let mut sums = vec![0f32; width];
    for row in rows.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sums.iter().map(|sum| sum * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROWS: [f32; 6] = [1.0, -4.0, 3.0, 8.0, 2.0, 5.0];

    #[test]
    fn every_pooling_has_its_formula() {
        let of = |pooling, skipped| pool(pooling, &ROWS, 2, skipped);
        assert_eq!(of(Pooling::Mean, 0), [2.0, 3.0]);
        assert_eq!(of(Pooling::Mean, 1), [2.5, 6.5]);
        assert_eq!(of(Pooling::Cls, 1), [1.0, -4.0]);
        assert_eq!(of(Pooling::Max, 0), [3.0, 8.0]);
        assert_eq!(of(Pooling::Max, 2), [2.0, 5.0]);
        assert_eq!(of(Pooling::LastToken, 0), [2.0, 5.0]);
        let sixth = of(Pooling::WeightedMean, 0).map_each(|value| value * 6.0);
        assert!((sixth[0] - 13.0).abs() < 1e-5 && (sixth[1] - 27.0).abs() < 1e-5);
        // Positions count from the beginning, whatever is left out.
        let fifth = of(Pooling::WeightedMean, 1).map_each(|value| value * 5.0);
        assert!((fifth[0] - 12.0).abs() < 1e-5 && (fifth[1] - 31.0).abs() < 1e-5);
        let root = of(Pooling::MeanSqrtLen, 0).map_each(|value| value * 3f32.sqrt());
        assert!((root[0] - 6.0).abs() < 1e-5 && (root[1] - 9.0).abs() < 1e-5);
    }

    trait MapEach {
        fn map_each(self, each: impl Fn(f32) -> f32) -> Vec<f32>;
    }

    impl MapEach for Vec<f32> {
        fn map_each(self, each: impl Fn(f32) -> f32) -> Vec<f32> {
            self.into_iter().map(each).collect()
        }
    }

    proptest! {
        #[test]
        fn weights_give_the_same_vectors(
            rows in prop::collection::vec(-3f32..3.0, 2..40),
            skipped in 0usize..20,
        ) {
            let skipped = skipped % rows.len();
            for pooling in Pooling::ALL {
                if pooling == Pooling::Max {
                    continue;
                }
                let weights = weights(pooling, rows.len(), skipped);
                let weighted: f32 = weights.zip(&rows).map(|(weight, row)| weight * row).sum();
                let pooled = pool(pooling, &rows, 1, skipped)[0];
                prop_assert!((weighted - pooled).abs() < 1e-4, "{}: {} {}", pooling, weighted, pooled);
            }
        }
    }
}
