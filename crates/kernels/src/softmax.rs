//! Softmax over the keys of an attention head.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::Exp;

use super::RowsMut;
use super::isa::dispatch;

/// Replaces every row of `scores` by `exp(score - max)` and writes the reciprocal of its sum to `scales`.
///
/// The division is left to the caller: after the product with the values there are fewer numbers to divide.
///
/// # Panics
/// If `scales` is not one a row.
pub fn softmax_unscaled(scores: RowsMut, scales: &mut [f32]) {
    assert_eq!(scores.rows(), scales.len());
    dispatch(SoftmaxUnscaled { scores, scales })
}

pub(super) struct SoftmaxUnscaled<'a> {
    pub scores: RowsMut<'a>,
    pub scales: &'a mut [f32],
}

impl SimdOp for SoftmaxUnscaled<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        for (row, scale) in self.scales.iter_mut().enumerate() {
            *scale = 1.0 / exp_row(isa, self.scores.row_mut(row));
        }
    }
}

/// Replaces a row by `exp(value - max)` and returns the sum.
#[inline(always)]
fn exp_row<I: Isa>(isa: I, row: &mut [f32]) -> f32 {
    let ops = isa.f32();
    let exp = Exp {};

    let mut chunks = row.chunks_exact(ops.len());
    let mut maxima = ops.splat(f32::NEG_INFINITY);
    for chunk in &mut chunks {
        maxima = ops.max(maxima, ops.load(chunk));
    }
    let rest = chunks.remainder().iter().copied();
    let max = maxima.to_array().into_iter().chain(rest).fold(f32::NEG_INFINITY, f32::max);

    let max = ops.splat(max);
    let mut chunks = row.chunks_exact_mut(ops.len());
    let mut sums = ops.zero();
    for chunk in &mut chunks {
        let value = exp.eval(isa, ops.sub(ops.load(chunk), max));
        sums = ops.add(sums, value);
        ops.store(value, chunk);
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let (padded, mask) = ops.load_pad(rest);
        let value = ops.select(exp.eval(isa, ops.sub(padded, max)), ops.zero(), mask);
        sums = ops.add(sums, value);
        rest.copy_from_slice(&value.to_array().as_ref()[..rest.len()]);
    }
    ops.sum(sums)
}
