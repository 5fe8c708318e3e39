//! Scaled dot-product attention within one window.

use std::ops::Range;

use super::kernel::{Panels, Rows, RowsMut, gemm, softmax_unscaled};

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
    keys: Panels,
    values: Panels,
    /// `[queries, keys]`
    scores: Vec<f32>,
    scales: Vec<f32>,
}

impl Attention {
    /// Writes the attention of the rows `queries` of a window to `context`, `[queries, hidden_size]`.
    ///
    /// Rows of `window` hold query (already divided by the square root of the head size), key and value,
    /// each of all heads: `[tokens, 3 * hidden_size]`.
    pub fn forward(&mut self, heads: Heads, window: Rows, queries: Range<usize>, context: &mut [f32]) {
        let hidden = heads.count * heads.size;
        let tokens = window.rows();
        for head in 0..heads.count {
            let column = head * heads.size;
            let columns = |part: usize| window.slice_cols(part * hidden + column..part * hidden + column + heads.size);
            self.keys.pack_transposed(columns(1));
            self.values.pack(columns(2));
            for first in queries.clone().step_by(QUERIES) {
                let rows = first..queries.end.min(first + QUERIES);
                self.scores.resize(rows.len() * tokens, 0.0);
                self.scales.resize(rows.len(), 0.0);
                gemm(
                    RowsMut::dense(&mut self.scores, tokens),
                    columns(0).slice_rows(rows.clone()),
                    &self.keys,
                    None,
                    None,
                );
                softmax_unscaled(RowsMut::dense(&mut self.scores, tokens), &mut self.scales);

                let output = &mut context[(first - queries.start) * hidden + column..];
                let mut output = RowsMut::new(output, rows.len(), heads.size, hidden);
                gemm(output.reborrow(), Rows::dense(&self.scores, tokens), &self.values, None, None);
                for (row, scale) in self.scales.iter().enumerate() {
                    output.row_mut(row).iter_mut().for_each(|value| *value *= scale);
                }
            }
        }
    }
}
