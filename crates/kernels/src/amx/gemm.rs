//! Products in blocks of tiles.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
use std::mem::MaybeUninit;
use std::slice;

use rten_simd::Isa;
use rten_simd::isa::Avx512Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::super::Activation;
use super::super::activation::WithFunction;
use super::super::matmul::{Columns, Gemm};
use super::super::panels::{DEPTH_STEP, PANEL, PanelRow};
use super::super::product::{F32, Product};
use super::super::row_buffer::TILE_ROWS;
use super::Tiles;

/// Rows of a block: two tiles of the left-hand side, which with two of a panel make four of sums.
const BLOCK_ROWS: usize = 2 * TILE_ROWS;

/// Vectors of a row of a block.
const VECTORS: usize = 2;

/// A product with an instruction for tiles.
///
/// # Safety
/// An element is four bytes, a sum is a vector of 64 bytes, and the instruction adds to sums of that kind.
pub(crate) unsafe trait TileProduct: Product<Isa = Avx512Isa> {
    /// Computes a block of sums: `begin` plus the products of 16 rows, or 32, with `steps` times 16 rows of a panel.
    ///
    /// # Safety
    /// `steps` must not be 0. `rows` must point to 16 rows, `stride` bytes apart, and to 16 more if there are `BOTH`, of
    /// `steps` times 64 bytes; `panel` to `steps` times 16 rows of a panel; `begin` to a row of sums, and `sums` to room
    /// for as many rows of them.
    unsafe fn multiply_tiles<const BOTH: bool>(
        tiles: &Tiles,
        rows: [*const Self::Lhs; 2],
        stride: usize,
        panel: *const PanelRow<Self::Rhs>,
        steps: usize,
        begin: *const [Self::Sum; VECTORS],
        sums: *mut [Self::Sum; VECTORS],
    );

    /// Computes a block of sums: `rounds` times the products of two tiles with two.
    ///
    /// # Safety
    /// `sums` must point to a block of sums.
    unsafe fn repeat_tiles(
        tiles: &Tiles,
        lhs: &[[Self::Lhs; TILE_ROWS]; BLOCK_ROWS],
        rhs: &[[Self::Rhs; TILE_ROWS]; BLOCK_ROWS],
        rounds: usize,
        sums: *mut [Self::Sum; VECTORS],
    );
}

/// Implements [`TileProduct`] with an instruction.
macro_rules! multiply_tiles {
    ($instruction:literal) => {
        #[inline(always)]
        unsafe fn repeat_tiles(
            _: &$crate::amx::Tiles,
            lhs: &[[Self::Lhs; 16]; 32],
            rhs: &[[Self::Rhs; 16]; 32],
            rounds: usize,
            sums: *mut [Self::Sum; 2],
        ) {
            // SAFETY: as below.
            unsafe {
                std::arch::asm!(
                    "tileloadd tmm4, [{lhs} + {row}*1]",
                    "tileloadd tmm5, [{lhs} + {row}*1 + 1024]",
                    "tileloadd tmm6, [{rhs} + {row}*1]",
                    "tileloadd tmm7, [{rhs} + {row}*1 + 1024]",
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    concat!($instruction, " tmm0, tmm4, tmm6"),
                    concat!($instruction, " tmm1, tmm4, tmm7"),
                    concat!($instruction, " tmm2, tmm5, tmm6"),
                    concat!($instruction, " tmm3, tmm5, tmm7"),
                    "dec {rounds}",
                    "jnz 2b",
                    "tilestored [{sums} + {width}*1], tmm0",
                    "tilestored [{sums} + {width}*1 + 64], tmm1",
                    "tilestored [{sums} + {width}*1 + 2048], tmm2",
                    "tilestored [{sums} + {width}*1 + 2112], tmm3",
                    lhs = in(reg) lhs,
                    rhs = in(reg) rhs,
                    row = in(reg) 64usize,
                    rounds = inout(reg) rounds => _,
                    sums = in(reg) sums,
                    width = in(reg) 128usize,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }

        #[inline(always)]
        unsafe fn multiply_tiles<const BOTH: bool>(
            _: &$crate::amx::Tiles,
            rows: [*const Self::Lhs; 2],
            stride: usize,
            panel: *const $crate::panels::PanelRow<Self::Rhs>,
            steps: usize,
            begin: *const [Self::Sum; 2],
            sums: *mut [Self::Sum; 2],
        ) {
            // SAFETY: the tiles are set up, and the caller gives what the instructions read and write. The compiler
            // uses no tile registers, so that only what is named here changes.
            unsafe {
                if BOTH {
                    std::arch::asm!(
                        // A stride of 0: the same row 16 times.
                        "tileloadd tmm0, [{begin} + {zero}*1]",
                        "tileloadd tmm1, [{begin} + {zero}*1 + 64]",
                        "tileloadd tmm2, [{begin} + {zero}*1]",
                        "tileloadd tmm3, [{begin} + {zero}*1 + 64]",
                        "2:",
                        "tileloadd tmm6, [{panel} + {width}*1]",
                        "tileloadd tmm4, [{first} + {stride}*1]",
                        concat!($instruction, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{panel} + {width}*1 + 64]",
                        concat!($instruction, " tmm1, tmm4, tmm7"),
                        "tileloadd tmm5, [{second} + {stride}*1]",
                        concat!($instruction, " tmm2, tmm5, tmm6"),
                        concat!($instruction, " tmm3, tmm5, tmm7"),
                        "add {first}, 64",
                        "add {second}, 64",
                        "add {panel}, 2048",
                        "dec {steps}",
                        "jnz 2b",
                        "tilestored [{sums} + {width}*1], tmm0",
                        "tilestored [{sums} + {width}*1 + 64], tmm1",
                        "tilestored [{sums} + {width}*1 + 2048], tmm2",
                        "tilestored [{sums} + {width}*1 + 2112], tmm3",
                        first = inout(reg) rows[0] => _,
                        second = inout(reg) rows[1] => _,
                        stride = in(reg) stride,
                        panel = inout(reg) panel => _,
                        width = in(reg) 128usize,
                        steps = inout(reg) steps => _,
                        begin = in(reg) begin,
                        zero = in(reg) 0usize,
                        sums = in(reg) sums,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                } else {
                    std::arch::asm!(
                        "tileloadd tmm0, [{begin} + {zero}*1]",
                        "tileloadd tmm1, [{begin} + {zero}*1 + 64]",
                        "2:",
                        "tileloadd tmm6, [{panel} + {width}*1]",
                        "tileloadd tmm4, [{first} + {stride}*1]",
                        concat!($instruction, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{panel} + {width}*1 + 64]",
                        concat!($instruction, " tmm1, tmm4, tmm7"),
                        "add {first}, 64",
                        "add {panel}, 2048",
                        "dec {steps}",
                        "jnz 2b",
                        "tilestored [{sums} + {width}*1], tmm0",
                        "tilestored [{sums} + {width}*1 + 64], tmm1",
                        first = inout(reg) rows[0] => _,
                        stride = in(reg) stride,
                        panel = inout(reg) panel => _,
                        width = in(reg) 128usize,
                        steps = inout(reg) steps => _,
                        begin = in(reg) begin,
                        zero = in(reg) 0usize,
                        sums = in(reg) sums,
                        out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                }
            }
        }
    };
}
pub(crate) use multiply_tiles;

/// A block of sums.
pub(crate) type Sums<P> = [[<P as Product>::Sum; VECTORS]; BLOCK_ROWS];

impl Tiles {
    /// See [`TileProduct::repeat_tiles`]; `rounds` must not be 0.
    #[inline(always)]
    pub(crate) fn repeat<P: TileProduct>(
        &self,
        _: P,
        lhs: &[[P::Lhs; TILE_ROWS]; BLOCK_ROWS],
        rhs: &[[P::Rhs; TILE_ROWS]; BLOCK_ROWS],
        rounds: usize,
    ) -> Sums<P> {
        assert!(rounds > 0);
        let mut sums = MaybeUninit::<Sums<P>>::uninit();
        // SAFETY: there is room for a block of sums, all of which are written.
        unsafe {
            P::repeat_tiles(self, lhs, rhs, rounds, sums.as_mut_ptr().cast());
            sums.assume_init()
        }
    }

    /// As [`Gemm::run`], in blocks of tiles.
    ///
    /// # Panics
    /// If the shapes do not fit together, or the rows of the left-hand side are not followed by enough others, of
    /// whatever contents, to fill up the last tile.
    #[inline(always)]
    pub(crate) fn multiply<P: TileProduct>(&self, product: P, mut gemm: Gemm<P::Lhs, P::Rhs>) {
        const { assert!(size_of::<P::Lhs>() == 4 && size_of::<P::Rhs>() == 4 && size_of::<P::Sum>() == 64) }
        gemm.check();
        let (floats, ints) = (product.isa().f32(), product.isa().i32());
        let (rows, steps) = (gemm.a.rows(), gemm.b.depth().div_ceil(DEPTH_STEP));
        if rows == 0 {
            return;
        }
        assert!(steps > 0 && gemm.a.reaches(rows.next_multiple_of(TILE_ROWS), steps * DEPTH_STEP));
        let (zeros, no_sums) = (PanelRow([0.0; PANEL]), PanelRow([0; PANEL]));
        let mut sums = MaybeUninit::<Sums<P>>::uninit();
        let mut edge = MaybeUninit::<[PanelRow; BLOCK_ROWS]>::uninit();
        for panel in 0..gemm.b.panels() {
            let Columns { bias, scales, sums: column_sums } = gemm.columns;
            let bias = floats.load_many::<VECTORS>(&bias.map_or(&zeros, |bias| &bias[panel]).0);
            let scales = floats.load_many::<VECTORS>(&scales.map_or(&zeros, |scales| &scales[panel]).0);
            let column_sums = ints.load_many::<VECTORS>(&column_sums.map_or(&no_sums, |sums| &sums[panel]).0);
            let zero_point = gemm.zero_point;
            let begin = [
                product.begin(bias[0], column_sums[0], zero_point),
                product.begin(bias[1], column_sums[1], zero_point),
            ];
            let b = gemm.b.padded_panel(panel);
            // Each row fetches its share of the next panel, which may still lie in main memory.
            let next = gemm.b.padded_panel((panel + 1).min(gemm.b.panels() - 1));
            let ahead = b.len().div_ceil(rows);
            let columns = PANEL.min(gemm.b.cols() - panel * PANEL);
            for first in (0..rows).step_by(BLOCK_ROWS) {
                let height = BLOCK_ROWS.min(rows - first);
                // SAFETY: `first` is a row of `a`, which reaches, by the assertion, as far as the tiles do.
                let a = unsafe { gemm.a.as_ptr().add(first * gemm.a.stride()) };
                let lhs = [a, a.wrapping_add(TILE_ROWS * gemm.a.stride())];
                let stride = gemm.a.stride() * size_of::<P::Lhs>();
                // SAFETY: there are so many rows of `a`, a panel has `steps` times 16, and `sums` a block's.
                unsafe {
                    let (begin, sums) = (&raw const begin, sums.as_mut_ptr().cast());
                    match height > TILE_ROWS {
                        true => P::multiply_tiles::<true>(self, lhs, stride, b.as_ptr(), steps, begin, sums),
                        false => P::multiply_tiles::<false>(self, lhs, stride, b.as_ptr(), steps, begin, sums),
                    }
                }
                // The last panel is computed whole and then copied as far as it is wide.
                let (out, out_stride) = if columns == PANEL {
                    // SAFETY: `first` is a row of `out`, and `panel * PANEL` one of its columns.
                    let out = unsafe { gemm.out.as_mut_ptr().add(first * gemm.out.stride() + panel * PANEL) };
                    (out, gemm.out.stride())
                } else {
                    (edge.as_mut_ptr().cast::<f32>(), PANEL)
                };
                let finish = Finish {
                    product,
                    // SAFETY: so many rows, or more, have just been written.
                    sums: unsafe { slice::from_raw_parts(sums.as_ptr().cast(), height) },
                    row_scales: gemm.row_scales.get(first..first + height).unwrap_or_default(),
                    scales,
                    bias,
                    out,
                    out_stride,
                    next: next.as_ptr().wrapping_add(first * ahead),
                    ahead,
                };
                gemm.activation.unwrap_or(Activation::Linear).with_function(product.isa(), P::APPROXIMATE, finish);
                if columns < PANEL {
                    // SAFETY: as above.
                    let edge = unsafe { slice::from_raw_parts(edge.as_ptr().cast::<PanelRow>(), height) };
                    for (row, edge) in edge.iter().enumerate() {
                        gemm.out.row_mut(first + row)[panel * PANEL..].copy_from_slice(&edge.0[..columns]);
                    }
                }
            }
        }
    }
}

/// From the sums of a block to results.
struct Finish<'a, P: TileProduct> {
    product: P,
    sums: &'a [[P::Sum; VECTORS]],
    /// Of the rows, or none.
    row_scales: &'a [f32],
    scales: [F32<P>; VECTORS],
    bias: [F32<P>; VECTORS],
    /// Room for a panel's row, for each row of sums, at the stride.
    out: *mut f32,
    out_stride: usize,
    /// Rows of a panel to fetch, so many ahead for each row.
    next: *const PanelRow<P::Rhs>,
    ahead: usize,
}

impl<P: TileProduct> WithFunction<Avx512Isa> for Finish<'_, P> {
    #[inline(always)]
    fn call(self, function: impl Fn(F32<P>) -> F32<P>) {
        let ops = self.product.isa().f32();
        for (row, sums) in self.sums.iter().enumerate() {
            for ahead in row * self.ahead..(row + 1) * self.ahead {
                let next = self.next.wrapping_add(ahead).cast::<f32>();
                // Into the second cache: it can wait for more lines at a time than the first.
                // SAFETY: prefetching has no effect but on caches.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T1>(next.cast());
                    _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(PANEL / 2).cast());
                }
            }
            let row_scale = ops.splat(self.row_scales.get(row).copied().unwrap_or(1.0));
            for (vector, &sum) in sums.iter().enumerate() {
                let scale = ops.mul(self.scales[vector], row_scale);
                let value = function(self.product.finish(sum, scale, self.bias[vector]));
                // SAFETY: there is room for a panel's row.
                unsafe { ops.store_ptr(value, self.out.add(row * self.out_stride + vector * ops.len())) };
            }
        }
    }
}
