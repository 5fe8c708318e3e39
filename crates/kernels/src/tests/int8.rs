//! The int8 kernels against plain loops, over shapes that use their edges, with every set of instructions.

use proptest::prelude::*;

use super::super::int8::{Int8Isa, Int8Op, Ranges};
use super::super::int8_panels::{PackPanel, PackPanels, PackTransposed};
use super::super::matmul::{Columns, Gemm};
use super::super::quantize::{QuantizeRows, Side};
use super::super::*;
use super::float::plain_activation;
use super::{assert_close, matrix};

/// Evaluates the operation with everything that this processor has.
macro_rules! on_every_int8_isa {
    (|$isa:ident| $body:expr) => {{
        let $isa = $crate::int8::Portable(rten_simd::isa::GenericIsa::new());
        $body;
        #[cfg(target_arch = "x86_64")]
        {
            use $crate::int8::{Avx2, Avx512Vnni, AvxVnni};
            if let Some($isa) = Avx2::new() {
                $body;
            }
            if let Some($isa) = AvxVnni::new() {
                $body;
            }
            if let Some($isa) = Avx512Vnni::new() {
                $body;
                if let Some(tiles) = $crate::amx::Tiles::new() {
                    let $isa = $isa.with_tiles(&tiles);
                    $body;
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            use $crate::int8::{NeonDot, NeonI8mm};
            if let Some($isa) = NeonDot::new() {
                $body;
            }
            if let Some($isa) = NeonI8mm::new() {
                $body;
            }
        }
    }};
}
pub(super) use on_every_int8_isa;

/// Steps and the scale of a quantized row, one by one.
pub(super) fn plain_quantized<B: Int8Isa>(_: B, row: &[f32], spread: Spread) -> (Vec<i32>, f32) {
    let (below, above) = match (spread, B::RANGES.rhs) {
        (Spread::Symmetric, most) => (f32::from(most), f32::from(most)),
        (Spread::Skewed, 127) => (16.0, 239.0),
        (Spread::Skewed, 63) => (8.0, 119.0),
        _ => unreachable!("there are no other ranges"),
    };
    let scale = row.iter().fold(0f32, |largest, x| largest.max(x / above).max(-x / below));
    if scale < 1e-37 {
        return (vec![0; row.len()], 0.0);
    }
    (row.iter().map(|x| (f64::from(*x) / f64::from(scale)).round_ties_even() as i32).collect(), scale)
}

pub(super) fn quantized<B: Int8Isa>(isa: B, source: Rows, side: Side, weights: Option<&[f32]>) -> QuantizedRows {
    let mut rows = QuantizedRows::default();
    // A buffer that held something larger must not shine through.
    let larger = matrix(source.rows() + 1, source.cols() + 9, 5);
    rows.quantize(Rows::dense(&larger, source.cols() + 9), Spread::Symmetric, 1.0);
    rows.reserve(source.rows(), source.cols());
    QuantizeRows { source, first: 0, side, weights, factor: 1.0, out: &mut rows }.eval(isa);
    rows
}

/// The steps of a quantized row, from its stored values.
pub(super) fn steps<B: Int8Isa>(_: B, rows: &QuantizedRows, row: usize, cols: usize, side: Side) -> Vec<i32> {
    let Int8Rows { rows, zero_point, .. } = rows.rows();
    let lhs = |stored: u8| match B::SHIFT {
        0 => i32::from(stored) - i32::from(zero_point),
        shift => i32::from(stored.cast_signed()) - shift - i32::from(zero_point),
    };
    let step = |stored: &u8| if side == Side::Rhs { i32::from(stored.cast_signed()) } else { lhs(*stored) };
    rows.row(row).as_flattened()[..cols].iter().map(step).collect()
}

fn spreads() -> impl Strategy<Value = Spread> {
    prop::sample::select(vec![Spread::Symmetric, Spread::Skewed])
}

proptest! {
    #[test]
    fn rows_are_quantized_to_the_nearest(
        (rows, cols) in (1usize..5, 1usize..150),
        magnitude in prop::sample::select(vec![0.0, 1e-40, 1e-30, 1.0, 3e37]),
        side in prop::sample::select(vec![Side::Lhs(Spread::Symmetric), Side::Lhs(Spread::Skewed), Side::Rhs]),
        with_weights: bool,
        seed: u32,
    ) {
        let values: Vec<f32> = matrix(rows, cols, seed).iter().map(|x| x * magnitude).collect();
        let weights = with_weights.then(|| matrix(1, cols, seed ^ 1));
        let weighted: Vec<f32> = match &weights {
            Some(weights) => values.iter().zip(weights.iter().cycle()).map(|(x, weight)| x * weight).collect(),
            None => values.clone(),
        };
        let spread = if let Side::Lhs(spread) = side { spread } else { Spread::Symmetric };
        on_every_int8_isa!(|isa| {
            let found = quantized(isa, Rows::dense(&values, cols), side, weights.as_deref());
            for (row, values) in weighted.chunks(cols).enumerate() {
                let (expected, scale) = plain_quantized(isa, values, spread);
                let found_scale = found.rows().scales[row];
                prop_assert!((found_scale - scale).abs() <= 1e-6 * scale, "{found_scale} for {scale}");
                for (found, expected) in steps(isa, &found, row, cols, side).into_iter().zip(expected) {
                    // Halfway between two steps, the last bit of the scale decides.
                    prop_assert!((found - expected).abs() <= 1, "{found} for {expected}");
                }
                let error = |(step, x): (&i32, &f32)| (f64::from(*step) * f64::from(scale) - f64::from(*x)).abs();
                let errors = steps(isa, &found, row, cols, side);
                let largest = errors.iter().zip(values).map(error).fold(0.0, f64::max);
                prop_assert!(largest <= 0.501 * f64::from(scale) + 1e-35, "{largest} at a scale of {scale}");
            }
        });
    }

    #[test]
    fn products_of_int8_are_exact(
        (rows, depth, cols) in (1usize..40, 1usize..80, 1usize..100),
        with_bias: bool,
        extreme: bool,
        spread in spreads(),
        activation in prop::sample::select(vec![None, Some(Activation::Gelu), Some(Activation::Relu)]),
        seed: u32,
    ) {
        // All at the ends of the range, where sums of 16 bits would overflow, or anywhere.
        let sharpen = |x: f32| if extreme { x.signum() } else { x };
        let a: Vec<f32> = matrix(rows, depth, seed).into_iter().map(sharpen).collect();
        let b: Vec<f32> = matrix(cols, depth, seed ^ 1).into_iter().map(sharpen).collect();
        let bias = matrix(1, cols, seed ^ 2);
        let mut bias_rows = vec![PanelRow::default(); cols.div_ceil(PANEL)];
        for (index, value) in bias.iter().enumerate() {
            bias_rows[index / PANEL].0[index % PANEL] = *value;
        }
        on_every_int8_isa!(|isa| {
            let panels = weights(isa, Rows::dense(&b, depth));
            let lhs = quantized(isa, Rows::dense(&a, depth), Side::Lhs(spread), None);
            let rhs = quantized(isa, Rows::dense(&b, depth), Side::Rhs, None);
            let expected: Vec<f64> = (0..rows * cols)
                .map(|index| {
                    let (row, col) = (index / cols, index % cols);
                    let lhs_steps = steps(isa, &lhs, row, depth, Side::Lhs(spread));
                    let rhs_steps = steps(isa, &rhs, col, depth, Side::Rhs);
                    let sum: i32 = lhs_steps.iter().zip(rhs_steps).map(|(a, b)| a * b).sum();
                    let scale = f64::from(lhs.rows().scales[row]) * f64::from(rhs.rows().scales[col]);
                    let value = f64::from(sum) * scale + if with_bias { f64::from(bias[col]) } else { 0.0 };
                    activation.map_or(value, |activation| plain_activation(activation, value))
                })
                .collect();
            let Int8Rows { rows: a, scales: row_scales, zero_point } = lhs.rows();
            let mut out = vec![f32::NAN; rows * cols];
            let columns = Columns {
                bias: with_bias.then_some(&bias_rows[..]),
                scales: Some(&panels.scales),
                sums: Some(&panels.sums),
            };
            let target = RowsMut::dense(&mut out, cols);
            Int8Op::eval(Gemm { out: target, a, row_scales, zero_point, b: &panels.panels, columns, activation }, isa);
            let tolerance = if activation == Some(Activation::Gelu) { 1e-3 } else { 1e-5 };
            assert_close(&out, &expected, tolerance);
        });
    }

    /// As in attention: probabilities without signs times values.
    #[test]
    fn products_without_signs_are_exact((rows, depth, cols) in (1usize..20, 1usize..80, 1usize..70), seed: u32) {
        let b = matrix(depth, cols, seed);
        let random = matrix(rows, depth, seed ^ 1);
        on_every_int8_isa!(|isa| {
            let mut panels = Int8Panels::default();
            // A buffer that held something larger must not shine through.
            panels.pack(Rows::dense(&matrix(depth + 9, cols + 40, seed), cols + 40));
            panels.reserve(Rows::dense(&b, cols));
            PackPanels { source: Rows::dense(&b, cols), out: &mut panels }.eval(isa);

            let element = |row: usize, col: usize| panels.panels.panel(col / PANEL)[row / 4].0[col % PANEL][row % 4];
            let scale = |col: usize| f64::from(panels.scales[col / PANEL].0[col % PANEL]);
            for (index, value) in b.iter().enumerate() {
                let (row, col) = (index / cols, index % cols);
                let found = f64::from(element(row, col)) * scale(col);
                prop_assert!((found - f64::from(*value)).abs() <= 0.501 * scale(col), "{found} for {value}");
            }

            let mut lhs = RowBuffer::default();
            lhs.resize(rows, depth.div_ceil(4));
            let (stride, a) = (lhs.stride(), lhs.as_mut_slice());
            for (row, values) in random.chunks(depth).enumerate() {
                for (stored, value) in a[row * stride..].as_flattened_mut().iter_mut().zip(values) {
                    *stored = ((value + 2.0) / 4.0 * f32::from(ranges(isa).lhs)) as u8;
                }
            }
            let expected: Vec<f64> = (0..rows * cols)
                .map(|index| {
                    let col = index % cols;
                    let lhs = a[index / cols * stride..].as_flattened()[..depth].iter().enumerate();
                    let sum: i32 = lhs.map(|(row, a)| i32::from(*a) * i32::from(element(row, col))).sum();
                    f64::from(sum) * scale(col) * 0.5
                })
                .collect();
            a.as_flattened_mut().iter_mut().for_each(|value| *value = shifted(isa, *value));
            let mut out = vec![f32::NAN; rows * cols];
            let gemm = Gemm {
                out: RowsMut::dense(&mut out, cols),
                a: lhs.rows(),
                row_scales: &vec![0.5; rows],
                zero_point: 0,
                b: &panels.panels,
                columns: Columns { bias: None, scales: Some(&panels.scales), sums: Some(&panels.sums) },
                activation: None,
            };
            Int8Op::eval(gemm, isa);
            assert_close(&out, &expected, 1e-5);
        });
    }

    #[test]
    fn approximate_gelu_is_near(values in prop::collection::vec(-30f32..30.0, 1..70)) {
        let expected: Vec<_> = values.iter().map(|&x| plain_activation(Activation::Gelu, f64::from(x))).collect();
        on_every_int8_isa!(|isa| {
            let mut found = values.clone();
            Activation::Gelu.apply(super::super::product::Product::isa(isa), &mut found, true);
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((f64::from(*found) - expected).abs() < 5e-4, "{found} for {expected}");
            }
        });
    }
}

/// As [`Int8Panels::from_transposed_rows`], with these instructions.
fn weights<B: Int8Isa>(isa: B, source: Rows) -> Int8Panels {
    let (mut result, mut rows) = (Int8Panels::default(), QuantizedRows::default());
    result.resize(source.cols().div_ceil(4), source.rows());
    for panel in 0..result.panels() {
        let source = source.slice_rows(panel * PANEL..source.rows().min((panel + 1) * PANEL));
        let Int8Panels { panels, scales, sums, .. } = &mut result;
        let (out, scales, sums) = (panels.panel_mut(panel), &mut scales[panel], &mut sums[panel]);
        PackPanel { source, rows: &mut rows, out, scales, sums }.eval(isa);
    }
    result
}

pub(super) fn ranges<B: Int8Isa>(_: B) -> Ranges {
    B::RANGES
}

/// A left-hand value as the instructions want it stored, and back.
pub(super) fn shifted<B: Int8Isa>(_: B, value: u8) -> u8 {
    (i32::from(value) + B::SHIFT) as u8
}

pub(super) fn unshifted<B: Int8Isa>(_: B, value: u8) -> u8 {
    (i32::from(value) - B::SHIFT) as u8
}

/// A row and its transposed panel: keys in attention.
#[test]
fn panels_are_filled_up_with_zeros() {
    let (rows, cols) = (37, 10);
    let keys = matrix(rows, cols, 3);
    on_every_int8_isa!(|isa| {
        let mut panels = Int8Panels::default();
        PackTransposed { source: Rows::dense(&matrix(200, 40, 1), 40), out: &mut panels }.eval(isa);
        PackTransposed { source: Rows::dense(&keys, cols), out: &mut panels }.eval(isa);
        assert_eq!((panels.cols(), panels.depth()), (64, 3));
        for (key, values) in keys.chunks(cols).enumerate() {
            let (expected, scale) = plain_quantized(isa, values, Spread::Symmetric);
            let (panel, column) = (key / PANEL, key % PANEL);
            assert_eq!(panels.scales[panel].0[column], scale);
            assert_eq!(panels.sums[panel].0[column], expected.iter().sum::<i32>());
            let found: Vec<i32> =
                panels.panels.panel(panel).iter().flat_map(|row| row.0[column]).map(i32::from).take(cols).collect();
            assert_eq!(found, expected);
        }
        assert!(panels.panels.panel(1).iter().all(|row| row.0[5..].iter().all(|element| *element == [0; 4])));
        assert!(panels.scales[1].0[5..].iter().all(|scale| *scale == 0.0));
    });
}
