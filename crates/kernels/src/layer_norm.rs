//! Layer normalization, with the residual connection before it.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::isa::dispatch;

/// Scale, shift and epsilon of a layer normalization over the last dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNorm {
    /// Scale of each column.
    pub weight: Vec<f32>,
    /// Shift of each column.
    pub bias: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

impl LayerNorm {
    /// `values = norm(values)`, row by row.
    pub fn apply(&self, values: &mut [f32]) {
        dispatch(Normalize { norm: self, values, residual: None })
    }

    /// `values = norm(values + residual)`, row by row.
    ///
    /// # Panics
    /// If the two differ in length.
    pub fn apply_residual(&self, values: &mut [f32], residual: &[f32]) {
        assert_eq!(values.len(), residual.len());
        dispatch(Normalize { norm: self, values, residual: Some(residual) })
    }
}

pub(super) struct Normalize<'a> {
    pub norm: &'a LayerNorm,
    pub values: &'a mut [f32],
    pub residual: Option<&'a [f32]>,
}

impl SimdOp for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let width = self.norm.weight.len();
        for (index, row) in self.values.chunks_exact_mut(width).enumerate() {
            if let Some(residual) = self.residual {
                add_row(isa, row, &residual[index * width..][..width]);
            }
            normalize_row(isa, row, self.norm);
        }
    }
}

#[inline(always)]
fn add_row<I: Isa>(isa: I, row: &mut [f32], residual: &[f32]) {
    let ops = isa.f32();
    let (vectors, rest) = row.split_at_mut(row.len() - row.len() % ops.len());
    let (residual_vectors, residual_rest) = residual.split_at(vectors.len());
    for (x, r) in vectors.chunks_exact_mut(ops.len()).zip(residual_vectors.chunks_exact(ops.len())) {
        ops.store(ops.add(ops.load(x), ops.load(r)), x);
    }
    for (x, r) in rest.iter_mut().zip(residual_rest) {
        *x += r;
    }
}

#[inline(always)]
fn normalize_row<I: Isa>(isa: I, row: &mut [f32], norm: &LayerNorm) {
    let ops = isa.f32();
    let width = row.len() as f32;
    let (vectors, rest) = row.split_at_mut(row.len() - row.len() % ops.len());

    let mut sums = ops.zero();
    for x in vectors.chunks_exact(ops.len()) {
        sums = ops.add(sums, ops.load(x));
    }
    let mean = (ops.sum(sums) + rest.iter().sum::<f32>()) / width;

    // In a second pass, since the mean of the squares minus the square of the mean would lose the small variances.
    let means = ops.splat(mean);
    let mut squares = ops.zero();
    for x in vectors.chunks_exact(ops.len()) {
        let centered = ops.sub(ops.load(x), means);
        squares = ops.mul_add(centered, centered, squares);
    }
    let variance = (ops.sum(squares) + rest.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>()) / width;

    let scale = 1.0 / (variance + norm.epsilon).sqrt();
    let scales = ops.splat(scale);
    let (weight, weight_rest) = norm.weight.split_at(vectors.len());
    let (bias, bias_rest) = norm.bias.split_at(vectors.len());
    let parameters = weight.chunks_exact(ops.len()).zip(bias.chunks_exact(ops.len()));
    for (x, (weight, bias)) in vectors.chunks_exact_mut(ops.len()).zip(parameters) {
        let normalized = ops.mul(ops.sub(ops.load(x), means), scales);
        ops.store(ops.mul_add(normalized, ops.load(weight), ops.load(bias)), x);
    }
    for (x, (weight, bias)) in rest.iter_mut().zip(weight_rest.iter().zip(bias_rest)) {
        *x = (*x - mean) * scale * weight + bias;
    }
}
