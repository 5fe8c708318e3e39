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
    /// `max(x, 0)`
    Relu,
    /// `x · sigmoid(x)`
    Silu,
}

impl Activation {
    /// With `approximate`, GELU to an absolute error of 2e-4, for values that are rounded much more roughly anyway.
    #[inline(always)]
    pub(super) fn apply<I: Isa>(self, isa: I, values: &mut [f32], approximate: bool) {
        match self {
            Self::Gelu if approximate => map(
                isa,
                values,
                #[inline(always)]
                |x| approximate_gelu(isa, x),
            ),
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

/// `x · (0.5 + p(x))`, where the odd polynomial `p` was fitted to `Φ(x) - 0.5` on -4 to 4 (least largest error of the
/// product, odd powers to 13).
#[inline(always)]
fn approximate_gelu<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    const BOUND: f32 = 4.0;
    const ODD_POWERS: [f32; 7] =
        [0.397_883_3, -0.064_573_03, 0.008_772_352, -0.000_814_007_9, 4.795_472e-5, -1.598_561_6e-6, 2.278_063_3e-8];
    let ops = isa.f32();
    let bounded = ops.clamp(x, ops.splat(-BOUND), ops.splat(BOUND));
    let square = ops.mul(bounded, bounded);
    let mut sum = ops.splat(ODD_POWERS[6]);
    for power in ODD_POWERS[..6].iter().rev() {
        sum = ops.mul_add(sum, square, ops.splat(*power));
    }
    ops.mul(x, ops.mul_add(sum, bounded, ops.splat(0.5)))
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
