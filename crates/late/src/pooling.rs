//! Token pooling: tokens of a passage that are alike become one (Clavié, Chaffin and Adams 2024,
//! Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via Token
//! Pooling, <https://arxiv.org/abs/2409.14683>).
//!
//! Tokens are clustered by Ward's method, which merges the two clusters whose merging adds least
//! to the squared distances from the means (Ward 1963), by chains of nearest neighbors (Murtagh
//! 1983), in the square of the number of tokens.

use treffer_kernels::dot;

use crate::projection::normalize;

/// The means of clusters of unit vectors of `width` values, scaled to length 1, in the order of
/// their first tokens: one for every `factor` tokens, rounded up.
pub fn pooled(values: &[f32], width: usize, factor: usize) -> Vec<f32> {
    let tokens = values.len() / width;
    let wanted = tokens.div_ceil(factor.max(1));
    if wanted == tokens {
        return values.to_vec();
    }
    let mut merges = merges(values, width);
    // The cheapest merges first: chains find them in another order.
    merges.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let mut cluster: Vec<usize> = (0..tokens).collect();
    for Merge { a, b, .. } in merges.into_iter().take(tokens - wanted) {
        let (a, b) = (root(&cluster, a), root(&cluster, b));
        cluster[a.max(b)] = a.min(b);
    }
    let mut sums = vec![0.0f32; values.len()];
    for (token, vector) in values.chunks_exact(width).enumerate() {
        let at = root(&cluster, token) * width;
        for (sum, value) in sums[at..at + width].iter_mut().zip(vector) {
            *sum += value;
        }
    }
    let mut means = Vec::with_capacity(wanted * width);
    for token in (0..tokens).filter(|token| cluster[*token] == *token) {
        let sum = &mut sums[token * width..][..width];
        normalize(sum);
        means.extend_from_slice(sum);
    }
    means
}

/// The first token of a cluster.
fn root(cluster: &[usize], mut token: usize) -> usize {
    while cluster[token] != token {
        token = cluster[token];
    }
    token
}

/// Two clusters, each by one of its tokens, that were merged.
struct Merge {
    cost: f32,
    a: usize,
    b: usize,
}

/// All merges up to a single cluster.
fn merges(values: &[f32], width: usize) -> Vec<Merge> {
    let n = values.len() / width;
    let token = |i: usize| &values[i * width..][..width];
    // Ward's distance of two unit vectors: half their squared distance.
    let mut distance = vec![f32::INFINITY; n * n];
    for i in 0..n {
        for j in 0..i {
            let cost = (1.0 - dot(token(i), token(j))).max(0.0);
            distance[i * n + j] = cost;
            distance[j * n + i] = cost;
        }
    }
    let mut size = vec![1.0f32; n];
    let mut active: Vec<usize> = (0..n).collect();
    let mut chain: Vec<usize> = Vec::new();
    let mut merges = Vec::with_capacity(n.saturating_sub(1));
    while active.len() > 1 {
        if chain.is_empty() {
            chain.push(active[0]);
        }
        let last = chain[chain.len() - 1];
        let before = chain.len().checked_sub(2).map(|at| chain[at]);
        // The cluster before wins among equals, or a chain could go around.
        let mut nearest = before.unwrap_or(usize::MAX);
        let mut cost = before.map_or(f32::INFINITY, |before| distance[last * n + before]);
        for &other in &active {
            if other != last && (distance[last * n + other] < cost || nearest == usize::MAX) {
                nearest = other;
                cost = distance[last * n + other];
            }
        }
        if before != Some(nearest) {
            chain.push(nearest);
            continue;
        }
        chain.truncate(chain.len() - 2);
        let (a, b) = (last.min(nearest), last.max(nearest));
        merges.push(Merge { cost, a, b });
        active.retain(|&other| other != b);
        for &other in active.iter().filter(|&&other| other != a) {
            // Lance and Williams (1967).
            let (to_a, to_b) = (distance[a * n + other], distance[b * n + other]);
            let sum = size[a] + size[b] + size[other];
            let updated = ((size[a] + size[other]) * to_a + (size[b] + size[other]) * to_b
                - size[other] * cost)
                / sum;
            distance[a * n + other] = updated;
            distance[other * n + a] = updated;
        }
        size[a] += size[b];
    }
    merges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(mut vector: Vec<f32>) -> Vec<f32> {
        normalize(&mut vector);
        vector
    }

    #[test]
    fn tokens_that_are_alike_become_one_in_the_order_of_the_first() {
        let a = [1.0, 0.0, 0.0];
        let b = [0.0, 1.0, 0.0];
        let near_a = unit(vec![0.99, 0.1, 0.0]);
        let near_b = unit(vec![0.0, 0.99, 0.1]);
        let values = [&b[..], &a, &near_a, &near_b].concat();
        let found = pooled(&values, 3, 2);
        let mean = |x: &[f32], y: &[f32]| unit(x.iter().zip(y).map(|(x, y)| x + y).collect());
        let expected = [mean(&b, &near_b), mean(&a, &near_a)].concat();
        assert!(
            found
                .iter()
                .zip(&expected)
                .all(|(x, y)| (x - y).abs() < 1e-6)
        );
        assert_eq!(found.len(), 6);
        assert_eq!(pooled(&values, 3, 1), values);
        assert_eq!(pooled(&values[..3], 3, 2), &values[..3]);
    }

    /// The definition: the two clusters whose merging adds least, again and again.
    fn naive(values: &[f32], width: usize, wanted: usize) -> Vec<Vec<usize>> {
        let tokens = values.len() / width;
        let mut clusters: Vec<Vec<usize>> = (0..tokens).map(|token| vec![token]).collect();
        let mean = |cluster: &[usize]| -> Vec<f64> {
            let sum = |at| -> f64 {
                let values = cluster
                    .iter()
                    .map(|token| f64::from(values[token * width + at]));
                values.sum()
            };
            (0..width)
                .map(|at| sum(at) / cluster.len() as f64)
                .collect()
        };
        while clusters.len() > wanted {
            let mut best = (f64::INFINITY, 0, 0);
            for i in 0..clusters.len() {
                for j in i + 1..clusters.len() {
                    let (a, b) = (mean(&clusters[i]), mean(&clusters[j]));
                    let squared: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
                    let (n, m) = (clusters[i].len() as f64, clusters[j].len() as f64);
                    let cost = n * m / (n + m) * squared;
                    if cost < best.0 {
                        best = (cost, i, j);
                    }
                }
            }
            let (_, i, j) = best;
            let other = clusters.remove(j);
            clusters[i].extend(other);
        }
        clusters
    }

    proptest! {
        #[test]
        fn chains_find_what_the_definition_does(
            raw in prop::collection::vec(-1f32..1.0, 4 * 12),
            tokens in 1usize..=12,
            factor in 1usize..5,
        ) {
            let mut values = raw[..4 * tokens].to_vec();
            values.chunks_exact_mut(4).for_each(normalize);
            let found = pooled(&values, 4, factor);
            let mut clusters = naive(&values, 4, tokens.div_ceil(factor));
            clusters.iter_mut().for_each(|cluster| cluster.sort_unstable());
            clusters.sort();
            let mut expected = Vec::new();
            for cluster in clusters {
                let sum = |at| cluster.iter().map(|token| values[token * 4 + at]).sum();
                let mut sum: Vec<f32> = (0..4).map(sum).collect();
                normalize(&mut sum);
                expected.extend(sum);
            }
            prop_assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(&expected) {
                prop_assert!((a - b).abs() < 1e-4, "{} {}", a, b);
            }
        }
    }
}
