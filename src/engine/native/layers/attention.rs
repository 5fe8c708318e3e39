//! Scaled dot-product attention within one window.

use std::ops::Range;

use super::Workspace;
use crate::engine::Precision;
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{AttentionBuffers, Int8Panels, Panels, Rows, RowsMut, attend_int8, gemm, grow, softmax_unscaled};

/// Queries scored at a time, so that their scores stay in the cache.
const QUERIES: usize = 64;

/// Number and width of the attention heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub count: usize,
    pub size: usize,
}

/// Attention of every token to all tokens of its window.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    heads: Heads,
    numbers: Numbers,
}

#[derive(Debug, Clone, Copy)]
enum Numbers {
    F32,
    Int8,
}

impl SelfAttention {
    pub(crate) fn new(heads: Heads, precision: Precision) -> Self {
        let numbers = if precision == Precision::Int8 { Numbers::Int8 } else { Numbers::F32 };
        Self { heads, numbers }
    }

    /// Writes the attention of the tokens `rows` to the context of the workspace, `[rows, hidden_size]`.
    ///
    /// Rows of `projected` hold query (already divided by the square root of the head size), key and value, each of
    /// all heads: `[tokens, 3 * hidden_size]`.
    pub(crate) fn forward(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, workspace: &mut Workspace) {
        let size = self.heads.count * self.heads.size;
        let Workspace { attention, linear, context, .. } = workspace;
        context.resize(rows.len() * size, 0.0);
        for window in windows.bounds() {
            let queries = window.start.max(rows.start)..window.end.min(rows.end);
            if queries.is_empty() {
                continue;
            }
            let context = &mut context[(queries.start - rows.start) * size..(queries.end - rows.start) * size];
            let queries = queries.start - window.start..queries.end - window.start;
            let operations = 4 * queries.len() * window.len() * size;
            let window = Rows::dense(&projected[window.start * 3 * size..window.end * 3 * size], 3 * size);
            linear.times.measure(Operator::Attention, operations, || match self.numbers {
                Numbers::F32 => attend(&mut attention.float, self.heads, window, queries, context),
                Numbers::Int8 => attend(&mut attention.int8, self.heads, window, queries, context),
            });
        }
    }
}

/// Kept from window to window.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    float: FloatHead,
    int8: Int8Head,
}

/// Computes one head of one window.
trait Head {
    /// Takes the keys and values, `[keys, head_size]`.
    fn take(&mut self, keys: Rows, values: Rows);

    /// Writes what the queries gather from the values, `[queries, head_size]` both.
    fn attend(&mut self, queries: Rows, output: RowsMut);
}

fn attend<H: Head>(head: &mut H, heads: Heads, window: Rows, queries: Range<usize>, context: &mut [f32]) {
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
