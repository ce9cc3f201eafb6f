//! The kernels compared with the same formulas in f64, and with each other.

mod attention;
// The shim needs fibers and a C++ compiler.
#[cfg(target_os = "linux")]
mod packed;
mod product;
mod rows;

use treffer_kernels::{Isa, Level};

/// Every instruction set that this processor supports, plain Rust first.
fn all() -> Vec<Isa> {
    Level::ALL.into_iter().filter_map(Isa::get).collect()
}

/// `count` numbers around 0, with a few outliers.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 24) as f32
    };
    (0..count)
        .map(|_| {
            let value = next() + next() - 1.0;
            if next() < 0.01 { value * 20.0 } else { value }
        })
        .collect()
}

/// Asserts that the numbers are bit-identical.
fn assert_same(found: &[f32], expected: &[f32], isa: Isa) {
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(
        bits(found),
        bits(expected),
        "{} differs from plain Rust",
        isa.level()
    );
}
