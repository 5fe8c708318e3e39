//! bfloat16 with AVX-512 BF16, and with the tile registers of AMX.

use std::arch::x86_64::*;
use std::is_x86_feature_detected as detected;
use std::mem::transmute;
use std::sync::LazyLock;

use rten_simd::Isa;
use rten_simd::isa::Avx512Isa;
use rten_simd::ops::BitOps;

use super::super::amx::{MaybeTiles, NoTiles, TileProduct, Tiles, multiply_tiles};
use super::super::isa::InstructionSet;
use super::super::matmul::Gemm;
use super::super::product::Product;
use super::super::{PANEL, RowBuffer, Rows};
use super::Bf16;

/// AVX-512 with `vdpbf16ps`, which adds the products of two pairs of bfloat16 to an `f32`, and maybe [`Tiles`] for whole
/// products.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16<T = NoTiles>(Avx512Isa, T);

impl Avx512Bf16 {
    /// Where the processor has the instruction, fast or not.
    pub(crate) fn new() -> Option<Self> {
        Avx512Isa::new().filter(|_| detected!("avx512bf16") && detected!("avx512bw")).map(|isa| Self(isa, NoTiles))
    }

    /// With tiles for whole products.
    pub(crate) fn with_tiles(self, tiles: &Tiles) -> Avx512Bf16<&Tiles> {
        Avx512Bf16(self.0, tiles)
    }

    /// Where it is faster than products of `f32`: AMD's run as many `vdpbf16ps` a cycle as `f32` products, so twice as
    /// many multiplications. Intel's with AMX, which is for this there, were measured to run a quarter as many.
    pub(crate) fn fast() -> Option<Self> {
        static FAST: LazyLock<bool> = LazyLock::new(|| {
            let vendor = __cpuid(0);
            let amd = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD";
            amd || InstructionSet::Amx.allowed(Tiles::new).is_some()
        });
        InstructionSet::Avx512Vnni.allowed(Self::new).filter(|_| *FAST)
    }

    /// Evaluates the operation with tiles, where there are some.
    pub(crate) fn run_with_tiles<Op: Bf16Op>(self, op: Op) -> Op::Output {
        match InstructionSet::Amx.allowed(Tiles::new) {
            Some(tiles) => self.with_tiles(&tiles).run(op),
            None => self.run(op),
        }
    }

    /// Rounds rows to the nearest, ties to even.
    pub(crate) fn round<'a>(self, source: Rows<[f32; 2]>, buffer: &'a mut RowBuffer<[Bf16; 2]>) -> Rows<'a, [Bf16; 2]> {
        #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
        fn round_row(source: &[f32], out: &mut [Bf16]) {
            for (source, out) in source.chunks(32).zip(out.as_chunks_mut::<32>().0) {
                let load = |first: usize| {
                    let lanes = source.len().saturating_sub(first).min(16);
                    // SAFETY: as many lanes are read as there are values from `first` on.
                    unsafe { _mm512_maskz_loadu_ps(((1u32 << lanes) - 1) as u16, source.as_ptr().wrapping_add(first)) }
                };
                let rounded = _mm512_cvtne2ps_pbh(load(16), load(0));
                // Whole vectors, since tiles also read what is after the values; and there are zeros.
                // SAFETY: `out` has room; a vector of bfloat16 is one of 16-bit integers.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), transmute::<__m512bh, __m512i>(rounded)) }
            }
        }
        let (rows, cols) = (source.rows(), source.cols());
        buffer.resize(rows, cols);
        let stride = buffer.stride();
        for (row, out) in buffer.as_mut_slice().chunks_exact_mut(stride).take(rows).enumerate() {
            // SAFETY: a value of this type exists only where the processor has these features.
            unsafe { round_row(source.row(row).as_flattened(), out.as_flattened_mut()) }
        }
        buffer.rows()
    }

    /// Writes pairs of values of two rows, rounded as by [`round`](Self::round); zeros where a row has no more.
    pub(crate) fn pair(self, first: &[f32], second: &[f32], out: &mut [[Bf16; 2]; PANEL]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx512vl")]
        fn pair(first: &[f32], second: &[f32], out: &mut [[Bf16; 2]; PANEL]) {
            for (block, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                let load = |row: &[f32]| {
                    let row = row.get(16 * block..).unwrap_or_default();
                    let lanes = ((1u32 << row.len().min(16)) - 1) as u16;
                    // SAFETY: as many lanes are read as there are values.
                    unsafe { _mm512_maskz_loadu_ps(lanes, row.as_ptr()) }
                };
                let rounded = _mm512_cvtne2ps_pbh(load(second), load(first));
                // SAFETY: a vector of bfloat16 is one of 16-bit integers.
                let rounded = unsafe { transmute::<__m512bh, __m512i>(rounded) };
                let first = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(rounded));
                let second = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(rounded));
                let pairs = _mm512_or_si512(first, _mm512_slli_epi32::<16>(second));
                // SAFETY: `out` has room for 16 pairs.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), pairs) }
            }
        }
        // SAFETY: a value of this type exists only where the processor has these features.
        unsafe { pair(first, second, out) }
    }
}

impl<T: MaybeTiles> Avx512Bf16<T> {
    pub(crate) fn run<Op: Bf16Op>(self, op: Op) -> Op::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16")]
        fn with_features<T: MaybeTiles, Op: Bf16Op>(isa: Avx512Bf16<T>, op: Op) -> Op::Output {
            op.eval(isa)
        }
        // SAFETY: a value of this type exists only where the processor has these features.
        unsafe { with_features(self, op) }
    }
}

/// An operation that multiplies bfloat16.
pub(crate) trait Bf16Op {
    type Output;

    fn eval<T: MaybeTiles>(self, isa: Avx512Bf16<T>) -> Self::Output;
}

type F32 = <Avx512Isa as Isa>::F32;
type I32 = <Avx512Isa as Isa>::I32;

impl<T: MaybeTiles> Avx512Bf16<T> {
    /// The tiles that there are.
    pub(crate) fn tiles(&self) -> Option<&Tiles> {
        self.1.tiles()
    }

    /// Computes a product.
    #[inline(always)]
    pub(crate) fn multiply(self, gemm: Gemm<[Bf16; 2], [Bf16; 2]>) {
        match self.1.tiles() {
            Some(tiles) => tiles.multiply(self, gemm),
            None => gemm.run::<_, 14, 2>(self),
        }
    }
}

// SAFETY: `tdpbf16ps` multiplies and adds what `vdpbf16ps` does.
unsafe impl<T: MaybeTiles> TileProduct for Avx512Bf16<T> {
    multiply_tiles!("tdpbf16ps");
}

impl<T: MaybeTiles> Product for Avx512Bf16<T> {
    type Isa = Avx512Isa;
    type Lhs = [Bf16; 2];
    type Rhs = [Bf16; 2];
    type RhsVector = I32;
    type Sum = F32;

    const APPROXIMATE: bool = true;
    const VALUES: usize = 2;

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
