//! The instructions that multiply small matrices.

use std::arch::aarch64::*;
use std::arch::asm;

use rten_simd::Isa;
use rten_simd::isa::ArmNeonIsa;
use rten_simd::ops::{BitOps, NumOps, ToFloat};

use super::super::super::panels::PANEL;
use super::super::super::product::{Product, Tile};
use super::super::{Int8Isa, Int8Op};
use super::{F32, I32, int8_isa_neon};

/// NEON with `usmmla`, which multiplies two rows of eight bytes without a sign by two columns of eight with one: twice
/// the products of an instruction of [`NeonDot`](super::NeonDot).
#[derive(Clone, Copy)]
pub(crate) struct NeonI8mm(ArmNeonIsa);

impl NeonI8mm {
    pub(crate) fn new() -> Option<Self> {
        ArmNeonIsa::new().filter(|_| std::arch::is_aarch64_feature_detected!("i8mm")).map(Self)
    }

    pub(crate) fn run<Op: Int8Op>(self, op: Op) -> Op::Output {
        #[inline(never)]
        #[target_feature(enable = "neon,i8mm")]
        fn with_features<Op: Int8Op>(isa: NeonI8mm, op: Op) -> Op::Output {
            op.eval(isa)
        }
        // SAFETY: a value of this type exists only where the processor has these features.
        unsafe { with_features(self, op) }
    }

    /// Adds the products of two rows and two columns of eight bytes each to `sums`: first row and first column, first
    /// row and second column, second row and first column, both second.
    #[inline(always)]
    fn multiply_two_by_two(self, rows: I32, columns: I32, sums: &mut I32) {
        // The intrinsic is not stable yet.
        // SAFETY: a value of this type exists only where the processor has the instruction, which touches nothing but
        // its registers.
        unsafe {
            asm!(
                ".arch_extension i8mm",
                "usmmla {sums:v}.4s, {rows:v}.16b, {columns:v}.16b",
                sums = inout(vreg) *sums,
                rows = in(vreg) rows,
                columns = in(vreg) columns,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
    }
}

impl Product for NeonI8mm {
    type Isa = ArmNeonIsa;
    type Lhs = [u8; 4];
    type Rhs = [i8; 4];
    type RhsVector = I32;
    type Sum = I32;

    const APPROXIMATE: bool = true;
    const VALUES: usize = 4;
    const DENSITY: usize = 2;

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
            // The intrinsic is not stable yet.
            // SAFETY: a value of this type exists only where the processor has the instruction, which touches
            // nothing but its registers.
            unsafe {
                asm!(
                    ".arch_extension i8mm",
                    "usdot {sum:v}.4s, {lhs:v}.16b, {rhs:v}.16b",
                    sum = inout(vreg) sums[vector],
                    rhs = in(vreg) rhs[vector],
                    lhs = in(vreg) lhs,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }
    }

    #[inline(always)]
    fn densest(self, lhs: &[u8; 4], rhs: &[I32; 2], sums: &mut [I32; 2]) {
        let lhs = self.0.i32().splat(i32::from_ne_bytes(*lhs));
        for (rhs, sum) in rhs.iter().zip(sums) {
            self.multiply_two_by_two(lhs, *rhs, sum);
        }
    }

    /// Takes rows in pairs and two elements at a time. The sums of two rows and a vector are in two registers: those of
    /// the vector's first two columns, and those of the other two.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn multiply_tile<const ROWS: usize, const VECTORS: usize>(
        self,
        tile: &Tile<[u8; 4], [i8; 4]>,
        begin: [I32; VECTORS],
    ) -> [[I32; VECTORS]; ROWS] {
        let ops = self.0.i32();
        let &Tile { a, a_stride, next, ahead, .. } = tile;
        let (depth, pairs) = (tile.b.len(), ROWS.div_ceil(2));
        // Of pairs of rows; the second half of them stays unused.
        let mut sums = [[[ops.zero(); 2]; VECTORS]; ROWS];
        let mut panel_row = tile.b.as_ptr().cast::<[i8; 4]>().wrapping_add(tile.column);
        for k in (0..depth).step_by(2) {
            let last = k + 1 == depth;
            self.0.f32().prefetch(next.wrapping_add(k * ahead).cast());
            self.0.f32().prefetch(next.wrapping_add((k + 1) * ahead).cast());
            let row = |row: usize| {
                // SAFETY: `a` has `ROWS` rows of `depth` elements, of which one or two from `k` on are read.
                unsafe {
                    let elements = a.add(row * a_stride + k);
                    match last {
                        true => vcreate_u32(u64::from(elements.cast::<u32>().read_unaligned())),
                        false => vreinterpret_u32_u8(vld1_u8(elements.cast())),
                    }
                }
            };
            let mut rows = [ops.zero(); ROWS];
            for pair in 0..pairs {
                let second = (2 * pair + 1).min(ROWS - 1);
                // SAFETY: NEON is there.
                rows[pair] = unsafe { vreinterpretq_s32_u32(vcombine_u32(row(2 * pair), row(second))) };
            }
            for vector in 0..VECTORS {
                // SAFETY: `VECTORS` vectors from `column` on lie within rows `k` and, unless it is past the last,
                // `k + 1` of the panel.
                let (first, second) = unsafe {
                    let rhs = panel_row.add(vector * ops.len());
                    (self.load(rhs), if last { ops.zero() } else { self.load(rhs.add(PANEL)) })
                };
                // SAFETY: NEON is there.
                let columns = unsafe { [vzip1q_s32(first, second), vzip2q_s32(first, second)] };
                for pair in 0..pairs {
                    for half in 0..2 {
                        self.multiply_two_by_two(rows[pair], columns[half], &mut sums[pair][vector][half]);
                    }
                }
            }
            panel_row = panel_row.wrapping_add(2 * PANEL);
        }
        let mut result = [begin; ROWS];
        for row in 0..ROWS {
            for vector in 0..VECTORS {
                // SAFETY: NEON is there.
                let sum = unsafe {
                    let [low, high] = sums[row / 2][vector].map(|sums| vreinterpretq_s64_s32(sums));
                    vreinterpretq_s32_s64(if row % 2 == 0 { vzip1q_s64(low, high) } else { vzip2q_s64(low, high) })
                };
                result[row][vector] = ops.add(result[row][vector], sum);
            }
        }
        result
    }

    #[inline(always)]
    fn finish(self, sum: I32, scale: F32, bias: F32) -> F32 {
        self.0.f32().mul_add(self.0.i32().to_float(sum), scale, bias)
    }
}

int8_isa_neon!(NeonI8mm, "NEON i8mm", 0);
