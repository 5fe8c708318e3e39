//! Integer arithmetic on bytes: which instructions there are for it, and which of them this processor has.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use neon::NeonDot;
pub use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub use x86_64::{Avx2, Avx512Vnni, AvxVnni};

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::product::{F32, I32, Product};

/// An instruction set with what arithmetic on bytes needs beyond [`rten_simd::Isa`].
///
/// Four bytes are multiplied by four bytes in each lane of 32 bits and summed up exactly. The left-hand values are
/// 0 to 255, the right-hand ones -127 to 127. Some instructions take the left-hand bytes without a sign, some with:
/// those store a left-hand value as its difference from 128. What that changes in the sums, the sum of a column's
/// right-hand bytes makes up for.
pub trait ByteIsa: Product<Left = [u8; 4], Right = [i8; 4], Sum = I32<Self>> {
    /// What is added to a left-hand value when it is stored.
    const SHIFT: i32;

    /// Whether a tile of the product may use all registers but three.
    const SPARE_REGISTERS: bool;

    /// The sum before the first product, where a left-hand value stands for its difference from `zero_point`.
    #[inline(always)]
    fn begin_bytes(self, column_sum: I32<Self>, zero_point: u8) -> I32<Self> {
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
    unsafe fn store_low_bytes(self, values: I32<Self>, out: *mut u8);

    fn max_lane(self, values: F32<Self>) -> f32;
}

/// An operation on bytes, written once for all instruction sets.
pub trait ByteOp: Sized {
    type Output;

    fn eval<B: ByteIsa>(self, isa: B) -> Self::Output;

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
        if let Some(isa) = NeonDot::new() {
            return isa.run(self);
        }
        Portable::run(self)
    }
}

/// Name of the instructions that [`ByteOp::dispatch`] chooses, or `None` where bytes are slower than `f32`.
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
    if NeonDot::new().is_some() {
        return Some("NEON dot product");
    }
    None
}
