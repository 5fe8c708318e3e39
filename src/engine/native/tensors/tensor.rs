use super::{Float, StoredTensor, WeightFile};

/// A matrix whose rows are read where they lie in the file. A vector is a matrix of one row, and of a tensor with more
/// dimensions the last are the columns.
#[derive(Debug, Clone)]
pub(in crate::engine::native) struct Tensor {
    file: WeightFile,
    float: Float,
    /// The byte at which the first number begins.
    start: usize,
    /// All dimensions but the last: how many there are, and how many numbers lie between them.
    outer: Vec<(usize, usize)>,
    cols: usize,
    /// How many numbers lie between neighbours of a row.
    col_stride: usize,
}

impl Tensor {
    /// `strides` are those that keep every number within the bytes of `stored`.
    pub(super) fn new(stored: &StoredTensor, float: Float, strides: &[usize]) -> Self {
        let mut outer: Vec<_> = stored.shape.iter().copied().zip(strides.iter().copied()).collect();
        let (cols, col_stride) = outer.pop().unwrap_or((1, 1));
        let start = stored.bytes.start + stored.offset * float.size();
        Self { file: stored.file.clone(), float, start, outer, cols, col_stride }
    }

    /// Values in a row.
    pub(in crate::engine::native) fn cols(&self) -> usize {
        self.cols
    }

    fn rows(&self) -> usize {
        self.outer.iter().map(|(dimension, _)| dimension).product()
    }

    /// Reads row `row` as f32.
    ///
    /// # Panics
    /// If the tensor has no such row, or `values` is not one row long.
    pub(in crate::engine::native) fn read_row(&self, row: usize, values: &mut [f32]) {
        assert_eq!(values.len(), self.cols);
        let (mut first, mut rest) = (0, row);
        for &(dimension, stride) in self.outer.iter().rev() {
            first += rest % dimension * stride;
            rest /= dimension;
        }
        assert_eq!(rest, 0, "row {row}");
        if values.is_empty() {
            return;
        }
        let size = self.float.size();
        let bytes = &self.file.bytes()[self.start + first * size..];
        if self.col_stride == 1 {
            self.float.read(&bytes[..self.cols * size], values);
        } else {
            gather(self.float, bytes, self.col_stride, values);
        }
    }

    /// Reads all rows as f32.
    pub(in crate::engine::native) fn read(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.rows() * self.cols];
        for (row, values) in values.chunks_exact_mut(self.cols.max(1)).enumerate() {
            self.read_row(row, values);
        }
        values
    }
}

/// Reads one of `stride` numbers.
fn gather(float: Float, bytes: &[u8], stride: usize, values: &mut [f32]) {
    const BLOCK: usize = 32;
    let size = float.size();
    let mut block = [0; 8 * BLOCK];
    for (index, values) in values.chunks_mut(BLOCK).enumerate() {
        for (place, number) in block.chunks_exact_mut(size).take(values.len()).enumerate() {
            number.copy_from_slice(&bytes[(index * BLOCK + place) * stride * size..][..size]);
        }
        float.read(&block, values);
    }
}
