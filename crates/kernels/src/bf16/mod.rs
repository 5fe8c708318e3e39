//! Products with weights in bfloat16, the upper half of an `f32`.

mod pack;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{Avx512Bf16, Bf16Op};

#[cfg(target_arch = "x86_64")]
use super::amx::Tiles;
#[cfg(target_arch = "x86_64")]
use super::isa::InstructionSet;
use rten_simd::ops::{BitOps, IntOps, NumOps};
use rten_simd::{Isa, Simd};

use super::product::Product;

/// The upper half of an `f32`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(u16);

impl Bf16 {
    /// The nearest one, ties to even.
    pub fn from_f32(value: f32) -> Self {
        Self(half::bf16::from_f32(value).to_bits())
    }
}

/// Name of the instructions that multiply bfloat16 by bfloat16, where they are faster than `f32`.
pub fn instructions() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    if Avx512Bf16::fast().is_some() {
        return Some(if InstructionSet::Amx.allowed(Tiles::new).is_some() { "AMX" } else { "AVX-512 BF16" });
    }
    None
}

/// Products of pairs of `f32` with pairs of bfloat16 that are widened as they are loaded, begun at the bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widened<I>(pub I);

impl<I: Isa> Product for Widened<I> {
    type Isa = I;
    type Lhs = [f32; 2];
    type Rhs = [Bf16; 2];
    type RhsVector = [I::F32; 2];
    type Sum = I::F32;

    const APPROXIMATE: bool = false;
    const VALUES: usize = 2;

    #[inline(always)]
    fn isa(self) -> I {
        self.0
    }

    #[inline(always)]
    unsafe fn load(self, rhs: *const [Bf16; 2]) -> [I::F32; 2] {
        let (floats, ints) = (self.0.f32(), self.0.i32());
        // SAFETY: the caller's; a pair is as large as a lane.
        let pairs = unsafe { ints.load_ptr(rhs.cast()) };
        // The first of a pair lies in the low half on the little-endian processors that there are vectors for.
        let low = ints.shift_left::<16>(pairs);
        let high = ints.and(pairs, ints.splat(0xffff_0000_u32.cast_signed()));
        let (first, second) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        [floats.from_bits(first.to_bits()), floats.from_bits(second.to_bits())]
    }

    #[inline(always)]
    fn begin(self, bias: I::F32, _: I::I32, _: u8) -> I::F32 {
        bias
    }

    #[inline(always)]
    fn multiply_add<const VECTORS: usize>(
        self,
        lhs: &[f32; 2],
        rhs: &[[I::F32; 2]; VECTORS],
        sums: &mut [I::F32; VECTORS],
    ) {
        let ops = self.0.f32();
        let lhs = [ops.splat(lhs[0]), ops.splat(lhs[1])];
        for vector in 0..VECTORS {
            sums[vector] = ops.mul_add(lhs[0], rhs[vector][0], sums[vector]);
            sums[vector] = ops.mul_add(lhs[1], rhs[vector][1], sums[vector]);
        }
    }

    #[inline(always)]
    fn finish(self, sum: I::F32, _: I::F32, _: I::F32) -> I::F32 {
        sum
    }
}
