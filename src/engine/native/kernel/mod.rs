//! The inner loops: written once over the vector instructions of `rten-simd`, which picks AVX-512, AVX2, NEON or
//! plain code when it runs.

mod activation;
mod gemm;
mod layer_norm;
mod panels;
mod rows;
mod softmax;

pub use activation::Activation;
pub use gemm::gemm;
pub use layer_norm::LayerNorm;
pub use panels::{PANEL, PanelRow, Panels};
pub use rows::{Rows, RowsMut};
pub use softmax::softmax_unscaled;

#[cfg(test)]
mod tests;
