//! The processor's peak throughput of multiplications: the inner step of a tile on operands
//! that stay in registers, without loading, scaling or storing. The benchmark compares the
//! products with it.

use std::hint::black_box;

use crate::isa::{Isa, Level};
use crate::operand::Form;
use crate::simd::{Dot, Float, PanelRow, scalar};

/// Vectors of sums in a tile that fills the registers.
const SUMS: usize = 24;

/// Runs the inner step of a tile of 24 vectors of sums `steps` times and returns the number
/// of scalar multiply-add operations, for the caller to divide by the elapsed time.
pub fn multiply_in_registers(isa: Isa, form: Form, steps: u64) -> u64 {
    match (isa.level(), form) {
        // SAFETY: an `Isa` of this level proves that the processor has its features.
        #[cfg(target_arch = "x86_64")]
        (Level::Amx, Form::Bytes) => unsafe { crate::amx::multiply_in_registers(steps) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        (Level::Avx512, Form::Bytes) => unsafe { x86::bytes_avx512(steps) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        (Level::Avx512 | Level::Amx, Form::Words) => unsafe { x86::words_avx512(steps) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        (Level::Avx2, Form::Words) => unsafe { x86::words_avx2(steps) },
        (_, Form::Bytes) => run::<_, SUMS>(scalar::Bytes, form, steps),
        (_, Form::Words) => run::<_, SUMS>(scalar::Words, form, steps),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Form, SUMS, run};
    use crate::simd::{avx2, avx512};

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn bytes_avx512(steps: u64) -> u64 {
        // SAFETY: this function enables the features that the dot product needs.
        run::<_, SUMS>(unsafe { avx512::Bytes::new() }, Form::Bytes, steps)
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn words_avx512(steps: u64) -> u64 {
        // SAFETY: as above.
        run::<_, SUMS>(unsafe { avx512::Words::new() }, Form::Words, steps)
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn words_avx2(steps: u64) -> u64 {
        // SAFETY: as above. The sixteen registers have room for six pairs of sums.
        run::<_, { SUMS / 4 }>(unsafe { avx2::Words::new() }, Form::Words, 4 * steps)
    }
}

#[inline(always)]
fn run<D: Dot, const N: usize>(dot: D, form: Form, steps: u64) -> u64 {
    let group = black_box(0x0101_0101);
    let mut sums = [dot.load(black_box(&PanelRow([0x0101_0101; 16]))); N];
    for _ in 0..steps {
        for index in 0..N {
            // The operand is another sum, since the compiler would hoist a constant product
            // out of the loop.
            let row = sums[(index + 1) % N];
            sums[index] = dot.add(sums[index], group, row);
        }
    }
    let mut total = 0i32;
    for sum in sums {
        total = total.wrapping_add(dot.floats().sum_int(sum));
    }
    black_box(total);
    steps * N as u64 * 16 * form.per_group() as u64
}
