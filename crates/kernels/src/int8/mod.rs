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

#[cfg(target_arch = "x86_64")]
use super::amx::Tiles;
use super::exp::power_times;
use super::isa::InstructionSet;
use super::matmul::Gemm;
use super::product::{F32, I32, Product};

/// The largest values that a product takes on its two sides; the right-hand ones have signs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranges {
    pub lhs: u8,
    pub rhs: u8,
}

impl Ranges {
    pub(crate) const EIGHT_BITS: Self = Self { lhs: 255, rhs: 127 };
    /// Four products have a sum of less than 2^15.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const SEVEN_BITS: Self = Self { lhs: 127, rhs: 63 };
}

/// An instruction set with what arithmetic on int8 needs beyond [`rten_simd::Isa`].
///
/// Four values are multiplied by four values in each lane of 32 bits and summed up exactly. The left-hand values are
/// from 0 on, the right-hand ones have signs; [`Ranges`] says how large they may be. Some instructions take the left-hand values without a sign, some with:
/// those store a left-hand value as its difference from 128. What that changes in the sums, the sum of a column's
/// right-hand values makes up for.
pub(crate) trait Int8Isa: Product<Lhs = [u8; 4], Rhs = [i8; 4], Sum = I32<Self>> {
    /// How large values may be.
    const RANGES: Ranges = Ranges::EIGHT_BITS;

    /// What is added to a left-hand value when it is stored.
    const SHIFT: i32;

    /// Whether a tile of the product may use all registers but three.
    const SPARE_REGISTERS: bool;

    /// For people; `None` where int8 is slower than `f32`.
    fn name(self) -> Option<&'static str>;

    /// Evaluates an operation as a function of its own, so that it has all registers to itself.
    fn call<Op: Int8Op>(self, op: Op) -> Op::Output;

    /// Computes a product.
    #[inline(always)]
    fn multiply(self, gemm: Gemm<[u8; 4], [i8; 4]>) {
        match self.isa().f32().len() {
            16 => gemm.run::<_, 14, 2>(self),
            8 if Self::SPARE_REGISTERS => gemm.run::<_, 6, 2>(self),
            8 => gemm.run::<_, 4, 2>(self),
            _ => gemm.run::<_, 6, 4>(self),
        }
    }

    /// Whether whole products are computed in tile registers.
    fn has_tiles(self) -> bool {
        false
    }

    /// Multiplies so often all pairs of two tiles with two, where there are tiles, for measuring how fast that is.
    fn repeat_tiles(self, _rounds: usize) {}

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

    /// Stores four vectors of left-hand values with zero point 0, and adds them to `sums`; into which lane
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

    /// `2^x` times the largest left-hand value of `x` up to 0 (or a rounding error above), to a fiftieth.
    #[inline(always)]
    fn exp2_times_top<const N: usize>(self, mut x: [F32<Self>; N]) -> [F32<Self>; N] {
        for x in &mut x {
            *x = power_times(self.isa(), f32::from(Self::RANGES.lhs), *x);
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

    /// Evaluates the operation with the best instructions that may be used.
    fn dispatch(self) -> Self::Output {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(isa) = InstructionSet::Avx512Vnni.allowed(Avx512Vnni::new) {
                return match InstructionSet::Amx.allowed(Tiles::new) {
                    Some(tiles) => isa.with_tiles(&tiles).run(self),
                    None => isa.run(self),
                };
            }
            if let Some(isa) = InstructionSet::AvxVnni.allowed(AvxVnni::new) {
                return isa.run(self);
            }
            if let Some(isa) = InstructionSet::Avx2.allowed(Avx2::new) {
                return isa.run(self);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            if let Some(isa) = InstructionSet::NeonI8mm.allowed(NeonI8mm::new) {
                return isa.run(self);
            }
            if let Some(isa) = InstructionSet::NeonDotProduct.allowed(NeonDot::new) {
                return isa.run(self);
            }
        }
        Portable::run(self)
    }
}

/// Name of the instructions that `Int8Op::dispatch` chooses, or `None` where int8 is slower than `f32`.
pub fn instructions() -> Option<&'static str> {
    struct Name;

    impl Int8Op for Name {
        type Output = Option<&'static str>;

        fn eval<B: Int8Isa>(self, isa: B) -> Self::Output {
            isa.name()
        }
    }
    Name.dispatch()
}
