//! Row-major matrices inside larger buffers.
//!
//! `T` is what a kernel takes in one step: an `f32`, or several narrower values.

use std::ops::Range;

/// A matrix of `rows` × `cols`, whose rows begin `stride` values apart.
#[derive(Debug)]
pub struct Rows<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    stride: usize,
}

/// As [`Rows`], to be written.
#[derive(Debug)]
pub struct RowsMut<'a, T = f32> {
    data: &'a mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<T> Clone for Rows<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Rows<'_, T> {}

#[inline]
fn check(len: usize, rows: usize, cols: usize, stride: usize) {
    assert!(cols <= stride, "rows of {cols} values overlap at a stride of {stride}");
    let needed = if rows == 0 { 0 } else { (rows - 1) * stride + cols };
    assert!(needed <= len, "{rows} rows of {cols} at a stride of {stride} need {needed} values, not {len}");
}

impl<'a, T> Rows<'a, T> {
    /// A matrix in `data`.
    ///
    /// # Panics
    /// If the matrix does not fit into `data`.
    #[inline]
    pub fn new(data: &'a [T], rows: usize, cols: usize, stride: usize) -> Self {
        check(data.len(), rows, cols, stride);
        Self { data, rows, cols, stride }
    }

    /// A matrix that fills `data`.
    #[inline]
    pub fn dense(data: &'a [T], cols: usize) -> Self {
        Self::new(data, data.len() / cols, cols, cols)
    }

    /// Number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[inline]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements between the beginnings of two rows.
    #[inline]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The elements of a row.
    #[inline]
    pub fn row(&self, row: usize) -> &'a [T] {
        &self.data[row * self.stride..][..self.cols]
    }

    /// The rows of a range.
    #[inline]
    pub fn slice_rows(&self, range: Range<usize>) -> Self {
        Self::new(&self.data[range.start * self.stride..], range.len(), self.cols, self.stride)
    }

    /// The columns of a range.
    #[inline]
    pub fn slice_cols(&self, range: Range<usize>) -> Self {
        assert!(range.end <= self.cols);
        Self::new(&self.data[range.start..], self.rows, range.len(), self.stride)
    }

    /// Whether there are elements, of whatever value, where so many rows of so many columns would be.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn reaches(&self, rows: usize, cols: usize) -> bool {
        (rows - 1) * self.stride + cols <= self.data.len()
    }

    /// The first element.
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self.data.as_ptr()
    }
}

impl<'a> Rows<'a> {
    /// Neighbouring columns in pairs.
    ///
    /// # Panics
    /// If their number is odd, or rows begin an odd number of values apart.
    #[inline]
    pub fn pairs(&self) -> Rows<'a, [f32; 2]> {
        assert!(self.cols.is_multiple_of(2) && (self.stride.is_multiple_of(2) || self.rows <= 1));
        Rows { data: self.data.as_chunks().0, rows: self.rows, cols: self.cols / 2, stride: self.stride / 2 }
    }
}

impl<'a, T> RowsMut<'a, T> {
    /// A matrix in `data`.
    ///
    /// # Panics
    /// If the matrix does not fit into `data`.
    #[inline]
    pub fn new(data: &'a mut [T], rows: usize, cols: usize, stride: usize) -> Self {
        check(data.len(), rows, cols, stride);
        Self { data, rows, cols, stride }
    }

    /// A matrix that fills `data`.
    #[inline]
    pub fn dense(data: &'a mut [T], cols: usize) -> Self {
        let rows = data.len() / cols;
        Self::new(data, rows, cols, cols)
    }

    /// Number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[inline]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements between the beginnings of two rows.
    #[inline]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The elements of a row.
    #[inline]
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        &mut self.data[row * self.stride..][..self.cols]
    }

    /// The same matrix, for a shorter time.
    #[inline]
    pub fn reborrow(&mut self) -> RowsMut<'_, T> {
        RowsMut { data: self.data, ..*self }
    }

    /// The first columns.
    #[inline]
    pub(super) fn narrowed(self, cols: usize) -> Self {
        assert!(cols <= self.cols);
        Self { cols, ..self }
    }

    /// The rows of a range.
    #[inline]
    pub fn slice_rows(&mut self, range: Range<usize>) -> RowsMut<'_, T> {
        RowsMut::new(&mut self.data[range.start * self.stride..], range.len(), self.cols, self.stride)
    }

    /// The first element.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.data.as_mut_ptr()
    }
}
