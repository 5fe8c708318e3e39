//! Matrix product with packed weights.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::panels::{PANEL, PanelRow};
use super::{Activation, Panels, Rows, RowsMut};

/// `out = activation(a · b + bias)`.
///
/// Every value is one chain of multiply-adds over the depth in order, begun at the bias, so that it does not depend
/// on which other rows are in `a`.
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm(out: RowsMut, a: Rows, b: &Panels, bias: Option<&[PanelRow]>, activation: Option<Activation>) {
    assert_eq!(a.cols(), b.depth());
    assert_eq!(out.rows(), a.rows());
    assert_eq!(out.cols(), b.cols());
    assert!(bias.is_none_or(|bias| bias.len() == b.panels()));
    Gemm { out, a, b, bias, activation }.dispatch()
}

pub(super) struct Gemm<'a> {
    pub out: RowsMut<'a>,
    pub a: Rows<'a>,
    pub b: &'a Panels,
    pub bias: Option<&'a [PanelRow]>,
    pub activation: Option<Activation>,
}

impl SimdOp for Gemm<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        // A tile's sums must fit into the registers: 32 of them with AVX-512 and NEON, 16 otherwise.
        match isa.f32().len() {
            16 => self.run::<I, 14, 2>(isa),
            8 => self.run::<I, 6, 2>(isa),
            _ => self.run::<I, 6, 4>(isa),
        }
    }
}

impl Gemm<'_> {
    /// Computes tiles of at most `ROWS` rows and `VECTORS` vectors.
    #[inline(always)]
    fn run<I: Isa, const ROWS: usize, const VECTORS: usize>(mut self, isa: I) {
        let width = VECTORS * isa.f32().len();
        assert_eq!(PANEL % width, 0);
        let rows = self.a.rows();
        let tiles = rows.div_ceil(ROWS);
        let zeros = PanelRow([0.0; PANEL]);
        let mut edge = [PanelRow([0.0; PANEL]); ROWS];

        for panel in 0..self.b.panels() {
            let b = self.b.panel(panel);
            let bias = self.bias.map_or(&zeros, |bias| &bias[panel]);
            let columns = PANEL.min(self.b.cols() - panel * PANEL);
            for tile in 0..tiles {
                // Of equal heights, rather than full ones and a low rest, which would leave the pipelines idle.
                let (first, end) = (tile * rows / tiles, (tile + 1) * rows / tiles);
                // The last panel is computed whole and then copied as far as it is wide.
                let (out, out_stride) = if columns == PANEL {
                    // SAFETY: `first` is a row of `out`, and `panel * PANEL` one of its columns.
                    let out = unsafe { self.out.as_mut_ptr().add(first * self.out.stride() + panel * PANEL) };
                    (out, self.out.stride())
                } else {
                    (edge.as_mut_ptr().cast::<f32>(), PANEL)
                };
                // Each tile fetches its share of the next panel, which may still lie in main memory.
                let ahead = PANEL.div_ceil(tiles);
                let next = b.as_ptr_range().end.cast::<f32>().wrapping_add(tile * ahead * b.len());
                for column in (0..PANEL).step_by(width) {
                    let tile = Tile {
                        // SAFETY: `column` is within the panel, for whose width there is room at `out`.
                        out: unsafe { out.add(column) },
                        out_stride,
                        // SAFETY: `first` is a row of `a`.
                        a: unsafe { self.a.as_ptr().add(first * self.a.stride()) },
                        a_stride: self.a.stride(),
                        b,
                        bias,
                        column,
                        next,
                        ahead,
                    };
                    macro_rules! multiply {
                        ($($height:literal)*) => {
                            match end - first {
                                // SAFETY: `a` has that many rows of `b.len()` values, `out` as many with room for
                                // `width` values, and `column + width` is at most `PANEL`.
                                $($height if $height <= ROWS => unsafe { tile.multiply::<I, $height, VECTORS>(isa) },)*
                                _ => unreachable!("tiles have 1 to {ROWS} rows"),
                            }
                        };
                    }
                    multiply!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                }
                for row in first..end {
                    let out = &mut self.out.row_mut(row)[panel * PANEL..][..columns];
                    if columns < PANEL {
                        out.copy_from_slice(&edge[row - first].0[..columns]);
                    }
                    if let Some(activation) = self.activation {
                        activation.apply(isa, out);
                    }
                }
            }
        }
    }
}

/// A block of the product, small enough for its sums to stay in registers.
struct Tile<'a> {
    out: *mut f32,
    out_stride: usize,
    a: *const f32,
    a_stride: usize,
    b: &'a [PanelRow],
    bias: &'a PanelRow,
    /// Where in the panel's rows the tile begins.
    column: usize,
    /// Address to fetch ahead of its use, moving on by `ahead` values a step.
    next: *const f32,
    ahead: usize,
}

impl Tile<'_> {
    /// Writes the product of `ROWS` rows of `a` and `VECTORS` vectors of each of `b`'s rows, plus the bias.
    ///
    /// # Safety
    /// `a` must point to `ROWS` rows of `b.len()` values, and `out` to `ROWS` rows with room for `VECTORS` vectors,
    /// each at their stride; `VECTORS` vectors from `column` on must lie within a panel's row.
    // With iterators the compiler keeps the sums in memory, which costs a fifth of the speed.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn multiply<I: Isa, const ROWS: usize, const VECTORS: usize>(&self, isa: I) {
        let ops = isa.f32();
        let &Self { a, a_stride, next, ahead, .. } = self;
        let mut sums = [ops.load_many::<VECTORS>(&self.bias.0[self.column..]); ROWS];
        // By pointer: a check of the bounds in this loop can be felt.
        let mut panel_row = self.b.as_ptr().cast::<f32>().wrapping_add(self.column);
        for k in 0..self.b.len() {
            ops.prefetch(next.wrapping_add(k * ahead));
            let mut b = [ops.zero(); VECTORS];
            for (vector, b) in b.iter_mut().enumerate() {
                // SAFETY: `VECTORS` vectors from `column` on lie within row `k` of the panel.
                *b = unsafe { ops.load_ptr(panel_row.add(vector * ops.len())) };
            }
            panel_row = panel_row.wrapping_add(PANEL);
            for row in 0..ROWS {
                // SAFETY: `a` has `ROWS` rows of `self.b.len()` values.
                let value = ops.splat(unsafe { *a.add(row * a_stride + k) });
                for vector in 0..VECTORS {
                    sums[row][vector] = ops.mul_add(value, b[vector], sums[row][vector]);
                }
            }
        }
        for row in 0..ROWS {
            for vector in 0..VECTORS {
                // SAFETY: `out` has `ROWS` rows with room for `VECTORS` vectors.
                unsafe { ops.store_ptr(sums[row][vector], self.out.add(row * self.out_stride + vector * ops.len())) };
            }
        }
    }
}
