//! From `f32` to int8: rows of activations for the left-hand side of a product.
//!
//! A row's values are multiples of its scale, so that 0 stays 0; see [`Spread`] for how many there are on which side.

mod kernel;

pub(super) use kernel::QuantizeRows;

use super::int8::{Int8Op, Ranges};
use super::row_buffer::RowBuffer;
use super::{Rows, grow};

/// How the values of a row spread around zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// To both sides: as many steps below zero as above.
    Symmetric,
    /// Mostly above zero, as what activation functions give: 15 steps above for each below.
    Skewed,
}

impl Spread {
    /// Steps below zero and above.
    const fn steps(self, ranges: Ranges) -> (u8, u8) {
        let below = self.zero_point(ranges) - if let Self::Symmetric = self { 1 } else { 0 };
        (below, ranges.lhs - self.zero_point(ranges))
    }

    /// The value that stands for zero.
    pub(super) const fn zero_point(self, ranges: Ranges) -> u8 {
        match self {
            Self::Symmetric => ranges.lhs / 2 + 1,
            Self::Skewed => ranges.lhs / 16 + 1,
        }
    }
}

/// Rows with a scale below this count as zeros, since its reciprocal is no number.
pub(super) const SMALLEST: f32 = 1e-37;

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

impl<'a> Int8Rows<'a> {
    /// The rows of a range.
    pub(super) fn slice(self, rows: std::ops::Range<usize>) -> Self {
        Self { rows: self.rows.slice_rows(rows.clone()), scales: &self.scales[rows], ..self }
    }
}

/// Quantized rows; the buffers are kept from use to use.
#[derive(Debug, Default)]
pub struct QuantizedRows {
    data: RowBuffer<[u8; 4]>,
    scales: Vec<f32>,
    zero_point: u8,
}

impl QuantizedRows {
    /// Quantizes every row of `source`; the scales are multiplied by `factor`.
    pub fn quantize(&mut self, source: Rows, spread: Spread, factor: f32) {
        self.fill(source, spread, None, factor);
    }

    /// Quantizes every row of `source` after multiplying it by `weights`, element by element.
    ///
    /// # Panics
    /// If the rows have not as many elements as there are weights.
    pub fn quantize_weighted(&mut self, source: Rows, spread: Spread, weights: &[f32]) {
        assert_eq!(source.cols(), weights.len());
        self.fill(source, spread, Some(weights), 1.0);
    }

    /// Makes room for so many rows and columns, to be filled with [`quantize_part`](Self::quantize_part).
    pub fn reserve(&mut self, rows: usize, cols: usize) {
        self.data.resize(rows, cols.div_ceil(4));
        grow(&mut self.scales, rows, 0.0);
    }

    /// As [`quantize_weighted`](Self::quantize_weighted), into some of the rows that there is room for: from `first`
    /// on. All parts must have the same spread.
    ///
    /// # Panics
    /// If there is no room for them, or the rows have not as many elements as there are weights.
    pub fn quantize_part(&mut self, first: usize, source: Rows, spread: Spread, weights: &[f32]) {
        let room = self.data.rows();
        assert!(first + source.rows() <= room.rows() && source.cols().div_ceil(4) == room.cols());
        assert_eq!(source.cols(), weights.len());
        let (side, weights) = (Side::Lhs(spread), Some(weights));
        QuantizeRows { source, first, side, weights, factor: 1.0, out: self }.dispatch();
    }

    fn fill(&mut self, source: Rows, spread: Spread, weights: Option<&[f32]>, factor: f32) {
        self.reserve(source.rows(), source.cols());
        let side = Side::Lhs(spread);
        QuantizeRows { source, first: 0, side, weights, factor, out: self }.dispatch();
    }

    /// What was quantized last.
    #[inline]
    pub fn rows(&self) -> Int8Rows<'_> {
        let rows = self.data.rows();
        Int8Rows { rows, scales: &self.scales[..rows.rows()], zero_point: self.zero_point }
    }
}

/// On which side of a product quantized values will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Lhs(Spread),
    /// Symmetric, with their signs.
    Rhs,
}
