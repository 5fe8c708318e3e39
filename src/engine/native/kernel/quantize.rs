//! From `f32` to bytes: rows of activations for the left-hand side of a product.
//!
//! A row's values are multiples of its scale, so that 0 stays 0; see [`Spread`] for how many there are on which side.

use rten_simd::Isa;
use rten_simd::ops::{BitOps, FloatOps, NumOps};

use super::Rows;
use super::bytes::{ByteIsa, ByteOp};

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

    /// The byte of zero.
    const fn zero_point(self) -> u8 {
        match self {
            Self::Symmetric => 128,
            Self::Skewed => 16,
        }
    }
}

/// Largest magnitude of a right-hand byte.
pub(super) const LARGEST: f32 = 127.0;

/// Rows with a scale below this count as zeros, since its reciprocal is no number.
pub(super) const SMALLEST: f32 = 1e-37;

/// Rows of bytes are this many bytes apart or a multiple of it, so that kernels may write whole vectors.
const ROW_BYTES: usize = 16;

/// Elements (four bytes) between the beginnings of two rows of so many bytes.
pub fn row_stride(bytes: usize) -> usize {
    bytes.div_ceil(ROW_BYTES) * ROW_BYTES / 4
}

/// Rows of bytes, the left-hand side of a product.
#[derive(Debug, Clone, Copy)]
pub struct ByteRows<'a> {
    pub rows: Rows<'a, [u8; 4]>,
    /// The value of one step in each row.
    pub scales: &'a [f32],
    /// The byte that stands for 0.
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
        self.fill(source, Side::Left(spread), None, factor);
    }

    /// Quantizes every row of `source` after multiplying it by `weights`, element by element.
    ///
    /// # Panics
    /// If the rows have not as many elements as there are weights.
    pub fn quantize_weighted(&mut self, source: Rows, spread: Spread, weights: &[f32]) {
        assert_eq!(source.cols(), weights.len());
        self.fill(source, Side::Left(spread), Some(weights), 1.0);
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

    pub fn rows(&self) -> ByteRows<'_> {
        let stride = row_stride(self.cols);
        ByteRows {
            rows: Rows::new(&self.data, self.count, self.cols.div_ceil(4), stride),
            scales: &self.scales[..self.count],
            zero_point: self.zero_point,
        }
    }
}

/// On which side of a product quantized values will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left(Spread),
    /// Symmetric, with their signs.
    Right,
}

pub(super) struct QuantizeRows<'a> {
    pub source: Rows<'a>,
    pub side: Side,
    pub weights: Option<&'a [f32]>,
    pub factor: f32,
    pub out: &'a mut QuantizedRows,
}

impl ByteOp for QuantizeRows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: ByteIsa>(self, isa: B) {
        let Self { source, side, weights, factor, out } = self;
        let (spread, zero) = match side {
            Side::Left(spread) => (spread, i32::from(spread.zero_point()) + B::SHIFT),
            Side::Right => (Spread::Symmetric, 0),
        };
        out.zero_point = spread.zero_point();
        let rows = out.data.chunks_exact_mut(row_stride(source.cols()));
        for (row, (out, scale)) in rows.zip(&mut out.scales).take(source.rows()).enumerate() {
            let (row, out) = (source.row(row), out.as_flattened_mut());
            *scale = factor
                * match (spread, weights) {
                    (Spread::Symmetric, None) => quantize_row::<B, true>(isa, row, None, spread, zero, out),
                    (Spread::Symmetric, weights) => quantize_row::<B, true>(isa, row, weights, spread, zero, out),
                    (Spread::Skewed, weights) => quantize_row::<B, false>(isa, row, weights, spread, zero, out),
                };
        }
    }
}

/// Writes the bytes of a row, `zero` for 0, and returns the value of one step.
#[inline(always)]
fn quantize_row<B: ByteIsa, const SYMMETRIC: bool>(
    isa: B,
    row: &[f32],
    weights: Option<&[f32]>,
    spread: Spread,
    zero: i32,
    out: &mut [u8],
) -> f32 {
    /// Vectors looked at side by side, since each comparison waits for the one before.
    const CHAINS: usize = 4;
    let (ops, ints) = (isa.isa().f32(), isa.isa().i32());
    let lanes = ops.len();
    let whole = row.len() - row.len() % lanes;
    assert!(out.len() >= row.len().div_ceil(lanes) * lanes);
    assert!(weights.is_none_or(|weights| weights.len() == row.len()));
    // Vector by vector; the last one filled up with zeros.
    macro_rules! load {
        ($column:expr) => {{
            let column = $column;
            // SAFETY: a vector from `column` on lies within the row, and within the weights.
            let values = unsafe { ops.load_ptr(row.as_ptr().add(column)) };
            match weights {
                Some(weights) => ops.mul(values, unsafe { ops.load_ptr(weights.as_ptr().add(column)) }),
                None => values,
            }
        }};
    }
    let rest = match weights {
        Some(weights) => ops.mul(ops.load_pad(&row[whole..]).0, ops.load_pad(&weights[whole..]).0),
        None => ops.load_pad(&row[whole..]).0,
    };

    // The least scale with which all values stay in range.
    let (below, above) = spread.steps();
    let (below, above) = (ops.splat(-1.0 / f32::from(below)), ops.splat(1.0 / f32::from(above)));
    let mut largest = [ops.zero(); CHAINS];
    macro_rules! look_at {
        ($chain:expr, $values:expr) => {
            let values = $values;
            let steps = match SYMMETRIC {
                true => ops.abs(values),
                false => ops.max(ops.mul(values, above), ops.mul(values, below)),
            };
            largest[$chain] = ops.max(largest[$chain], steps);
        };
    }
    let blocks = whole - whole % (CHAINS * lanes);
    for column in (0..blocks).step_by(CHAINS * lanes) {
        look_at!(0, load!(column));
        look_at!(1, load!(column + lanes));
        look_at!(2, load!(column + 2 * lanes));
        look_at!(3, load!(column + 3 * lanes));
    }
    for column in (blocks..whole).step_by(lanes) {
        look_at!(0, load!(column));
    }
    look_at!(1, rest);
    let largest = isa.max_lane(ops.max(ops.max(largest[0], largest[1]), ops.max(largest[2], largest[3])));
    let scale = if SYMMETRIC { largest / LARGEST } else { largest };
    if scale < SMALLEST {
        out.fill(zero as u8);
        return 0.0;
    }

    let factor = ops.splat(1.0 / scale);
    let zero = ints.splat(zero);
    for column in (0..whole).step_by(lanes) {
        let values = ints.add(ops.to_int_round(ops.mul(load!(column), factor)), zero);
        // SAFETY: `out` has a byte for each lane.
        unsafe { isa.store_low_bytes(values, out.as_mut_ptr().add(column)) };
    }
    if whole < row.len() {
        let values = ints.add(ops.to_int_round(ops.mul(rest, factor)), zero);
        // SAFETY: a byte for each lane is left, by the assertion.
        unsafe { isa.store_low_bytes(values, out.as_mut_ptr().add(whole)) };
    }
    scale
}

/// Makes a buffer that is kept from use to use long enough.
pub fn grow<T: Copy>(buffer: &mut Vec<T>, len: usize, fill: T) {
    if buffer.len() < len {
        buffer.resize(len, fill);
    }
}
