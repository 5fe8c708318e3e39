//! Softmax over the keys of an attention head, into int8.

use rten_simd::ops::{BitOps, FloatOps, NumOps};

use super::int8::{Int8Isa, Int8Op};
use super::{Rows, RowsMut};
use rten_simd::Isa;

/// Rows of scores are filled up to a multiple of this: four vectors of any width.
pub(super) const SCORE_BLOCK: usize = 64;

/// What is added to the powers before they are rounded: differences from -0.5 to 0.5, evenly spread over neighbouring
/// keys by steps of the golden ratio.
///
/// Most keys have small probabilities, and where they are many they matter. Rounded to the nearest, all that are below
/// half a step would be lost; so as many of them become one step as make up for those that become none.
pub(super) const DITHER: [f32; SCORE_BLOCK] = {
    /// The golden ratio less 1, of 2^32.
    const STEP: u32 = 0x9e37_79b9;
    let mut dither = [0.0; SCORE_BLOCK];
    let mut key = 0;
    while key < SCORE_BLOCK {
        dither[key] = (STEP.wrapping_mul(key as u32 + 1) >> 8) as f32 / (1u32 << 24) as f32 - 0.5;
        key += 1;
    }
    dither
};

/// Writes `top * exp2(factor * (score - max))`, where `top` is the largest left-hand value, rounded with [`DITHER`], of every row of `scores` to `out` as left-hand values with
/// zero point 0, and the reciprocals of their sums to `scales`, which holds the factors before.
///
/// A score may be minus infinity, as long as another one of the row is not.
pub(super) struct SoftmaxInt8<'a> {
    /// A multiple of [`SCORE_BLOCK`] wide.
    pub scores: Rows<'a>,
    pub out: RowsMut<'a, [u8; 4]>,
    pub scales: &'a mut [f32],
}

impl Int8Op for SoftmaxInt8<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        /// Rows whose maxima are found first: each is a chain of steps that wait for each other, which many short
        /// chains after another hide better.
        const ROWS: usize = 16;
        let Self { scores, mut out, scales } = self;
        assert!(scores.rows() == scales.len() && out.rows() == scales.len());
        assert!(scores.cols().is_multiple_of(SCORE_BLOCK) && 4 * out.cols() == scores.cols());
        let mut offsets = [0.0; ROWS];
        for (block, scales) in scales.chunks_mut(ROWS).enumerate() {
            let first = block * ROWS;
            for (row, (factor, offset)) in scales.iter_mut().zip(&mut offsets).enumerate() {
                // Minus infinity times 0 is no number.
                *factor = factor.max(f32::MIN_POSITIVE);
                *offset = -max(isa, scores.row(first + row)) * *factor;
            }
            for (row, (scale, &offset)) in scales.iter_mut().zip(&offsets).enumerate() {
                let out = out.row_mut(first + row).as_flattened_mut();
                *scale = 1.0 / exp2_times_top(isa, scores.row(first + row), *scale, offset, out) as f32;
            }
        }
    }
}

#[inline(always)]
fn max<B: Int8Isa>(isa: B, scores: &[f32]) -> f32 {
    let ops = isa.isa().f32();
    let mut maxima = [ops.splat(f32::NEG_INFINITY); 4];
    for scores in scores.chunks_exact(4 * ops.len()) {
        let scores = ops.load_many::<4>(scores);
        for vector in 0..4 {
            maxima[vector] = ops.max(maxima[vector], scores[vector]);
        }
    }
    isa.max_lane(ops.max(ops.max(maxima[0], maxima[1]), ops.max(maxima[2], maxima[3])))
}

/// Writes `top * exp2(factor * score + offset)`, rounded with [`DITHER`], and returns the sum.
#[inline(always)]
fn exp2_times_top<B: Int8Isa>(isa: B, scores: &[f32], factor: f32, offset: f32, out: &mut [u8]) -> i32 {
    let (ops, ints) = (isa.isa().f32(), isa.isa().i32());
    let block = 4 * ops.len();
    let (factor, offset) = (ops.splat(factor), ops.splat(offset));
    let mut sums = ints.zero();
    for (index, (scores, out)) in scores.chunks_exact(block).zip(out.chunks_exact_mut(block)).enumerate() {
        let scores = ops.load_many::<4>(scores);
        let dither = ops.load_many::<4>(&DITHER[index * block % SCORE_BLOCK..]);
        let mut exponents = [ops.zero(); 4];
        for vector in 0..4 {
            exponents[vector] = ops.mul_add(scores[vector], factor, offset);
        }
        let powers = isa.exp2_times_top(exponents);
        let mut values = [ints.zero(); 4];
        for vector in 0..4 {
            values[vector] = ops.to_int_round(ops.add(powers[vector], dither[vector]));
        }
        // SAFETY: `out` has as many bytes as four vectors have lanes.
        sums = unsafe { isa.store_lhs(values, sums, out.as_mut_ptr()) };
    }
    isa.sum_lanes(sums)
}
