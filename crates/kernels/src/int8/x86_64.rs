//! Bytes on x86: AVX-512 VNNI, with the tile registers of AMX or without, its 256-bit form AVX-VNNI, and AVX2.

use std::arch::x86_64::*;
use std::hint::black_box;
use std::is_x86_feature_detected as detected;

use rten_simd::Isa;
use rten_simd::isa::{Avx2Isa, Avx512Isa};
use rten_simd::ops::{BitOps, NumOps, ToFloat};

use super::super::amx::{MaybeTiles, NoTiles, TileProduct, Tiles, multiply_tiles};
use super::super::exp::polynomial;
use super::super::matmul::Gemm;
use super::super::panels::PANEL;
use super::super::product::{Product, Tile};
use super::{Int8Isa, Int8Op, Ranges};

type F32<I> = <I as Isa>::F32;
type I32<I> = <I as Isa>::I32;

/// AVX-512 with `vpdpbusd`, which takes the left-hand values without a sign, and maybe [`Tiles`] for whole products.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni<T = NoTiles>(Avx512Isa, T);

/// AVX-512 with the tiles of AMX, whose `tdpbusd` takes values as `vpdpbusd` does.
pub(crate) type AmxInt8<'a> = Avx512Vnni<&'a Tiles>;

/// AVX2 with `vpdpbusd`.
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni(Avx2Isa);

/// AVX2 alone: products of int8 in pairs (`vpmaddubsw`), whose left-hand side has no sign, summed up in 16 bits. With
/// values of 7 bits two such sums can be added before they are widened, which takes an instruction as slow as the
/// products (`vpmaddwd`).
#[derive(Clone, Copy)]
pub(crate) struct Avx2(Avx2Isa);

impl Avx512Vnni {
    pub(crate) fn new() -> Option<Self> {
        Avx512Isa::new().filter(|_| detected!("avx512vnni")).map(|isa| Self(isa, NoTiles))
    }

    /// With tiles for whole products.
    pub(crate) fn with_tiles(self, tiles: &Tiles) -> AmxInt8<'_> {
        Avx512Vnni(self.0, tiles)
    }
}

impl<T: MaybeTiles> Avx512Vnni<T> {
    pub(crate) fn run<Op: Int8Op>(self, op: Op) -> Op::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,f16c")]
        fn with_features<T: MaybeTiles, Op: Int8Op>(isa: Avx512Vnni<T>, op: Op) -> Op::Output {
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
    ($type:ty $(, $tiles:ident: $bound:ident)?; $isa:ty, |$lhs:ident, $rhs:ident, $sums:ident| $multiply_add:block $({ $($special:item)* })?) => {
        impl$(<$tiles: $bound>)? Product for $type {
            type Isa = $isa;
            type Lhs = [u8; 4];
            type Rhs = [i8; 4];
            type RhsVector = I32<$isa>;
            type Sum = I32<$isa>;

            const APPROXIMATE: bool = true;
            const VALUES: usize = 4;

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

            $($($special)*)?
        }
    };
}

product!(Avx512Vnni<T>, T: MaybeTiles; Avx512Isa, |lhs, rhs, sums| {
    for vector in 0..VECTORS {
        // SAFETY: a value of this type exists only where the processor has the instruction.
        sums[vector] = unsafe { _mm512_dpbusd_epi32(sums[vector].0, lhs, rhs[vector].0) }.into();
    }
});

product!(AvxVnni; Avx2Isa, |lhs, rhs, sums| {
    for vector in 0..VECTORS {
        // SAFETY: a value of this type exists only where the processor has the instruction.
        sums[vector] = unsafe { _mm256_dpbusd_avx_epi32(sums[vector].0, lhs, rhs[vector].0) }.into();
    }
});

product!(Avx2; Avx2Isa, |lhs, rhs, sums| {
    for vector in 0..VECTORS {
        // SAFETY: a value of this type exists only where the processor has AVX2.
        unsafe { add_pairs(&mut sums[vector], _mm256_maddubs_epi16(lhs, rhs[vector].0)) }
    }
} {
    /// Takes elements in twos.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn multiply_tile<const ROWS: usize, const VECTORS: usize>(
        self,
        tile: &Tile<[u8; 4], [i8; 4]>,
        begin: [I32<Avx2Isa>; VECTORS],
    ) -> [[I32<Avx2Isa>; VECTORS]; ROWS] {
        let ops = self.0.i32();
        let &Tile { a, a_stride, next, ahead, .. } = tile;
        let depth = tile.b.len();
        let mut sums = [begin; ROWS];
        let mut panel_row = tile.b.as_ptr().cast::<[i8; 4]>().wrapping_add(tile.column);
        for k in (0..depth - depth % 2).step_by(2) {
            self.0.f32().prefetch(next.wrapping_add(k * ahead).cast());
            self.0.f32().prefetch(next.wrapping_add((k + 1) * ahead).cast());
            // SAFETY: `VECTORS` vectors from `column` on lie within rows `k` and `k + 1` of the panel, and `a` has
            // `ROWS` rows of `depth` elements; the features are there.
            unsafe {
                let mut b = [[self.load(panel_row), self.load(panel_row.add(PANEL))]; VECTORS];
                for vector in 1..VECTORS {
                    let first = panel_row.add(vector * ops.len());
                    b[vector] = [self.load(first), self.load(first.add(PANEL))];
                }
                for row in 0..ROWS {
                    let elements = a.add(row * a_stride + k);
                    let first = ops.splat(i32::from_ne_bytes(*elements)).0;
                    let second = ops.splat(i32::from_ne_bytes(*elements.add(1))).0;
                    // Not in a closure, into which the compiler would not put the instructions.
                    for vector in 0..VECTORS {
                        let first = _mm256_maddubs_epi16(first, b[vector][0].0);
                        let second = _mm256_maddubs_epi16(second, b[vector][1].0);
                        // At most four products of 7 bits.
                        add_pairs(&mut sums[row][vector], _mm256_add_epi16(first, second));
                    }
                }
            }
            panel_row = panel_row.wrapping_add(2 * PANEL);
        }
        if depth % 2 == 1 {
            for row in 0..ROWS {
                // SAFETY: `a` has `ROWS` rows of `depth` elements, and so many rows has the panel.
                let (lhs, b) = unsafe {
                    let mut b = [self.load(panel_row); VECTORS];
                    for vector in 1..VECTORS {
                        b[vector] = self.load(panel_row.add(vector * ops.len()));
                    }
                    (&*a.add(row * a_stride + depth - 1), b)
                };
                self.multiply_add(lhs, &b, &mut sums[row]);
            }
        }
        sums
    }

    #[inline(always)]
    fn densest(self, lhs: &[u8; 4], rhs: &[I32<Avx2Isa>; 2], sums: &mut [I32<Avx2Isa>; 2]) {
        let lhs = self.0.i32().splat(i32::from_ne_bytes(*lhs)).0;
        // SAFETY: a value of this type exists only where the processor has AVX2.
        unsafe {
            let (first, second) = (_mm256_maddubs_epi16(lhs, rhs[0].0), _mm256_maddubs_epi16(lhs, rhs[1].0));
            add_pairs(&mut sums[0], _mm256_add_epi16(first, second));
        }
    }
});

/// Adds sums of 16 bits in pairs.
///
/// # Safety
/// AVX2 must be there.
#[inline(always)]
unsafe fn add_pairs(sums: &mut I32<Avx2Isa>, pairs: __m256i) {
    // SAFETY: the caller's.
    unsafe { *sums = _mm256_add_epi32(sums.0, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))).into() }
}

// SAFETY: `tdpbusd` multiplies and adds what `vpdpbusd` does.
unsafe impl<T: MaybeTiles> TileProduct for Avx512Vnni<T> {
    multiply_tiles!("tdpbusd");
}

impl<T: MaybeTiles> Int8Isa for Avx512Vnni<T> {
    const SHIFT: i32 = 0;
    const SPARE_REGISTERS: bool = true;

    fn name(self) -> Option<&'static str> {
        Some(if self.1.tiles().is_some() { "AMX" } else { "AVX-512 VNNI" })
    }

    #[inline(always)]
    fn multiply(self, gemm: Gemm<[u8; 4], [i8; 4]>) {
        match self.1.tiles() {
            Some(tiles) => tiles.multiply(self, gemm),
            None => gemm.run::<_, 14, 2>(self),
        }
    }

    fn has_tiles(self) -> bool {
        self.1.tiles().is_some()
    }

    #[inline(always)]
    fn repeat_tiles(self, rounds: usize) {
        if let Some(tiles) = self.1.tiles() {
            black_box(tiles.repeat(self, &[[[5; 4]; 16]; 32], &[[[3; 4]; 16]; 32], rounds));
        }
    }

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
    fn exp2_times_top<const N: usize>(self, x: [F32<Avx512Isa>; N]) -> [F32<Avx512Isa>; N] {
        /// `2^x` for `x` from 0 to 1, to a relative error of 7.5e-5: a fiftieth of a step.
        const COEFFICIENTS: [f32; 4] = [0.999_925_2, 0.695_833_7, 0.226_067_2, 0.078_024_2];
        let mut powers = x;
        // SAFETY: the features are there.
        unsafe {
            for vector in 0..N {
                powers[vector] = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF }>(x[vector].0).into();
            }
            powers = polynomial(self.0, f32::from(Self::RANGES.lhs), COEFFICIENTS, powers);
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
    ($type:ty, $name:literal, $ranges:expr, $spare_registers:expr) => {
        impl Int8Isa for $type {
            const RANGES: Ranges = $ranges;
            const SHIFT: i32 = 0;
            const SPARE_REGISTERS: bool = $spare_registers;

            fn name(self) -> Option<&'static str> {
                Some($name)
            }

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

int8_isa_256!(AvxVnni, "AVX-VNNI", Ranges::EIGHT_BITS, true);
int8_isa_256!(Avx2, "AVX2", Ranges::SEVEN_BITS, false);
