//! Kernels of a transformer encoder on the CPU: products of quantized matrices, attention, layer
//! norm and activation functions. The only crate with `unsafe` code.
//!
//! Linear layers multiply 8-bit integers. Weights have one scale per output and are
//! quantized once; activations have a scale and a zero point per token and are quantized as
//! they are computed (dynamic quantization). Attention multiplies 16-bit integers. All sums
//! are exact 32-bit integers, and all other operations are f32 operations in one fixed
//! order. Results are therefore bit-identical for every instruction set, number of threads
//! and grouping of sequences.
//!
//! [`packed`] is what a forward pass on an NVIDIA GPU consists of, in bf16.
//!
//! Reading order: [`isa`] detects instruction sets, `simd` holds the operations that differ
//! between them, [`operand`] the packed matrices, [`fn@product`] their tiled product,
//! [`rows`] the operations between two products, [`mod@attention`] attention, [`mod@dot`] single products. [`maxsim`]
//! compares the tokens of two texts, and [`residual`] restores those that were compressed. [`floats`]
//! holds what training computes in f32. `amx` is the product with Intel's AMX tiles, and [`peak`] measures the processor's peak throughput.
//!
//! ```
//! use treffer_kernels::{Activation, Isa, Panels, Rows, Store, product, quantize};
//! use treffer_kernels::operand::Form;
//!
//! let isa = Isa::detect().unwrap_or(Isa::SCALAR);
//! // Two outputs of three inputs each.
//! let panels = Panels::from_weights(isa, &[1.0, 2.0, 3.0, 0.5, 0.0, -0.5], 3, 0..2, 0..3);
//! let mut rows = Rows::new(Form::for_linear(isa));
//! quantize(isa, &mut [1.0, 0.0, 2.0], 3, Activation::Identity, &mut rows);
//! let mut out = [0.0; 2];
//! product(isa, &rows, &panels, None, &mut out, 2, Store::WithBias(&[10.0, 0.0]));
//! assert!((out[0] - 17.0).abs() < 0.1 && (out[1] + 0.5).abs() < 0.1);
//! ```

pub mod isa;

#[cfg(target_arch = "x86_64")]
mod cpu;
pub mod math;
mod memory;
mod output;
mod prefetch;
mod rounding;
mod simd;

pub mod attention;
pub mod dot;
pub mod floats;
pub mod maxsim;
pub mod operand;
pub mod packed;
pub mod peak;
pub mod product;
pub mod residual;
pub mod rows;

#[cfg(target_arch = "x86_64")]
mod amx;

#[cfg(test)]
mod testing;

pub use attention::{MatrixView, attend};
pub use dot::dot;
pub use isa::{Isa, Level};
pub use operand::{Panels, Rows};
pub use output::Store;
pub use product::product;
pub use rows::{Activation, LayerNorm, layer_norm, quantize};
