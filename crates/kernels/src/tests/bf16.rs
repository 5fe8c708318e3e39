//! Products of bfloat16 against plain loops, over shapes that use their edges.

use proptest::prelude::*;
use rten_simd::SimdOp;

use super::super::matmul::{Columns, Gemm};
use super::super::*;
use super::float::on_every_isa;
use super::{assert_close, matrix};

/// Rows of the left-hand side, columns of the right-hand side in pairs and as values, and the depth.
struct Case {
    rows: usize,
    pairs: usize,
    cols: usize,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Case {
    fn new(rows: usize, pairs: usize, cols: usize, seed: u32) -> Self {
        Self { rows, pairs, cols, a: matrix(rows, 2 * pairs, seed), b: matrix(cols, 2 * pairs, seed ^ 1) }
    }

    fn lhs(&self) -> Rows<'_, [f32; 2]> {
        Rows::dense(self.a.as_chunks::<2>().0, self.pairs)
    }

    fn panels(&self) -> Panels<[Bf16; 2]> {
        let depth = 2 * self.pairs;
        Panels::from_transposed_rows(self.cols, self.pairs, |col, row: &mut [[Bf16; 2]]| {
            for (pair, values) in row.iter_mut().zip(self.b[col * depth..].as_chunks::<2>().0) {
                *pair = values.map(Bf16::from_f32);
            }
        })
    }

    /// The product with the right-hand side rounded, and the left-hand one as `lhs` makes it.
    fn product(&self, lhs: impl Fn(f32) -> f64) -> Vec<f64> {
        let depth = 2 * self.pairs;
        let value = |row: usize, col: usize| -> f64 {
            (0..depth).map(|k| lhs(self.a[row * depth + k]) * rounded(self.b[col * depth + k])).sum()
        };
        (0..self.rows * self.cols).map(|index| value(index / self.cols, index % self.cols)).collect()
    }
}

/// The nearest number with 8 significant bits.
fn rounded(x: f32) -> f64 {
    half::bf16::from_f32(x).to_f64()
}

proptest! {
    #[test]
    fn widened_products_are_the_plain_ones(
        (rows, pairs, cols) in (1usize..40, 1usize..30, 1usize..100),
        seed: u32,
    ) {
        let case = Case::new(rows, pairs, cols, seed);
        let (panels, expected) = (case.panels(), case.product(f64::from));
        on_every_isa!(|isa| {
            let mut out = vec![f32::NAN; rows * cols];
            let target = RowsMut::dense(&mut out, cols);
            let columns = Columns::biased(None);
            let gemm = Gemm { out: target, a: case.lhs(), row_scales: &[], zero_point: 0, b: &panels, columns, activation: None };
            SimdOp::eval(gemm, isa);
            assert_close(&out, &expected, 1e-5);
        });
    }

    /// With whatever instructions this processor has, and a buffer that was used for something else.
    #[test]
    fn products_are_the_plain_ones((rows, pairs, cols) in (1usize..40, 1usize..30, 1usize..100), seed: u32) {
        let case = Case::new(rows, pairs, cols, seed);
        let expected = if bf16::instructions().is_some() { case.product(rounded) } else { case.product(f64::from) };
        let mut out = vec![f32::NAN; rows * cols];
        let mut buffer = RowBuffer::default();
        buffer.resize(7, 70);
        buffer.as_mut_slice().fill([Bf16::from_f32(f32::NAN); 2]);
        gemm_bf16(RowsMut::dense(&mut out, cols), case.lhs(), &mut buffer, &case.panels(), None, None);
        assert_close(&out, &expected, 1e-5);
    }
}

proptest! {
    /// Panels of keys and values in attention, over what was packed before.
    #[test]
    fn panels_are_rounded((rows, pairs) in (1usize..90, 1usize..50), seed: u32) {
        let values = matrix(rows, 2 * pairs, seed);
        let source = Rows::dense(&values, 2 * pairs);
        let (mut transposed, mut plain, mut buffer) = (Panels::default(), Panels::default(), RowBuffer::default());
        for source in [Rows::dense(&matrix(99, 104, 1), 104), source] {
            transposed.pack_rounded_transposed(source.pairs(), &mut buffer);
            plain.pack_rounded(source);
        }
        let value = |row: usize, col: usize| match row < rows {
            true => Bf16::from_f32(values[row * 2 * pairs + col]),
            false => Bf16::default(),
        };
        for row in 0..rows {
            for pair in 0..pairs {
                let found = transposed.panel(row / PANEL)[pair].0[row % PANEL];
                prop_assert_eq!(found, [value(row, 2 * pair), value(row, 2 * pair + 1)]);
            }
        }
        for pair in 0..rows.div_ceil(2) {
            for col in 0..2 * pairs {
                let found = plain.panel(col / PANEL)[pair].0[col % PANEL];
                prop_assert_eq!(found, [value(2 * pair, col), value(2 * pair + 1, col)]);
            }
        }
    }
}

/// Also where it is too slow to be chosen.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;

    proptest! {
        #[test]
        fn products_are_the_plain_ones((rows, pairs, cols) in (1usize..40, 1usize..30, 1usize..100), seed: u32) {
            let Some(isa) = bf16::Avx512Bf16::new() else { return Ok(()) };
            let case = Case::new(rows, pairs, cols, seed);
            let (mut out, mut buffer) = (vec![f32::NAN; rows * cols], RowBuffer::default());
            let a = isa.round(case.lhs(), &mut buffer);
            let target = RowsMut::dense(&mut out, cols);
            let (b, columns) = (&case.panels(), Columns::biased(None));
            isa.run(Gemm { out: target, a, row_scales: &[], zero_point: 0, b, columns, activation: None });
            assert_close(&out, &case.product(rounded), 1e-5);
        }

        /// Ties too: the lower half of the bits is often one half of a step.
        #[test]
        fn rounding_is_the_plain_one(
            values in prop::collection::vec((0x0080u16..0x7f80, any::<bool>(), prop::sample::select(vec![0, 1, 0x7fff, 0x8000, 0x8001, 0xffff])), 1..90)
        ) {
            let Some(isa) = bf16::Avx512Bf16::new() else { return Ok(()) };
            let value = |(high, negative, low): (u16, bool, u32)| {
                f32::from_bits(u32::from(negative) << 31 | u32::from(high) << 16 | low)
            };
            let pairs: Vec<[f32; 2]> = values.iter().map(|&bits| [value(bits), -value(bits)]).collect();
            let mut buffer = RowBuffer::default();
            let found = isa.round(Rows::dense(&pairs, pairs.len()), &mut buffer);
            let expected: Vec<_> = pairs.iter().map(|pair| pair.map(Bf16::from_f32)).collect();
            prop_assert_eq!(found.row(0), &expected[..]);
        }
    }
}
