//! The loops that quantize rows.

use rten_simd::Isa;
use rten_simd::ops::{BitOps, FloatOps, NumOps};

use super::super::Rows;
use super::super::int8::{Int8Isa, Int8Op};
use super::super::product::F32;
use super::super::row_buffer::RowBuffer;
use super::{QuantizedRows, SMALLEST, Side, Spread};

/// Quantizes every row of `source` into the rows of `out` from `first` on.
pub(in super::super) struct QuantizeRows<'a> {
    pub(in super::super) source: Rows<'a>,
    pub(in super::super) first: usize,
    pub(in super::super) side: Side,
    pub(in super::super) weights: Option<&'a [f32]>,
    pub(in super::super) factor: f32,
    pub(in super::super) out: &'a mut QuantizedRows,
}

impl Int8Op for QuantizeRows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        let Self { source, first, side, weights, factor, out } = self;
        let spread = if let Side::Lhs(spread) = side { spread } else { Spread::Symmetric };
        out.zero_point = spread.zero_point(B::RANGES);
        let (data, scales) = (&mut out.data, &mut out.scales[first..]);
        match (side, weights) {
            (Side::Rhs, weights) => quantize::<B, true, true>(isa, source, weights, spread, data, first, scales),
            // Apart, so that it is compiled without the weights.
            (Side::Lhs(Spread::Symmetric), None) => {
                quantize::<B, true, false>(isa, source, None, spread, data, first, scales);
            }
            (Side::Lhs(Spread::Symmetric), weights) => {
                quantize::<B, true, false>(isa, source, weights, spread, data, first, scales);
            }
            (Side::Lhs(Spread::Skewed), weights) => {
                quantize::<B, false, false>(isa, source, weights, spread, data, first, scales);
            }
        }
        scales[..source.rows()].iter_mut().for_each(|scale| *scale *= factor);
    }
}

/// Writes the int8 values of all rows to those of `out` from `first_out` on, and the value of one step in each.
#[inline(always)]
fn quantize<B: Int8Isa, const SYMMETRIC: bool, const RIGHT: bool>(
    isa: B,
    source: Rows,
    weights: Option<&[f32]>,
    spread: Spread,
    out: &mut RowBuffer<[u8; 4]>,
    first_out: usize,
    scales: &mut [f32],
) {
    /// Rows whose scales are found first: each is a chain of steps that wait for each other, which short chains after
    /// another hide better.
    const ROWS: usize = 4;
    assert!(weights.is_none_or(|weights| weights.len() == source.cols()));
    let zero = if RIGHT { 0 } else { i32::from(spread.zero_point(B::RANGES)) + B::SHIFT };
    let stride = out.stride();
    let out = &mut out.as_mut_slice()[first_out * stride..];
    let row = |row: usize| Row { isa, values: source.row(row), weights };
    for first in (0..source.rows()).step_by(ROWS) {
        let rows = first..source.rows().min(first + ROWS);
        let mut factors = [0.0; ROWS];
        for (scale, (factor, row)) in scales[rows.clone()].iter_mut().zip(factors.iter_mut().zip(rows.clone().map(row)))
        {
            let largest = row.largest::<SYMMETRIC>(spread);
            *scale = if SYMMETRIC { largest / f32::from(B::RANGES.rhs) } else { largest };
            *factor = 1.0 / *scale;
            if *scale < SMALLEST {
                (*scale, *factor) = (0.0, 0.0);
            }
        }
        for (&factor, index) in factors.iter().zip(rows) {
            row(index).write::<RIGHT>(factor, zero, out[index * stride..][..stride].as_flattened_mut());
        }
    }
}

/// A row to be quantized, each value times its weight.
struct Row<'a, B> {
    isa: B,
    values: &'a [f32],
    /// As many.
    weights: Option<&'a [f32]>,
}

impl<B: Int8Isa> Row<'_, B> {
    /// # Safety
    /// A vector from `column` on must lie within the row.
    #[inline(always)]
    unsafe fn vector(&self, column: usize) -> F32<B> {
        let ops = self.isa.isa().f32();
        // SAFETY: the caller's; there are as many weights.
        unsafe {
            let values = ops.load_ptr(self.values.as_ptr().add(column));
            match self.weights {
                Some(weights) => ops.mul(values, ops.load_ptr(weights.as_ptr().add(column))),
                None => values,
            }
        }
    }

    /// The last vector, filled up with zeros.
    #[inline(always)]
    fn rest(&self, column: usize) -> F32<B> {
        let ops = self.isa.isa().f32();
        let values = ops.load_pad(&self.values[column..]).0;
        match self.weights {
            Some(weights) => ops.mul(values, ops.load_pad(&weights[column..]).0),
            None => values,
        }
    }

    /// The largest magnitude, or the least scale with which all values stay in range.
    #[inline(always)]
    fn largest<const SYMMETRIC: bool>(&self, spread: Spread) -> f32 {
        /// Vectors looked at side by side, since each comparison waits for the one before.
        const CHAINS: usize = 4;
        let ops = self.isa.isa().f32();
        let (len, lanes) = (self.values.len(), ops.len());
        let (below, above) = spread.steps(B::RANGES);
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
        let whole = len - len % lanes;
        let blocks = whole - whole % (CHAINS * lanes);
        for column in (0..blocks).step_by(CHAINS * lanes) {
            // SAFETY: four vectors from `column` on lie within the row.
            look_at!(0, unsafe { self.vector(column) });
            // SAFETY: as above.
            look_at!(1, unsafe { self.vector(column + lanes) });
            // SAFETY: as above.
            look_at!(2, unsafe { self.vector(column + 2 * lanes) });
            // SAFETY: as above.
            look_at!(3, unsafe { self.vector(column + 3 * lanes) });
        }
        for column in (blocks..whole).step_by(lanes) {
            // SAFETY: a vector from `column` on lies within the row.
            look_at!(0, unsafe { self.vector(column) });
        }
        if whole < len {
            look_at!(0, self.rest(whole));
        }
        self.isa.max_lane(ops.max(ops.max(largest[0], largest[1]), ops.max(largest[2], largest[3])))
    }

    /// Writes the values times `factor`, rounded, plus `zero`.
    #[inline(always)]
    fn write<const RIGHT: bool>(&self, factor: f32, zero: i32, out: &mut [u8]) {
        let isa = self.isa;
        let (ops, ints) = (isa.isa().f32(), isa.isa().i32());
        let (len, lanes) = (self.values.len(), ops.len());
        assert!(out.len() >= len.next_multiple_of(lanes));
        let (factor, zero) = (ops.splat(factor), ints.splat(zero));
        let whole = len - len % lanes;
        let blocks = whole - whole % (4 * lanes);
        for column in (0..blocks).step_by(4 * lanes) {
            let mut values = [zero; 4];
            for (vector, out) in values.iter_mut().enumerate() {
                // SAFETY: four vectors from `column` on lie within the row.
                let value = unsafe { self.vector(column + vector * lanes) };
                *out = ints.add(ops.to_int_round(ops.mul(value, factor)), zero);
            }
            // SAFETY: `out` has a byte for each lane.
            unsafe {
                match RIGHT || B::SHIFT != 0 {
                    true => isa.store_steps::<true>(values, out.as_mut_ptr().add(column)),
                    false => isa.store_steps::<false>(values, out.as_mut_ptr().add(column)),
                }
            }
        }
        for column in (blocks..whole).step_by(lanes) {
            // SAFETY: a vector from `column` on lies within the row.
            let value = unsafe { self.vector(column) };
            let values = ints.add(ops.to_int_round(ops.mul(value, factor)), zero);
            // SAFETY: `out` has a byte for each lane.
            unsafe { isa.store_low_steps(values, out.as_mut_ptr().add(column)) };
        }
        if whole < len {
            let values = ints.add(ops.to_int_round(ops.mul(self.rest(whole), factor)), zero);
            // SAFETY: a byte for each lane is left, by the assertion.
            unsafe { isa.store_low_steps(values, out.as_mut_ptr().add(whole)) };
        }
    }
}
