//! Attention of one head in int8.

use std::f32::consts::LOG2_E;

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::int8::{Int8Isa, Int8Op};
use super::matmul::{Columns, Gemm};
use super::quantize::{QuantizeRows, Side};
use super::row_buffer::RowBuffer;
use super::scores::{SCORED_QUERIES, Scores, block_queries, key_bias};
use super::softmax_int8::{SCORE_BLOCK, SoftmaxInt8};
use super::{Int8Panels, PANEL, PanelRow, QuantizedRows, Rows, RowsMut, Spread, grow};

/// Writes what `queries` gather from the values, `[queries, head_size]` both; `tokens` is the number of keys.
///
/// `keys` are packed transposed, and `values` as they are. `bias` is added to the scores.
///
/// # Panics
/// If the shapes do not fit together.
pub fn attend_int8(
    queries: Rows,
    keys: &Int8Panels,
    values: &Int8Panels,
    tokens: usize,
    bias: Option<ScoreBias>,
    buffers: &mut AttentionBuffers,
    output: RowsMut,
) {
    buffers.reserve(queries, tokens);
    Attend { queries, keys, values, tokens, bias, buffers, output }.dispatch();
}

/// What is added to the scores of a head: a row of values for each query, or one of values by distance, of which each
/// query has the part that begins one further left.
#[derive(Debug, Clone, Copy)]
pub struct ScoreBias<'a> {
    values: &'a [f32],
    /// Where in `values` that of the first query and the first key is.
    origin: usize,
    /// How much further that of the next query is.
    step: isize,
}

impl<'a> ScoreBias<'a> {
    /// By how many tokens the key stands behind the query, ascending in `values`; `origin` is where the value of the
    /// first query and the first key is.
    pub fn by_distance(values: &'a [f32], origin: usize) -> Self {
        Self { values, origin, step: -1 }
    }

    /// `[queries, keys]`
    pub fn dense(values: &'a [f32], keys: usize) -> Self {
        Self { values, origin: 0, step: keys.cast_signed() }
    }

    /// For the scores of a query with so many keys.
    ///
    /// # Panics
    /// If there are no values for some of them.
    pub fn row(&self, query: usize, keys: usize) -> &'a [f32] {
        &self.values[self.place(query)..][..keys]
    }

    /// That of queries from `first` on.
    pub fn from_query(self, first: usize) -> Self {
        Self { origin: self.place(first), ..self }
    }

    fn place(&self, query: usize) -> usize {
        self.origin.wrapping_add_signed(query.cast_signed() * self.step)
    }
}

/// What [`attend_int8`] needs, for as many queries as it works on at a time.
#[derive(Debug, Default)]
pub struct AttentionBuffers {
    queries: QuantizedRows,
    /// `[queries, keys]`
    scores: Vec<f32>,
    /// The same, as rows of int8.
    probabilities: RowBuffer<[u8; 4]>,
    scales: Vec<f32>,
    key_bias: Vec<PanelRow>,
}

impl AttentionBuffers {
    pub(super) fn reserve(&mut self, queries: Rows, tokens: usize) {
        let rows = SCORED_QUERIES.min(queries.rows());
        let stride = stride(tokens);
        self.queries.reserve(queries.rows(), queries.cols());
        grow(&mut self.scores, rows * stride, 0.0);
        self.probabilities.resize(rows, tokens.next_multiple_of(SCORE_BLOCK) / 4);
        grow(&mut self.scales, rows, 0.0);
        grow(&mut self.key_bias, tokens.div_ceil(PANEL), PanelRow::default());
    }
}

pub(super) struct Attend<'a> {
    pub queries: Rows<'a>,
    pub keys: &'a Int8Panels,
    pub values: &'a Int8Panels,
    pub tokens: usize,
    pub bias: Option<ScoreBias<'a>>,
    /// With room for them all.
    pub buffers: &'a mut AttentionBuffers,
    pub output: RowsMut<'a>,
}

impl Int8Op for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        let Self { queries, keys, values, tokens, bias: score_bias, buffers, mut output } = self;
        let (width, stride) = (tokens.next_multiple_of(SCORE_BLOCK), stride(tokens));
        let columns = Columns { bias: None, scales: Some(&values.scales), sums: Some(&values.sums) };
        let spread = Spread::Symmetric;
        let bias = &mut buffers.key_bias[..keys.panels()];
        key_bias(isa, bias, keys, tokens, spread.zero_point(B::RANGES));
        let (count, head_size) = (queries.rows(), queries.cols());
        // For powers of 2 rather than of e.
        let (side, factor) = (Side::Lhs(spread), LOG2_E);
        isa.call(QuantizeRows { source: queries, first: 0, side, weights: None, factor, out: &mut buffers.queries });
        let queries = buffers.queries.rows();
        let blocks = count.div_ceil(block_queries(isa, head_size, tokens));
        for block in 0..blocks {
            // Of equal heights, rather than full ones and a low rest.
            let (first, end) = (block * count / blocks, (block + 1) * count / blocks);
            let rows = end - first;
            let queries = queries.slice(first..end);
            let scores = &mut buffers.scores[..rows * stride];
            let out = RowsMut::new(scores, rows, width, stride);
            isa.call(Scores { out, queries, keys, bias });
            let probabilities = &mut buffers.probabilities;
            let scales = &mut buffers.scales[..rows];
            scales.copy_from_slice(queries.scales);
            if let Some(bias) = score_bias {
                let (bias, scores) = (bias.from_query(first), RowsMut::new(scores, rows, tokens, stride));
                isa.call(AddBias { bias, scores, scales });
            }
            let probability_stride = probabilities.stride();
            let out = RowsMut::new(probabilities.as_mut_slice(), rows, width / 4, probability_stride);
            isa.call(SoftmaxInt8 { scores: Rows::new(scores, rows, width, stride), out, scales });

            let out = output.slice_rows(first..end);
            let a = probabilities.rows().slice_rows(0..rows).slice_cols(0..values.depth());
            let b = &values.panels;
            isa.call(Gemm { out, a, row_scales: scales, zero_point: 0, b, columns, activation: None });
        }
    }
}

/// `scores = scale * score + bias * log2(e)` of each row, whose scale becomes 1.
struct AddBias<'a> {
    bias: ScoreBias<'a>,
    scores: RowsMut<'a>,
    scales: &'a mut [f32],
}

impl Int8Op for AddBias<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        let ops = isa.isa().f32();
        let Self { bias, mut scores, scales } = self;
        let exponent = ops.splat(LOG2_E);
        for (query, scale) in scales.iter_mut().enumerate() {
            let factor = ops.splat(*scale);
            let scores = scores.row_mut(query);
            let bias = bias.row(query, scores.len());
            let mut vectors = scores.chunks_exact_mut(ops.len());
            let mut bias_vectors = bias.chunks_exact(ops.len());
            for (scores, bias) in (&mut vectors).zip(&mut bias_vectors) {
                let bias = ops.mul(ops.load(bias), exponent);
                ops.store(ops.mul_add(ops.load(scores), factor, bias), scores);
            }
            for (score, bias) in vectors.into_remainder().iter_mut().zip(bias_vectors.remainder()) {
                *score = *score * *scale + bias * LOG2_E;
            }
            *scale = 1.0;
        }
    }
}

fn stride(tokens: usize) -> usize {
    tokens.next_multiple_of(SCORE_BLOCK) + 16
}
