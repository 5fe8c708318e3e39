//! Powers of 2 for softmax into int8.

use rten_simd::ops::{BitOps, IntOps, NumOps};
use rten_simd::{Isa, Simd};

/// `top * 2^x` of `x` up to 0 (or a rounding error above), with what any instruction set has.
#[inline(always)]
pub(super) fn power_times<I: Isa>(isa: I, top: f32, x: I::F32) -> I::F32 {
    /// `2^x` for `x` from -0.5 to 0.5, to a relative error of 7.5e-5: a fiftieth of a step.
    const COEFFICIENTS: [f32; 4] = [0.999_928_1, 0.693_261, 0.242_610_8, 0.055_171_44];
    /// Adding it leaves a number's integer part in the low bits of the sum.
    const TO_INTEGER: f32 = 12_582_912.0;
    /// Far below what is not rounded to zero, and far above the smallest exponent.
    const LOWEST: f32 = -30.0;
    let (ops, ints) = (isa.f32(), isa.i32());
    let to_integer = ops.splat(TO_INTEGER);
    let x = ops.max(x, ops.splat(LOWEST));
    let shifted = ops.add(x, to_integer);
    let fraction = ops.sub(x, ops.sub(shifted, to_integer));
    let [power] = polynomial(isa, top, COEFFICIENTS, [fraction]);
    let exponent = ints.shift_left::<23>(ints.from_bits(shifted.to_bits()));
    ops.from_bits(ints.add(ints.from_bits(power.to_bits()), exponent).to_bits())
}

/// The polynomial times `top`.
#[inline(always)]
pub(super) fn polynomial<I: Isa, const N: usize>(
    isa: I,
    top: f32,
    coefficients: [f32; 4],
    x: [I::F32; N],
) -> [I::F32; N] {
    let ops = isa.f32();
    let [rest @ .., highest] = coefficients.map(|coefficient| ops.splat(top * coefficient));
    let mut sums = [highest; N];
    for coefficient in rest.into_iter().rev() {
        for vector in 0..N {
            sums[vector] = ops.mul_add(sums[vector], x[vector], coefficient);
        }
    }
    sums
}
