//! Random numbers without a state: each is a function of what it is for, so that a training
//! that is resumed draws the same ones, on any number of threads.

/// A stream of random numbers, told apart from others by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream(u64);

/// The finalizer of splitmix64 (Steele et al. 2014, <https://doi.org/10.1145/2714064.2660195>).
#[inline(always)]
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Stream(mix(seed.wrapping_add(STEP)))
    }

    /// A stream of its own for `key`.
    pub(crate) fn of(self, key: u64) -> Self {
        Stream(mix(self.0 ^ mix(key.wrapping_add(1).wrapping_mul(STEP))))
    }

    /// The number at `index`, uniform over all 64-bit numbers.
    #[inline(always)]
    pub(crate) fn bits(self, index: u64) -> u64 {
        mix(self
            .0
            .wrapping_add(index.wrapping_add(1).wrapping_mul(STEP)))
    }

    /// The number at `index`, from 0 (inclusive) to 1.
    pub(crate) fn uniform(self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The number at `index` of a normal distribution, by Box and Muller.
    pub(crate) fn normal(self, index: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * index)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * index + 1)).cos()
    }

    /// A random order of `0..count`.
    pub(crate) fn order(self, count: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count as u32).collect();
        for last in (1..count).rev() {
            // The bias of the remainder is below 2^-32.
            let other = (self.bits(last as u64) % (last as u64 + 1)) as usize;
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_every_number_once_and_differs_by_key() {
        let stream = Stream::new(7);
        let mut order = stream.of(1).order(100);
        assert_ne!(order, stream.of(2).order(100));
        assert_eq!(order, Stream::new(7).of(1).order(100));
        order.sort_unstable();
        assert!(order.into_iter().eq(0..100));
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let numbers: Vec<f64> = (0..20_000)
            .map(|index| Stream::new(3).normal(index))
            .collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05,
            "{mean} {variance}"
        );
    }
}
