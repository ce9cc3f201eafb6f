//! What a transformer encoder computes on the CPU: products of quantized matrices,
//! attention, layer norm, activations. The only crate with `unsafe` code.
//!
//! Linear layers multiply 8-bit integers: weights with a scale per output, activations
//! with a scale and zero point per token, found as they come. Attention multiplies
//! 16-bit integers. All sums are exact 32-bit integers and everything around them
//! happens in one fixed order of f32 operations, so that every instruction set,
//! number of threads and grouping of sequences gives the same bits.
//!
//! Reading order: [`isa`] says what the processor can do, `simd` holds the steps
//! that differ between instruction sets, [`operand`] the packed matrices, [`fn@product`]
//! their tiled product, [`rows`] what happens between two products, [`mod@attention`] the
//! rest. `amx` is the way through Intel's tiles.
//!
//! ```
//! use treffer_kernels::{Activation, Isa, Panels, Rows, Then, product, quantize};
//! use treffer_kernels::operand::Form;
//!
//! let isa = Isa::detect().unwrap_or(Isa::SCALAR);
//! // Two outputs of three inputs each.
//! let panels = Panels::of_weights(isa, &[1.0, 2.0, 3.0, 0.5, 0.0, -0.5], 3, 0..2, 0..3);
//! let mut rows = Rows::new(Form::of_linear(isa));
//! quantize(isa, &mut [1.0, 0.0, 2.0], 3, Activation::Identity, &mut rows);
//! let mut out = [0.0; 2];
//! product(isa, &rows, &panels, None, &mut out, 2, Then::Biased(&[10.0, 0.0]));
//! assert!((out[0] - 17.0).abs() < 0.1 && (out[1] + 0.5).abs() < 0.1);
//! ```

pub mod isa;

pub mod math;
mod memory;
mod simd;

pub mod attention;
pub mod operand;
pub mod peak;
pub mod product;
pub mod rows;

#[cfg(target_arch = "x86_64")]
mod amx;

#[cfg(test)]
mod testing;

pub use attention::{View, attend};
pub use isa::{Isa, Level};
pub use operand::{Panels, Rows};
pub use product::{Then, product};
pub use rows::{Activation, Norm, normalize, quantize};
