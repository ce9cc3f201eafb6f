//! Random choices without a state: what is chosen for a query depends on the seed and on the
//! query alone.

/// A source of random numbers, told apart from others by what it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u64);

/// The finalizer of splitmix64 (Steele et al. 2014, <https://doi.org/10.1145/2714064.2660195>).
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Chance(mix(seed.wrapping_add(STEP)))
    }

    /// A source of its own for `text`.
    pub(super) fn of(self, text: &str) -> Self {
        let mut state = mix(self.0 ^ text.len() as u64);
        for byte in text.bytes() {
            state = mix(state.wrapping_add(u64::from(byte)).wrapping_add(STEP));
        }
        Chance(state)
    }

    /// The number at `index`, uniform over all 64-bit numbers.
    pub(super) fn at(self, index: u64) -> u64 {
        mix(self
            .0
            .wrapping_add(index.wrapping_add(1).wrapping_mul(STEP)))
    }
}
