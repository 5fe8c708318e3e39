//! The kernels in `f32` against plain loops, over shapes that use their edges.

use proptest::prelude::*;
use rten_simd::SimdOp;

use super::super::diagonals::AddDiagonals;
use super::super::gate::Gate;
use super::super::layer_norm::Normalize;
use super::super::matmul::{Columns, Gemm};
use super::super::softmax::SoftmaxUnscaled;
use super::super::*;
use super::{assert_close, matrix};

/// Evaluates the operation with every instruction set that this processor has, not only the one of its choice.
macro_rules! on_every_isa {
    (|$isa:ident| $body:expr) => {{
        let $isa = rten_simd::isa::GenericIsa::new();
        $body;
        #[cfg(target_arch = "x86_64")]
        {
            if let Some($isa) = rten_simd::isa::Avx2Isa::new() {
                $body;
            }
            if let Some($isa) = rten_simd::isa::Avx512Isa::new() {
                $body;
            }
        }
        #[cfg(target_arch = "aarch64")]
        if let Some($isa) = rten_simd::isa::ArmNeonIsa::new() {
            $body;
        }
    }};
}
pub(super) use on_every_isa;

pub(super) fn plain_activation(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        Activation::Gelu10 => plain_activation(Activation::Gelu, x).min(10.0),
        Activation::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
        Activation::Relu => x.max(0.0),
        Activation::Relu2 => x.max(0.0).powi(2),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::LeakyRelu => x.max(0.01 * x),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Mish => x * x.exp().ln_1p().tanh(),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Laplace => 0.5 * (1.0 + erf((x - 0.5f64.sqrt()) / (0.282095 * 2f64.sqrt()))),
        Activation::Linear => x,
    }
}

fn every_activation() -> Vec<Activation> {
    Activation::names().map(|name| Activation::of(name).unwrap()).collect()
}

/// The error function by Simpson's rule; beyond 6 it is 1 in f32 and in f64.
fn erf(x: f64) -> f64 {
    const STEPS: u32 = 600;
    let step = x.clamp(-6.0, 6.0) / f64::from(STEPS);
    let weight = |i: u32| match i {
        0 | STEPS => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=STEPS).map(|i| weight(i) * (-(f64::from(i) * step).powi(2)).exp()).sum();
    2.0 / std::f64::consts::PI.sqrt() * sum * step / 3.0
}

fn activations() -> impl Strategy<Value = Option<Activation>> {
    prop::option::of(prop::sample::select(every_activation()))
}

proptest! {
    #[test]
    fn diagonals_are_added((queries, keys, more) in (1usize..70, 1usize..70, 0usize..5), seed: u32) {
        let (origin, width) = (keys - 1 + more, queries + keys - 1 + 2 * more);
        let (rows, before) = (matrix(keys, width, seed), matrix(queries, keys, seed ^ 1));
        on_every_isa!(|isa| {
            let mut found = before.clone();
            AddDiagonals { out: RowsMut::dense(&mut found, keys), rows: Rows::dense(&rows, width), origin }.eval(isa);
            for (index, found) in found.iter().enumerate() {
                let (query, key) = (index / keys, index % keys);
                prop_assert_eq!(*found, before[index] + rows[key * width + origin + query - key]);
            }
        });
    }


    #[test]
    fn gemm_is_the_plain_product(
        (rows, depth, cols) in (1usize..40, 1usize..50, 1usize..100),
        padding in 0usize..5,
        with_bias: bool,
        activation in activations(),
        seed: u32,
    ) {
        let (a_stride, out_stride) = (depth + padding, cols + padding);
        let a = matrix(rows, a_stride, seed);
        let b = matrix(cols, depth, seed ^ 1);
        let bias = matrix(1, cols, seed ^ 2);
        let expected: Vec<f64> = (0..rows * cols)
            .map(|index| {
                let (row, col) = (index / cols, index % cols);
                let products = (0..depth).map(|k| f64::from(a[row * a_stride + k]) * f64::from(b[col * depth + k]));
                let sum = products.sum::<f64>() + if with_bias { f64::from(bias[col]) } else { 0.0 };
                activation.map_or(sum, |activation| plain_activation(activation, sum))
            })
            .collect();

        let weights = Panels::from_transposed_rows(cols, depth, |col, row| row.copy_from_slice(&b[col * depth..][..depth]));
        let mut transposed = Panels::default();
        transposed.pack_transposed(Rows::dense(&b, depth));
        let b_rows: Vec<f32> = (0..depth * cols).map(|index| b[index % cols * depth + index / cols]).collect();
        let mut plain = Panels::default();
        // A buffer that held something larger must not shine through.
        plain.pack(Rows::dense(&matrix(depth + 3, cols + 40, seed), cols + 40));
        plain.pack(Rows::dense(&b_rows, cols));

        let mut bias_rows = vec![PanelRow::default(); weights.panels()];
        for (index, value) in bias.iter().enumerate() {
            bias_rows[index / PANEL].0[index % PANEL] = *value;
        }
        for panels in [&weights, &transposed, &plain] {
            on_every_isa!(|isa| {
                let mut out = vec![f32::NAN; rows * out_stride];
                let a = Rows::new(&a, rows, depth, a_stride);
                let bias = with_bias.then_some(&bias_rows[..]);
                let target = RowsMut::new(&mut out, rows, cols, out_stride);
                let columns = Columns::biased(bias);
                SimdOp::eval(Gemm { out: target, a, row_scales: &[], zero_point: 0, b: panels, columns, activation }, isa);
                let dense: Vec<f32> = out.chunks(out_stride).flat_map(|row| row[..cols].to_vec()).collect();
                assert_close(&dense, &expected, 1e-5);
                let mut between = out.chunks(out_stride).flat_map(|row| &row[cols..]);
                prop_assert!(between.all(|value| value.is_nan()), "written outside the matrix");
            });
        }
    }

    #[test]
    fn activations_are_the_plain_functions(values in prop::collection::vec(-30f32..30.0, 1..70)) {
        for activation in every_activation() {
            let expected: Vec<_> = values.iter().map(|&x| plain_activation(activation, f64::from(x))).collect();
            on_every_isa!(|isa| {
                let mut found = values.clone();
                activation.apply(isa, &mut found, false);
                assert_close(&found, &expected, 2e-6);
            });
        }
    }

    #[test]
    fn softmax_is_the_plain_one((rows, cols) in (1usize..5, 1usize..70), spread in 0.1f32..60.0, seed: u32) {
        let scores: Vec<f32> = matrix(rows, cols, seed).iter().map(|x| x * spread).collect();
        let expected: Vec<f64> = scores
            .chunks(cols)
            .flat_map(|row| {
                let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exp: Vec<f64> = row.iter().map(|x| f64::from(x - max).exp()).collect();
                let sum: f64 = exp.iter().sum();
                exp.into_iter().map(move |x| x / sum)
            })
            .collect();
        on_every_isa!(|isa| {
            let (mut found, mut scales) = (scores.clone(), vec![0.0; rows]);
            SoftmaxUnscaled { scores: RowsMut::dense(&mut found, cols), scales: &mut scales }.eval(isa);
            for (row, scale) in found.chunks_mut(cols).zip(scales) {
                row.iter_mut().for_each(|x| *x *= scale);
            }
            assert_close(&found, &expected, 1e-6);
        });
    }

    #[test]
    fn layer_norm_is_the_plain_one((rows, cols) in (1usize..4, 1usize..70), with_residual: bool, seed: u32) {
        let values = matrix(rows, cols, seed);
        let residual = matrix(rows, cols, seed ^ 1);
        let norm = LayerNorm { weight: matrix(1, cols, seed ^ 2), bias: matrix(1, cols, seed ^ 3), epsilon: 1e-3 };
        let expected: Vec<f64> = values
            .chunks(cols)
            .zip(residual.chunks(cols))
            .flat_map(|(row, residual)| {
                let add = |(x, r): (&f32, &f32)| f64::from(*x) + if with_residual { f64::from(*r) } else { 0.0 };
                let row: Vec<f64> = row.iter().zip(residual).map(add).collect();
                let mean = row.iter().sum::<f64>() / cols as f64;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / cols as f64;
                let scale = 1.0 / (variance + 1e-3).sqrt();
                let parameters = norm.weight.iter().zip(&norm.bias);
                let parameters: Vec<_> = parameters.map(|(w, b)| (f64::from(*w), f64::from(*b))).collect();
                row.into_iter().zip(parameters).map(move |(x, (w, b))| (x - mean) * scale * w + b)
            })
            .collect();
        on_every_isa!(|isa| {
            let mut found = values.clone();
            let residual = with_residual.then_some(&residual[..]);
            Normalize { norm: &norm, values: &mut found, residual }.eval(isa);
            assert_close(&found, &expected, 2e-4);
        });
    }
}

#[test]
#[should_panic(expected = "need")]
fn rows_must_fit() {
    Rows::new(&[0.0; 10], 3, 3, 4);
}

proptest! {
    #[test]
    fn a_gate_is_the_plain_one(
        (rows, width) in (1usize..6, 1usize..70),
        activation in activations(),
        seed: u32,
    ) {
        let activation = activation.unwrap_or(Activation::Gelu);
        let input = matrix(rows, 2 * width, seed);
        let expected: Vec<f64> = (0..rows * width)
            .map(|index| {
                let row = &input[index / width * 2 * width..][..2 * width];
                plain_activation(activation, f64::from(row[index % width])) * f64::from(row[width + index % width])
            })
            .collect();
        on_every_isa!(|isa| {
            let mut out = vec![f32::NAN; rows * width];
            Gate { out: &mut out, input: Rows::dense(&input, 2 * width), activation, approximate: false }.eval(isa);
            assert_close(&out, &expected, 1e-5);
        });
    }
}
