//! The CUDA kernels on the CPU: cuda/packed.cu, compiled by a C++ compiler with a shim for
//! threads, shuffles and tensor cores, beside the scalar oracle.
//!
//! Not covered: what nvcc makes of the file, and how it runs on a GPU.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use treffer_kernels::packed::{FeedForward, Norm, Operations, Packing, Queries, Scalar};

/// Threads of a block, as the kernels are launched on a GPU.
const THREADS: u32 = 128;

fn bytes_of(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    bytes_of(values.iter().map(|value| value.to_bits()))
}

/// bf16 of values that it holds exactly.
fn halves(values: &[f32]) -> Vec<u8> {
    let half = |value: &f32| ((value.to_bits() >> 16) as u16).to_le_bytes();
    values.iter().flat_map(half).collect()
}

fn from_halves(bytes: &[u8]) -> Vec<f32> {
    let value = |b: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
    bytes.as_chunks().0.iter().map(value).collect()
}

/// The program that runs a kernel, compiled once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("cuda/run.cpp");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packed-kernels");
        let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
        let compiled = Command::new(&compiler)
            .args([
                "-std=c++17",
                "-O1",
                "-fno-strict-aliasing",
                "-Wno-unknown-pragmas",
                "-o",
            ])
            .arg(&program)
            .arg(&source)
            .status();
        let compiled = compiled.unwrap_or_else(|error| {
            panic!("these tests need a C++ compiler, named by CXX or called c++: {error}")
        });
        assert!(
            compiled.success(),
            "{compiler:?} could not compile {source:?}"
        );
        program
    })
}

/// Runs a kernel and returns the last of its arguments, which it wrote.
fn run(kernel: &str, grid: (u32, u32), mut arguments: Vec<Vec<u8>>, at: usize) -> Vec<f32> {
    let mut request = bytes_of([kernel.len() as u32]);
    request.extend(kernel.as_bytes());
    request.extend(bytes_of([grid.0, grid.1, THREADS, arguments.len() as u32]));
    for argument in &arguments {
        request.extend(bytes_of([argument.len() as u32]));
        request.extend(argument);
    }
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was compiled");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(&request).expect("the program reads it");
    drop(stdin);
    let output = child.wait_with_output().expect("the program answers");
    assert!(output.status.success(), "{kernel}: {}", output.status);
    let mut rest = &output.stdout[..];
    for argument in &mut arguments {
        let (own, after) = rest.split_at(argument.len());
        argument.copy_from_slice(own);
        rest = after;
    }
    from_halves(&arguments[at])
}

/// Numbers in [-1, 1] that bf16 holds exactly, from a linear congruential generator.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % 255) as f32 / 128.0 - 1.0
    }

    fn take(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }

    fn norm(&mut self, width: usize) -> Norm<Vec<f32>> {
        Norm {
            weight: self.take(width),
            bias: self.take(width),
            eps: 1e-5,
        }
    }
}

/// Every value differs from the oracle's by no more than the rounding to bf16, of the value and
/// of others of the given size that it was made of.
fn assert_close(found: &[f32], expected: &[f32], size: f32) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let most = (expected.abs() + size) / 256.0;
        assert!(
            (found - expected).abs() <= most,
            "value {at}: {found}, not {expected}"
        );
    }
}

fn ok<T>(result: Result<T, std::convert::Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

#[test]
fn embeddings_are_summed_and_normed() {
    let mut numbers = Numbers(1);
    // 130 is no multiple of a warp's 64 values, and five tokens are more than a block's four.
    for width in [64, 132, 384, 1024] {
        let tables = [
            numbers.take(7 * width),
            numbers.take(2 * width),
            numbers.take(9 * width),
        ];
        let rows: [Vec<u32>; 3] = [
            vec![6, 0, 3, 3, 1],
            vec![0, 0, 1, 1, 1],
            vec![0, 1, 2, 3, 8],
        ];
        let norm = numbers.norm(width);
        let mut arguments: Vec<Vec<u8>> = tables.iter().map(|table| halves(table)).collect();
        arguments.extend(rows.iter().map(|rows| bytes_of(rows.iter().copied())));
        arguments.extend([
            floats(&norm.weight),
            floats(&norm.bias),
            floats(&[norm.eps]),
        ]);
        arguments.extend([
            bytes_of([width as u32]),
            bytes_of([5]),
            vec![0; 5 * width * 2],
        ]);
        let found = run("embed", (2, 1), arguments, 11);
        let matrices = tables.map(|table| ok(Scalar.matrix(&table, width)));
        let expected = Scalar.embed(
            matrices.each_ref(),
            rows.each_ref().map(Vec::as_slice),
            &norm,
        );
        assert_close(&found, &ok(Scalar.values(&ok(expected))), 0.05);
    }
}

#[test]
fn residual_sums_are_normed() {
    let mut numbers = Numbers(2);
    for (width, rows) in [(64, 1), (132, 6), (384, 4)] {
        let [product, residual] = [0; 2].map(|_| numbers.take(rows * width));
        let (bias, norm) = (numbers.take(width), numbers.norm(width));
        let arguments = vec![
            halves(&product),
            floats(&bias),
            halves(&residual),
            floats(&norm.weight),
            floats(&norm.bias),
            floats(&[norm.eps]),
            bytes_of([width as u32]),
            bytes_of([rows as u32]),
            vec![0; rows * width * 2],
        ];
        let found = run("add_norm", (rows.div_ceil(4) as u32, 1), arguments, 8);
        let [product, residual] = [product, residual].map(|m| ok(Scalar.matrix(&m, width)));
        let expected = ok(Scalar.add_norm(&product, &bias, &residual, &norm));
        assert_close(&found, &ok(Scalar.values(&expected)), 0.05);
    }
}

#[test]
fn activations_follow_a_bias() {
    let mut numbers = Numbers(3);
    let (width, rows) = (36, 17);
    for (kind, activation) in [FeedForward::Gelu, FeedForward::GeluTanh, FeedForward::Relu]
        .into_iter()
        .enumerate()
    {
        let x: Vec<f32> = numbers.take(rows * width).iter().map(|x| x * 4.0).collect();
        let bias = numbers.take(width);
        let arguments = vec![
            halves(&x),
            floats(&bias),
            bytes_of([kind as u32]),
            bytes_of([width as u32]),
            bytes_of([rows as u32]),
        ];
        let blocks = (rows * width / 4).div_ceil(THREADS as usize) as u32;
        let found = run("activate", (blocks, 1), arguments, 0);
        let x = ok(Scalar.matrix(&x, width));
        let expected = ok(Scalar.activate(x, &bias, activation));
        assert_close(&found, &ok(Scalar.values(&expected)), 0.05);
    }
}

#[test]
fn attention_keeps_to_each_sequence() {
    let mut numbers = Numbers(4);
    // Lengths around the 16 queries of a warp, and the 64 queries and keys of a block.
    let packing = Packing::new([1, 70, 5, 16, 64, 130, 2]);
    for (width, heads) in [(32, 3), (64, 2)] {
        let hidden = width * heads;
        let product = numbers.take(packing.rows() * 3 * hidden);
        // Scores are small otherwise, and all weights alike.
        let product: Vec<f32> = product.iter().map(|x| x * 2.0).collect();
        let bias = numbers.take(3 * hidden);
        let matrix = ok(Scalar.matrix(&product, 3 * hidden));
        for queries in [Queries::All, Queries::First] {
            let (tiles, rows) = match queries {
                Queries::All => (packing.tiles().to_vec(), packing.rows()),
                Queries::First => (packing.first_tiles(), packing.sequences()),
            };
            let arguments = vec![
                halves(&product),
                floats(&bias),
                bytes_of(packing.starts().iter().copied()),
                bytes_of(tiles.iter().copied()),
                bytes_of([hidden as u32]),
                bytes_of([u32::from(queries == Queries::First)]),
                // Rows that nothing writes would be seen.
                halves(&vec![100.0; rows * hidden]),
            ];
            let grid = (tiles.len() as u32 / 2, heads as u32);
            let found = run(&format!("attend_{width}"), grid, arguments, 6);
            let expected = ok(Scalar.attend(&matrix, &bias, heads, &packing, queries));
            // Biased values, weights and results are rounded, and scores by the former.
            assert_close(&found, &ok(Scalar.values(&expected)), 4.0);
        }
    }
}

#[test]
fn first_rows_are_those_of_the_sequences() {
    let mut numbers = Numbers(5);
    let packing = Packing::new([3, 1, 300]);
    let x = numbers.take(packing.rows() * 384);
    let arguments = vec![
        halves(&x),
        bytes_of(packing.starts().iter().copied()),
        bytes_of([384]),
        vec![0; 3 * 384 * 2],
    ];
    let found = run("first_rows", (3, 1), arguments, 3);
    let expected = ok(Scalar.first_rows(&ok(Scalar.matrix(&x, 384)), &packing));
    assert_eq!(found, ok(Scalar.values(&expected)));
}
