//! bfloat16 with AVX-512 BF16.

use std::arch::x86_64::*;
use std::is_x86_feature_detected as detected;
use std::mem::transmute;
use std::sync::LazyLock;

use rten_simd::Isa;
use rten_simd::isa::Avx512Isa;
use rten_simd::ops::BitOps;

use super::super::product::Product;
use super::super::{Rows, grow};
use super::Bf16;

/// AVX-512 with `vdpbf16ps`, which adds the products of two pairs of bfloat16 to an `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16(Avx512Isa);

impl Avx512Bf16 {
    /// Where the processor has the instruction, fast or not.
    pub(crate) fn new() -> Option<Self> {
        Avx512Isa::new().filter(|_| detected!("avx512bf16") && detected!("avx512bw")).map(Self)
    }

    /// Where it is faster than products of `f32`: AMD's run as many `vdpbf16ps` a cycle as `f32` products, so twice as
    /// many multiplications. Intel's with AMX, which is for this there, were measured to run a quarter as many.
    pub(crate) fn fast() -> Option<Self> {
        static FAST: LazyLock<bool> = LazyLock::new(|| {
            let vendor = __cpuid(0);
            [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
        });
        Self::new().filter(|_| *FAST)
    }

    /// Rounds rows to the nearest, ties to even; `buffer` is kept from use to use.
    pub(crate) fn round<'a>(self, source: Rows<[f32; 2]>, buffer: &'a mut Vec<[Bf16; 2]>) -> Rows<'a, [Bf16; 2]> {
        #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
        fn round_row(source: &[f32], out: &mut [Bf16]) {
            let (source, out) = (source.chunks(32), out.chunks_mut(32));
            for (source, out) in source.zip(out) {
                let load = |first: usize| {
                    let lanes = source.len().saturating_sub(first).min(16);
                    // SAFETY: as many lanes are read as there are values from `first` on.
                    unsafe { _mm512_maskz_loadu_ps(((1u32 << lanes) - 1) as u16, source.as_ptr().wrapping_add(first)) }
                };
                let rounded = _mm512_cvtne2ps_pbh(load(16), load(0));
                let lanes = ((1u64 << out.len()) - 1) as u32;
                // SAFETY: as many lanes are written as `out` has values; a vector of bfloat16 is one of 16-bit integers.
                unsafe {
                    let rounded = transmute::<__m512bh, __m512i>(rounded);
                    _mm512_mask_storeu_epi16(out.as_mut_ptr().cast(), lanes, rounded);
                }
            }
        }
        let (rows, cols) = (source.rows(), source.cols());
        grow(buffer, rows * cols, Default::default());
        if cols > 0 {
            for (row, out) in buffer[..rows * cols].chunks_exact_mut(cols).enumerate() {
                // SAFETY: a value of this type exists only where the processor has these features.
                unsafe { round_row(source.row(row).as_flattened(), out.as_flattened_mut()) }
            }
        }
        Rows::new(buffer, rows, cols, cols)
    }

    pub(crate) fn run<Op: Bf16Op>(self, op: Op) -> Op::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16")]
        fn with_features<Op: Bf16Op>(isa: Avx512Bf16, op: Op) -> Op::Output {
            op.eval(isa)
        }
        // SAFETY: a value of this type exists only where the processor has these features.
        unsafe { with_features(self, op) }
    }
}

/// An operation that multiplies bfloat16.
pub(crate) trait Bf16Op {
    type Output;

    fn eval(self, isa: Avx512Bf16) -> Self::Output;
}

type F32 = <Avx512Isa as Isa>::F32;
type I32 = <Avx512Isa as Isa>::I32;

impl Product for Avx512Bf16 {
    type Isa = Avx512Isa;
    type Lhs = [Bf16; 2];
    type Rhs = [Bf16; 2];
    type RhsVector = I32;
    type Sum = F32;

    const APPROXIMATE: bool = true;

    #[inline(always)]
    fn isa(self) -> Avx512Isa {
        self.0
    }

    #[inline(always)]
    unsafe fn load(self, rhs: *const [Bf16; 2]) -> I32 {
        // SAFETY: the caller's; a pair is as large as a lane.
        unsafe { self.0.i32().load_ptr(rhs.cast()) }
    }

    #[inline(always)]
    fn begin(self, bias: F32, _: I32, _: u8) -> F32 {
        bias
    }

    #[inline(always)]
    fn multiply_add<const VECTORS: usize>(self, lhs: &[Bf16; 2], rhs: &[I32; VECTORS], sums: &mut [F32; VECTORS]) {
        // SAFETY: two bfloat16 are as large as an integer of 32 bits, and any bits are one.
        let lhs: i32 = unsafe { transmute::<[Bf16; 2], i32>(*lhs) };
        let lhs = self.0.i32().splat(lhs);
        for vector in 0..VECTORS {
            // SAFETY: a value of this type exists only where the processor has the instruction; a vector of
            // bfloat16 is one of 32-bit pairs.
            unsafe {
                let [lhs, rhs] = [lhs, rhs[vector]].map(|pairs| transmute::<__m512i, __m512bh>(pairs.0));
                sums[vector] = _mm512_dpbf16_ps(sums[vector].0, lhs, rhs).into();
            }
        }
    }

    #[inline(always)]
    fn finish(self, sum: F32, _: F32, _: F32) -> F32 {
        sum
    }
}
