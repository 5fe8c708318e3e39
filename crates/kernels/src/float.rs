//! Products of `f32`.

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::product::Product;

/// Products of `f32`, begun at the bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Float<I>(pub I);

impl<I: Isa> Product for Float<I> {
    type Isa = I;
    type Lhs = f32;
    type Rhs = f32;
    type RhsVector = I::F32;
    type Sum = I::F32;

    const APPROXIMATE: bool = false;
    const VALUES: usize = 1;

    #[inline(always)]
    fn isa(self) -> I {
        self.0
    }

    #[inline(always)]
    unsafe fn load(self, rhs: *const f32) -> I::F32 {
        // SAFETY: the caller's.
        unsafe { self.0.f32().load_ptr(rhs) }
    }

    #[inline(always)]
    fn begin(self, bias: I::F32, _: I::I32, _: u8) -> I::F32 {
        bias
    }

    #[inline(always)]
    fn multiply_add<const VECTORS: usize>(self, lhs: &f32, rhs: &[I::F32; VECTORS], sums: &mut [I::F32; VECTORS]) {
        let ops = self.0.f32();
        let lhs = ops.splat(*lhs);
        for vector in 0..VECTORS {
            sums[vector] = ops.mul_add(lhs, rhs[vector], sums[vector]);
        }
    }

    #[inline(always)]
    fn finish(self, sum: I::F32, _: I::F32, _: I::F32) -> I::F32 {
        sum
    }
}
