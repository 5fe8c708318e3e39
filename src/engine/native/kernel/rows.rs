//! Row-major matrices inside larger buffers.

use std::ops::Range;

/// A matrix of `rows` × `cols`, whose rows begin `stride` values apart.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    stride: usize,
}

/// As [`Rows`], to be written.
#[derive(Debug)]
pub struct RowsMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    stride: usize,
}

fn check(len: usize, rows: usize, cols: usize, stride: usize) {
    assert!(cols <= stride, "rows of {cols} values overlap at a stride of {stride}");
    let needed = if rows == 0 { 0 } else { (rows - 1) * stride + cols };
    assert!(needed <= len, "{rows} rows of {cols} at a stride of {stride} need {needed} values, not {len}");
}

impl<'a> Rows<'a> {
    /// # Panics
    /// If the matrix does not fit into `data`.
    pub fn new(data: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        check(data.len(), rows, cols, stride);
        Self { data, rows, cols, stride }
    }

    /// A matrix that fills `data`.
    pub fn dense(data: &'a [f32], cols: usize) -> Self {
        Self::new(data, data.len() / cols, cols, cols)
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    pub fn stride(&self) -> usize {
        self.stride
    }

    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride..][..self.cols]
    }

    pub fn slice_rows(&self, range: Range<usize>) -> Self {
        Self::new(&self.data[range.start * self.stride..], range.len(), self.cols, self.stride)
    }

    pub fn slice_cols(&self, range: Range<usize>) -> Self {
        assert!(range.end <= self.cols);
        Self::new(&self.data[range.start..], self.rows, range.len(), self.stride)
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.data.as_ptr()
    }
}

impl<'a> RowsMut<'a> {
    /// # Panics
    /// If the matrix does not fit into `data`.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize, stride: usize) -> Self {
        check(data.len(), rows, cols, stride);
        Self { data, rows, cols, stride }
    }

    /// A matrix that fills `data`.
    pub fn dense(data: &'a mut [f32], cols: usize) -> Self {
        let rows = data.len() / cols;
        Self::new(data, rows, cols, cols)
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    pub fn stride(&self) -> usize {
        self.stride
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.stride..][..self.cols]
    }

    pub fn reborrow(&mut self) -> RowsMut<'_> {
        RowsMut { data: self.data, ..*self }
    }

    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.data.as_mut_ptr()
    }
}
