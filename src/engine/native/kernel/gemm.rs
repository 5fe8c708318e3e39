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

struct Gemm<'a> {
    out: RowsMut<'a>,
    a: Rows<'a>,
    b: &'a Panels,
    bias: Option<&'a [PanelRow]>,
    activation: Option<Activation>,
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
        let ops = isa.f32();
        let width = VECTORS * ops.len();
        assert_eq!(PANEL % width, 0);
        let rows = self.a.rows();
        let tiles = rows.div_ceil(ROWS);
        let zeros = PanelRow([0.0; PANEL]);
        let mut edge = [PanelRow([0.0; PANEL]); ROWS];

        for panel in 0..self.b.panels() {
            let b = self.b.panel(panel);
            let bias = self.bias.map_or(&zeros, |bias| &bias[panel]);
            let columns = PANEL.min(self.b.cols() - panel * PANEL);
            let next_panel = b.as_ptr_range().end.cast::<f32>();
            for tile in 0..tiles {
                // Of equal heights, rather than full ones and a low rest, which would leave the pipelines idle.
                let (first, end) = (tile * rows / tiles, (tile + 1) * rows / tiles);
                let prefetch_step = PANEL.div_ceil(tiles);
                let prefetch = next_panel.wrapping_add(tile * prefetch_step * b.len());
                for column in (0..PANEL).step_by(width) {
                    // SAFETY: `first` is a row of `a`.
                    let a = unsafe { self.a.as_ptr().add(first * self.a.stride()) };
                    // SAFETY: `first` is a row of `out`, and `panel * PANEL` one of its columns.
                    let inside = unsafe { self.out.as_mut_ptr().add(first * self.out.stride() + panel * PANEL) };
                    let (out, out_stride) = if columns == PANEL {
                        // SAFETY: the whole panel lies within the row.
                        (unsafe { inside.add(column) }, self.out.stride())
                    } else {
                        (edge.as_mut_ptr().cast::<f32>().wrapping_add(column), PANEL)
                    };
                    let bias = &bias.0[column..column + width];
                    macro_rules! of_height {
                        ($($height:literal)*) => {
                            match end - first {
                                // SAFETY: `a` has that many rows of `b.len()` values, `out` as many with room for
                                // `width` values, and the panel's rows have `width` values from `column` on.
                                $($height if $height <= ROWS => unsafe {
                                    tile_product::<I, $height, VECTORS>(
                                        isa, out, out_stride, a, self.a.stride(), b, column, bias, prefetch, prefetch_step,
                                    )
                                },)*
                                _ => unreachable!("tiles have 1 to {ROWS} rows"),
                            }
                        };
                    }
                    of_height!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                }
                if columns < PANEL {
                    for row in first..end {
                        self.out.row_mut(row)[panel * PANEL..].copy_from_slice(&edge[row - first].0[..columns]);
                    }
                }
                if let Some(activation) = self.activation {
                    for row in first..end {
                        activation.apply(isa, &mut self.out.row_mut(row)[panel * PANEL..][..columns]);
                    }
                }
            }
        }
    }
}

/// The product of `ROWS` rows of `a` and `VECTORS` vectors of each of `b`'s rows, plus `bias`.
///
/// # Safety
/// `a` must point to `ROWS` rows of `b.len()` values, `out` to `ROWS` rows with room for `VECTORS` vectors, each at
/// their stride; `VECTORS` vectors from `column` on must lie within a panel's row.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tile_product<I: Isa, const ROWS: usize, const VECTORS: usize>(
    isa: I,
    out: *mut f32,
    out_stride: usize,
    a: *const f32,
    a_stride: usize,
    b: &[PanelRow],
    column: usize,
    bias: &[f32],
    prefetch: *const f32,
    prefetch_step: usize,
) {
    let ops = isa.f32();
    let mut sums = [ops.load_many::<VECTORS>(bias); ROWS];
    let mut b_ptr = b.as_ptr().cast::<f32>().wrapping_add(column);
    for k in 0..b.len() {
        ops.prefetch(prefetch.wrapping_add(k * prefetch_step));
        let mut b_row = [ops.zero(); VECTORS];
        for (vector, value) in b_row.iter_mut().enumerate() {
            // SAFETY: within row `k` of the panel.
            *value = unsafe { ops.load_ptr(b_ptr.add(vector * ops.len())) };
        }
        for row in 0..ROWS {
            // SAFETY: `a` has `ROWS` rows of `b.len()` values.
            let value = ops.splat(unsafe { *a.add(row * a_stride + k) });
            for vector in 0..VECTORS {
                sums[row][vector] = ops.mul_add(value, b_row[vector], sums[row][vector]);
            }
        }
        b_ptr = b_ptr.wrapping_add(PANEL);
    }
    for row in 0..ROWS {
        for vector in 0..VECTORS {
            // SAFETY: `out` has `ROWS` rows with room for `VECTORS` vectors.
            unsafe { ops.store_ptr(sums[row][vector], out.add(row * out_stride + vector * ops.len())) };
        }
    }
}
