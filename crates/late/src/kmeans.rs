//! Spherical k-means: centroids of unit vectors by the cosine.

use rayon::prelude::*;
use treffer_kernels::Isa;
use treffer_kernels::maxsim::Query;

use crate::projection::normalize;

/// Rounds, as in ColBERTv2.
const ROUNDS: usize = 4;
/// Vectors of the sample for each centroid, without which centroids are those of chance.
pub(crate) const SAMPLE_FOR_EACH: usize = 16;
/// Most centroids: their numbers are kept in two bytes.
pub(crate) const MOST: usize = 1 << 16;
/// Vectors that one thread compares with the centroids at a time.
const AT_ONCE: usize = 64;

/// How many centroids a sample of `n` vectors gives, where as many are wanted.
pub(crate) fn count(wanted: f64, n: usize) -> usize {
    (wanted as usize).clamp(1, (n / SAMPLE_FOR_EACH).clamp(1, MOST))
}

/// The means of `count` clusters of unit vectors of `width` values each, not scaled to length 1.
/// Begins with vectors that are evenly spread over the sample, so that the same sample always gives
/// the same.
pub(crate) fn means(sample: &[f32], width: usize, count: usize) -> Vec<f32> {
    let n = sample.len() / width;
    let mut means = Vec::with_capacity(count * width);
    for centroid in 0..count {
        means.extend_from_slice(&sample[centroid * n / count * width..][..width]);
    }
    for _ in 0..ROUNDS {
        let nearest = nearest(sample, &directions(&means, width), width);
        means = means_of(sample, &nearest, means, width);
    }
    means
}

/// The same vectors with length 1.
pub(crate) fn directions(values: &[f32], width: usize) -> Vec<f32> {
    let mut all = values.to_vec();
    all.chunks_exact_mut(width).for_each(normalize);
    all
}

/// The number of the centroid nearest to each vector, by centroids of length 1.
pub(crate) fn nearest(values: &[f32], directions: &[f32], width: usize) -> Vec<u16> {
    let isa = Isa::detect().unwrap_or(Isa::SCALAR);
    let of_some = |values: &[f32]| -> Vec<u16> {
        let found = Query::for_floats(isa, values, width).nearest(directions);
        // There are no more centroids than numbers of two bytes.
        found.into_iter().map(|one| one.token as u16).collect()
    };
    let vectors = values.par_chunks(AT_ONCE * width);
    vectors.flat_map_iter(of_some).collect()
}

/// The means of the vectors that are nearest to each centroid, which stays where there are none.
/// Summed by one thread, in the order of the sample.
fn means_of(sample: &[f32], nearest: &[u16], before: Vec<f32>, width: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; before.len()];
    let mut counts = vec![0u32; before.len() / width];
    for (vector, &number) in sample.chunks_exact(width).zip(nearest) {
        let number = usize::from(number);
        counts[number] += 1;
        let sum = &mut sums[number * width..][..width];
        for (sum, value) in sum.iter_mut().zip(vector) {
            *sum += f64::from(*value);
        }
    }
    let mut means = before;
    for ((mean, sum), count) in (means.chunks_exact_mut(width))
        .zip(sums.chunks_exact(width))
        .zip(counts)
    {
        if count > 0 {
            for (value, sum) in mean.iter_mut().zip(sum) {
                *value = (sum / f64::from(count)) as f32;
            }
        }
    }
    means
}
