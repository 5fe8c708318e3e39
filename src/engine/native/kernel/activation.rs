//! Activation functions of the feed-forward part.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdUnaryOp};
use rten_vecmath::{ApproxGelu, Gelu, Silu};

/// The function between the two matrix products of a feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · Φ(x)`, with the error function.
    Gelu,
    /// GELU by its tanh approximation (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    Relu,
    Silu,
}

impl Activation {
    #[inline(always)]
    pub fn apply<I: Isa>(self, isa: I, values: &mut [f32]) {
        match self {
            Self::Gelu => map(
                isa,
                values,
                #[inline(always)]
                |x| Gelu {}.eval(isa, x),
            ),
            Self::GeluTanh => map(
                isa,
                values,
                #[inline(always)]
                |x| ApproxGelu {}.eval(isa, x),
            ),
            Self::Relu => map(
                isa,
                values,
                #[inline(always)]
                |x| isa.f32().max(x, isa.f32().zero()),
            ),
            Self::Silu => map(
                isa,
                values,
                #[inline(always)]
                |x| Silu {}.eval(isa, x),
            ),
        }
    }
}

#[inline(always)]
fn map<I: Isa>(isa: I, values: &mut [f32], function: impl Fn(I::F32) -> I::F32) {
    let ops = isa.f32();
    let mut vectors = values.chunks_exact_mut(ops.len());
    for vector in &mut vectors {
        ops.store(function(ops.load(vector)), vector);
    }
    let rest = vectors.into_remainder();
    if !rest.is_empty() {
        let (padded, _) = ops.load_pad(rest);
        let result = function(padded).to_array();
        rest.copy_from_slice(&result.as_ref()[..rest.len()]);
    }
}
