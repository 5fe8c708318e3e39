//! The dot product instructions.

use std::arch::aarch64::*;
use std::arch::asm;

use rten_simd::Isa;
use rten_simd::isa::ArmNeonIsa;
use rten_simd::ops::{BitOps, NumOps, ToFloat};

use super::super::super::product::Product;
use super::super::{Int8Isa, Int8Op};
use super::{F32, I32, int8_isa_neon};

/// NEON with `sdot`, which takes both sides with their signs.
#[derive(Clone, Copy)]
pub(crate) struct NeonDot(ArmNeonIsa);

impl NeonDot {
    pub(crate) fn new() -> Option<Self> {
        ArmNeonIsa::new().filter(|_| std::arch::is_aarch64_feature_detected!("dotprod")).map(Self)
    }

    pub(crate) fn run<Op: Int8Op>(self, op: Op) -> Op::Output {
        #[inline(never)]
        #[target_feature(enable = "neon,dotprod")]
        fn with_features<Op: Int8Op>(isa: NeonDot, op: Op) -> Op::Output {
            op.eval(isa)
        }
        // SAFETY: a value of this type exists only where the processor has these features.
        unsafe { with_features(self, op) }
    }
}

impl Product for NeonDot {
    type Isa = ArmNeonIsa;
    type Lhs = [u8; 4];
    type Rhs = [i8; 4];
    type RhsVector = I32;
    type Sum = I32;

    const APPROXIMATE: bool = true;
    const VALUES: usize = 4;

    #[inline(always)]
    fn isa(self) -> ArmNeonIsa {
        self.0
    }

    #[inline(always)]
    unsafe fn load(self, rhs: *const [i8; 4]) -> I32 {
        // SAFETY: the caller's; a lane is four bytes.
        unsafe { self.0.i32().load_ptr(rhs.cast()) }
    }

    #[inline(always)]
    fn begin(self, _: F32, column_sum: I32, zero_point: u8) -> I32 {
        self.begin_int8(column_sum, zero_point)
    }

    #[inline(always)]
    fn multiply_add<const VECTORS: usize>(self, lhs: &[u8; 4], rhs: &[I32; VECTORS], sums: &mut [I32; VECTORS]) {
        let lhs = self.0.i32().splat(i32::from_ne_bytes(*lhs));
        for vector in 0..VECTORS {
            let mut sum = sums[vector];
            // The intrinsic is not stable yet.
            // SAFETY: a value of this type exists only where the processor has the instruction, which touches
            // nothing but its registers.
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    "sdot {sum:v}.4s, {rhs:v}.16b, {lhs:v}.16b",
                    sum = inout(vreg) sum,
                    rhs = in(vreg) rhs[vector],
                    lhs = in(vreg) lhs,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            sums[vector] = sum;
        }
    }

    #[inline(always)]
    fn finish(self, sum: I32, scale: F32, bias: F32) -> F32 {
        self.0.f32().mul_add(self.0.i32().to_float(sum), scale, bias)
    }
}

int8_isa_neon!(NeonDot, "NEON dot product", -128);
