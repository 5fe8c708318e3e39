//! Scaled dot-product attention within one window.

use std::ops::Range;

use super::Precision;
use bertqa_kernels::{AttentionBuffers, Int8Panels, Panels, Rows, RowsMut, attend_int8, gemm, grow, softmax_unscaled};

/// Queries scored at a time, so that their scores stay in the cache.
const QUERIES: usize = 64;

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
    bytes: Int8Head,
}

/// Computes one head of one window.
trait Head {
    /// Takes the keys and values, `[keys, head_size]`.
    fn take(&mut self, keys: Rows, values: Rows);

    /// Writes what the queries gather from the values, `[queries, head_size]` both.
    fn attend(&mut self, queries: Rows, output: RowsMut);
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
            Precision::F32 | Precision::F16 | Precision::Bf16 => {
                forward(&mut self.float, heads, window, queries, context)
            }
            Precision::Int8 => forward(&mut self.bytes, heads, window, queries, context),
        }
    }
}

fn forward<H: Head>(head: &mut H, heads: Heads, window: Rows, queries: Range<usize>, context: &mut [f32]) {
    let hidden = heads.count * heads.size;
    for column in (0..hidden).step_by(heads.size) {
        let columns = |part: usize| window.slice_cols(part * hidden + column..part * hidden + column + heads.size);
        head.take(columns(1), columns(2));
        let output = RowsMut::new(&mut context[column..], queries.len(), heads.size, hidden);
        head.attend(columns(0).slice_rows(queries.clone()), output);
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
    fn take(&mut self, keys: Rows, values: Rows) {
        self.keys.pack_transposed(keys);
        self.values.pack(values);
    }

    fn attend(&mut self, queries: Rows, mut output: RowsMut) {
        let tokens = self.keys.cols();
        for first in (0..queries.rows()).step_by(QUERIES) {
            let rows = first..queries.rows().min(first + QUERIES);
            grow(&mut self.scores, rows.len() * tokens, 0.0);
            grow(&mut self.scales, rows.len(), 0.0);
            let scores = &mut self.scores[..rows.len() * tokens];
            let scales = &mut self.scales[..rows.len()];
            let mut output = output.slice_rows(rows.clone());
            gemm(RowsMut::dense(scores, tokens), queries.slice_rows(rows), &self.keys, None, None);
            softmax_unscaled(RowsMut::dense(scores, tokens), scales);
            gemm(output.reborrow(), Rows::dense(scores, tokens), &self.values, None, None);
            for (row, scale) in scales.iter().enumerate() {
                output.row_mut(row).iter_mut().for_each(|value| *value *= scale);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Int8Head {
    keys: Int8Panels,
    values: Int8Panels,
    tokens: usize,
    buffers: AttentionBuffers,
}

impl Head for Int8Head {
    fn take(&mut self, keys: Rows, values: Rows) {
        self.tokens = keys.rows();
        self.keys.pack_transposed(keys);
        self.values.pack(values);
    }

    fn attend(&mut self, queries: Rows, output: RowsMut) {
        attend_int8(queries, &self.keys, &self.values, self.tokens, &mut self.buffers, output);
    }
}
