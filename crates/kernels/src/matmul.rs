//! A product with packed weights, and the loops around its tiles.

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::panels::{PANEL, PanelRow};
use super::product::{Product, Tile};
use super::{Activation, Panels, Rows, RowsMut};

/// What a product needs to know of its columns; a missing part is all zeros.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub bias: Option<&'a [PanelRow]>,
    pub scales: Option<&'a [PanelRow]>,
    pub sums: Option<&'a [PanelRow<i32>]>,
}

impl<'a> Columns<'a> {
    pub(crate) fn biased(bias: Option<&'a [PanelRow]>) -> Self {
        Self { bias, scales: None, sums: None }
    }

    fn check(&self, panels: usize) {
        assert!(self.bias.is_none_or(|bias| bias.len() == panels));
        assert!(self.scales.is_none_or(|scales| scales.len() == panels));
        assert!(self.sums.is_none_or(|sums| sums.len() == panels));
    }
}

pub(super) struct Gemm<'a, L, R> {
    pub out: RowsMut<'a>,
    pub a: Rows<'a, L>,
    /// One a row, or none at all where rows have no scale.
    pub row_scales: &'a [f32],
    /// The element of `a` that stands for 0.
    pub zero_point: u8,
    pub b: &'a Panels<R>,
    pub columns: Columns<'a>,
    pub activation: Option<Activation>,
}

impl<L: Copy, R: Copy> Gemm<'_, L, R> {
    /// Panics if the shapes do not fit together.
    pub(super) fn check(&self) {
        assert_eq!(self.a.cols(), self.b.depth());
        assert_eq!(self.out.rows(), self.a.rows());
        assert_eq!(self.out.cols(), self.b.cols());
        assert!(self.row_scales.is_empty() || self.row_scales.len() == self.a.rows());
        self.columns.check(self.b.panels());
    }

    /// Computes tiles of at most `ROWS` rows and `VECTORS` vectors.
    #[inline(always)]
    pub(super) fn run<P, const ROWS: usize, const VECTORS: usize>(mut self, product: P)
    where
        P: Product<Lhs = L, Rhs = R>,
    {
        let isa = product.isa();
        let width = VECTORS * isa.f32().len();
        assert_eq!(PANEL % width, 0);
        self.check();
        let rows = self.a.rows();
        let tiles = rows.div_ceil(ROWS);
        let (zeros, no_sums) = (PanelRow([0.0; PANEL]), PanelRow([0; PANEL]));
        let mut edge = [PanelRow([0.0; PANEL]); ROWS];

        for panel in 0..self.b.panels() {
            let b = self.b.panel(panel);
            let Columns { bias, scales, sums } = self.columns;
            let bias = bias.map_or(&zeros, |bias| &bias[panel]);
            let scales = scales.map_or(&zeros, |scales| &scales[panel]);
            let sums = sums.map_or(&no_sums, |sums| &sums[panel]);
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
                let next = self.b.panel((panel + 1).min(self.b.panels() - 1)).as_ptr().cast::<R>();
                let next = next.wrapping_add(tile * ahead * b.len());
                for column in (0..PANEL).step_by(width) {
                    let tile = Tile {
                        // SAFETY: `first` is a row of `a`.
                        a: unsafe { self.a.as_ptr().add(first * self.a.stride()) },
                        a_stride: self.a.stride(),
                        zero_point: self.zero_point,
                        b,
                        column,
                        bias: &bias.0[column..column + width],
                        sums: &sums.0[column..column + width],
                        next,
                        ahead,
                    };
                    let target = Target {
                        // SAFETY: `column` is within the panel, for whose width there is room at `out`.
                        out: unsafe { out.add(column) },
                        stride: out_stride,
                        row_scales: self.row_scales.get(first..end).unwrap_or_default(),
                        scales: &scales.0[column..column + width],
                    };
                    macro_rules! multiply {
                        ($($height:literal)*) => {
                            match end - first {
                                // SAFETY: `a` has that many rows of `b.len()` elements, `out` as many with room for
                                // `width` values, and `column + width` is at most `PANEL`.
                                $($height if $height <= ROWS => unsafe {
                                    target.fill::<P, $height, VECTORS>(product, &tile)
                                },)*
                                _ => unreachable!("tiles have 1 to {ROWS} rows"),
                            }
                        };
                    }
                    multiply!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                }
                if columns == PANEL && self.activation.is_none() {
                    continue;
                }
                for row in first..end {
                    let out = &mut self.out.row_mut(row)[panel * PANEL..][..columns];
                    if columns < PANEL {
                        out.copy_from_slice(&edge[row - first].0[..columns]);
                    }
                    if let Some(activation) = self.activation {
                        activation.apply(isa, out, P::APPROXIMATE);
                    }
                }
            }
        }
    }
}

/// Where the results of a tile go.
struct Target<'a> {
    out: *mut f32,
    stride: usize,
    /// Of the tile's rows, or none.
    row_scales: &'a [f32],
    /// Of the tile's columns.
    scales: &'a [f32],
}

impl Target<'_> {
    /// Writes the sums of `tile`, scaled, plus the bias.
    ///
    /// # Safety
    /// As [`Tile::multiply`], and `out` must point to `ROWS` rows with room for `VECTORS` vectors, at their stride.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn fill<P, const ROWS: usize, const VECTORS: usize>(&self, product: P, tile: &Tile<P::Lhs, P::Rhs>)
    where
        P: Product,
    {
        let ops = product.isa().f32();
        // The results have long left the cache; it gets their lines back while the sums are computed.
        for row in 0..ROWS {
            for vector in 0..VECTORS {
                ops.prefetch_write(self.out.wrapping_add(row * self.stride + vector * ops.len()));
            }
        }
        // SAFETY: the caller's.
        let sums = unsafe { tile.multiply::<P, ROWS, VECTORS>(product) };
        let bias = ops.load_many::<VECTORS>(tile.bias);
        let scales = ops.load_many::<VECTORS>(self.scales);
        for row in 0..ROWS {
            let row_scale = ops.splat(self.row_scales.get(row).copied().unwrap_or(1.0));
            for vector in 0..VECTORS {
                let value = product.finish(sums[row][vector], ops.mul(scales[vector], row_scale), bias[vector]);
                // SAFETY: `out` has `ROWS` rows with room for `VECTORS` vectors.
                unsafe { ops.store_ptr(value, self.out.add(row * self.stride + vector * ops.len())) };
            }
        }
    }
}
