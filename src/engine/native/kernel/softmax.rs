//! Softmax over the keys of an attention head.

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::Exp;

use super::bytes::{ByteIsa, ByteOp};
use super::{Rows, RowsMut};

/// Replaces every row of `scores` by `exp(score - max)` and writes the reciprocal of its sum to `scales`.
///
/// The division is left to the caller: after the product with the values there are fewer numbers to divide.
///
/// # Panics
/// If `scales` is not one a row.
pub fn softmax_unscaled(scores: RowsMut, scales: &mut [f32]) {
    assert_eq!(scores.rows(), scales.len());
    SoftmaxUnscaled { scores, scales }.dispatch()
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

/// Writes `exp2(score - max)` of every row of `scores` to `out` as left-hand bytes with zero point 0, and the reciprocal of their sum
/// to `scales`.
///
/// # Panics
/// If `out` has not as many rows as `scores`, of at least as many bytes filled up to whole vectors, or `scales` is not
/// one a row.
pub fn softmax_bytes(scores: Rows, out: RowsMut<[u8; 4]>, scales: &mut [f32]) {
    assert_eq!(scores.rows(), scales.len());
    assert_eq!(scores.rows(), out.rows());
    SoftmaxBytes { scores, out, scales }.dispatch()
}

pub(super) struct SoftmaxBytes<'a> {
    pub scores: Rows<'a>,
    pub out: RowsMut<'a, [u8; 4]>,
    pub scales: &'a mut [f32],
}

impl ByteOp for SoftmaxBytes<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: ByteIsa>(self, isa: B) {
        /// Rows worked on side by side, since the steps of one wait for each other.
        const ROWS: usize = 4;
        let Self { scores, mut out, scales } = self;
        for (block, scales) in scales.chunks_mut(ROWS).enumerate() {
            let rows = block * ROWS..block * ROWS + scales.len();
            match scales.len() {
                ROWS => exp2_rows::<B, ROWS>(isa, scores.slice_rows(rows.clone()), out.slice_rows(rows), scales),
                _ => {
                    for (row, scale) in rows.zip(scales.chunks_mut(1)) {
                        exp2_rows::<B, 1>(isa, scores.slice_rows(row..row + 1), out.slice_rows(row..row + 1), scale);
                    }
                }
            }
        }
    }
}

/// Writes `255 * exp2(score - max)`, rounded, and the reciprocals of the sums.
#[inline(always)]
fn exp2_rows<B: ByteIsa, const ROWS: usize>(isa: B, scores: Rows, mut out: RowsMut<[u8; 4]>, scales: &mut [f32]) {
    let (ops, ints) = (isa.isa().f32(), isa.isa().i32());
    let lanes = ops.len();
    let cols = scores.cols();
    let whole = cols - cols % lanes;
    assert!(scores.rows() == ROWS && out.rows() == ROWS);
    assert!(4 * out.cols() >= cols.div_ceil(lanes) * lanes);
    let mut source = [std::ptr::null(); ROWS];
    let mut target = [std::ptr::null_mut(); ROWS];
    for row in 0..ROWS {
        source[row] = scores.row(row).as_ptr();
        target[row] = out.row_mut(row).as_mut_ptr().cast::<u8>();
    }

    let mut maxima = [ops.splat(f32::NEG_INFINITY); ROWS];
    for column in (0..whole).step_by(lanes) {
        for row in 0..ROWS {
            // SAFETY: a vector from `column` on lies within the row.
            maxima[row] = ops.max(maxima[row], unsafe { ops.load_ptr(source[row].add(column)) });
        }
    }
    let mut powers = [Exp2::new(isa.isa(), 0.0, 255.0); ROWS];
    for row in 0..ROWS {
        if whole < cols {
            let (padded, mask) = ops.load_pad(&scores.row(row)[whole..]);
            maxima[row] = ops.max(maxima[row], ops.select(padded, maxima[row], mask));
        }
        powers[row].max = ops.splat(isa.max_lane(maxima[row]));
    }

    let shift = ints.splat(B::SHIFT);
    let mut sums = [ints.zero(); ROWS];
    for column in (0..whole).step_by(lanes) {
        for row in 0..ROWS {
            // SAFETY: a vector from `column` on lies within the row.
            let value = powers[row].eval(unsafe { ops.load_ptr(source[row].add(column)) });
            sums[row] = ints.add(sums[row], value);
            // SAFETY: the row of `out` has as many bytes.
            unsafe { isa.store_low_bytes(ints.add(value, shift), target[row].add(column)) };
        }
    }
    for row in 0..ROWS {
        if whole < cols {
            let (padded, mask) = ops.load_pad(&scores.row(row)[whole..]);
            let value = ints.select(powers[row].eval(padded), ints.zero(), mask);
            sums[row] = ints.add(sums[row], value);
            // SAFETY: the row of `out` is filled up to whole vectors.
            unsafe { isa.store_low_bytes(ints.add(value, shift), target[row].add(whole)) };
        }
        scales[row] = 1.0 / ints.sum(sums[row]) as f32;
    }
}

/// `factor * 2^(score - max)`, rounded.
#[derive(Clone, Copy)]
struct Exp2<I: Isa> {
    isa: I,
    max: I::F32,
    coefficients: [I::F32; 4],
}

impl<I: Isa> Exp2<I> {
    /// `2^x` for `x` from -0.5 to 0.5, to a relative error of 1.4e-4: a twentieth of a byte's step.
    const COEFFICIENTS: [f32; 4] = [0.999_951_3, 0.693_253_1, 0.242_257_2, 0.055_029_2];
    /// Adding it leaves a number's integer part in the low bits of the sum.
    const TO_INTEGER: f32 = 12_582_912.0;
    /// Far below what is not rounded to zero, and far above the smallest exponent.
    const LOWEST: f32 = -30.0;

    #[inline(always)]
    fn new(isa: I, max: f32, factor: f32) -> Self {
        let ops = isa.f32();
        let mut coefficients = [ops.zero(); 4];
        for (splat, coefficient) in coefficients.iter_mut().zip(Self::COEFFICIENTS) {
            *splat = ops.splat(coefficient * factor);
        }
        Self { isa, max: ops.splat(max), coefficients }
    }

    #[inline(always)]
    fn eval(&self, scores: I::F32) -> I::I32 {
        let (ops, ints) = (self.isa.f32(), self.isa.i32());
        let to_integer = ops.splat(Self::TO_INTEGER);
        let x = ops.max(ops.sub(scores, self.max), ops.splat(Self::LOWEST));
        let shifted = ops.add(x, to_integer);
        let fraction = ops.sub(x, ops.sub(shifted, to_integer));
        let mut power = self.coefficients[3];
        for coefficient in self.coefficients[..3].iter().rev() {
            power = ops.mul_add(power, fraction, *coefficient);
        }
        let exponent = ints.shift_left::<23>(ints.from_bits(shifted.to_bits()));
        ops.to_int_round(ops.from_bits(ints.add(ints.from_bits(power.to_bits()), exponent).to_bits()))
    }
}
