//! The inner loops: written once over the vector instructions of `rten-simd`, which picks AVX-512, AVX2, NEON or
//! plain code when it runs.

mod activation;
mod attend;
pub mod bf16;
mod byte_panels;
pub mod bytes;
mod gemm;
mod layer_norm;
mod panels;
mod peak;
mod product;
mod quantize;
mod rows;
mod scores;
mod softmax;
mod softmax_bytes;
mod tile;

pub use activation::Activation;
pub use attend::{AttentionBuffers, attend_bytes};
pub use bf16::{Bf16, gemm_bf16};
pub use byte_panels::BytePanels;
pub use gemm::{gemm, gemm_bytes};
pub use layer_norm::LayerNorm;
pub use panels::{PANEL, PanelRow, Panels};
pub use peak::{peak_bf16, peak_bytes, peak_f32};
pub use quantize::{ByteRows, QuantizedRows, Spread, grow, row_stride};
pub use rows::{Rows, RowsMut};
pub use softmax::softmax_unscaled;

#[cfg(test)]
mod tests;
