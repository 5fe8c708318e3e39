//! Bytes on x86: AVX-512 VNNI, its 256-bit form AVX-VNNI, and AVX2.

use std::arch::x86_64::*;
use std::is_x86_feature_detected as detected;

use rten_simd::Isa;
use rten_simd::isa::{Avx2Isa, Avx512Isa};
use rten_simd::ops::{BitOps, NumOps, ToFloat};

use super::super::exp::polynomial;
use super::super::product::Product;
use super::{Int8Isa, Int8Op};

type F32<I> = <I as Isa>::F32;
type I32<I> = <I as Isa>::I32;

/// AVX-512 with `vpdpbusd`, which takes the left-hand values without a sign.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni(Avx512Isa);

/// AVX2 with `vpdpbusd`.
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni(Avx2Isa);

/// AVX2 alone: products of int8 in pairs (`vpmaddubsw`), which wants one side without a sign and sums up in 16 bits.
/// With the signs moved over to the right-hand side, twice 128 times 127 is the most that a sum can be, and fits.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(Avx2Isa);

impl Avx512Vnni {
    pub(crate) fn new() -> Option<Self> {
        Avx512Isa::new().filter(|_| detected!("avx512vnni")).map(Self)
    }

    pub(crate) fn run<Op: Int8Op>(self, op: Op) -> Op::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,f16c")]
        fn with_features<Op: Int8Op>(isa: Avx512Vnni, op: Op) -> Op::Output {
            op.eval(isa)
        }
        // SAFETY: a value of this type exists only where the processor has these features.
        unsafe { with_features(self, op) }
    }
}

impl AvxVnni {
    pub(crate) fn new() -> Option<Self> {
        Avx2Isa::new().filter(|_| detected!("avxvnni")).map(Self)
    }

    pub(crate) fn run<Op: Int8Op>(self, op: Op) -> Op::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,avxvnni,f16c")]
        fn with_features<Op: Int8Op>(isa: AvxVnni, op: Op) -> Op::Output {
            op.eval(isa)
        }
        // SAFETY: a value of this type exists only where the processor has these features.
        unsafe { with_features(self, op) }
    }
}

impl Avx2 {
    pub(crate) fn new() -> Option<Self> {
        Avx2Isa::new().map(Self)
    }

    pub(crate) fn run<Op: Int8Op>(self, op: Op) -> Op::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn with_features<Op: Int8Op>(isa: Avx2, op: Op) -> Op::Output {
            op.eval(isa)
        }
        // SAFETY: a value of this type exists only where the processor has these features.
        unsafe { with_features(self, op) }
    }
}

macro_rules! product {
    ($type:ty, $isa:ty, |$lhs:ident, $rhs:ident, $sums:ident| $multiply_add:block) => {
        impl Product for $type {
            type Isa = $isa;
            type Lhs = [u8; 4];
            type Rhs = [i8; 4];
            type RhsVector = I32<$isa>;
            type Sum = I32<$isa>;

            const APPROXIMATE: bool = true;

            #[inline(always)]
            fn isa(self) -> $isa {
                self.0
            }

            #[inline(always)]
            unsafe fn load(self, rhs: *const [i8; 4]) -> I32<$isa> {
                // SAFETY: the caller's; a lane is four bytes.
                unsafe { self.0.i32().load_ptr(rhs.cast()) }
            }

            #[inline(always)]
            fn begin(self, _: F32<$isa>, column_sum: I32<$isa>, zero_point: u8) -> I32<$isa> {
                self.begin_int8(column_sum, zero_point)
            }

            #[inline(always)]
            fn multiply_add<const VECTORS: usize>(
                self,
                lhs: &[u8; 4],
                $rhs: &[I32<$isa>; VECTORS],
                $sums: &mut [I32<$isa>; VECTORS],
            ) {
                let $lhs = self.0.i32().splat(i32::from_ne_bytes(*lhs)).0;
                $multiply_add
            }

            #[inline(always)]
            fn finish(self, sum: I32<$isa>, scale: F32<$isa>, bias: F32<$isa>) -> F32<$isa> {
                self.0.f32().mul_add(self.0.i32().to_float(sum), scale, bias)
            }
        }
    };
}

product!(Avx512Vnni, Avx512Isa, |lhs, rhs, sums| {
    for vector in 0..VECTORS {
        // SAFETY: a value of this type exists only where the processor has the instruction.
        sums[vector] = unsafe { _mm512_dpbusd_epi32(sums[vector].0, lhs, rhs[vector].0) }.into();
    }
});

product!(AvxVnni, Avx2Isa, |lhs, rhs, sums| {
    for vector in 0..VECTORS {
        // SAFETY: a value of this type exists only where the processor has the instruction.
        sums[vector] = unsafe { _mm256_dpbusd_avx_epi32(sums[vector].0, lhs, rhs[vector].0) }.into();
    }
});

product!(Avx2, Avx2Isa, |lhs, rhs, sums| {
    // SAFETY: a value of this type exists only where the processor has AVX2.
    unsafe {
        let (magnitude, ones) = (_mm256_abs_epi8(lhs), _mm256_set1_epi16(1));
        for vector in 0..VECTORS {
            let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(rhs[vector].0, lhs));
            sums[vector] = _mm256_add_epi32(sums[vector].0, _mm256_madd_epi16(pairs, ones)).into();
        }
    }
});

impl Int8Isa for Avx512Vnni {
    const SHIFT: i32 = 0;
    const SPARE_REGISTERS: bool = true;

    #[inline(always)]
    fn call<Op: Int8Op>(self, op: Op) -> Op::Output {
        self.run(op)
    }

    #[inline(always)]
    unsafe fn store_low_steps(self, values: I32<Avx512Isa>, out: *mut u8) {
        // SAFETY: the features are there, and `out` has room for 16 bytes.
        unsafe { _mm_storeu_si128(out.cast(), _mm512_cvtepi32_epi8(values.0)) }
    }

    #[inline(always)]
    fn max_lane(self, values: F32<Avx512Isa>) -> f32 {
        // SAFETY: the features are there.
        unsafe { _mm512_reduce_max_ps(values.0) }
    }

    #[inline(always)]
    fn sum_lanes(self, values: I32<Avx512Isa>) -> i32 {
        // SAFETY: the features are there.
        unsafe { _mm512_reduce_add_epi32(values.0) }
    }

    #[inline(always)]
    unsafe fn store_steps<const SIGNED: bool>(self, values: [I32<Avx512Isa>; 4], out: *mut u8) {
        // SAFETY: the features are there, and `out` has room for 64 bytes.
        unsafe { _mm512_storeu_si512(out.cast(), pack_512::<SIGNED>(values)) }
    }

    #[inline(always)]
    unsafe fn store_lhs(self, values: [I32<Avx512Isa>; 4], sums: I32<Avx512Isa>, out: *mut u8) -> I32<Avx512Isa> {
        // SAFETY: the features are there, and `out` has room for 64 bytes.
        unsafe {
            let bytes = pack_512::<false>(values);
            _mm512_storeu_si512(out.cast(), bytes);
            _mm512_dpbusd_epi32(sums.0, bytes, _mm512_set1_epi8(1)).into()
        }
    }

    #[inline(always)]
    fn exp2_times_255<const N: usize>(self, x: [F32<Avx512Isa>; N]) -> [F32<Avx512Isa>; N] {
        /// `2^x` for `x` from 0 to 1, to a relative error of 7.5e-5: a fiftieth of a step.
        const COEFFICIENTS: [f32; 4] = [0.999_925_2, 0.695_833_7, 0.226_067_2, 0.078_024_2];
        let mut powers = x;
        // SAFETY: the features are there.
        unsafe {
            for vector in 0..N {
                powers[vector] = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF }>(x[vector].0).into();
            }
            powers = polynomial(self.0, COEFFICIENTS, powers);
            for vector in 0..N {
                powers[vector] = _mm512_scalef_ps(powers[vector].0, x[vector].0).into();
            }
        }
        powers
    }
}

/// The bytes of four vectors, one after the other.
///
/// # Safety
/// AVX-512 must be there.
#[inline(always)]
unsafe fn pack_512<const SIGNED: bool>(values: [I32<Avx512Isa>; 4]) -> __m512i {
    let [a, b, c, d] = [values[0].0, values[1].0, values[2].0, values[3].0];
    // SAFETY: the caller's.
    unsafe {
        let (low, high) = (_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
        // Four bytes of each vector in each quarter, which the permutation brings together.
        let quarters = if SIGNED { _mm512_packs_epi16(low, high) } else { _mm512_packus_epi16(low, high) };
        let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm512_permutexvar_epi32(order, quarters)
    }
}

macro_rules! int8_isa_256 {
    ($type:ty, $shift:expr, $spare_registers:expr) => {
        impl Int8Isa for $type {
            const SHIFT: i32 = $shift;
            const SPARE_REGISTERS: bool = $spare_registers;

            #[inline(always)]
            fn call<Op: Int8Op>(self, op: Op) -> Op::Output {
                self.run(op)
            }

            #[inline(always)]
            unsafe fn store_low_steps(self, values: I32<Avx2Isa>, out: *mut u8) {
                // SAFETY: the features are there, and `out` has room for 8 bytes.
                unsafe {
                    let low_bytes = _mm256_set1_epi64x(0x0c080400);
                    // Four bytes in each half, which the permutation brings together.
                    let halves = _mm256_shuffle_epi8(values.0, low_bytes);
                    let bytes = _mm256_permutevar8x32_epi32(halves, _mm256_set_epi32(0, 0, 0, 0, 0, 0, 4, 0));
                    _mm_storel_epi64(out.cast(), _mm256_castsi256_si128(bytes));
                }
            }

            #[inline(always)]
            unsafe fn store_steps<const SIGNED: bool>(self, values: [I32<Avx2Isa>; 4], out: *mut u8) {
                let [a, b, c, d] = [values[0].0, values[1].0, values[2].0, values[3].0];
                // SAFETY: the features are there, and `out` has room for 32 bytes.
                unsafe {
                    let (low, high) = (_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
                    // Four bytes of each vector in each half, which the permutation brings together.
                    let halves = if SIGNED { _mm256_packs_epi16(low, high) } else { _mm256_packus_epi16(low, high) };
                    let bytes = _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
                    _mm256_storeu_si256(out.cast(), bytes);
                }
            }

            #[inline(always)]
            fn max_lane(self, values: F32<Avx2Isa>) -> f32 {
                // SAFETY: the features are there.
                unsafe {
                    let four = _mm_max_ps(_mm256_castps256_ps128(values.0), _mm256_extractf128_ps::<1>(values.0));
                    let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
                    _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
                }
            }
        }
    };
}

int8_isa_256!(AvxVnni, 0, true);
int8_isa_256!(Avx2, -128, false);
