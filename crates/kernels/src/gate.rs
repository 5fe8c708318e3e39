//! The gate of a gated feed-forward part.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::isa::dispatch;
use super::{Activation, Rows};

/// `out = activation(first half of input) · second half`, row by row.
///
/// `input` is `[rows, 2 * width]` and `out` is `[rows, width]` without gaps. With `approximate`, GELU to an absolute
/// error of 2e-4, for values that are quantized afterwards.
///
/// # Panics
/// If the shapes do not fit together.
pub fn gate(out: &mut [f32], input: Rows, activation: Activation, approximate: bool) {
    assert!(input.cols().is_multiple_of(2));
    assert_eq!(out.len(), input.rows() * input.cols() / 2);
    dispatch(Gate { out, input, activation, approximate })
}

pub(super) struct Gate<'a> {
    pub out: &'a mut [f32],
    pub input: Rows<'a>,
    pub activation: Activation,
    pub approximate: bool,
}

impl SimdOp for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let width = self.input.cols() / 2;
        if width == 0 {
            return;
        }
        for (row, out) in self.out.chunks_exact_mut(width).enumerate() {
            let (first, second) = self.input.row(row).split_at(width);
            out.copy_from_slice(first);
            self.activation.apply(isa, out, self.approximate);
            let mut vectors = out.chunks_exact_mut(ops.len());
            let mut factors = second.chunks_exact(ops.len());
            for (out, factor) in (&mut vectors).zip(&mut factors) {
                ops.store(ops.mul(ops.load(out), ops.load(factor)), out);
            }
            for (out, factor) in vectors.into_remainder().iter_mut().zip(factors.remainder()) {
                *out *= factor;
            }
        }
    }
}
