//! The innermost loop of a matrix product.

use rten_simd::Isa;
use rten_simd::ops::BitOps;

use super::panels::{PANEL, PanelRow};
use super::product::Product;

/// A block of a product, small enough for its sums to stay in registers.
pub struct Tile<'a, L, R> {
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
    pub unsafe fn multiply<P, const ROWS: usize, const VECTORS: usize>(&self, product: P) -> [[P::Sum; VECTORS]; ROWS]
    where
        P: Product<Left = L, Right = R>,
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
    pub unsafe fn multiply_elements<P, const ROWS: usize, const VECTORS: usize>(
        &self,
        product: P,
        begin: [P::Sum; VECTORS],
    ) -> [[P::Sum; VECTORS]; ROWS]
    where
        P: Product<Left = L, Right = R>,
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
