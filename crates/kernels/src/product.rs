//! The arithmetic of a matrix product, apart from how the matrices are walked through.

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::tile::Tile;

/// How elements of two matrices are multiplied and summed up.
///
/// An element is what one step over the depth takes: one `f32`, or several narrower values side by side.
pub trait Product: Copy {
    type Isa: Isa;
    /// An element of the left-hand side.
    type Left: Copy;
    /// An element of the panels.
    type Right: Copy;
    /// Elements of the panels, one a lane.
    type RightVector: Copy;
    /// Sums, one a lane.
    type Sum: Copy;

    /// Whether the elements are rounded so much that activation functions need not be exact.
    const APPROXIMATE: bool;

    /// How many products an instruction of [`densest`](Self::densest) does, against one of
    /// [`multiply_add`](Self::multiply_add).
    const DENSITY: usize = 1;

    fn isa(self) -> Self::Isa;

    /// Loads a vector of the panels.
    ///
    /// # Safety
    /// `right` must point to as many elements as a vector has lanes of 32 bits.
    unsafe fn load(self, right: *const Self::Right) -> Self::RightVector;

    /// The sum before the first product, of columns with these biases and sums of their elements, where a left-hand
    /// element stands for its difference from `zero_point`.
    fn begin(self, bias: F32<Self>, column_sum: I32<Self>, zero_point: u8) -> Self::Sum;

    /// Adds the products of one left-hand element with those of each vector. It comes by reference, so that its parts
    /// are loaded straight into all lanes.
    fn multiply_add<const VECTORS: usize>(
        self,
        left: &Self::Left,
        right: &[Self::RightVector; VECTORS],
        sums: &mut [Self::Sum; VECTORS],
    );

    /// The sums of a tile, from `begin` on: its innermost loop. An instruction set that multiplies more than elements
    /// has one of its own.
    ///
    /// # Safety
    /// As [`Tile::multiply`].
    #[inline(always)]
    unsafe fn multiply_tile<const ROWS: usize, const VECTORS: usize>(
        self,
        tile: &Tile<Self::Left, Self::Right>,
        begin: [Self::Sum; VECTORS],
    ) -> [[Self::Sum; VECTORS]; ROWS] {
        // SAFETY: the caller's.
        unsafe { tile.multiply_elements::<Self, ROWS, VECTORS>(self, begin) }
    }

    /// The instruction that does the most products, on whatever values: for measuring how fast a processor can be.
    #[inline(always)]
    fn densest(self, left: &Self::Left, right: &[Self::RightVector; 1], sum: &mut [Self::Sum; 1]) {
        self.multiply_add(left, right, sum);
    }

    /// The value of a finished sum.
    fn finish(self, sum: Self::Sum, scale: F32<Self>, bias: F32<Self>) -> F32<Self>;
}

pub type F32<P> = <<P as Product>::Isa as Isa>::F32;
pub type I32<P> = <<P as Product>::Isa as Isa>::I32;

/// Products of `f32`, begun at the bias.
#[derive(Debug, Clone, Copy)]
pub struct Float<I>(pub I);

impl<I: Isa> Product for Float<I> {
    type Isa = I;
    type Left = f32;
    type Right = f32;
    type RightVector = I::F32;
    type Sum = I::F32;

    const APPROXIMATE: bool = false;

    #[inline(always)]
    fn isa(self) -> I {
        self.0
    }

    #[inline(always)]
    unsafe fn load(self, right: *const f32) -> I::F32 {
        // SAFETY: the caller's.
        unsafe { self.0.f32().load_ptr(right) }
    }

    #[inline(always)]
    fn begin(self, bias: I::F32, _: I::I32, _: u8) -> I::F32 {
        bias
    }

    #[inline(always)]
    fn multiply_add<const VECTORS: usize>(self, left: &f32, right: &[I::F32; VECTORS], sums: &mut [I::F32; VECTORS]) {
        let ops = self.0.f32();
        let left = ops.splat(*left);
        for vector in 0..VECTORS {
            sums[vector] = ops.mul_add(left, right[vector], sums[vector]);
        }
    }

    #[inline(always)]
    fn finish(self, sum: I::F32, _: I::F32, _: I::F32) -> I::F32 {
        sum
    }
}

/// Name of the vector instructions that `f32` kernels use on this processor.
pub fn f32_instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if rten_simd::isa::Avx512Isa::new().is_some() {
            return "AVX-512";
        }
        if rten_simd::isa::Avx2Isa::new().is_some() {
            return "AVX2";
        }
    }
    #[cfg(target_arch = "aarch64")]
    if rten_simd::isa::ArmNeonIsa::new().is_some() {
        return "NEON";
    }
    "portable"
}
