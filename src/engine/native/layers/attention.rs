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

/// Attention of every token to the tokens of its window.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    heads: Heads,
    numbers: Numbers,
    /// How far a token sees to each side; `None`: the whole window.
    reach: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Numbers {
    F32,
    Int8,
}

impl SelfAttention {
    pub(crate) fn new(heads: Heads, precision: Precision) -> Self {
        let numbers = if precision == Precision::Int8 { Numbers::Int8 } else { Numbers::F32 };
        Self { heads, numbers, reach: None }
    }

    /// Attention of every token to those at most `reach` tokens away.
    pub(crate) fn local(heads: Heads, precision: Precision, reach: usize) -> Self {
        Self { reach: Some(reach), ..Self::new(heads, precision) }
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
            let reach = self.reach.filter(|reach| *reach < window.len() - 1);
            let seen = reach.map_or(window.len(), |reach| window.len().min(2 * reach + QUERIES));
            let operations = 4 * queries.len() * seen * size;
            let window = Rows::dense(&projected[window.start * 3 * size..window.end * 3 * size], 3 * size);
            linear.times.measure(Operator::Attention, operations, || match (reach, self.numbers) {
                (Some(reach), _) => attend_near(&mut attention.float, self.heads, window, queries, reach, context),
                (None, Numbers::F32) => attend(&mut attention.float, self.heads, window, queries, context),
                (None, Numbers::Int8) => attend(&mut attention.int8, self.heads, window, queries, context),
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

/// Block by block of queries, each with the keys that some of its queries see.
fn attend_near(
    head: &mut FloatHead,
    heads: Heads,
    window: Rows,
    queries: Range<usize>,
    reach: usize,
    context: &mut [f32],
) {
    let hidden = heads.count * heads.size;
    for first in queries.clone().step_by(QUERIES) {
        let block = first..queries.end.min(first + QUERIES);
        let keys = block.start.saturating_sub(reach)..window.rows().min(block.end + reach);
        for column in (0..hidden).step_by(heads.size) {
            let columns = |part: usize| window.slice_cols(part * hidden + column..part * hidden + column + heads.size);
            head.take(columns(1).slice_rows(keys.clone()), columns(2).slice_rows(keys.clone()));
            let (scores, scales) = head.score(columns(0).slice_rows(block.clone()));
            for (query, scores) in block.clone().zip(scores.chunks_exact_mut(keys.len())) {
                scores[..query.saturating_sub(reach).saturating_sub(keys.start)].fill(f32::NEG_INFINITY);
                scores[(query + reach + 1 - keys.start).min(keys.len())..].fill(f32::NEG_INFINITY);
            }
            softmax_unscaled(RowsMut::dense(scores, keys.len()), scales);
            let output = &mut context[(first - queries.start) * hidden + column..];
            head.gather(RowsMut::new(output, block.len(), heads.size, hidden));
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
    fn take(&mut self, keys: Rows, values: Rows) {
        self.keys.pack_transposed(keys);
        self.values.pack(values);
    }

    fn attend(&mut self, queries: Rows, mut output: RowsMut) {
        for first in (0..queries.rows()).step_by(QUERIES) {
            let rows = first..queries.rows().min(first + QUERIES);
            let keys = self.keys.cols();
            let (scores, scales) = self.score(queries.slice_rows(rows.clone()));
            softmax_unscaled(RowsMut::dense(scores, keys), scales);
            self.gather(output.slice_rows(rows));
        }
    }
}

impl FloatHead {
    /// The scores of some queries, `[queries, keys]`, and room for their scales.
    fn score(&mut self, queries: Rows) -> (&mut [f32], &mut [f32]) {
        let (rows, keys) = (queries.rows(), self.keys.cols());
        grow(&mut self.scores, rows * keys, 0.0);
        grow(&mut self.scales, rows, 0.0);
        let scores = &mut self.scores[..rows * keys];
        gemm(RowsMut::dense(scores, keys), queries, &self.keys, None, None);
        (scores, &mut self.scales[..rows])
    }

    /// Writes what the queries gather that were scored, `[queries, head_size]`.
    fn gather(&self, mut output: RowsMut) {
        let (rows, keys) = (output.rows(), self.keys.cols());
        gemm(output.reborrow(), Rows::dense(&self.scores[..rows * keys], keys), &self.values, None, None);
        for (row, scale) in self.scales[..rows].iter().enumerate() {
            output.row_mut(row).iter_mut().for_each(|value| *value *= scale);
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
