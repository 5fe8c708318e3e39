//! Arithmetic on int8: which instructions there are for it, and which of them this processor has.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{NeonDot, NeonI8mm};
pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{Avx2, Avx512Vnni, AvxVnni};

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::exp::power_times_255;
use super::product::{F32, I32, Product};

/// An instruction set with what arithmetic on int8 needs beyond [`rten_simd::Isa`].
///
/// Four values are multiplied by four values in each lane of 32 bits and summed up exactly. The left-hand values are
/// 0 to 255, the right-hand ones -127 to 127. Some instructions take the left-hand values without a sign, some with:
/// those store a left-hand value as its difference from 128. What that changes in the sums, the sum of a column's
/// right-hand values makes up for.
pub(crate) trait Int8Isa: Product<Lhs = [u8; 4], Rhs = [i8; 4], Sum = I32<Self>> {
    /// What is added to a left-hand value when it is stored.
    const SHIFT: i32;

    /// Whether a tile of the product may use all registers but three.
    const SPARE_REGISTERS: bool;

    /// Evaluates an operation as a function of its own, so that it has all registers to itself.
    fn call<Op: Int8Op>(self, op: Op) -> Op::Output;

    /// The sum before the first product, where a left-hand value stands for its difference from `zero_point`.
    #[inline(always)]
    fn begin_int8(self, column_sum: I32<Self>, zero_point: u8) -> I32<Self> {
        let ops = self.isa().i32();
        match i32::from(zero_point) + Self::SHIFT {
            0 => ops.zero(),
            stored => ops.mul(column_sum, ops.splat(-stored)),
        }
    }

    /// Stores the low byte of each lane.
    ///
    /// # Safety
    /// `out` must have room for a byte a lane.
    unsafe fn store_low_steps(self, values: I32<Self>, out: *mut u8);

    /// Stores the low bytes of four vectors of values from -128 to 127 where they are `SIGNED`, else from 0 to 255.
    ///
    /// # Safety
    /// `out` must have room for a byte a lane of the four vectors.
    #[inline(always)]
    unsafe fn store_steps<const SIGNED: bool>(self, values: [I32<Self>; 4], out: *mut u8) {
        for (vector, values) in values.into_iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { self.store_low_steps(values, out.add(vector * self.isa().f32().len())) };
        }
    }

    /// Stores four vectors of left-hand values, 0 to 255 with zero point 0, and adds them to `sums`; into which lane
    /// is left open.
    ///
    /// # Safety
    /// `out` must have room for a byte a lane of the four vectors.
    #[inline(always)]
    unsafe fn store_lhs(self, values: [I32<Self>; 4], sums: I32<Self>, out: *mut u8) -> I32<Self> {
        let ops = self.isa().i32();
        let (mut shifted, mut sums) = (values, sums);
        for vector in 0..4 {
            shifted[vector] = ops.add(values[vector], ops.splat(Self::SHIFT));
            sums = ops.add(sums, values[vector]);
        }
        // SAFETY: the caller's.
        unsafe {
            match Self::SHIFT {
                0 => self.store_steps::<false>(shifted, out),
                _ => self.store_steps::<true>(shifted, out),
            }
        }
        sums
    }

    /// `255 * 2^x` of `x` up to 0 (or a rounding error above), to a fiftieth.
    #[inline(always)]
    fn exp2_times_255<const N: usize>(self, mut x: [F32<Self>; N]) -> [F32<Self>; N] {
        for x in &mut x {
            *x = power_times_255(self.isa(), *x);
        }
        x
    }

    fn max_lane(self, values: F32<Self>) -> f32;

    fn sum_lanes(self, values: I32<Self>) -> i32 {
        self.isa().i32().sum(values)
    }
}

/// An operation on int8, written once for all instruction sets.
pub(crate) trait Int8Op: Sized {
    type Output;

    fn eval<B: Int8Isa>(self, isa: B) -> Self::Output;

    /// Evaluates the operation with the best instructions that this processor has.
    fn dispatch(self) -> Self::Output {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(isa) = Avx512Vnni::new() {
                return isa.run(self);
            }
            if let Some(isa) = AvxVnni::new() {
                return isa.run(self);
            }
            if let Some(isa) = Avx2::new() {
                return isa.run(self);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            if let Some(isa) = NeonI8mm::new() {
                return isa.run(self);
            }
            if let Some(isa) = NeonDot::new() {
                return isa.run(self);
            }
        }
        Portable::run(self)
    }
}

/// Name of the instructions that `Int8Op::dispatch` chooses, or `None` where int8 is slower than `f32`.
pub fn instructions() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        if Avx512Vnni::new().is_some() {
            return Some("AVX-512 VNNI");
        }
        if AvxVnni::new().is_some() {
            return Some("AVX-VNNI");
        }
        if Avx2::new().is_some() {
            return Some("AVX2");
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        if NeonI8mm::new().is_some() {
            return Some("NEON i8mm");
        }
        if NeonDot::new().is_some() {
            return Some("NEON dot product");
        }
    }
    None
}
