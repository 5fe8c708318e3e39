//! From `f32` to int8: panels for the right-hand side of a product.

use rayon::prelude::*;
use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps};
use rten_simd::{Isa, Simd};

use super::int8::{Int8Isa, Int8Op};
use super::panels::{PANEL, PanelRow};
use super::quantize::{QuantizeRows, SMALLEST, Side};
use super::{Int8Rows, Panels, QuantizedRows, Rows};

/// Panels of int8, the right-hand side of a product, with the value of one unit and the sum of the values of each
/// column.
#[derive(Debug, Default)]
pub struct Int8Panels {
    pub(super) panels: Panels<[i8; 4]>,
    pub(super) scales: Vec<PanelRow>,
    pub(super) sums: Vec<PanelRow<i32>>,
    /// Rows before they are transposed.
    rows: QuantizedRows,
}

impl Int8Panels {
    /// Packs the transpose of a `cols` × `depth` matrix; `read_row(column, values)` gives its rows. Runs on the
    /// threads of the current pool.
    pub fn from_transposed_rows(cols: usize, depth: usize, read_row: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let mut result = Self::default();
        result.resize(depth.div_ceil(4), cols);
        let panels = result.panels.par_panels_mut();
        panels.zip(&mut result.scales).zip(&mut result.sums).enumerate().for_each_init(
            || (vec![0.0; PANEL * depth], QuantizedRows::default()),
            |(values, rows), (panel, ((out, scales), sums))| {
                let first = panel * PANEL;
                let columns = PANEL.min(cols - first);
                for (column, row) in values.chunks_exact_mut(depth).take(columns).enumerate() {
                    read_row(first + column, row);
                }
                let source = Rows::new(values, columns, depth, depth);
                PackPanel { source, rows, out, scales, sums }.dispatch();
            },
        );
        result
    }

    /// Packs the transpose of `source`, filled up with columns of zeros to whole panels.
    pub fn pack_transposed(&mut self, source: Rows) {
        PackTransposed { source, out: self }.dispatch();
    }

    /// Packs `source` as it is.
    pub fn pack(&mut self, source: Rows) {
        self.reserve(source);
        PackPanels { source, out: self }.dispatch();
    }

    /// Makes room for `source` as it is.
    pub(super) fn reserve(&mut self, source: Rows) {
        self.resize(source.rows().div_ceil(4), source.cols());
    }

    pub(super) fn resize(&mut self, depth: usize, cols: usize) {
        self.panels.resize(depth, cols);
        self.scales.resize(self.panels.panels(), PanelRow::default());
        self.sums.resize(self.panels.panels(), PanelRow::default());
    }

    /// Elements of a column, of four values each.
    pub fn depth(&self) -> usize {
        self.panels.depth()
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.panels.cols()
    }

    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.panels.panels()
    }
}

/// Packs the transpose of `source`, filled up with columns of zeros to whole panels.
pub(super) struct PackTransposed<'a> {
    pub source: Rows<'a>,
    pub out: &'a mut Int8Panels,
}

impl Int8Op for PackTransposed<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        let Self { source, out } = self;
        let cols = source.rows();
        out.resize(source.cols().div_ceil(4), cols.next_multiple_of(PANEL));
        for panel in 0..out.panels() {
            let source = source.slice_rows(panel * PANEL..cols.min((panel + 1) * PANEL));
            let Int8Panels { panels, scales, sums, rows } = &mut *out;
            let (out, scales, sums) = (panels.panel_mut(panel), &mut scales[panel], &mut sums[panel]);
            isa.call(PackPanel { source, rows, out, scales, sums });
        }
    }
}

/// Fills a panel with the transpose of `source`, and the rest of it with zeros.
pub(super) struct PackPanel<'a> {
    /// At most [`PANEL`] rows.
    pub source: Rows<'a>,
    /// Where they are quantized.
    pub rows: &'a mut QuantizedRows,
    pub out: &'a mut [PanelRow<[i8; 4]>],
    pub scales: &'a mut PanelRow,
    pub sums: &'a mut PanelRow<i32>,
}

impl Int8Op for PackPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        let Self { source, rows, out, scales, sums } = self;
        let columns = source.rows();
        rows.reserve(columns, source.cols());
        isa.call(QuantizeRows { source, first: 0, side: Side::Rhs, weights: None, factor: 1.0, out: rows });
        let Int8Rows { rows, scales: row_scales, .. } = rows.rows();
        scales.0[..columns].copy_from_slice(row_scales);
        scales.0[columns..].fill(0.0);
        for column in 0..PANEL {
            if column < columns {
                for (out, element) in out.iter_mut().zip(rows.row(column)) {
                    out.0[column] = element.map(u8::cast_signed);
                }
            } else {
                out.iter_mut().for_each(|out| out.0[column] = [0; 4]);
            }
        }
        sum_columns(isa, out, sums);
    }
}

#[inline(always)]
fn sum_columns<B: Int8Isa>(isa: B, panel: &[PanelRow<[i8; 4]>], sums: &mut PanelRow<i32>) {
    let ops = isa.isa().i32();
    for (vector, out) in sums.0.chunks_exact_mut(ops.len()).enumerate() {
        let mut sums = [ops.zero()];
        for row in panel {
            // SAFETY: a panel's row is a whole number of vectors.
            let bytes = unsafe { isa.load(row.0.as_ptr().add(vector * ops.len())) };
            isa.multiply_add(&[1; 4], &[bytes], &mut sums);
        }
        ops.store(sums[0], out);
    }
}

pub(super) struct PackPanels<'a> {
    pub source: Rows<'a>,
    pub out: &'a mut Int8Panels,
}

impl Int8Op for PackPanels<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        let (ops, ints) = (isa.isa().f32(), isa.isa().i32());
        let lanes = ops.len();
        let steps = f32::from(B::RANGES.rhs);
        let Self { source, out } = self;
        let low_byte = ints.splat(0xff);
        for panel in 0..out.panels() {
            for column in (0..PANEL).step_by(lanes) {
                let first = (panel * PANEL + column).min(source.cols());
                let block = Block { isa: isa.isa(), source, columns: first..(first + lanes).min(source.cols()) };
                let mut largest = ops.zero();
                for index in 0..source.rows() {
                    largest = ops.max(largest, ops.abs(block.row(index)));
                }
                let zero = ops.lt(largest, ops.splat(SMALLEST));
                let factor = ops.select(ops.zero(), ops.div(ops.splat(steps), largest), zero);
                let scale = ops.select(ops.zero(), ops.mul(largest, ops.splat(1.0 / steps)), zero);
                ops.store(scale, &mut out.scales[panel].0[column..]);

                for (index, out) in out.panels.panel_mut(panel).iter_mut().enumerate() {
                    let mut bytes = ints.zero();
                    for byte in (0..4).rev() {
                        let value = ops.to_int_round(ops.mul(block.row(4 * index + byte), factor));
                        bytes = ints.or(ints.shift_left::<8>(bytes), ints.and(value, low_byte));
                    }
                    for (out, bytes) in out.0[column..].iter_mut().zip(bytes.to_array()) {
                        *out = bytes.to_ne_bytes().map(u8::cast_signed);
                    }
                }
            }
        }
        for (panel, sums) in out.sums.iter_mut().enumerate() {
            sum_columns(isa, out.panels.panel(panel), sums);
        }
    }
}

/// A vector's width of the columns of a matrix.
struct Block<'a, I> {
    isa: I,
    source: Rows<'a>,
    columns: std::ops::Range<usize>,
}

impl<I: Isa> Block<'_, I> {
    /// The values of a row, filled up with zeros; zeros past the last row.
    #[inline(always)]
    fn row(&self, row: usize) -> I::F32 {
        let ops = self.isa.f32();
        match row < self.source.rows() {
            true if self.columns.len() == ops.len() => ops.load(&self.source.row(row)[self.columns.clone()]),
            true => ops.load_pad(&self.source.row(row)[self.columns.clone()]).0,
            false => ops.zero(),
        }
    }
}
