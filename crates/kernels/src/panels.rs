//! The right-hand side of a matrix product, laid out in the order in which the kernel reads it.

use rayon::prelude::*;

use super::Rows;

/// Columns of a panel: two AVX-512 vectors, which with 14 rows fill the 32 registers.
pub const PANEL: usize = 32;

/// One row of a panel, aligned to a cache line so that no vector load straddles two.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct PanelRow<T = f32>(pub [T; PANEL]);

impl<T: Copy + Default> Default for PanelRow<T> {
    fn default() -> Self {
        Self([T::default(); PANEL])
    }
}

/// What the depth of a panel is filled up to a multiple of, with zeros: the rows of a tile register.
pub(super) const DEPTH_STEP: usize = 16;

/// A matrix of `depth` × `cols`, cut into panels of [`PANEL`] columns; each panel is `depth` rows end to end, and zeros
/// up to a multiple of 16. The last panel is filled up with zeros.
#[derive(Debug)]
pub struct Panels<T = f32> {
    data: Vec<PanelRow<T>>,
    depth: usize,
    cols: usize,
}

impl<T> Default for Panels<T> {
    fn default() -> Self {
        Self { data: Vec::new(), depth: 0, cols: 0 }
    }
}

impl<T> Panels<T> {
    /// Elements of a column.
    #[inline]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Number of columns, without those that fill up the last panel.
    #[inline]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of panels.
    #[inline]
    pub fn panels(&self) -> usize {
        self.cols.div_ceil(PANEL)
    }

    /// The `depth` rows of a panel.
    pub fn panel(&self, panel: usize) -> &[PanelRow<T>] {
        &self.padded_panel(panel)[..self.depth]
    }

    /// The rows of a panel with the zeros after them.
    pub(super) fn padded_panel(&self, panel: usize) -> &[PanelRow<T>] {
        let rows = self.padded_depth();
        &self.data[panel * rows..][..rows]
    }

    fn padded_depth(&self) -> usize {
        self.depth.next_multiple_of(DEPTH_STEP)
    }
}

impl<T: Copy + Default + Send + Sync> Panels<T> {
    /// Packs the transpose of a `cols` × `depth` matrix; `read_row(column, values)` gives its rows. This is how
    /// weights are stored (`[out_features, in_features]`), and it runs on the threads of the current pool.
    pub fn from_transposed_rows(cols: usize, depth: usize, read_row: impl Fn(usize, &mut [T]) + Sync) -> Self {
        let mut panels = Self::default();
        panels.resize(depth, cols);
        panels.par_panels_mut().enumerate().for_each_init(
            || vec![T::default(); PANEL * depth],
            |rows, (panel, out)| {
                let first = panel * PANEL;
                let columns = PANEL.min(cols - first);
                for (column, row) in rows.chunks_exact_mut(depth).take(columns).enumerate() {
                    read_row(first + column, row);
                }
                transpose(Rows::new(rows, columns, depth, depth), out);
            },
        );
        panels
    }

    /// Packs the transpose of `source`.
    pub fn pack_transposed(&mut self, source: Rows<T>) {
        let depth = source.cols();
        self.resize(depth, source.rows());
        for panel in 0..self.panels() {
            let out = self.panel_mut(panel);
            let first = panel * PANEL;
            transpose(source.slice_rows(first..source.rows().min(first + PANEL)), out);
        }
    }

    /// Packs `source` as it is.
    pub fn pack(&mut self, source: Rows<T>) {
        let depth = source.rows();
        self.resize(depth, source.cols());
        for panel in 0..self.panels() {
            let out = self.panel_mut(panel);
            let first = panel * PANEL;
            let columns = PANEL.min(source.cols() - first);
            for (row, out) in out.iter_mut().enumerate() {
                out.0[..columns].copy_from_slice(&source.row(row)[first..first + columns]);
                out.0[columns..].fill(T::default());
            }
        }
    }

    pub(super) fn resize(&mut self, depth: usize, cols: usize) {
        self.depth = depth;
        self.cols = cols;
        let (rows, panels) = (self.padded_depth(), self.panels());
        super::grow(&mut self.data, rows * panels, PanelRow::default());
        if depth < rows {
            for panel in 0..panels {
                self.data[panel * rows + depth..(panel + 1) * rows].fill(PanelRow::default());
            }
        }
    }

    /// The panels, to be filled in parallel.
    pub(super) fn par_panels_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [PanelRow<T>]> {
        let (depth, rows, panels) = (self.depth, self.padded_depth(), self.panels());
        self.data.par_chunks_mut(rows.max(1)).take(panels).map(move |panel| &mut panel[..depth])
    }

    pub(super) fn panel_mut(&mut self, panel: usize) -> &mut [PanelRow<T>] {
        let rows = self.padded_depth();
        &mut self.data[panel * rows..][..self.depth]
    }
}

/// Writes column `c` of the panel from row `c` of `source`; columns past its rows become zero.
fn transpose<T: Copy + Default>(source: Rows<T>, out: &mut [PanelRow<T>]) {
    /// Rows of the panel written in one go, so that their cache lines stay at hand.
    const BLOCK: usize = 16;
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        for column in 0..source.rows() {
            let values = &source.row(column)[block * BLOCK..][..out.len()];
            for (row, &value) in out.iter_mut().zip(values) {
                row.0[column] = value;
            }
        }
        for row in out {
            row.0[source.rows()..].fill(T::default());
        }
    }
}
