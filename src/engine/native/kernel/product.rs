//! The arithmetic of a matrix product, apart from how the matrices are walked through.

use rten_simd::ops::{BitOps, IntOps, NumOps};
use rten_simd::{Isa, Simd};

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
    const ROUGH: bool;

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

    const ROUGH: bool = false;

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

/// The upper half of an `f32`: bfloat16.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bf16(u16);

impl Bf16 {
    /// The nearest one, ties to even.
    pub fn from_f32(value: f32) -> Self {
        Self(half::bf16::from_f32(value).to_bits())
    }
}

/// Products of pairs of `f32` with pairs of bfloat16 that are widened as they are loaded, begun at the bias.
///
/// The bfloat16 instructions of AVX-512 would take both sides in 16 bits, but run at half the speed of `f32` products
/// on processors that have AMX for this.
#[derive(Debug, Clone, Copy)]
pub struct Widened<I>(pub I);

impl<I: Isa> Product for Widened<I> {
    type Isa = I;
    type Left = [f32; 2];
    type Right = [Bf16; 2];
    type RightVector = [I::F32; 2];
    type Sum = I::F32;

    const ROUGH: bool = false;

    #[inline(always)]
    fn isa(self) -> I {
        self.0
    }

    #[inline(always)]
    unsafe fn load(self, right: *const [Bf16; 2]) -> [I::F32; 2] {
        let (floats, ints) = (self.0.f32(), self.0.i32());
        // SAFETY: the caller's; a pair is as large as a lane.
        let pairs = unsafe { ints.load_ptr(right.cast()) };
        // The first of a pair lies in the low half on the little-endian processors that there are vectors for.
        let low = ints.shift_left::<16>(pairs);
        let high = ints.and(pairs, ints.splat(0xffff_0000_u32.cast_signed()));
        let (first, second) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        [floats.from_bits(first.to_bits()), floats.from_bits(second.to_bits())]
    }

    #[inline(always)]
    fn begin(self, bias: I::F32, _: I::I32, _: u8) -> I::F32 {
        bias
    }

    #[inline(always)]
    fn multiply_add<const VECTORS: usize>(
        self,
        left: &[f32; 2],
        right: &[[I::F32; 2]; VECTORS],
        sums: &mut [I::F32; VECTORS],
    ) {
        let ops = self.0.f32();
        let left = [ops.splat(left[0]), ops.splat(left[1])];
        for vector in 0..VECTORS {
            sums[vector] = ops.mul_add(left[0], right[vector][0], sums[vector]);
            sums[vector] = ops.mul_add(left[1], right[vector][1], sums[vector]);
        }
    }

    #[inline(always)]
    fn finish(self, sum: I::F32, _: I::F32, _: I::F32) -> I::F32 {
        sum
    }
}
