//! The microkernel: the arithmetic of a matrix product, and the loop that keeps a tile's sums in registers.

use rten_simd::Isa;
use rten_simd::ops::BitOps;

use super::panels::{PANEL, PanelRow};

/// How elements of two matrices are multiplied and summed up.
///
/// An element is what one step over the depth takes: one `f32`, or several narrower values side by side.
pub(crate) trait Product: Copy {
    type Isa: Isa;
    /// An element of the left-hand side.
    type Lhs: Copy;
    /// An element of the panels.
    type Rhs: Copy;
    /// Elements of the panels, one a lane.
    type RhsVector: Copy;
    /// Sums, one a lane.
    type Sum: Copy;

    /// Whether the elements are rounded so much that activation functions need not be exact.
    const APPROXIMATE: bool;

    /// Values of an element.
    const VALUES: usize;

    /// How many products an instruction of [`densest`](Self::densest) does, against one of
    /// [`multiply_add`](Self::multiply_add).
    const DENSITY: usize = 1;

    fn isa(self) -> Self::Isa;

    /// Loads a vector of the panels.
    ///
    /// # Safety
    /// `rhs` must point to as many elements as a vector has lanes of 32 bits.
    unsafe fn load(self, rhs: *const Self::Rhs) -> Self::RhsVector;

    /// The sum before the first product, of columns with these biases and sums of their elements, where a left-hand
    /// element stands for its difference from `zero_point`.
    fn begin(self, bias: F32<Self>, column_sum: I32<Self>, zero_point: u8) -> Self::Sum;

    /// Adds the products of one left-hand element with those of each vector. It comes by reference, so that its parts
    /// are loaded straight into all lanes.
    fn multiply_add<const VECTORS: usize>(
        self,
        lhs: &Self::Lhs,
        rhs: &[Self::RhsVector; VECTORS],
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
        tile: &Tile<Self::Lhs, Self::Rhs>,
        begin: [Self::Sum; VECTORS],
    ) -> [[Self::Sum; VECTORS]; ROWS] {
        // SAFETY: the caller's.
        unsafe { tile.multiply_elements::<Self, ROWS, VECTORS>(self, begin) }
    }

    /// The instruction that does the most products, on whatever values: for measuring how fast a processor can be.
    #[inline(always)]
    fn densest(self, lhs: &Self::Lhs, rhs: &[Self::RhsVector; 2], sums: &mut [Self::Sum; 2]) {
        self.multiply_add(lhs, rhs, sums);
    }

    /// The value of a finished sum.
    fn finish(self, sum: Self::Sum, scale: F32<Self>, bias: F32<Self>) -> F32<Self>;
}

pub(crate) type F32<P> = <<P as Product>::Isa as Isa>::F32;
pub(crate) type I32<P> = <<P as Product>::Isa as Isa>::I32;

/// A block of a product, small enough for its sums to stay in registers.
pub(crate) struct Tile<'a, L, R> {
    pub a: *const L,
    pub a_stride: usize,
    pub zero_point: u8,
    pub b: &'a [PanelRow<R>],
    /// Where in the panel's rows the tile begins.
    pub column: usize,
    /// Of the tile's columns.
    pub bias: &'a [f32],
    pub sums: &'a [i32],
    /// Address to fetch ahead of its use, moving on by `ahead` elements a step.
    pub next: *const R,
    pub ahead: usize,
}

impl<L: Copy, R: Copy> Tile<'_, L, R> {
    /// The sums of the products of `ROWS` rows of `a` and `VECTORS` vectors of each of `b`'s rows.
    ///
    /// # Safety
    /// `a` must point to `ROWS` rows of `b.len()` elements, at their stride; `VECTORS` vectors from `column` on must
    /// lie within a panel's row.
    // With iterators the compiler keeps the sums in memory, which costs a fifth of the speed.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    pub(crate) unsafe fn multiply<P, const ROWS: usize, const VECTORS: usize>(
        &self,
        product: P,
    ) -> [[P::Sum; VECTORS]; ROWS]
    where
        P: Product<Lhs = L, Rhs = R>,
    {
        let isa = product.isa();
        let bias = isa.f32().load_many::<VECTORS>(self.bias);
        let column_sums = isa.i32().load_many::<VECTORS>(self.sums);
        let mut begin = [product.begin(bias[0], column_sums[0], self.zero_point); VECTORS];
        for vector in 1..VECTORS {
            begin[vector] = product.begin(bias[vector], column_sums[vector], self.zero_point);
        }
        // SAFETY: the caller's.
        unsafe { product.multiply_tile::<ROWS, VECTORS>(self, begin) }
    }

    /// As [`multiply`](Self::multiply), from sums that have begun; element by element.
    ///
    /// # Safety
    /// As there.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    pub(crate) unsafe fn multiply_elements<P, const ROWS: usize, const VECTORS: usize>(
        &self,
        product: P,
        begin: [P::Sum; VECTORS],
    ) -> [[P::Sum; VECTORS]; ROWS]
    where
        P: Product<Lhs = L, Rhs = R>,
    {
        let isa = product.isa();
        let ops = isa.f32();
        let &Self { a, a_stride, next, ahead, .. } = self;
        let mut sums = [begin; ROWS];
        // By pointer: a check of the bounds in this loop can be felt.
        let mut panel_row = self.b.as_ptr().cast::<R>().wrapping_add(self.column);
        for k in 0..self.b.len() {
            ops.prefetch(next.wrapping_add(k * ahead).cast());
            // SAFETY: `VECTORS` vectors from `column` on lie within row `k` of the panel.
            let mut b = [unsafe { product.load(panel_row) }; VECTORS];
            for vector in 1..VECTORS {
                // SAFETY: as above.
                b[vector] = unsafe { product.load(panel_row.add(vector * ops.len())) };
            }
            panel_row = panel_row.wrapping_add(PANEL);
            for row in 0..ROWS {
                // SAFETY: `a` has `ROWS` rows of `self.b.len()` elements.
                let value = unsafe { &*a.add(row * a_stride + k) };
                product.multiply_add(value, &b, &mut sums[row]);
            }
        }
        sums
    }
}
