//! Kernels: the throughput of a transformer's products relative to the processor's peak.
//!
//! Measured on one thread, for each instruction set, in billions of multiply-add operations
//! per second (GMAC/s) and as a fraction of the peak:
//! - the products of a layer with 384 columns (MiniLM, bge-small, e5-small) for several
//!   lengths of sequences;
//! - attention, including exponentials and packing, relative to the peak of 16-bit products.
//!
//! The peak is the inner step of a tile on operands in registers (`treffer_kernels::peak`).
//! Each figure is the median of nine runs, which alternate with runs of the peak.
//!
//! Caveat: all operands are in the cache. A real forward pass also reads each weight from
//! memory once per group of sequences.

#![allow(missing_docs)]

use std::time::Instant;

use treffer_kernels::attention::Scratch;
use treffer_kernels::operand::Form;
use treffer_kernels::peak::multiply_in_registers;
use treffer_kernels::{
    Activation, Isa, Level, MatrixView, Panels, Rows, Store, attend, product, quantize,
};
use treffer_testkit::Random;

const HIDDEN: usize = 384;
const RUNS: usize = 9;

fn main() {
    // `cargo xtask bench kernels -- avx512` measures that instruction set alone.
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let levels = [Level::Avx2, Level::Avx512, Level::Amx];
    let named = |level: &Level| asked.iter().any(|word| word == level.as_str());
    let chosen = levels.iter().any(named);
    let levels = levels.into_iter().filter(|level| !chosen || named(level));
    println!("| instructions | product | tokens | GMAC/s | fraction of the peak |");
    println!("|---|---|---|---|---|");
    for isa in levels.filter_map(Isa::get) {
        for tokens in [8, 32, 64, 128, 256, 512] {
            for (name, outputs) in [
                ("384 to 384", 384),
                ("384 to 64", 64),
                ("384 to 1536", 1536),
            ] {
                linear(isa, name, tokens, outputs);
            }
            attention(isa, tokens);
        }
    }
}

fn linear(isa: Isa, name: &str, tokens: usize, outputs: usize) {
    let weights = numbers(outputs * HIDDEN);
    let panels = Panels::from_weights(isa, &weights, HIDDEN, 0..outputs, 0..HIDDEN);
    let form = Form::for_linear(isa);
    let mut rows = Rows::new(form);
    let mut x = numbers(tokens * HIDDEN);
    quantize(isa, &mut x, HIDDEN, Activation::Identity, &mut rows);
    let mut out = vec![0.0; tokens * outputs];
    let bias = vec![0.0; outputs];
    let work = (tokens * HIDDEN * outputs) as u64;
    report(isa, name, tokens, form, work, || {
        product(
            isa,
            &rows,
            &panels,
            None,
            &mut out,
            outputs,
            Store::WithBias(&bias),
        );
    });
}

fn attention(isa: Isa, tokens: usize) {
    let width = 32;
    let values = numbers(tokens * 3 * width);
    let view = |part: usize| MatrixView {
        values: &values[part * width..],
        stride: 3 * width,
        rows: tokens,
    };
    let mut out = vec![0.0; tokens * width];
    let mut scratch = Scratch::default();
    let work = (2 * tokens * tokens * width) as u64;
    report(isa, "attention of 32", tokens, Form::Words, work, || {
        attend(
            isa,
            view(0),
            view(1),
            view(2),
            width,
            &mut scratch,
            &mut out,
            width,
        );
    });
}

/// Measures and prints one row of the table. `work` is the number of multiply-adds.
fn report(isa: Isa, name: &str, tokens: usize, form: Form, work: u64, mut run: impl FnMut()) {
    // Long enough for the resolution of the clock with any shape.
    let times = (20_000_000 / work).max(1);
    let (mut found, mut peak) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        found.push(rate(|| {
            (0..times).for_each(|_| run());
            times * work
        }));
        peak.push(rate(|| multiply_in_registers(isa, form, 50_000)));
    }
    let (found, peak) = (median(found), median(peak));
    let share = 100.0 * found / peak;
    println!(
        "| {} | {name} | {tokens} | {found:.0} | {share:.0} % |",
        isa.level()
    );
}

/// The amount of work that `work` returns, in billions per second.
fn rate(work: impl FnOnce() -> u64) -> f64 {
    let start = Instant::now();
    let done = work();
    done as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn numbers(count: usize) -> Vec<f32> {
    let mut random = Random::new(7);
    (0..count).map(|_| random.unit() as f32 - 0.5).collect()
}
