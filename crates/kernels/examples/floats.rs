//! Measures the products of a training step: billions of operations a second on one thread.
use std::time::Instant;
use treffer_kernels::floats::{Into, Matrix, Norm, Precision, Products, gelu, norm, softmax};

fn main() {
    let x = vec![0.5f32; 768 * 1536];
    let w = vec![0.25f32; 384 * 1536];
    let mut out = vec![0f32; 768 * 1536];
    let time = |name: &str, operations: f64, f: &mut dyn FnMut()| {
        f();
        let begun = Instant::now();
        for _ in 0..20 {
            f();
        }
        let seconds = begun.elapsed().as_secs_f64() / 20.0;
        println!(
            "{name}: {:.1} G/s, {:.3} ms",
            operations / seconds / 1e9,
            seconds * 1e3
        );
    };
    let flops = 2.0 * 768.0 * 384.0 * 1536.0;
    for precision in [Precision::F32, Precision::Bf16] {
        let mut products = Products::new(precision);
        time(&format!("x W^T in {precision:?}"), flops, &mut || {
            products.multiply(
                &mut out,
                1536,
                Matrix::new(&x, 768, 384),
                Matrix::new(&w, 1536, 384).transposed(),
                1.0,
                Into::Set,
            );
        });
        time(&format!("dy W in {precision:?}"), flops, &mut || {
            products.multiply(
                &mut out,
                384,
                Matrix::new(&x, 768, 1536),
                Matrix::new(&w, 1536, 384),
                1.0,
                Into::Set,
            );
        });
        time(&format!("dy^T x in {precision:?}"), flops, &mut || {
            products.multiply(
                &mut out,
                384,
                Matrix::new(&x, 768, 1536).transposed(),
                Matrix::new(&x, 768, 384),
                1.0,
                Into::Add,
            );
        });
        time(
            &format!("heads in {precision:?}"),
            2.0 * 12.0 * 6.0 * 128.0 * 128.0 * 32.0,
            &mut || {
                for _ in 0..72 {
                    products.multiply(
                        &mut out,
                        128,
                        Matrix::strided(&x, 128, 32, 384),
                        Matrix::strided(&w, 128, 32, 768).transposed(),
                        1.0,
                        Into::Set,
                    );
                }
            },
        );
    }
    time("gelu", 768.0 * 1536.0, &mut || gelu(&mut out, &x));
    let mut y = vec![0f32; 768 * 1536];
    time("softmax", 768.0 * 1536.0, &mut || softmax(&mut y, 128));
    let mut rows = vec![0.1f32; 768 * 384];
    let mut inverse = vec![0f32; 768];
    let parameters = vec![1f32; 384];
    time("norm", 768.0 * 384.0, &mut || {
        norm(
            &mut out[..768 * 384],
            &mut rows,
            &mut inverse,
            Norm {
                weight: &parameters,
                bias: &parameters,
                eps: 1e-6,
            },
        );
    });
}
