//! Memory for the left-hand side of a product.

use super::Rows;

/// Elements of four bytes in a cache line.
const LINE: usize = 16;

/// Rows of a tile register.
pub(crate) const TILE_ROWS: usize = 16;

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line<T>([T; LINE]);

/// Rows of elements of four bytes that begin at cache lines, kept from use to use. Neighbouring rows are an odd number
/// of lines apart, so that a column does not lie in a few sets of the cache.
///
/// After the last row there are as many elements as fill up the tile registers of any slice of the rows: up to 16 rows,
/// and each row to a whole line.
#[derive(Debug)]
pub struct RowBuffer<T> {
    lines: Vec<Line<T>>,
    rows: usize,
    cols: usize,
}

impl<T> Default for RowBuffer<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), rows: 0, cols: 0 }
    }
}

impl<T: Copy + Default> RowBuffer<T> {
    /// Makes room for so many rows and columns. What they hold then is left open.
    pub(super) fn resize(&mut self, rows: usize, cols: usize) {
        const { assert!(size_of::<T>() == 4) }
        (self.rows, self.cols) = (rows, cols);
        let lines = (rows + TILE_ROWS - 1) * self.stride() / LINE;
        super::grow(&mut self.lines, lines, Line([T::default(); LINE]));
    }

    /// Elements between the beginnings of two rows.
    #[inline]
    pub(super) fn stride(&self) -> usize {
        (self.cols.div_ceil(LINE) | 1) * LINE
    }

    /// The rows that there was made room for.
    #[inline]
    pub(super) fn rows(&self) -> Rows<'_, T> {
        // SAFETY: a line is its elements and nothing else.
        let data = unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) };
        Rows::new(data, self.rows, self.cols, self.stride())
    }

    /// All elements, of rows and between them.
    #[inline]
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE) }
    }
}
