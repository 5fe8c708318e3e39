//! From `f32` to int8: rows of activations for the left-hand side of a product.
//!
//! A row's values are multiples of its scale, so that 0 stays 0; see [`Spread`] for how many there are on which side.

mod kernel;

pub(super) use kernel::QuantizeRows;

use super::int8::Int8Op;
use super::{Rows, grow};

/// How the values of a row spread around zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// To both sides: 127 steps below zero, 127 above.
    Symmetric,
    /// Mostly above zero, as what activation functions give: 16 steps below, 239 above.
    Skewed,
}

impl Spread {
    /// Steps below zero and above.
    const fn steps(self) -> (u8, u8) {
        match self {
            Self::Symmetric => (127, 127),
            Self::Skewed => (16, 239),
        }
    }

    /// The value that stands for zero.
    pub(super) const fn zero_point(self) -> u8 {
        match self {
            Self::Symmetric => 128,
            Self::Skewed => 16,
        }
    }
}

/// Largest magnitude of a right-hand value.
pub(super) const LARGEST: f32 = 127.0;

/// Rows with a scale below this count as zeros, since its reciprocal is no number.
pub(super) const SMALLEST: f32 = 1e-37;

/// Rows of int8 are this many bytes apart or a multiple of it, so that kernels may write whole vectors.
const ROW_BYTES: usize = 16;

/// Elements (four values) between the beginnings of two rows of so many values.
pub(super) fn row_stride(bytes: usize) -> usize {
    bytes.div_ceil(ROW_BYTES) * ROW_BYTES / 4
}

/// Rows of int8, the left-hand side of a product.
#[derive(Debug, Clone, Copy)]
pub struct Int8Rows<'a> {
    /// The quantized values, four an element.
    pub rows: Rows<'a, [u8; 4]>,
    /// The value of one step in each row.
    pub scales: &'a [f32],
    /// The value that stands for 0.
    pub zero_point: u8,
}

/// Quantized rows; the buffers are kept from use to use.
#[derive(Debug, Default)]
pub struct QuantizedRows {
    data: Vec<[u8; 4]>,
    scales: Vec<f32>,
    count: usize,
    cols: usize,
    zero_point: u8,
}

impl QuantizedRows {
    /// Quantizes every row of `source`; the scales are multiplied by `factor`.
    pub fn quantize(&mut self, source: Rows, spread: Spread, factor: f32) {
        self.fill(source, Side::Lhs(spread), None, factor);
    }

    /// Quantizes every row of `source` after multiplying it by `weights`, element by element.
    ///
    /// # Panics
    /// If the rows have not as many elements as there are weights.
    pub fn quantize_weighted(&mut self, source: Rows, spread: Spread, weights: &[f32]) {
        assert_eq!(source.cols(), weights.len());
        self.fill(source, Side::Lhs(spread), Some(weights), 1.0);
    }

    /// Makes room for the rows of `source`.
    pub(super) fn reserve(&mut self, source: Rows) {
        (self.count, self.cols) = (source.rows(), source.cols());
        grow(&mut self.data, self.count * row_stride(self.cols), [0; 4]);
        grow(&mut self.scales, self.count, 0.0);
    }

    pub(super) fn fill(&mut self, source: Rows, side: Side, weights: Option<&[f32]>, factor: f32) {
        self.reserve(source);
        QuantizeRows { source, side, weights, factor, out: self }.dispatch();
    }

    /// What was quantized last.
    #[inline]
    pub fn rows(&self) -> Int8Rows<'_> {
        let stride = row_stride(self.cols);
        Int8Rows {
            rows: Rows::new(&self.data, self.count, self.cols.div_ceil(4), stride),
            scales: &self.scales[..self.count],
            zero_point: self.zero_point,
        }
    }
}

/// On which side of a product quantized values will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Lhs(Spread),
    /// Symmetric, with their signs.
    Rhs,
}
