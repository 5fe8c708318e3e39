//! Bytes with nothing but shifts and 32-bit products, for processors without instructions of their own.

use rten_simd::ops::{BitOps, IntOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd, SimdOp};

use super::super::isa::dispatch;
use super::super::product::Product;
use super::{Int8Isa, Int8Op};

/// Any instruction set of `rten-simd`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable<I>(pub I);

impl Portable<()> {
    /// Evaluates an operation with the best instruction set of `rten-simd`.
    pub(crate) fn run<Op: Int8Op>(op: Op) -> Op::Output {
        struct AsSimdOp<Op>(Op);

        impl<Op: Int8Op> SimdOp for AsSimdOp<Op> {
            type Output = Op::Output;

            #[inline(always)]
            fn eval<I: Isa>(self, isa: I) -> Op::Output {
                self.0.eval(Portable(isa))
            }
        }

        dispatch(AsSimdOp(op))
    }
}

/// The signed byte number `INDEX` of each lane, where `SHIFT` is `24 - 8 * INDEX`.
#[inline(always)]
fn byte<I: Isa, const SHIFT: i32>(isa: I, lanes: I::I32) -> I::I32 {
    let ops = isa.i32();
    ops.shift_right::<24>(ops.shift_left::<SHIFT>(lanes))
}

impl<I: Isa> Product for Portable<I> {
    type Isa = I;
    type Lhs = [u8; 4];
    type Rhs = [i8; 4];
    type RhsVector = [I::I32; 4];
    type Sum = I::I32;

    const APPROXIMATE: bool = true;
    const VALUES: usize = 4;

    #[inline(always)]
    fn isa(self) -> I {
        self.0
    }

    #[inline(always)]
    unsafe fn load(self, rhs: *const [i8; 4]) -> [I::I32; 4] {
        // SAFETY: the caller's; a lane is four bytes.
        let lanes = unsafe { self.0.i32().load_ptr(rhs.cast()) };
        [
            byte::<I, 24>(self.0, lanes),
            byte::<I, 16>(self.0, lanes),
            byte::<I, 8>(self.0, lanes),
            byte::<I, 0>(self.0, lanes),
        ]
    }

    #[inline(always)]
    fn begin(self, _: I::F32, column_sum: I::I32, zero_point: u8) -> I::I32 {
        self.begin_int8(column_sum, zero_point)
    }

    #[inline(always)]
    fn multiply_add<const VECTORS: usize>(
        self,
        lhs: &[u8; 4],
        rhs: &[[I::I32; 4]; VECTORS],
        sums: &mut [I::I32; VECTORS],
    ) {
        let ops = self.0.i32();
        for vector in 0..VECTORS {
            for (lhs, rhs) in lhs.iter().zip(rhs[vector]) {
                let lhs = ops.splat(i32::from(*lhs));
                sums[vector] = ops.add(sums[vector], ops.mul(lhs, rhs));
            }
        }
    }

    #[inline(always)]
    fn finish(self, sum: I::I32, scale: I::F32, bias: I::F32) -> I::F32 {
        self.0.f32().mul_add(self.0.i32().to_float(sum), scale, bias)
    }
}

impl<I: Isa> Int8Isa for Portable<I> {
    const SHIFT: i32 = 0;
    const SPARE_REGISTERS: bool = false;

    fn name(self) -> Option<&'static str> {
        None
    }

    #[inline(always)]
    fn call<Op: Int8Op>(self, op: Op) -> Op::Output {
        op.eval(self)
    }

    #[inline(always)]
    unsafe fn store_low_steps(self, values: I::I32, out: *mut u8) {
        for (lane, value) in values.to_array().into_iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { out.add(lane).write(value as u8) };
        }
    }

    #[inline(always)]
    fn max_lane(self, values: I::F32) -> f32 {
        values.to_array().into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
