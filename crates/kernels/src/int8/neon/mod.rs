//! Bytes on ARM: the dot product instructions, and those that multiply small matrices.

mod dot;
mod i8mm;

pub(crate) use dot::NeonDot;
pub(crate) use i8mm::NeonI8mm;

use rten_simd::Isa;
use rten_simd::isa::ArmNeonIsa;

type F32 = <ArmNeonIsa as Isa>::F32;
type I32 = <ArmNeonIsa as Isa>::I32;

/// What both have in common.
macro_rules! int8_isa_neon {
    ($type:ty, $name:literal, $shift:expr) => {
        impl Int8Isa for $type {
            const SHIFT: i32 = $shift;
            const SPARE_REGISTERS: bool = true;

            fn name(self) -> Option<&'static str> {
                Some($name)
            }

            #[inline(always)]
            fn call<Op: Int8Op>(self, op: Op) -> Op::Output {
                self.run(op)
            }

            #[inline(always)]
            unsafe fn store_low_steps(self, values: I32, out: *mut u8) {
                // SAFETY: NEON is there, and `out` has room for 4 bytes.
                unsafe {
                    let words = vmovn_s32(values);
                    let bytes = vreinterpret_u32_s8(vmovn_s16(vcombine_s16(words, words)));
                    vst1_lane_u32::<0>(out.cast(), bytes);
                }
            }

            #[inline(always)]
            unsafe fn store_steps<const SIGNED: bool>(self, [a, b, c, d]: [I32; 4], out: *mut u8) {
                // SAFETY: NEON is there, and `out` has room for 16 bytes.
                unsafe {
                    let low = vmovn_s16(vcombine_s16(vmovn_s32(a), vmovn_s32(b)));
                    let high = vmovn_s16(vcombine_s16(vmovn_s32(c), vmovn_s32(d)));
                    vst1q_s8(out.cast(), vcombine_s8(low, high));
                }
            }

            #[inline(always)]
            fn max_lane(self, values: F32) -> f32 {
                // SAFETY: NEON is there.
                unsafe { vmaxvq_f32(values) }
            }
        }
    };
}
use int8_isa_neon;
