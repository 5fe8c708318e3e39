//! The inner loops of bertqa: matrix products, attention, softmax and layer normalization on each instruction set.
//!
//! # Structure
//! A product `out = a · b` reads its left-hand side (LHS) from [`Rows`] and its right-hand side (RHS) from packed
//! [`Panels`]: blocks of [`PANEL`] columns, row after row. An int8 LHS is packed too, as [`QuantizedRows`]. The
//! product is cut into tiles of MR rows and NR columns, whose sums stay in registers (`Tile`). The microkernel,
//! `Product::multiply_add`, adds one step over the depth to a tile: an `f32`, two bfloat16 or four int8. `matmul.rs`
//! has the loops around the tiles; `gemm.rs` chooses MR and NR by the number of registers.
//!
//! Kernels are written once over the vectors of `rten-simd`, for AVX-512, AVX2, NEON or plain code; `isa.rs` chooses
//! when the program runs. Only the int8 and bfloat16 microkernels use instructions of their own.
//!
//! AMX is no microkernel: its tile registers hold 16 rows of 16 sums. `amx/` has loops of its own around them, over the
//! same rows and panels, and leaves everything but whole products to AVX-512.
//!
//! # Adding an instruction set for int8
//! 1. In `int8/`, add a type with `new() -> Option<Self>`, which detects the features, and `run`, which calls an
//!    operation in a function with these target features.
//! 2. Implement `Product` for it (how elements are multiplied) and `Int8Isa` (how values are stored as int8).
//! 3. Add it to `InstructionSet` and to `Int8Op::dispatch`, in the order of speed.
//! 4. Check MR and NR in `Gemm` and `Scores`: the sums of a tile have to fit into the registers.
//! 5. Add it to `on_every_int8_isa!` in `tests/int8.rs`; every int8 test then runs on it. Where the processor at hand
//!    lacks it, add a case to the project's `tests/emulated.sh`.
//!
//! For bfloat16, do the same in `bf16/`, with `Bf16Op` and `bf16::instructions`.

mod activation;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attend;
mod bf16;
mod diagonals;
mod exp;
mod float;
mod gate;
mod gemm;
mod int8;
mod int8_panels;
mod isa;
mod layer_norm;
mod matmul;
mod panels;
mod peak;
mod product;
mod quantize;
mod row_buffer;
mod rows;
mod scores;
mod softmax;
mod softmax_int8;
#[cfg(test)]
#[allow(clippy::disallowed_methods)] // What is expected may differ in the last digits.
mod tests;

pub use activation::Activation;
pub use attend::{AttentionBuffers, ScoreBias, attend_int8};
pub use bf16::{Bf16, instructions as bf16_instructions};
pub use diagonals::add_diagonals;
pub use gate::gate;
pub use gemm::{gemm, gemm_bf16, gemm_int8};
pub use int8::instructions as int8_instructions;
pub use int8_panels::Int8Panels;
pub use isa::{ISA_VARIABLE, UnknownIsa, check_isa, f32_instructions};
pub use layer_norm::LayerNorm;
pub use panels::{PANEL, PanelRow, Panels};
pub use peak::{Peak, peak_bf16, peak_f32, peak_int8};
pub use quantize::{Int8Rows, QuantizedRows, Spread};
pub use row_buffer::RowBuffer;
pub use rows::{Rows, RowsMut};
pub use softmax::softmax_unscaled;

/// Makes a buffer that is kept from use to use long enough.
#[inline]
pub fn grow<T: Copy>(buffer: &mut Vec<T>, len: usize, fill: T) {
    if buffer.len() < len {
        buffer.resize(len, fill);
    }
}
