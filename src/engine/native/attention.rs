//! Scaled dot-product attention within one window.

use std::f32::consts::LOG2_E;
use std::ops::Range;

use super::Precision;
use super::kernel::{
    BytePanels, ByteRows, Panels, QuantizedRows, Rows, RowsMut, Spread, gemm, gemm_bytes, grow, row_stride,
    softmax_bytes, softmax_unscaled,
};

/// Queries scored at a time, so that their scores stay in the cache.
const QUERIES: usize = 64;
const BYTE_QUERIES: usize = 28;

/// Number and width of the attention heads.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    pub count: usize,
    pub size: usize,
}

/// Attention over one window after the other; its buffers are kept.
#[derive(Debug, Default)]
pub struct Attention {
    float: FloatHead,
    bytes: ByteHead,
}

/// Computes one head of one window.
trait Head {
    /// Takes the keys and values, `[keys, head_size]`.
    fn take(&mut self, keys: Rows, values: Rows);

    /// Writes what the queries gather from the values, `[queries, head_size]` both.
    fn attend(&mut self, queries: Rows, output: RowsMut);

    /// Queries to attend to at a time.
    const QUERIES: usize;
}

impl Attention {
    /// Writes the attention of the rows `queries` of a window to `context`, `[queries, hidden_size]`.
    ///
    /// Rows of `window` hold query (already divided by the square root of the head size), key and value,
    /// each of all heads: `[tokens, 3 * hidden_size]`.
    pub fn forward(
        &mut self,
        precision: Precision,
        heads: Heads,
        window: Rows,
        queries: Range<usize>,
        context: &mut [f32],
    ) {
        match precision {
            Precision::F32 | Precision::Bf16 => forward(&mut self.float, heads, window, queries, context),
            Precision::Int8 => forward(&mut self.bytes, heads, window, queries, context),
        }
    }
}

fn forward<H: Head>(head: &mut H, heads: Heads, window: Rows, queries: Range<usize>, context: &mut [f32]) {
    let hidden = heads.count * heads.size;
    for column in (0..hidden).step_by(heads.size) {
        let columns = |part: usize| window.slice_cols(part * hidden + column..part * hidden + column + heads.size);
        head.take(columns(1), columns(2));
        for first in queries.clone().step_by(H::QUERIES) {
            let rows = first..queries.end.min(first + H::QUERIES);
            let output = &mut context[(first - queries.start) * hidden + column..];
            let output = RowsMut::new(output, rows.len(), heads.size, hidden);
            head.attend(columns(0).slice_rows(rows), output);
        }
    }
}

#[derive(Debug, Default)]
struct FloatHead {
    keys: Panels,
    values: Panels,
    /// `[queries, keys]`
    scores: Vec<f32>,
    scales: Vec<f32>,
}

impl Head for FloatHead {
    const QUERIES: usize = QUERIES;

    fn take(&mut self, keys: Rows, values: Rows) {
        self.keys.pack_transposed(keys);
        self.values.pack(values);
    }

    fn attend(&mut self, queries: Rows, mut output: RowsMut) {
        let tokens = self.keys.cols();
        self.scores.resize(queries.rows() * tokens, 0.0);
        self.scales.resize(queries.rows(), 0.0);
        gemm(RowsMut::dense(&mut self.scores, tokens), queries, &self.keys, None, None);
        softmax_unscaled(RowsMut::dense(&mut self.scores, tokens), &mut self.scales);
        gemm(output.reborrow(), Rows::dense(&self.scores, tokens), &self.values, None, None);
        for (row, scale) in self.scales.iter().enumerate() {
            output.row_mut(row).iter_mut().for_each(|value| *value *= scale);
        }
    }
}

#[derive(Debug, Default)]
struct ByteHead {
    queries: QuantizedRows,
    keys: BytePanels,
    values: BytePanels,
    tokens: usize,
    /// `[queries, keys]`
    scores: Vec<f32>,
    /// The same, as rows of bytes.
    probabilities: Vec<[u8; 4]>,
    scales: Vec<f32>,
}

impl Head for ByteHead {
    const QUERIES: usize = BYTE_QUERIES;

    fn take(&mut self, keys: Rows, values: Rows) {
        self.tokens = keys.rows();
        self.keys.pack_transposed(keys);
        self.values.pack(values);
    }

    fn attend(&mut self, queries: Rows, output: RowsMut) {
        let (rows, tokens) = (queries.rows(), self.tokens);
        let (width, stride) = (self.keys.cols(), row_stride(tokens));
        grow(&mut self.scores, rows * width, 0.0);
        grow(&mut self.probabilities, rows * stride, [0; 4]);
        grow(&mut self.scales, rows, 0.0);
        let scores = &mut self.scores[..rows * width];
        let probabilities = &mut self.probabilities[..rows * stride];
        let scales = &mut self.scales[..rows];
        // For powers of 2 rather than of e.
        self.queries.quantize(queries, Spread::Symmetric, LOG2_E);
        gemm_bytes(RowsMut::dense(scores, width), self.queries.rows(), &self.keys, None, None);
        softmax_bytes(Rows::new(scores, rows, tokens, width), RowsMut::dense(probabilities, stride), scales);
        let probabilities = Rows::new(probabilities, rows, self.values.depth(), stride);
        gemm_bytes(output, ByteRows { rows: probabilities, scales, zero_point: 0 }, &self.values, None, None);
    }
}
